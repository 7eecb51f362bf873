CREATE TABLE claim_checks_next (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL,
    home_uri TEXT NOT NULL,
    creator_uri TEXT NOT NULL,
    token TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'verified', 'failed')),
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_error TEXT,
    UNIQUE (identity, home_uri, token)
) STRICT;
INSERT INTO claim_checks_next
SELECT id, identity, home_uri, creator_uri, token, CASE state WHEN 'untrusted' THEN 'failed' ELSE state END, attempts,
    next_at, last_error
FROM claim_checks;
DROP TABLE claim_checks;
ALTER TABLE claim_checks_next RENAME TO claim_checks;
CREATE INDEX claim_checks_due ON claim_checks (state, next_at);

DROP TABLE sign_ins;
CREATE TABLE sign_ins (
    key TEXT PRIMARY KEY NOT NULL,
    login_id INTEGER NOT NULL REFERENCES logins (id),
    platform TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('connect', 'claim')),
    kept TEXT NOT NULL,
    begun_at INTEGER NOT NULL
) STRICT;

DELETE FROM grants WHERE is_for_likes = 0;
ALTER TABLE grants DROP COLUMN is_for_claim;
ALTER TABLE grants DROP COLUMN is_for_likes;

ALTER TABLE peers DROP COLUMN trusts_claims;
ALTER TABLE peers DROP COLUMN trusted_claims;

-- Only an address in the profile is known as a proof before: the next look decides.
UPDATE claims SET state = 'lost' WHERE method = 'sign_in' AND state IN ('verified', 'disputed');
UPDATE claims SET method = 'backlink';
ALTER TABLE claims DROP COLUMN proved_since;
ALTER TABLE claims DROP COLUMN signed_in_at;
