DROP TABLE claims;
DROP TABLE identities;
DROP TABLE creators;
DROP TABLE patrons;
DROP TABLE actor_keys;
DROP TABLE actors;
DROP TABLE login_tokens;
DROP TABLE logins;
