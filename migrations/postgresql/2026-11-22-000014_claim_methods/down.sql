ALTER TABLE claim_checks DROP COLUMN proved_since;
ALTER TABLE claim_checks DROP COLUMN signed_in_at;
ALTER TABLE claim_checks DROP CONSTRAINT claim_checks_state_check;
UPDATE claim_checks SET state = 'failed' WHERE state = 'untrusted';
ALTER TABLE claim_checks ADD CONSTRAINT claim_checks_state_check CHECK (state IN ('waiting', 'verified', 'failed'));

DELETE FROM sign_ins WHERE purpose = 'confirm';
ALTER TABLE sign_ins DROP CONSTRAINT sign_ins_purpose_check;
ALTER TABLE sign_ins ADD CONSTRAINT sign_ins_purpose_check CHECK (purpose IN ('connect', 'claim'));

DELETE FROM grants WHERE NOT is_for_likes;
ALTER TABLE grants DROP COLUMN is_for_claim;
ALTER TABLE grants DROP COLUMN is_for_likes;

ALTER TABLE peers DROP COLUMN trusts_claims;
ALTER TABLE peers DROP COLUMN trusted_claims;

-- Only an address in the profile is known as a proof before: the next look decides.
UPDATE claims SET state = 'lost' WHERE method = 'sign_in' AND state IN ('verified', 'disputed');
UPDATE claims SET method = 'backlink';
ALTER TABLE claims DROP COLUMN proved_since;
ALTER TABLE claims DROP COLUMN signed_in_at;
