-- Accounts of patrons on platforms as sources of likes, and claims of peers that wait to be checked.

CREATE TABLE connections (
    id INTEGER PRIMARY KEY,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    -- The first import is a baseline that pays nothing: likes from before it do not count.
    baseline_at INTEGER,
    -- The newest like that was seen: where the next look may stop.
    newest_like_at INTEGER,
    etag TEXT,
    next_poll_at INTEGER NOT NULL,
    last_success_at INTEGER,
    last_error TEXT,
    UNIQUE (platform, account)
) STRICT;
CREATE INDEX connections_due ON connections (is_active, next_poll_at);

-- What a connection's listing held the last time: an item that is missing from a complete listing is an unlike.
CREATE TABLE connection_likes (
    id INTEGER PRIMARY KEY,
    connection_id INTEGER NOT NULL REFERENCES connections (id),
    object_id INTEGER NOT NULL REFERENCES objects (id),
    liked_at INTEGER,
    is_baseline INTEGER NOT NULL,
    is_gone INTEGER NOT NULL,
    UNIQUE (connection_id, object_id)
) STRICT;

CREATE TABLE claim_checks (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    home_uri TEXT NOT NULL,
    creator_uri TEXT NOT NULL,
    token TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'verified', 'failed')),
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_error TEXT,
    UNIQUE (identity, home_uri, token)
) STRICT;
CREATE INDEX claim_checks_due ON claim_checks (state, next_at);

-- How far each rail has been read.
CREATE TABLE rail_cursors (
    rail TEXT PRIMARY KEY NOT NULL,
    cursor INTEGER NOT NULL,
    next_poll_at INTEGER NOT NULL,
    last_error TEXT
) STRICT;
