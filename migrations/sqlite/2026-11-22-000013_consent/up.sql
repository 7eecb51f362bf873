-- Who does not want to be bridged and how we know it, when a profile was last read for it, and patrons' say over a source.

-- An identity with a row here is refused; identities.is_refused says so for queries, and is changed with these rows only.
CREATE TABLE refusals (
    identity_id INTEGER NOT NULL REFERENCES identities (id),
    -- The profile itself, as long as it says so; the owner, with a proof; the operator.
    source TEXT NOT NULL CHECK (source IN ('profile', 'owner', 'operator')),
    since INTEGER NOT NULL,
    PRIMARY KEY (identity_id, source)
) STRICT;
INSERT INTO refusals SELECT id, 'operator', seen_at FROM identities WHERE is_refused = 1;

-- When a profile was last read for its owner's word, and when it is to be read again if anybody gives for it.
CREATE TABLE consent_looks (
    identity_id INTEGER PRIMARY KEY NOT NULL REFERENCES identities (id),
    looked_at INTEGER,
    next_at INTEGER NOT NULL,
    -- The whole platform is left alone until then: it has failed, or asked us to wait.
    is_limited INTEGER NOT NULL,
    last_error TEXT
) STRICT;
CREATE INDEX consent_looks_due ON consent_looks (next_at);
INSERT INTO consent_looks SELECT id, NULL, 0, 0, NULL FROM identities;

-- Accounts whose owner may want to opt out, or in again. The token stands in an address that only the owner can put into
-- the profile, so it is no secret, and one for each account is enough.
CREATE TABLE opt_outs (
    id INTEGER PRIMARY KEY,
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    UNIQUE (platform, account)
) STRICT;

-- New likes of this source wait for the patron's yes.
ALTER TABLE connections ADD COLUMN asks_first INTEGER NOT NULL DEFAULT 0;
-- Those that wait are few among the flattrs; they are looked for on every visit.
CREATE INDEX flattrs_suggested ON flattrs (patron_id) WHERE standing = 'suggested';
