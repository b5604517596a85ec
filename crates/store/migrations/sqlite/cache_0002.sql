-- Whole figures without a look at the answers themselves.
DROP INDEX entries_used;
CREATE INDEX entries_used ON entries (used, bytes, expires);
