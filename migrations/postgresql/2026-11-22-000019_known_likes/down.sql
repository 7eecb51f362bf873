ALTER TABLE imports DROP COLUMN next_at;
ALTER TABLE imports DROP COLUMN attempts;
ALTER TABLE imports DROP COLUMN unanswered;
ALTER TABLE imports DROP COLUMN is_complete;
DROP TABLE connection_hidden;
ALTER TABLE connection_passes DROP COLUMN mark;
ALTER TABLE connections DROP COLUMN basis_pass;
ALTER TABLE connections DROP COLUMN view;
