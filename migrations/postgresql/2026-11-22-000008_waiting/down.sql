ALTER TABLE payment_parts DROP COLUMN missing_units;
ALTER TABLE channels DROP COLUMN pulled_at;
DROP INDEX inbox_by_signer;
ALTER TABLE inbox DROP COLUMN kind;
