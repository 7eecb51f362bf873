-- Reading likes page by page: what a restart or a rate limit interrupts is taken up where it ended.

-- From when on dated likes count; unknown for accounts that were connected before this column.
ALTER TABLE connections ADD COLUMN connected_at BIGINT;
-- When the last reading began that saw every newer like: how far down the next one has to go.
ALTER TABLE connections ADD COLUMN caught_up_at BIGINT;
-- When the last reading of the whole listing began.
ALTER TABLE connections ADD COLUMN full_at BIGINT;
-- Counts the passes over the listing.
ALTER TABLE connections ADD COLUMN pass_number BIGINT NOT NULL DEFAULT 0;
-- Since the last success.
ALTER TABLE connections ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;

-- The last pass that listed this like; for a like that was new meanwhile, the pass under way.
ALTER TABLE connection_likes ADD COLUMN seen_in_pass BIGINT NOT NULL DEFAULT 0;

-- The pass that is under way; a connection at rest has none.
CREATE TABLE connection_passes (
    connection_id BIGINT PRIMARY KEY REFERENCES connections (id),
    number BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('newest', 'full', 'confirm')),
    started_at BIGINT NOT NULL,
    -- Where to go on; the first page when there is none. May hold an address with a token, so it is never logged.
    cursor TEXT,
    pages BIGINT NOT NULL,
    -- Items that came on a second page as well: the listing moved while it was read.
    repeats BIGINT NOT NULL,
    unreadable BIGINT NOT NULL,
    -- A like of the pass before has another time now: it was taken back and given again.
    is_moved BOOLEAN NOT NULL
);
