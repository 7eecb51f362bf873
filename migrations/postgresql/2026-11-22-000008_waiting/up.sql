-- What an activity is about: 'like' (Like, Undo), 'settlement' (a message of a channel), 'other'; '' before this column.
-- A freeze waits for likes only.
ALTER TABLE inbox ADD COLUMN kind TEXT NOT NULL DEFAULT '';
CREATE INDEX inbox_by_signer ON inbox (signer_uri, state);

-- When the peer's copy of a channel was last asked for.
ALTER TABLE channels ADD COLUMN pulled_at BIGINT;

-- What our bank has paid and the peer says did not arrive; it is not paid again until the operator says so.
ALTER TABLE payment_parts ADD COLUMN missing_units BIGINT NOT NULL DEFAULT 0 CHECK (missing_units >= 0);
