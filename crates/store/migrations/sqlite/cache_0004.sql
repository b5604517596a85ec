-- What was sent shortened, whole, for a while. Small columns stand in front of the text, so that adding up sizes reads no text.
CREATE TABLE originals (
    place INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, expires INTEGER NOT NULL, bytes INTEGER NOT NULL,
    checksum BLOB NOT NULL, sealed BLOB NOT NULL
);
