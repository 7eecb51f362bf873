-- People and actors: who gives, who receives, and how the fediverse sees them.

CREATE TABLE logins (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    is_operator INTEGER NOT NULL,
    is_disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Sessions and one-time links; only the SHA-256 of a token is kept.
CREATE TABLE login_tokens (
    id INTEGER PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    login_id INTEGER NOT NULL REFERENCES logins (id),
    purpose TEXT NOT NULL CHECK (purpose IN ('session', 'setup')),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;

-- Every actor that is known here. Local ones have keys in actor_keys; remote ones keep the document they were read from.
CREATE TABLE actors (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('instance', 'patron', 'bridged', 'remote')),
    actor_type TEXT NOT NULL,
    host TEXT NOT NULL,
    username TEXT NOT NULL,
    display_name TEXT NOT NULL,
    summary TEXT NOT NULL,
    inbox TEXT NOT NULL,
    shared_inbox TEXT,
    rsa_key_id TEXT NOT NULL,
    rsa_public_pem TEXT NOT NULL,
    ed25519_key_id TEXT,
    ed25519_multikey TEXT,
    document TEXT,
    fetched_at INTEGER NOT NULL,
    gone_at INTEGER
) STRICT;
CREATE INDEX actors_host_username ON actors (host, username);

CREATE TABLE actor_keys (
    actor_id INTEGER PRIMARY KEY REFERENCES actors (id),
    rsa_private_pem TEXT NOT NULL,
    ed25519_seed BLOB NOT NULL
) STRICT;

CREATE TABLE patrons (
    id INTEGER PRIMARY KEY,
    login_id INTEGER NOT NULL UNIQUE REFERENCES logins (id),
    actor_id INTEGER NOT NULL UNIQUE REFERENCES actors (id),
    name TEXT NOT NULL UNIQUE,
    currency TEXT NOT NULL,
    budget_units INTEGER NOT NULL CHECK (budget_units >= 0),
    is_public INTEGER NOT NULL,
    deposit_reference TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- Who receives, with an account here.
CREATE TABLE creators (
    id INTEGER PRIMARY KEY,
    login_id INTEGER NOT NULL UNIQUE REFERENCES logins (id),
    name TEXT NOT NULL UNIQUE,
    bank_account TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- Accounts on platforms, by their stable ids; each has a bridged actor here.
CREATE TABLE identities (
    id INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    display_name TEXT NOT NULL,
    profile_url TEXT NOT NULL,
    avatar_url TEXT,
    bio TEXT NOT NULL,
    actor_id INTEGER UNIQUE REFERENCES actors (id),
    is_refused INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (platform, account)
) STRICT;
CREATE INDEX identities_platform_handle ON identities (platform, handle);

-- Proofs that an identity belongs to a creator: of this instance (creator_id) or of a peer (home_uri).
CREATE TABLE claims (
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
-- One beneficiary at a time; history is kept.
CREATE UNIQUE INDEX claims_one_beneficiary ON claims (identity_id) WHERE state = 'verified';
