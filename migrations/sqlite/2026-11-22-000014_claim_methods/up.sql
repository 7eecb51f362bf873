-- Claims that are proved by signing in at the platform, and whose word on them is taken.

-- The newest sign-in of the claimant; gone when it is taken back. A sign-in is no secret and opens nothing.
ALTER TABLE claims ADD COLUMN signed_in_at INTEGER;
-- When this claim was proved for the first time, by whichever way.
ALTER TABLE claims ADD COLUMN proved_since INTEGER;
UPDATE claims SET proved_since = verified_at;

-- The platforms on whose sign-ins we take the peer's word, and those on which the peer takes ours: slugs, with commas.
ALTER TABLE peers ADD COLUMN trusted_claims TEXT NOT NULL DEFAULT '';
ALTER TABLE peers ADD COLUMN trusts_claims TEXT NOT NULL DEFAULT '';

-- What a grant may be used for.
ALTER TABLE grants ADD COLUMN is_for_likes INTEGER NOT NULL DEFAULT 1;
ALTER TABLE grants ADD COLUMN is_for_claim INTEGER NOT NULL DEFAULT 0;

-- A sign-in for a claim waits a second time, for the person to confirm it.
DROP TABLE sign_ins;
CREATE TABLE sign_ins (
    key TEXT PRIMARY KEY NOT NULL,
    login_id INTEGER NOT NULL REFERENCES logins (id),
    platform TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('connect', 'claim', 'confirm')),
    kept TEXT NOT NULL,
    begun_at INTEGER NOT NULL
) STRICT;

CREATE TABLE claim_checks_next (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    home_uri TEXT NOT NULL,
    creator_uri TEXT NOT NULL,
    token TEXT NOT NULL,
    -- `untrusted`: proved by a sign-in on which we do not take this peer's word.
    state TEXT NOT NULL CHECK (state IN ('waiting', 'verified', 'failed', 'untrusted')),
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_error TEXT,
    -- As the peer says.
    signed_in_at INTEGER,
    proved_since INTEGER,
    UNIQUE (identity, home_uri, token)
) STRICT;
INSERT INTO claim_checks_next
SELECT id, identity, home_uri, creator_uri, token, state, attempts, next_at, last_error, NULL, NULL FROM claim_checks;
DROP TABLE claim_checks;
ALTER TABLE claim_checks_next RENAME TO claim_checks;
CREATE INDEX claim_checks_due ON claim_checks (state, next_at);
