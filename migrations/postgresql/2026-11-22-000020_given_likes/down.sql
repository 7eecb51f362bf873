DROP TABLE given_likes;
