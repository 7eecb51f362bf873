-- The inbox is stored, then processed; the outbox is written in the transaction of its effect.

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    activity_uri TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    signer_uri TEXT NOT NULL,
    body TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('new', 'done', 'quarantined')),
    outcome TEXT,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_open ON inbox (state, next_at);

CREATE TABLE follows (
    id INTEGER PRIMARY KEY,
    follower_uri TEXT NOT NULL,
    follower_inbox TEXT NOT NULL,
    followee_id INTEGER NOT NULL REFERENCES actors (id),
    follow_uri TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (followee_id, follower_uri)
) STRICT;

-- What this instance has said: the bytes never change, whatever the number of attempts.
CREATE TABLE outgoing (
    id INTEGER PRIMARY KEY,
    activity_uri TEXT NOT NULL UNIQUE,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    activity_type TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outgoing_actor ON outgoing (actor_id, id);

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    outgoing_id INTEGER NOT NULL REFERENCES outgoing (id),
    inbox TEXT NOT NULL,
    host TEXT NOT NULL,
    class TEXT NOT NULL CHECK (class IN ('social', 'settlement')),
    ordering_key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'refused', 'gone', 'dead')),
    attempts INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT,
    lease_until INTEGER NOT NULL,
    UNIQUE (outgoing_id, inbox)
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (state, next_at);
CREATE INDEX deliveries_order ON deliveries (ordering_key, inbox, state, id);

-- What is to be said, decided in a flow and put into words by the federation layer.
CREATE TABLE outbox_events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    is_done INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_events_open ON outbox_events (is_done, id);
