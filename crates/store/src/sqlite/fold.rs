//! Takes entries of the journal into the database: rows, counters, notices, holds that are still open, and up to where.

use super::connection::failure;
use super::journal::{Entry, Held, Marker};
use super::rows::{delete_hold, write_booked, write_call, write_hold};
use nunchi_core::{CallId, StorageError};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::collections::HashMap;

/// Writes the entries and the marker behind them in one transaction.
pub(super) fn fold(
    connection: &mut Connection,
    entries: &[Entry],
    marker: Marker,
) -> Result<(), StorageError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    write_entries(&transaction, entries)?;
    write_marker(&transaction, marker)?;
    transaction.commit().map_err(failure)
}

/// A hold that is settled in the same batch never reaches the table of holds.
fn write_entries(transaction: &Transaction<'_>, entries: &[Entry]) -> Result<(), StorageError> {
    let mut open: HashMap<CallId, &Held> = HashMap::new();
    for entry in entries {
        match entry {
            Entry::Hold(held) => {
                open.insert(held.call, held);
            }
            Entry::Settle(settled) => {
                write_call(transaction, &settled.record)?;
                if open.remove(&settled.record.id).is_none() {
                    delete_hold(transaction, settled.record.id)?;
                }
            }
            Entry::Count(_) => {}
        }
    }
    for held in open.values() {
        let if_lost =
            serde_json::to_string(&held.if_lost).map_err(|error| StorageError::Other(error.to_string()))?;
        write_hold(transaction, held.call, held.money, held.tokens, &if_lost, held.outlives)?;
    }
    let booked = entries.iter().filter_map(|entry| match entry {
        Entry::Settle(settled) => Some(&settled.booked),
        Entry::Count(booked) => Some(booked),
        Entry::Hold(_) => None,
    });
    write_booked(transaction, booked)
}

/// Up to where the database holds its journal; `None` when it has none.
pub(super) fn read_marker(connection: &Connection) -> Result<Option<Marker>, StorageError> {
    let marker: Option<String> = connection
        .query_row("SELECT value FROM facts WHERE name = 'journal'", [], |row| row.get(0))
        .optional()
        .map_err(failure)?;
    marker.map(|text| text.parse()).transpose()
}

pub(super) fn write_marker(connection: &Connection, marker: Marker) -> Result<(), StorageError> {
    let sql = "INSERT OR REPLACE INTO facts VALUES ('journal', ?)";
    let mut put = connection.prepare_cached(sql).map_err(failure)?;
    put.execute([marker.to_string()]).map_err(failure)?;
    Ok(())
}

/// The database has no journal any more: it is a copy.
pub(super) fn forget_marker(connection: &Connection) -> Result<(), StorageError> {
    connection.execute("DELETE FROM facts WHERE name = 'journal'", []).map_err(failure)?;
    Ok(())
}
