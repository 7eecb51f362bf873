-- Claims that are proved by signing in at the platform, and whose word on them is taken.

-- The newest sign-in of the claimant; gone when it is taken back. A sign-in is no secret and opens nothing.
ALTER TABLE claims ADD COLUMN signed_in_at BIGINT;
-- When this claim was proved for the first time, by whichever way.
ALTER TABLE claims ADD COLUMN proved_since BIGINT;
UPDATE claims SET proved_since = verified_at;

-- The platforms on whose sign-ins we take the peer's word, and those on which the peer takes ours: slugs, with commas.
ALTER TABLE peers ADD COLUMN trusted_claims TEXT NOT NULL DEFAULT '';
ALTER TABLE peers ADD COLUMN trusts_claims TEXT NOT NULL DEFAULT '';

-- What a grant may be used for.
ALTER TABLE grants ADD COLUMN is_for_likes BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE grants ADD COLUMN is_for_claim BOOLEAN NOT NULL DEFAULT FALSE;

-- A sign-in for a claim waits a second time, for the person to confirm it.
ALTER TABLE sign_ins DROP CONSTRAINT sign_ins_purpose_check;
ALTER TABLE sign_ins ADD CONSTRAINT sign_ins_purpose_check CHECK (purpose IN ('connect', 'claim', 'confirm'));

-- `untrusted`: proved by a sign-in on which we do not take this peer's word.
ALTER TABLE claim_checks DROP CONSTRAINT claim_checks_state_check;
ALTER TABLE claim_checks ADD CONSTRAINT claim_checks_state_check
    CHECK (state IN ('waiting', 'verified', 'failed', 'untrusted'));
-- As the peer says.
ALTER TABLE claim_checks ADD COLUMN signed_in_at BIGINT;
ALTER TABLE claim_checks ADD COLUMN proved_since BIGINT;
