-- Whose a post was when it was liked, or when that first became known afterwards: who is paid for the like.
ALTER TABLE flattrs ADD COLUMN owner_id BIGINT REFERENCES identities (id);
-- What is divided keeps the payee that it was divided by.
UPDATE flattrs SET owner_id = COALESCE(
    (SELECT shares.identity_id FROM shares WHERE shares.flattr_id = flattrs.id),
    (SELECT objects.owner_id FROM objects WHERE objects.id = flattrs.object_id)
);
CREATE INDEX flattrs_owner ON flattrs (owner_id) WHERE owner_id IS NOT NULL;
