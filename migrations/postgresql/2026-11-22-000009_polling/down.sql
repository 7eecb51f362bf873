DROP TABLE connection_passes;
ALTER TABLE connection_likes DROP COLUMN seen_in_pass;
ALTER TABLE connections DROP COLUMN failures;
ALTER TABLE connections DROP COLUMN pass_number;
ALTER TABLE connections DROP COLUMN full_at;
ALTER TABLE connections DROP COLUMN caught_up_at;
ALTER TABLE connections DROP COLUMN connected_at;
