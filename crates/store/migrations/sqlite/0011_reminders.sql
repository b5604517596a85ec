-- What the owner is to be told later: each becomes a message when its time has come, under the same key.
CREATE TABLE reminders (key TEXT PRIMARY KEY, run BLOB NOT NULL, due INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX reminders_due ON reminders (due);
