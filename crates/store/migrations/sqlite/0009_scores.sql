-- What judges made of runs, once a judge; rules alone are the judge without a name.
CREATE TABLE scores (run BLOB NOT NULL, judge TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, judge)) WITHOUT ROWID;
CREATE INDEX scores_at ON scores (at);
