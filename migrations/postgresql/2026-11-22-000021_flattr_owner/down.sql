DROP INDEX flattrs_owner;
ALTER TABLE flattrs DROP COLUMN owner_id;
