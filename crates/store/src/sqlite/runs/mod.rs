//! Runs in the ledger's file. Changes that come at the same time share one transaction and one wait for the disk.

mod approvals;
mod grants;
mod listing;
mod saving;

pub(super) use listing::read_owners;
pub(super) use saving::SaveQueue;

use super::connection::failure;
use super::ledger::SqliteLedger;
use bytes::Bytes;
use listing::listed;
use nunchi_core::{
    BoxFuture, RunChange, RunFilter, RunId, RunRecord, RunStatus, RunStore, StepRecord, StorageError,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use saving::{packed, unpacked};
use serde::de::DeserializeOwned;

impl RunStore for SqliteLedger {
    fn save(&self, change: RunChange) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let written = packed(&change)?;
            self.saves.save(&self.writer, written).await
        })
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<(RunRecord, Bytes)>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT body, state FROM runs JOIN run_states USING (id) WHERE id = ?";
            let mut statement = connection.prepare_cached(sql).map_err(failure)?;
            let row = statement
                .query_row([run.0.as_bytes()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
                })
                .optional()
                .map_err(failure)?;
            row.map(|(body, state)| Ok((parsed(&body)?, unpacked(&state)?))).transpose()
        }))
    }

    fn steps(
        &self,
        run: RunId,
        after: u32,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StepRecord>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let sql = "SELECT body FROM steps WHERE run = ? AND number > ? ORDER BY number LIMIT ?";
            bodies(connection, sql, [Value::Blob(run.0.as_bytes().to_vec()), after.into(), limit.into()])
        }))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRecord>, StorageError>> {
        Box::pin(self.read(move |connection| listed(connection, &filter)))
    }
}

/// A status as it stands in its column.
const fn name(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Parked => "parked",
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}

/// The bodies that a query finds.
fn bodies<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<T>, StorageError> {
    let mut statement = connection.prepare_cached(sql).map_err(failure)?;
    let rows =
        statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0)).map_err(failure)?;
    rows.map(|body| parsed(&body.map_err(failure)?)).collect()
}

/// Writes a change within a transaction, or says that somebody else has written that version.
fn write(connection: &Connection, change: &saving::Written) -> Result<(), StorageError> {
    let id = change.id.0.as_bytes();
    let mut stored = connection.prepare_cached("SELECT version FROM runs WHERE id = ?").map_err(failure)?;
    let version = stored.query_row([id], |row| row.get::<_, i64>(0)).optional().map_err(failure)?;
    if change.version != version.unwrap_or(0) + 1 {
        return Err(StorageError::Exists(format!("version {} of run {}", change.version, change.id)));
    }
    // What never changes of a run is not written again, and neither are its places in the indexes.
    let sql =
        "INSERT INTO runs (id, parent, session, status, created, wake_at, version, body, owner, mode, door)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (id) DO UPDATE SET status = excluded.status, wake_at = excluded.wake_at,
               version = excluded.version, body = excluded.body, mode = excluded.mode";
    let values = params![
        id,
        change.parent.map(|parent| parent.0.as_bytes().to_vec()),
        change.session,
        name(change.status),
        change.created,
        change.wake_at,
        change.version,
        change.body,
        change.owner.map(|owner| owner.0.as_bytes().to_vec()),
        change.mode.as_str(),
        change.door.as_str(),
    ];
    connection.prepare_cached(sql).and_then(|mut insert| insert.execute(values)).map_err(failure)?;
    let sql = "INSERT OR REPLACE INTO run_states (id, state) VALUES (?, ?)";
    connection
        .prepare_cached(sql)
        .and_then(|mut insert| insert.execute(params![id, change.state]))
        .map_err(failure)?;
    let sql = "INSERT INTO steps (run, number, body) VALUES (?, ?, ?)";
    let mut insert = connection.prepare_cached(sql).map_err(failure)?;
    for (number, body) in &change.steps {
        insert.execute(params![id, number, body]).map_err(failure)?;
    }
    Ok(())
}

fn parsed<T: DeserializeOwned>(body: &str) -> Result<T, StorageError> {
    serde_json::from_str(body).map_err(|error| StorageError::Damaged(format!("a run: {error}")))
}

fn text(value: &impl serde::Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|error| StorageError::Other(error.to_string()))
}
