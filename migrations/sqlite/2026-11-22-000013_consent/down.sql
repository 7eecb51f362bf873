-- What waited for a yes has never counted.
UPDATE flattrs SET standing = 'taken_back' WHERE standing = 'suggested';
DROP INDEX flattrs_suggested;
ALTER TABLE connections DROP COLUMN asks_first;
DROP TABLE opt_outs;
DROP TABLE consent_looks;
DROP TABLE refusals;
