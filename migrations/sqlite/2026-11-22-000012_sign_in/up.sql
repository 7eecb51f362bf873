-- Sign-ins at a platform that have begun and are not back yet. `kept` is sealed.
CREATE TABLE sign_ins (
    key TEXT PRIMARY KEY NOT NULL,
    login_id INTEGER NOT NULL REFERENCES logins (id),
    platform TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('connect', 'claim')),
    kept TEXT NOT NULL,
    begun_at INTEGER NOT NULL
) STRICT;

-- What an account has allowed us to read in its name. `sealed` opens with the key of the data directory only.
CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    sealed TEXT NOT NULL,
    expires_at INTEGER,
    scopes TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('good', 'ended')),
    updated_at INTEGER NOT NULL,
    UNIQUE (platform, account)
) STRICT;
