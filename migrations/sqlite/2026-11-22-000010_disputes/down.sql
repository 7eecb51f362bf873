DROP TABLE connection_proofs;

CREATE TABLE connections_next (
    id INTEGER PRIMARY KEY,
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

DROP TABLE claim_looks;

CREATE TABLE claims_next (
    id INTEGER PRIMARY KEY,
    identity_id INTEGER NOT NULL REFERENCES identities (id),
    creator_id INTEGER REFERENCES creators (id),
    home_uri TEXT NOT NULL,
    creator_uri TEXT NOT NULL,
    method TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'verified', 'replaced', 'disputed')),
    created_at INTEGER NOT NULL,
    verified_at INTEGER
) STRICT;
-- What is lost pays nobody, as what is disputed.
INSERT INTO claims_next
SELECT id, identity_id, creator_id, home_uri, creator_uri, method, token,
    CASE state WHEN 'lost' THEN 'disputed' ELSE state END, created_at, verified_at
FROM claims;
DROP TABLE claims;
ALTER TABLE claims_next RENAME TO claims;
CREATE UNIQUE INDEX claims_one_beneficiary ON claims (identity_id) WHERE state = 'verified';
