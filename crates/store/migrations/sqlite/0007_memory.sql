-- What is remembered. Texts, meanings and topics are sealed where sealing is switched on; then words are hashed with the same key.
CREATE TABLE memories (
    place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, state INTEGER NOT NULL, label INTEGER NOT NULL,
    session BLOB, topic BLOB, changed INTEGER NOT NULL, used INTEGER NOT NULL, uses INTEGER NOT NULL,
    importance INTEGER NOT NULL, bytes INTEGER NOT NULL, encoder TEXT, signs BLOB, sealed BLOB NOT NULL
);
CREATE INDEX memories_state ON memories (state, kind, bytes);
CREATE INDEX memories_session ON memories (session) WHERE session IS NOT NULL;
CREATE INDEX memories_topic ON memories (topic) WHERE topic IS NOT NULL;
-- Words of what holds: stems of words and pairs of Korean syllables, cut by our own rules; the row id is the place.
CREATE VIRTUAL TABLE memory_words USING fts5(own, around, mark, content='', contentless_delete=1, tokenize='ascii');
CREATE VIRTUAL TABLE memory_terms USING fts5vocab(memory_words, row);
