-- Rows of a hold are too long for a tree of keys: each took an overflow page.
CREATE TABLE holds_2 (id BLOB NOT NULL UNIQUE, money INTEGER NOT NULL, tokens INTEGER NOT NULL, if_lost TEXT NOT NULL);
INSERT INTO holds_2 SELECT id, money, tokens, if_lost FROM holds;
DROP TABLE holds;
ALTER TABLE holds_2 RENAME TO holds;
-- What the counters depend on besides the rows: the time zone of their windows.
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
