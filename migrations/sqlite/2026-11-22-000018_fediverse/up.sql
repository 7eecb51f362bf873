-- What servers of the fediverse know this instance as. `sealed` opens with the key of the data directory only.
CREATE TABLE fediverse_apps (
    server TEXT PRIMARY KEY NOT NULL,
    sealed TEXT NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- Posts whose author only their own server can name: when it is asked again, and why it did not say.
CREATE TABLE author_looks (
    object_id INTEGER PRIMARY KEY NOT NULL REFERENCES objects (id),
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_error TEXT NOT NULL
) STRICT;
