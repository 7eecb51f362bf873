-- Claims that contradict each other or whose proof is gone, when each was looked at, and proofs of patrons' accounts.

CREATE TABLE claims_next (
    id INTEGER PRIMARY KEY,
    identity_id INTEGER NOT NULL REFERENCES identities (id),
    creator_id INTEGER REFERENCES creators (id),
    home_uri TEXT NOT NULL,
    creator_uri TEXT NOT NULL,
    method TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'verified', 'replaced', 'disputed', 'lost')),
    created_at INTEGER NOT NULL,
    -- When it was verified the last time; kept when it is not verified any more.
    verified_at INTEGER,
    changed_at INTEGER NOT NULL,
    -- When the operator vouched for what was earned, although the profile does not.
    confirmed_at INTEGER
) STRICT;
INSERT INTO claims_next
SELECT id, identity_id, creator_id, home_uri, creator_uri, method, token, state, created_at, verified_at,
    COALESCE(verified_at, created_at), NULL
FROM claims;
DROP TABLE claims;
ALTER TABLE claims_next RENAME TO claims;
-- One beneficiary at a time; history is kept.
CREATE UNIQUE INDEX claims_one_beneficiary ON claims (identity_id) WHERE state = 'verified';
CREATE INDEX claims_identity ON claims (identity_id);

-- When the profile behind an identity's claims was read; without a next time it is not read again by itself.
CREATE TABLE claim_looks (
    identity_id INTEGER PRIMARY KEY NOT NULL REFERENCES identities (id),
    looked_at INTEGER,
    next_at INTEGER,
    last_error TEXT
) STRICT;
CREATE INDEX claim_looks_due ON claim_looks (next_at);
INSERT INTO claim_looks SELECT DISTINCT identity_id, NULL, 0, NULL FROM claims WHERE state IN ('verified', 'disputed');

-- The id of a connection that is gone is never given again: a look that is still on its way names the old one.
CREATE TABLE connection_id_highest (id INTEGER PRIMARY KEY NOT NULL) STRICT;
INSERT INTO connection_id_highest VALUES (0);
CREATE TRIGGER connection_id_remember BEFORE DELETE ON connections
BEGIN
    UPDATE connection_id_highest SET id = OLD.id WHERE id < OLD.id;
END;
CREATE TRIGGER connection_id_skip AFTER INSERT ON connections WHEN NEW.id <= (SELECT id FROM connection_id_highest)
BEGIN
    UPDATE connection_id_highest SET id = id + 1;
    UPDATE connections SET id = (SELECT id FROM connection_id_highest) WHERE id = NEW.id;
END;

-- What patrons say of their accounts elsewhere: pending until the profile shows the address. Several may wait for one
-- account; the likes are read for the one who proved it.
CREATE TABLE connection_proofs (
    id INTEGER PRIMARY KEY,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'proved', 'trusted')),
    created_at INTEGER NOT NULL,
    proved_at INTEGER,
    UNIQUE (patron_id, platform, account)
) STRICT;
