-- Rows are written once. Enumerations are their wire names; ids are 16 bytes; times are microseconds since 1970.
CREATE TABLE calls (
    id BLOB PRIMARY KEY, request BLOB NOT NULL, started INTEGER NOT NULL,
    latency_us INTEGER NOT NULL, first_event_us INTEGER,
    provider TEXT NOT NULL, model TEXT NOT NULL, requested_model TEXT NOT NULL,
    tier TEXT, reason TEXT NOT NULL, cache TEXT NOT NULL, outcome TEXT NOT NULL, error_code TEXT,
    input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL, reasoning INTEGER NOT NULL, tool_uses INTEGER NOT NULL,
    estimated INTEGER NOT NULL, batch INTEGER NOT NULL, cost INTEGER NOT NULL, baseline INTEGER NOT NULL,
    price_version TEXT NOT NULL, principal TEXT NOT NULL, key BLOB, user BLOB, session TEXT, run BLOB, step BLOB,
    phase TEXT, task TEXT, tags TEXT, notes TEXT
) WITHOUT ROWID;
CREATE INDEX calls_started ON calls (started);

-- What is reserved by calls under way, with the row to book should the process die first.
CREATE TABLE holds (id BLOB PRIMARY KEY, money INTEGER NOT NULL, tokens INTEGER NOT NULL, if_lost TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE budgets (id BLOB PRIMARY KEY, position INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
-- Settled amounts by counter, in the budget's unit.
CREATE TABLE spent (
    budget BLOB NOT NULL, instance TEXT NOT NULL, start INTEGER NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (budget, instance, start)
) WITHOUT ROWID;
CREATE TABLE notices (
    at INTEGER NOT NULL, budget BLOB NOT NULL, instance TEXT NOT NULL, start INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE keys (id BLOB PRIMARY KEY, created INTEGER NOT NULL, secret_hash TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
