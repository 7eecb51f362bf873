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
CREATE TABLE connections_next (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    baseline_at INTEGER,
    newest_like_at INTEGER,
    etag TEXT,
    next_poll_at INTEGER NOT NULL,
    last_success_at INTEGER,
    last_error TEXT,
    UNIQUE (platform, account)
) STRICT;
INSERT INTO connections_next
SELECT id, patron_id, platform, account, handle, is_active, baseline_at, newest_like_at, etag, next_poll_at,
    last_success_at, last_error
FROM connections;
CREATE TABLE connection_likes_next (
    id INTEGER PRIMARY KEY,
    connection_id INTEGER NOT NULL REFERENCES connections_next (id),
    object_id INTEGER NOT NULL REFERENCES objects (id),
    liked_at INTEGER,
    is_baseline INTEGER NOT NULL,
    is_gone INTEGER NOT NULL,
    UNIQUE (connection_id, object_id)
) STRICT;
INSERT INTO connection_likes_next
SELECT id, connection_id, object_id, liked_at, is_baseline, is_gone FROM connection_likes;
DROP TABLE connection_likes;
DROP TABLE connections;
ALTER TABLE connections_next RENAME TO connections;
ALTER TABLE connection_likes_next RENAME TO connection_likes;
CREATE INDEX connections_due ON connections (is_active, next_poll_at);

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
