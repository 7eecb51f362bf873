DROP TABLE owner_sign_ins;
DROP INDEX objects_by_url;

UPDATE connection_proofs SET state = 'trusted' WHERE state = 'named';
ALTER TABLE connection_proofs DROP CONSTRAINT connection_proofs_state_check;
ALTER TABLE connection_proofs ADD CONSTRAINT connection_proofs_state_check
    CHECK (state IN ('pending', 'proved', 'trusted'));
