-- What agents told the owner; `key` names a message for ever, so that it is told once.
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, run BLOB NOT NULL, at INTEGER NOT NULL,
    text TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_unseen ON messages (number) WHERE seen = 0;
