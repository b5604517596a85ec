//! Scores of runs, beside the runs.

use super::connection::failure;
use super::ledger::SqliteLedger;
use jiff::Timestamp;
use nunchi_core::{BoxFuture, RunId, RunScore, ScoreStore, StorageError};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

/// Most that is kept; the oldest goes first.
const MOST: i64 = 100_000;

impl ScoreStore for SqliteLedger {
    fn put_score(&self, score: RunScore) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.writer.work(move |connection| put(connection, &score)))
    }

    fn scores_of(&self, run: RunId) -> BoxFuture<'_, Result<Vec<RunScore>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT body FROM scores WHERE run = ? ORDER BY at DESC, judge";
            found(connection, sql, [Value::Blob(run.0.as_bytes().to_vec())])
        }))
    }

    fn scores_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<RunScore>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT body FROM scores WHERE at >= ? ORDER BY at DESC, run, judge LIMIT ?";
            found(connection, sql, [Value::from(since.as_microsecond()), Value::from(limit)])
        }))
    }
}

fn put(connection: &mut Connection, score: &RunScore) -> Result<(), StorageError> {
    let body = serde_json::to_string(score).map_err(|error| StorageError::Other(error.to_string()))?;
    let judge = score.judgement.judge.as_deref().unwrap_or_default();
    let row = params![score.run.0.as_bytes(), judge, score.judgement.at.as_microsecond(), body];
    let transaction = connection.transaction().map_err(failure)?;
    transaction.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", row).map_err(failure)?;
    let stale = "DELETE FROM scores WHERE (run, judge) IN (SELECT run, judge FROM scores ORDER BY at DESC LIMIT -1 OFFSET ?)";
    transaction.execute(stale, [MOST]).map_err(failure)?;
    transaction.commit().map_err(failure)
}

fn found(
    connection: &Connection,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<RunScore>, StorageError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let bodies =
        statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0)).map_err(failure)?;
    let read = |body: String| {
        serde_json::from_str(&body).map_err(|error| StorageError::Damaged(format!("a score: {error}")))
    };
    bodies.map(|body| read(body.map_err(failure)?)).collect()
}
