ALTER TABLE bridge_health DROP COLUMN limited_until;
