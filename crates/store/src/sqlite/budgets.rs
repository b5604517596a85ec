//! Budgets in the ledger's file, and what their windows have cost so far.

use super::connection::failure;
use super::ledger::SqliteLedger;
use super::rows::time;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nunchi_core::{
    Amount, BoxFuture, Budget, BudgetId, BudgetScope, BudgetState, BudgetStore, StorageError, window_start,
};
use rusqlite::{Connection, ToSql, params, params_from_iter};
use std::sync::Arc;

/// What was settled on a budget, by session and start of the window.
pub(super) type Counted = Vec<(Option<Arc<str>>, Timestamp, i64)>;

impl BudgetStore for SqliteLedger {
    fn budgets(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<(Budget, BudgetState)>, StorageError>> {
        Box::pin(async move { Ok(self.desk.lock().book.states(now)) })
    }

    fn put_budget(&self, budget: Budget) -> BoxFuture<'_, Result<(), StorageError>> {
        let (desk, clock, zone) =
            (self.desk.clone(), Arc::clone(&self.options.clock), self.options.time_zone.clone());
        Box::pin(async move {
            let body =
                serde_json::to_string(&budget).map_err(|error| StorageError::Other(error.to_string()))?;
            let written = self.writer.work(move |connection| {
                let now = clock.now();
                let transaction = connection.transaction().map_err(failure)?;
                let sql = "INSERT INTO budgets VALUES (?1, (SELECT coalesce(max(position), 0) + 1 FROM budgets), ?2) \
                    ON CONFLICT (id) DO UPDATE SET body = excluded.body";
                transaction.execute(sql, params![budget.id.0.as_bytes(), body]).map_err(failure)?;
                // Only this thread folds, so what is counted here and what is not folded yet are together all that was booked.
                let kept = desk.lock().book.keeps_counters(&budget);
                let counted = if kept { Vec::new() } else { recount(&transaction, &budget, now, &zone)? };
                transaction.commit().map_err(failure)?;
                desk.lock().put_budget(budget, counted, now)
            });
            written.await
        })
    }

    fn remove_budget(&self, id: BudgetId) -> BoxFuture<'_, Result<(), StorageError>> {
        let (desk, clock) = (self.desk.clone(), Arc::clone(&self.options.clock));
        Box::pin(async move {
            let removed = self.writer.work(move |connection| {
                let transaction = connection.transaction().map_err(failure)?;
                let gone = transaction
                    .execute("DELETE FROM budgets WHERE id = ?", [id.0.as_bytes()])
                    .map_err(failure)?;
                if gone == 0 {
                    return Err(StorageError::NotFound(format!("budget {id}")));
                }
                transaction
                    .execute("DELETE FROM spent WHERE budget = ?", [id.0.as_bytes()])
                    .map_err(failure)?;
                transaction.commit().map_err(failure)?;
                let mut desk = desk.lock();
                desk.book.remove(id, clock.now());
                desk.tell();
                Ok(())
            });
            removed.await
        })
    }
}

/// All budgets, in the order in which they were made.
pub(super) fn read_budgets(connection: &Connection) -> Result<Vec<Budget>, StorageError> {
    let mut statement = connection.prepare("SELECT body FROM budgets ORDER BY position").map_err(failure)?;
    let bodies = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failure)?;
    bodies
        .map(|body| {
            let body = body.map_err(failure)?;
            serde_json::from_str(&body).map_err(|error| StorageError::Damaged(format!("a budget: {error}")))
        })
        .collect()
}

/// The counters of a budget from the window before the present one on.
pub(super) fn counted(
    connection: &Connection,
    budget: &Budget,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Counted, StorageError> {
    let start = window_start(budget.window, now, zone);
    let before = start.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(start);
    let since = window_start(budget.window, before, zone).min(start);
    let mut statement = connection
        .prepare_cached("SELECT instance, start, units FROM spent WHERE budget = ? AND start >= ?")
        .map_err(failure)?;
    let rows = statement
        .query_map(params![budget.id.0.as_bytes(), since.as_microsecond()], |row| {
            Ok((instance_of(row.get(0)?), time(row, 1)?, row.get(2)?))
        })
        .map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

/// Counts the rows of the present window, and replaces the budget's counters by that.
pub(super) fn recount(
    connection: &Connection,
    budget: &Budget,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Counted, StorageError> {
    let start = window_start(budget.window, now, zone);
    let units = match budget.limit {
        Amount::Money(_) => "cost",
        Amount::Tokens(_) => "input + cache_read + cache_write_5m + cache_write_1h + output + reasoning",
    };
    let (condition, value) = scope_condition(&budget.scope);
    let each = matches!(&budget.scope, BudgetScope::Session(any) if any == "*");
    let instance = if each { "session" } else { "''" };
    let sql = format!(
        "SELECT {instance}, sum({units}) FROM calls WHERE started >= ? AND {condition} GROUP BY 1 HAVING sum({units}) > 0"
    );
    let since: Box<dyn ToSql> = Box::new(start.as_microsecond());
    let mut statement = connection.prepare(&sql).map_err(failure)?;
    let rows = statement
        .query_map(params_from_iter(std::iter::once(since).chain(value)), |row| {
            Ok((instance_of(row.get(0)?), start, row.get(1)?))
        })
        .map_err(failure)?;
    let counted: Counted = rows.collect::<Result<_, _>>().map_err(failure)?;
    connection.execute("DELETE FROM spent WHERE budget = ?", [budget.id.0.as_bytes()]).map_err(failure)?;
    let mut insert = connection.prepare_cached("INSERT INTO spent VALUES (?, ?, ?, ?)").map_err(failure)?;
    for (instance, start, units) in &counted {
        let instance = instance.as_deref().unwrap_or("");
        let row = params![budget.id.0.as_bytes(), instance, start.as_microsecond(), units];
        insert.execute(row).map_err(failure)?;
    }
    Ok(counted)
}

/// The rows a scope means, as SQL with at most one value to bind.
fn scope_condition(scope: &BudgetScope) -> (&'static str, Option<Box<dyn ToSql>>) {
    let id = |id: uuid::Uuid| -> Option<Box<dyn ToSql>> { Some(Box::new(id.into_bytes())) };
    let text = |text: &String| -> Option<Box<dyn ToSql>> { Some(Box::new(text.clone())) };
    match scope {
        BudgetScope::Everything => ("1", None),
        BudgetScope::User(user) => ("user = ?", id(user.0)),
        BudgetScope::Key(key) => ("key = ?", id(key.0)),
        BudgetScope::Session(any) if any == "*" => ("session IS NOT NULL", None),
        BudgetScope::Session(session) => ("session = ?", text(session)),
        BudgetScope::Run(run) => ("run = ?", id(run.0)),
        BudgetScope::Task(task) => ("task = ?", text(task)),
        BudgetScope::Tag(tag) => ("? IN (SELECT value FROM json_each(calls.tags))", text(tag)),
        BudgetScope::Provider(provider) => ("provider = ?", text(provider)),
        BudgetScope::Model(model) => ("model = ?", text(model)),
    }
}

/// The session of a counter; the empty text stands for none.
pub(super) fn instance_of(text: String) -> Option<Arc<str>> {
    if text.is_empty() { None } else { Some(Arc::from(text)) }
}
