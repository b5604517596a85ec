//! Reads what was booked: rows, totals, notices.

use super::connection::failure;
use super::ledger::SqliteLedger;
use super::rows::{Bound, COLUMNS, outcome_name, read_call};
use super::savings::savings;
use super::totals::{Totals, columns};
use nunchi_core::{
    BoxFuture, BudgetNotice, CallFilter, CallRecord, Grouping, LedgerReader, Savings, StorageError, Total,
};
use rusqlite::{Connection, params_from_iter};
use std::sync::{Arc, PoisonError};

/// Groups of a total, unless the filter says otherwise.
const MOST_GROUPS: usize = 1_000;

impl SqliteLedger {
    /// Runs a query off the async threads, on all that was acknowledged before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        // A database that cannot be written is still worth reading.
        let _stale = self.writer.fold().await;
        let reader = Arc::clone(&self.reader);
        let read = tokio::task::spawn_blocking(move || {
            query(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        });
        let outcome = read.await.map_err(|error| StorageError::Other(error.to_string()))?;
        if let Err(error @ StorageError::Damaged(_)) = &outcome {
            self.desk.lock().shut(error);
        }
        outcome
    }
}

impl LedgerReader for SqliteLedger {
    fn calls(&self, filter: CallFilter) -> BoxFuture<'_, Result<Vec<CallRecord>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let (condition, values) = condition(&filter);
            let limit = filter.limit.unwrap_or(u32::MAX);
            let sql = format!(
                "SELECT {COLUMNS} FROM calls WHERE {condition} ORDER BY started DESC, id DESC LIMIT {limit}"
            );
            let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
            let rows = statement.query_map(params_from_iter(values), read_call).map_err(failure)?;
            rows.collect::<Result<_, _>>().map_err(failure)
        }))
    }

    fn totals(&self, filter: CallFilter, by: Grouping) -> BoxFuture<'_, Result<Vec<Total>, StorageError>> {
        let zone = self.options.time_zone.clone();
        Box::pin(self.read(move |connection| {
            let (condition, values) = condition(&filter);
            let sql = format!("SELECT {} FROM calls WHERE {condition}", columns(by));
            let mut statement = connection.prepare_cached(&sql).map_err(failure)?;
            let mut rows = statement.query(params_from_iter(values)).map_err(failure)?;
            let mut totals = Totals::new(by, zone);
            while let Some(row) = rows.next().map_err(failure)? {
                totals.add(row).map_err(failure)?;
            }
            Ok(totals.finish(filter.limit.map_or(MOST_GROUPS, |limit| limit as usize)))
        }))
    }

    fn savings(&self, filter: CallFilter) -> BoxFuture<'_, Result<Savings, StorageError>> {
        Box::pin(self.read(move |connection| {
            let (condition, values) = condition(&filter);
            savings(connection, &condition, values)
        }))
    }

    fn notices(&self, limit: u32) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        Box::pin(self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT body FROM notices ORDER BY at DESC, rowid DESC LIMIT ?")
                .map_err(failure)?;
            let bodies = statement.query_map([limit], |row| row.get::<_, String>(0)).map_err(failure)?;
            let read = |body: String| {
                serde_json::from_str(&body)
                    .map_err(|error| StorageError::Damaged(format!("a notice: {error}")))
            };
            bodies.map(|body| read(body.map_err(failure)?)).collect()
        }))
    }
}

/// The rows a filter means, as SQL with values to bind.
fn condition(filter: &CallFilter) -> (String, Vec<Bound>) {
    let mut sql = String::from("1");
    let mut values: Vec<Bound> = Vec::new();
    let mut and = |text: &str, value: Option<Bound>| {
        if let Some(value) = value {
            sql.push_str(" AND ");
            sql.push_str(text);
            values.push(value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(|text| Box::new(text) as Bound);
    and("started >= ?", filter.since.map(|at| Box::new(at.as_microsecond()) as Bound));
    and("started < ?", filter.until.map(|at| Box::new(at.as_microsecond()) as Bound));
    and("provider = ?", text(&filter.provider));
    and("model = ?", text(&filter.model));
    and("session = ?", text(&filter.session));
    and("key = ?", filter.key.map(|key| Box::new(key.0.as_bytes().to_vec()) as Bound));
    and("outcome = ?", filter.outcome.map(|outcome| Box::new(outcome_name(outcome)) as Bound));
    (sql, values)
}
