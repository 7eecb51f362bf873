DROP TABLE payouts;
DROP TABLE rail_movements;
