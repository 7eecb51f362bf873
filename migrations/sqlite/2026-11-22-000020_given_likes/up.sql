-- Likes that accounts of patrons gave by themselves, as they came: what an Undo is about, and whether a newer like stands.
CREATE TABLE given_likes (
    like_uri TEXT NOT NULL,
    actor_uri TEXT NOT NULL,
    patron_id INTEGER NOT NULL REFERENCES patrons (id),
    object_id INTEGER NOT NULL REFERENCES objects (id),
    given_at INTEGER NOT NULL,
    PRIMARY KEY (like_uri, actor_uri)
) STRICT;
CREATE INDEX given_likes_by_object ON given_likes (object_id, patron_id);
