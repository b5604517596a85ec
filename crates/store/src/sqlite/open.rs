//! Opening a ledger: schema, budgets with their counters, and the holds of a process that died.

use super::connection::{connect, connect_to_read, failure};
use super::ledger::{Desk, SqliteLedger};
use super::rows::{time, uuid, write_call};
use super::writer::Writer;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nunchi_core::{
    Account, Budget, BudgetBook, BudgetId, BudgetNotice, CallRecord, Clock, NanoUsd, Outcome, Spawn,
    StorageError,
};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_ledger.sql")];

/// What a ledger needs from outside.
#[derive(Clone)]
pub struct LedgerOptions {
    /// The time zone of budget windows.
    pub time_zone: TimeZone,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Retries of settles that could not be written.
    pub spawn: Arc<dyn Spawn>,
}

/// What was found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Holds of a process that died, booked at their reserved amount.
    pub crashed_holds: u64,
    /// What they came to.
    pub crashed_cost: NanoUsd,
}

impl SqliteLedger {
    /// Opens or makes the ledger at `path`. The caller owns the home folder.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] and [`StorageError::TooNew`] leave the file untouched.
    pub fn open(path: &Path, options: LedgerOptions) -> Result<(Self, OpenReport), StorageError> {
        let connection = connect(path, &MIGRATIONS)?;
        check(&connection, path)?;
        let now = options.clock.now();
        let mut book = BudgetBook::new(options.time_zone.clone());
        for budget in read_budgets(&connection)? {
            let counted = counted(&connection, budget.id)?;
            book.put(budget, counted, now);
        }
        for (account, notice) in told(&connection)? {
            book.restore_told(&account, notice.threshold);
        }
        let report = settle_crashed(&connection, &mut book, now)?;
        let reader = connect_to_read(path)?;
        let (writer, thread) = Writer::start(connection)?;
        let ledger = Self {
            desk: Arc::new(Mutex::new(Desk::new(book))),
            writer,
            thread: Arc::new(Mutex::new(Some(thread))),
            reader: Arc::new(Mutex::new(reader)),
            path: PathBuf::from(path),
            options,
        };
        Ok((ledger, report))
    }
}

/// Looks for damage. Large files are checked by `backup`: a start must not take seconds.
fn check(connection: &Connection, path: &Path) -> Result<(), StorageError> {
    const CHECKED_BYTES: u64 = 16 << 20;
    if std::fs::metadata(path).is_ok_and(|about| about.len() > CHECKED_BYTES) {
        return Ok(());
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", params![], |row| row.get(0)).map_err(failure)?;
    if verdict == "ok" { Ok(()) } else { Err(StorageError::Damaged(verdict)) }
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

type Counted = Vec<(Option<Arc<str>>, Timestamp, i64)>;

/// What was settled on a budget, by session and window.
pub(super) fn counted(connection: &Connection, id: BudgetId) -> Result<Counted, StorageError> {
    let mut statement =
        connection.prepare("SELECT instance, start, units FROM spent WHERE budget = ?").map_err(failure)?;
    let rows = statement
        .query_map([id.0.as_bytes()], |row| Ok((instance_of(row.get(0)?), time(row, 1)?, row.get(2)?)))
        .map_err(failure)?;
    rows.collect::<Result<_, _>>().map_err(failure)
}

/// The session of a counter; the empty text stands for none.
pub(super) fn instance_of(text: String) -> Option<Arc<str>> {
    if text.is_empty() { None } else { Some(Arc::from(text)) }
}

fn told(connection: &Connection) -> Result<Vec<(Account, BudgetNotice)>, StorageError> {
    let mut statement =
        connection.prepare("SELECT budget, instance, start, body FROM notices").map_err(failure)?;
    let rows = statement
        .query_map([], |row| {
            let account = Account {
                budget: BudgetId(uuid(row, 0)?.unwrap_or_default()),
                instance: instance_of(row.get(1)?),
                start: time(row, 2)?,
            };
            Ok((account, row.get::<_, String>(3)?))
        })
        .map_err(failure)?;
    let mut told = Vec::new();
    for row in rows {
        let (account, body) = row.map_err(failure)?;
        if let Ok(notice) = serde_json::from_str(&body) {
            told.push((account, notice));
        }
    }
    Ok(told)
}

/// Books the holds of a process that died, as estimated: the providers may have charged for them.
fn settle_crashed(
    connection: &Connection,
    book: &mut BudgetBook,
    now: Timestamp,
) -> Result<OpenReport, StorageError> {
    let mut report = OpenReport::default();
    let mut statement = connection.prepare("SELECT money, tokens, if_lost FROM holds").map_err(failure)?;
    let lost = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failure)?;
    if lost.is_empty() {
        return Ok(report);
    }
    let transaction = connection.unchecked_transaction().map_err(failure)?;
    for (money, tokens, if_lost) in lost {
        let mut record: CallRecord = serde_json::from_str(&if_lost)
            .map_err(|error| StorageError::Damaged(format!("a hold: {error}")))?;
        record.outcome = Outcome::Crashed;
        record.error_code = Some("server.crashed".into());
        record.cost = NanoUsd(money);
        record.baseline_cost = NanoUsd(money);
        record.usage_estimated = true;
        if write_call(&transaction, &record)? {
            let scope = super::ledger::scope_of(&record);
            let booked = book.book(record.id, &scope, record.cost, u64::try_from(tokens).unwrap_or(0), now);
            super::ledger::write_booked(&transaction, &booked)?;
            report.crashed_holds += 1;
            report.crashed_cost += record.cost;
        }
    }
    transaction.execute("DELETE FROM holds", params![]).map_err(failure)?;
    transaction.commit().map_err(failure)?;
    Ok(report)
}
