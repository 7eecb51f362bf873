-- What servers of the fediverse know this instance as. `sealed` opens with the key of the data directory only.
CREATE TABLE fediverse_apps (
    server TEXT PRIMARY KEY NOT NULL,
    sealed TEXT NOT NULL,
    registered_at BIGINT NOT NULL
);

-- Posts whose author only their own server can name: when it is asked again, and why it did not say.
CREATE TABLE author_looks (
    object_id BIGINT PRIMARY KEY NOT NULL REFERENCES objects (id),
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_error TEXT NOT NULL
);
