DROP TABLE rail_cursors;
DROP TABLE claim_checks;
DROP TABLE connection_likes;
DROP TABLE connections;
