-- What people said of answers whose model was chosen for its tier; the text is sealed like a stored answer.
CREATE TABLE feedback (request BLOB PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL, text BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX feedback_at ON feedback (at);
-- Weights that were fitted to it.
CREATE TABLE weights (name TEXT PRIMARY KEY, at INTEGER NOT NULL, bytes BLOB NOT NULL);
