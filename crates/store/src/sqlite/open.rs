//! Opening a ledger: schema, budgets with their counters, and the holds of a process that died.

use super::budgets::{counted, instance_of, read_budgets, recount};
use super::connection::{check, connect, connect_to_read, failure};
use super::desk::SharedDesk;
use super::files;
use super::fold::{fold, read_marker, write_marker};
use super::journal::{self, Marker};
use super::ledger::{SqliteLedger, scope_of};
use super::rows::{is_booked, time, uuid, write_booked, write_call};
use super::runs::{SaveQueue, read_owners};
use super::writer::Writer;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nunchi_core::{
    Account, BudgetBook, BudgetId, BudgetNotice, CallRecord, Clock, NanoUsd, Outcome, Spawn, SpendWish,
    StorageError,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(super) const MIGRATIONS: [&str; 11] = [
    include_str!("../../migrations/sqlite/0001_ledger.sql"),
    include_str!("../../migrations/sqlite/0002_lean_holds.sql"),
    include_str!("../../migrations/sqlite/0003_savings.sql"),
    include_str!("../../migrations/sqlite/0004_feedback.sql"),
    include_str!("../../migrations/sqlite/0005_jobs.sql"),
    include_str!("../../migrations/sqlite/0006_runs.sql"),
    include_str!("../../migrations/sqlite/0007_memory.sql"),
    include_str!("../../migrations/sqlite/0008_messages.sql"),
    include_str!("../../migrations/sqlite/0009_scores.sql"),
    include_str!("../../migrations/sqlite/0010_run_lists.sql"),
    include_str!("../../migrations/sqlite/0011_reminders.sql"),
];

/// What a ledger needs from outside.
#[derive(Clone)]
pub struct LedgerOptions {
    /// The time zone of budget windows.
    pub time_zone: TimeZone,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Background tasks.
    pub spawn: Arc<dyn Spawn>,
    /// The key that texts of requests are sealed with, if they are.
    pub encryption_key: Option<[u8; 32]>,
}

/// What was found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Holds of a process that died, booked at their reserved amount.
    pub crashed_holds: u64,
    /// What they came to.
    pub crashed_cost: NanoUsd,
    /// Holds of a process that died that stay open, as their calls go on.
    pub outlived_holds: u64,
}

impl SqliteLedger {
    /// Opens or makes the ledger at `path`. The caller owns the home folder.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] and [`StorageError::TooNew`] leave the file untouched.
    pub fn open(path: &Path, options: LedgerOptions) -> Result<(Self, OpenReport), StorageError> {
        check(path, MIGRATIONS.len())?;
        let mut connection = connect(path, &MIGRATIONS)?;
        read_owners(&mut connection)?;
        let now = options.clock.now();
        // Files of the journal go below, so what was in them has to be on the disk itself.
        connection.pragma_update(None, "synchronous", "FULL").map_err(failure)?;
        let before = take_in(&mut connection, path)?;
        let (book, outlived, report) = settle_up(&mut connection, &options.time_zone, now)?;
        files::remove_parts(path);
        journal::clear(path, before.map(|marker| marker.epoch))?;
        let (segment, marker) = journal::begin(path)?;
        write_marker(&connection, marker)?;
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(failure)?;
        let reader = connect_to_read(path)?;
        let desk = SharedDesk::new(book, segment);
        let clock = Arc::clone(&options.clock);
        let (writer, thread) = Writer::start((connection, path, marker), desk.clone(), clock)?;
        let ledger = Self {
            desk,
            writer,
            thread: Arc::new(Mutex::new(Some(thread))),
            reader: Arc::new(Mutex::new(reader)),
            path: PathBuf::from(path),
            options,
            outlived: Arc::new(outlived),
            saves: SaveQueue::default(),
        };
        Ok((ledger, report))
    }
}

/// Takes in what a process that died left in its journal; tells the journal, if there was one.
pub(super) fn take_in(connection: &mut Connection, path: &Path) -> Result<Option<Marker>, StorageError> {
    let Some(marker) = read_marker(connection)? else { return Ok(None) };
    let missing = journal::missing(path, marker)?
        .ok_or_else(|| StorageError::Damaged("a part of the journal is gone".into()))?;
    if !missing.entries.is_empty() {
        tracing::info!(entries = missing.entries.len(), "entries of the journal are taken in");
        fold(connection, &missing.entries.into_iter().collect(), missing.marker)?;
    }
    Ok(Some(missing.marker))
}

