DROP TABLE connection_proofs;
DROP TABLE claim_looks;
DROP INDEX claims_identity;
ALTER TABLE claims DROP COLUMN confirmed_at;
ALTER TABLE claims DROP COLUMN changed_at;
ALTER TABLE claims DROP CONSTRAINT claims_state_check;
-- What is lost pays nobody, as what is disputed.
UPDATE claims SET state = 'disputed' WHERE state = 'lost';
ALTER TABLE claims ADD CONSTRAINT claims_state_check
    CHECK (state IN ('pending', 'verified', 'replaced', 'disputed'));
