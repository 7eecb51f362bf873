DROP TABLE connection_proofs;
DROP TRIGGER connection_id_skip;
DROP TRIGGER connection_id_remember;
DROP TABLE connection_id_highest;
DROP TABLE claim_looks;

CREATE TABLE claims_next (
    id INTEGER PRIMARY KEY,
    identity_id INTEGER NOT NULL REFERENCES identities (id),
    creator_id INTEGER REFERENCES creators (id),
    home_uri TEXT NOT NULL,
    creator_uri TEXT NOT NULL,
    method TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'verified', 'replaced', 'disputed')),
    created_at INTEGER NOT NULL,
    verified_at INTEGER
) STRICT;
-- What is lost pays nobody, as what is disputed.
INSERT INTO claims_next
SELECT id, identity_id, creator_id, home_uri, creator_uri, method, token,
    CASE state WHEN 'lost' THEN 'disputed' ELSE state END, created_at, verified_at
FROM claims;
DROP TABLE claims;
ALTER TABLE claims_next RENAME TO claims;
CREATE UNIQUE INDEX claims_one_beneficiary ON claims (identity_id) WHERE state = 'verified';
