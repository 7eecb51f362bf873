DROP TABLE owner_sign_ins;
DROP INDEX objects_by_url;

CREATE TABLE connection_proofs_next (
    id INTEGER PRIMARY KEY,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    handle TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'proved', 'trusted')),
    created_at INTEGER NOT NULL,
    proved_at INTEGER,
    UNIQUE (patron_id, platform, account)
) STRICT;
INSERT INTO connection_proofs_next
SELECT id, patron_id, platform, account, handle, token, CASE state WHEN 'named' THEN 'trusted' ELSE state END, created_at,
    proved_at
FROM connection_proofs;
DROP TABLE connection_proofs;
ALTER TABLE connection_proofs_next RENAME TO connection_proofs;
