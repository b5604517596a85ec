-- Whose a run is, how it goes about its work and where it came from, for lists. What was there before has no mode until the ledger is
-- opened: then it is read from the machine's state.
ALTER TABLE runs ADD COLUMN owner BLOB;
ALTER TABLE runs ADD COLUMN mode TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN door TEXT NOT NULL DEFAULT 'api';
CREATE INDEX runs_by_owner ON runs (owner, created, id) WHERE owner IS NOT NULL;
CREATE INDEX runs_by_mode ON runs (mode, created, id);
CREATE INDEX runs_by_door ON runs (door, created, id);
-- What the owner has granted for good, with who did and when. A rule that was taken back stays for the record.
ALTER TABLE grants RENAME TO grants_before;
CREATE TABLE grants (
    number INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, granted_by TEXT NOT NULL, at INTEGER NOT NULL,
    approval BLOB, run BLOB, revoked_by TEXT, revoked_at INTEGER
);
CREATE UNIQUE INDEX grants_in_force ON grants (rule) WHERE revoked_at IS NULL;
INSERT INTO grants (number, rule, granted_by, at, approval, run)
    SELECT past.number, past.body, coalesce(json_extract(asked.body, '$.state.answered.by'), ''),
        coalesce(CAST(unixepoch(json_extract(asked.body, '$.state.answered.at'), 'subsec') * 1000000 AS INTEGER), 0),
        min(asked.id), asked.run
    FROM grants_before AS past LEFT JOIN approvals AS asked
        ON json_extract(asked.body, '$.state.answered.answer.approve_and_grant') = past.body
    GROUP BY past.number;
DROP TABLE grants_before;
