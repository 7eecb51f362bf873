-- Accounts at platforms that cannot be asked, posts by their addresses, and owners who opt out by signing in there.

-- `named`: the patron's bare word, which a proof and the operator's word overrule.
ALTER TABLE connection_proofs DROP CONSTRAINT connection_proofs_state_check;
ALTER TABLE connection_proofs ADD CONSTRAINT connection_proofs_state_check
    CHECK (state IN ('pending', 'proved', 'trusted', 'named'));

-- Some addresses hold no stable id. What is known under one is found without asking. By a hash: addresses may be long.
CREATE INDEX objects_by_url ON objects USING HASH (LOWER(url));

-- Sign-ins of owners without an account here. `browser` is the form's binding: who ends it has begun it. `kept` is sealed.
CREATE TABLE owner_sign_ins (
    key TEXT PRIMARY KEY NOT NULL,
    browser TEXT NOT NULL,
    platform TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('opt_out', 'opt_in')),
    kept TEXT NOT NULL,
    begun_at BIGINT NOT NULL
);
