-- Whether a hold stays open should the process die.
ALTER TABLE holds ADD COLUMN outlives INTEGER NOT NULL DEFAULT 0;
-- Calls that can wait. `verdict` is 0 while a job has no answer, 1 once it was answered, 2 once it failed or was cancelled; `over`
-- is 1 once its row is booked as well.
CREATE TABLE jobs (
    id BLOB NOT NULL UNIQUE, batch BLOB, line INTEGER, created INTEGER NOT NULL, over INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    state TEXT NOT NULL, about TEXT NOT NULL, request BLOB NOT NULL, answer BLOB, record TEXT, bytes INTEGER NOT NULL,
    UNIQUE (batch, line)
);
CREATE INDEX jobs_open ON jobs (created) WHERE over = 0;
CREATE TABLE files (id BLOB PRIMARY KEY, created INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (id BLOB PRIMARY KEY, created INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
