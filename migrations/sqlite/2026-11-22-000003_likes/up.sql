-- Liked things, flattrs, and the months in which they are divided.

CREATE TABLE objects (
    id INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    object TEXT NOT NULL,
    owner_id INTEGER REFERENCES identities (id),
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    published_at INTEGER,
    is_deleted INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    UNIQUE (platform, object)
) STRICT;
CREATE INDEX objects_owner ON objects (owner_id);

-- At most one for a patron, an object and a month, whatever arrives and however often.
CREATE TABLE flattrs (
    id INTEGER PRIMARY KEY,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    object_id INTEGER NOT NULL REFERENCES objects (id),
    month TEXT NOT NULL,
    standing TEXT NOT NULL,
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    liked_at INTEGER,
    like_uri TEXT,
    UNIQUE (patron_id, object_id, month)
) STRICT;
CREATE INDEX flattrs_month ON flattrs (month, patron_id);
CREATE INDEX flattrs_object ON flattrs (object_id);

-- Likes by actors that are not patrons of this instance: shown, proved to us or not, never a debt of ours.
CREATE TABLE received_likes (
    id INTEGER PRIMARY KEY,
    actor_uri TEXT NOT NULL,
    object_id INTEGER NOT NULL REFERENCES objects (id),
    pseudonym TEXT NOT NULL,
    like_uri TEXT NOT NULL,
    home_uri TEXT,
    month TEXT NOT NULL,
    is_taken_back INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    UNIQUE (actor_uri, object_id, pseudonym, month)
) STRICT;

-- An Undo that came before its Like, so that the order of arrival does not matter.
CREATE TABLE undone_likes (
    like_uri TEXT PRIMARY KEY NOT NULL,
    actor_uri TEXT NOT NULL,
    undone_at INTEGER NOT NULL
) STRICT;

CREATE TABLE months (
    month TEXT PRIMARY KEY NOT NULL,
    stage TEXT NOT NULL,
    -- The last patron whose budget is reserved, while the cut-off runs.
    cursor INTEGER NOT NULL,
    seed BLOB,
    commitment TEXT,
    commitment_digest TEXT
) STRICT;

-- What each patron set aside for a month, and what became of it.
CREATE TABLE month_budgets (
    id INTEGER PRIMARY KEY,
    month TEXT NOT NULL,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    currency TEXT NOT NULL,
    reserved_units INTEGER NOT NULL CHECK (reserved_units > 0),
    fee_units INTEGER NOT NULL CHECK (fee_units >= 0),
    is_partial INTEGER NOT NULL,
    is_divided INTEGER NOT NULL,
    UNIQUE (month, patron_id)
) STRICT;

-- What each flattr received. A share ends once: with a creator here, with a peer, or back with the patron.
CREATE TABLE shares (
    flattr_id INTEGER PRIMARY KEY REFERENCES flattrs (id),
    month TEXT NOT NULL,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    identity_id INTEGER REFERENCES identities (id),
    units INTEGER NOT NULL CHECK (units >= 0),
    currency TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('paid', 'stated', 'held', 'released', 'returned')),
    statement_id INTEGER,
    ended_month TEXT,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX shares_month ON shares (month, patron_id);
CREATE INDEX shares_identity ON shares (identity_id, outcome);
CREATE INDEX shares_statement ON shares (statement_id);
CREATE INDEX shares_outcome ON shares (outcome, expires_at);
