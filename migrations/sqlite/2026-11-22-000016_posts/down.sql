DROP TABLE resolved_posts;
DROP TABLE post_check_turns;
DROP TABLE post_checks;
DROP TABLE feeds;
DROP TABLE profile_details;
DROP TABLE post_details;
