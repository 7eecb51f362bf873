-- Accounts at platforms that cannot be asked, posts by their addresses, and owners who opt out by signing in there.

CREATE TABLE connection_proofs_next (
    id INTEGER PRIMARY KEY,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    -- `named`: the patron's bare word, which a proof and the operator's word overrule.
    state TEXT NOT NULL CHECK (state IN ('pending', 'proved', 'trusted', 'named')),
    created_at INTEGER NOT NULL,
    proved_at INTEGER,
    UNIQUE (patron_id, platform, account)
) STRICT;
INSERT INTO connection_proofs_next
SELECT id, patron_id, platform, account, handle, token, state, created_at, proved_at FROM connection_proofs;
DROP TABLE connection_proofs;
ALTER TABLE connection_proofs_next RENAME TO connection_proofs;

-- Some addresses hold no stable id. What is known under one is found without asking.
CREATE INDEX objects_by_url ON objects (LOWER(url));

-- Sign-ins of owners without an account here. `browser` is the form's binding: who ends it has begun it. `kept` is sealed.
CREATE TABLE owner_sign_ins (
    key TEXT PRIMARY KEY NOT NULL,
    browser TEXT NOT NULL,
    platform TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('opt_out', 'opt_in')),
    kept TEXT NOT NULL,
    begun_at INTEGER NOT NULL
) STRICT;
