DROP TABLE inbox_envelopes;
DROP TABLE like_sources;
DROP TABLE author_looks;
DROP TABLE fediverse_apps;
