DROP TABLE author_looks;
DROP TABLE fediverse_apps;
