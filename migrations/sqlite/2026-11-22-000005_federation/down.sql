DROP TABLE outbox_events;
DROP TABLE deliveries;
DROP TABLE outgoing;
DROP TABLE follows;
DROP TABLE inbox;
