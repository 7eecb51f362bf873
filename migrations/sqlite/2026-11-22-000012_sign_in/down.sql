DROP TABLE grants;
DROP TABLE sign_ins;
