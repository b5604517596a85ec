-- Runs of agents. `body` is the run as lists show it (JSON), `state` the machine's own (packed); columns are for looking runs up.
CREATE TABLE runs (
    id BLOB PRIMARY KEY, parent BLOB, session TEXT, status TEXT NOT NULL, created INTEGER NOT NULL,
    wake_at INTEGER, version INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_time ON runs (created, id);
CREATE INDEX runs_open ON runs (status) WHERE status IN ('running', 'parked');
CREATE INDEX runs_by_session ON runs (session, created) WHERE session IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE TABLE run_states (id BLOB PRIMARY KEY, state BLOB NOT NULL);
-- Steps are only ever added.
CREATE TABLE steps (
    run BLOB NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, number)
) WITHOUT ROWID;
-- What runs ask people; `open` is 1 until somebody has answered.
CREATE TABLE approvals (
    id BLOB PRIMARY KEY, run BLOB NOT NULL, open INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX approvals_open ON approvals (open) WHERE open = 1;
CREATE INDEX approvals_by_run ON approvals (run);
-- What the owner has granted for good, the oldest first.
CREATE TABLE grants (number INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
