-- Files and lists that patrons brought: what waits, what is being read, and what became of each.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    -- Whose likes they are. The connection may be gone, and then nothing more is read.
    connection_id INTEGER NOT NULL,
    platform TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('file', 'list')),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    -- As the person's computer calls it: shown, never a path.
    file_name TEXT NOT NULL,
    file_size INTEGER NOT NULL,
    -- Its name in our own directory, until it is read; none for a file that the operator named.
    stored_as TEXT UNIQUE,
    -- What was read so far. Saved with the likes themselves, so they also say where to go on.
    likes INTEGER NOT NULL,
    flattrs INTEGER NOT NULL,
    baseline INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    unresolved INTEGER NOT NULL,
    -- Lines of a list that name nothing which can be liked.
    refused TEXT,
    error TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER
) STRICT;
-- One at a time for each patron.
CREATE UNIQUE INDEX imports_under_way ON imports (patron_id) WHERE state IN ('waiting', 'running');
CREATE INDEX imports_patron ON imports (patron_id, id);
