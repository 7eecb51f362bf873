-- What a post is beside title and address. `full_form` is JSON, kept of claimed accounts only.
CREATE TABLE post_details (
    object_id INTEGER PRIMARY KEY NOT NULL REFERENCES objects (id),
    kind TEXT NOT NULL,
    thumbnail_url TEXT,
    full_form TEXT,
    -- Of what is said of it, with the form in which it is said.
    digest TEXT NOT NULL,
    said_at INTEGER,
    edited_at INTEGER,
    deleted_at INTEGER,
    -- How often it has gone; each return is said under an id of its own.
    deletions INTEGER NOT NULL,
    -- The last pass over its author's listing that showed it; 0 for what hangs below another post.
    seen_in_pass INTEGER NOT NULL
) STRICT;

-- What an account shows of itself beside its name.
CREATE TABLE profile_details (
    identity_id INTEGER PRIMARY KEY NOT NULL REFERENCES identities (id),
    kind TEXT NOT NULL,
    website TEXT
) STRICT;

-- Accounts whose recent posts are read: those that somebody follows, and those that are claimed.
CREATE TABLE feeds (
    identity_id INTEGER PRIMARY KEY NOT NULL REFERENCES identities (id),
    platform TEXT NOT NULL,
    -- What was published before is never sent.
    begun_at INTEGER NOT NULL,
    baseline_at INTEGER,
    -- When the pass began that read the whole listing.
    full_at INTEGER,
    next_poll_at INTEGER NOT NULL,
    last_success_at INTEGER,
    last_error TEXT,
    failures INTEGER NOT NULL,
    pass_number INTEGER NOT NULL,
    -- NULL between two passes.
    pass_kind TEXT CHECK (pass_kind IN ('newest', 'full')),
    pass_started_at INTEGER NOT NULL,
    cursor TEXT,
    pages INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    -- The date down to which this pass has read; NULL when the listing is not in the order of dates.
    read_to INTEGER
) STRICT;
CREATE INDEX feeds_due ON feeds (platform, next_poll_at);

-- Posts that are asked for by their id: they are missing from a listing, or nobody knows whose they are.
CREATE TABLE post_checks (
    object_id INTEGER PRIMARY KEY NOT NULL REFERENCES objects (id),
    platform TEXT NOT NULL,
    reason TEXT NOT NULL CHECK (reason IN ('missing', 'author')),
    next_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    last_error TEXT
) STRICT;
CREATE INDEX post_checks_due ON post_checks (platform, next_at);

-- When a platform is asked for single posts again.
CREATE TABLE post_check_turns (
    platform TEXT PRIMARY KEY NOT NULL,
    next_at INTEGER NOT NULL
) STRICT;

-- Posts whose author has become known: what was held for the post goes on to the author.
CREATE TABLE resolved_posts (
    object_id INTEGER PRIMARY KEY NOT NULL REFERENCES objects (id)
) STRICT;

INSERT INTO feeds (identity_id, platform, begun_at, next_poll_at, failures, pass_number, pass_started_at, pages, unreadable)
SELECT id, platform, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, 0, 0, 0, 0, 0, 0 FROM identities
WHERE EXISTS (SELECT 1 FROM follows WHERE follows.followee_id = identities.actor_id)
    OR EXISTS (SELECT 1 FROM claims WHERE claims.identity_id = identities.id AND claims.state = 'verified');

INSERT INTO post_checks (object_id, platform, reason, next_at, failures)
SELECT id, platform, 'author', 0, 0 FROM objects
WHERE owner_id IS NULL AND is_deleted = 0
    AND EXISTS (SELECT 1 FROM flattrs WHERE flattrs.object_id = objects.id AND flattrs.standing = 'counting');

INSERT INTO resolved_posts (object_id)
SELECT DISTINCT objects.id FROM shares
JOIN flattrs ON flattrs.id = shares.flattr_id
JOIN objects ON objects.id = flattrs.object_id
WHERE shares.outcome = 'held' AND shares.identity_id IS NULL AND objects.owner_id IS NOT NULL;