/// Reads the budgets with their counters and books the holds of a process that died, in one transaction.
fn settle_up(
    connection: &mut Connection,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<(BudgetBook, Vec<CallRecord>, OpenReport), StorageError> {
    let transaction = connection.transaction().map_err(failure)?;
    let lost = lost_calls(&transaction)?;
    // A hold counts in the window in which it was made, so the book begins there.
    let since = lost.first().map_or(now, |(record, ..)| record.started.min(now));
    let moved = zone_moved(&transaction, zone)?;
    let mut book = BudgetBook::new(zone.clone());
    for budget in read_budgets(&transaction)? {
        let counted = if moved {
            recount(&transaction, &budget, now, zone)?
        } else {
            counted(&transaction, &budget, since, zone)?
        };
        book.put(budget, counted, since);
    }
    for (account, notice) in told(&transaction)? {
        book.restore_told(&account, notice.threshold);
    }
    let mut report = OpenReport::default();
    let mut outlived = Vec::new();
    for (record, tokens, outlives) in lost {
        if outlives && !is_booked(&transaction, record.id)? {
            let (call, scope, money) = (record.id, scope_of(&record), record.cost);
            book.restore_hold(SpendWish { call, scope, money, tokens }, record.started);
            report.outlived_holds += 1;
            outlived.push(record);
        } else if write_call(&transaction, &record)? {
            let booked = book.book(record.id, &scope_of(&record), record.cost, tokens, record.started);
            write_booked(&transaction, std::iter::once(&booked))?;
            report.crashed_holds += 1;
            report.crashed_cost += record.cost;
        }
    }
    book.turn(now);
    let closed = "DELETE FROM holds WHERE outlives = 0 OR id IN (SELECT id FROM calls)";
    transaction.execute(closed, params![]).map_err(failure)?;
    transaction.commit().map_err(failure)?;
    Ok((book, outlived, report))
}

/// Tells whether the windows of the counters are those of another time zone, and notes the present one.
fn zone_moved(connection: &Connection, zone: &TimeZone) -> Result<bool, StorageError> {
    let name = zone.iana_name().map_or_else(|| format!("{zone:?}"), str::to_owned);
    let before: Option<String> = connection
        .query_row("SELECT value FROM facts WHERE name = 'time_zone'", params![], |row| row.get(0))
        .optional()
        .map_err(failure)?;
    if before.as_ref() == Some(&name) {
        return Ok(false);
    }
    let sql = "INSERT OR REPLACE INTO facts VALUES ('time_zone', ?)";
    connection.execute(sql, [&name]).map_err(failure)?;
    Ok(before.is_some())
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

/// The holds of a process that died, as rows with the tokens to count and whether they stay open, the oldest first. Those that do
/// not are booked at the reserved amount: the providers may have charged for them.
fn lost_calls(connection: &Connection) -> Result<Vec<(CallRecord, u64, bool)>, StorageError> {
    let mut statement =
        connection.prepare("SELECT money, tokens, if_lost, outlives FROM holds").map_err(failure)?;
    let holds = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get(3)?)))
        .map_err(failure)?;
    let mut lost = Vec::new();
    for hold in holds {
        let (money, tokens, if_lost, outlives) = hold.map_err(failure)?;
        let mut record: CallRecord = serde_json::from_str(&if_lost)
            .map_err(|error| StorageError::Damaged(format!("a hold: {error}")))?;
        let tokens = u64::try_from(tokens).unwrap_or(0);
        record.outcome = Outcome::Crashed;
        record.error_code = Some("server.crashed".into());
        record.cost = NanoUsd(money);
        record.baseline_cost = NanoUsd(money);
        record.usage_estimated = true;
        // What a budget counts is the sum of its rows, so the reserved tokens stand in the row.
        record.usage.input += tokens.saturating_sub(record.usage.total_tokens());
        lost.push((record, tokens, outlives));
    }
    lost.sort_by_key(|(record, ..)| record.started);
    Ok(lost)
}
