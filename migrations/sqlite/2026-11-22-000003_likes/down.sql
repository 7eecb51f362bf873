DROP TABLE shares;
DROP TABLE month_budgets;
DROP TABLE months;
DROP TABLE undone_likes;
DROP TABLE received_likes;
DROP TABLE flattrs;
DROP TABLE objects;
