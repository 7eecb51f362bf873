DROP TABLE evidence;
DROP TABLE payment_parts;
DROP TABLE payments;
DROP TABLE statement_lines;
DROP TABLE statements;
DROP TABLE channel_messages;
DROP TABLE channels;
DROP TABLE peers;
