-- Questions whose answers are stored; a question goes with its answer.
CREATE TABLE questions (
    place INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, kin BLOB NOT NULL, encoder TEXT NOT NULL,
    sealed BLOB NOT NULL, evidence TEXT NOT NULL, expires INTEGER NOT NULL
);
CREATE TRIGGER questions_follow AFTER DELETE ON entries BEGIN DELETE FROM questions WHERE key = OLD.key; END;
