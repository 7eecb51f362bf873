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

-- Accounts of the fediverse that peers announced as sources of likes, to be checked on the account's own profile.
CREATE TABLE like_sources (
    account TEXT NOT NULL,
    home_uri TEXT NOT NULL,
    backlink TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'proved', 'failed')),
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_error TEXT,
    PRIMARY KEY (account, home_uri)
);

-- How a like of such an account was sent: what its home needs to verify the signature again.
CREATE TABLE inbox_envelopes (
    inbox_id BIGINT PRIMARY KEY NOT NULL REFERENCES inbox (id),
    envelope TEXT NOT NULL
);
