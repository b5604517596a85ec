//! Takes entries of the journal into the database: rows, counters, notices, holds that are still open, and up to where.

use super::connection::failure;
use super::journal::Marker;
use super::rows::{delete_hold, write_booked, write_call, write_hold};
use super::unfolded::Unfolded;
use nunchi_core::StorageError;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

/// Writes the entries and the marker behind them in one transaction.
pub(super) fn fold(
    connection: &mut Connection,
    unfolded: &Unfolded,
    marker: Marker,
) -> Result<(), StorageError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    write_entries(&transaction, unfolded)?;
    write_marker(&transaction, marker)?;
    transaction.commit().map_err(failure)
}

/// A hold that is settled in the same batch never reaches the table of holds.
fn write_entries(transaction: &Transaction<'_>, unfolded: &Unfolded) -> Result<(), StorageError> {
    for row in &unfolded.rows {
        write_call(transaction, &row.settled.record)?;
        if row.hold_is_stored {
            delete_hold(transaction, row.settled.record.id)?;
        }
    }
    for held in unfolded.holds.values() {
        let if_lost =
            serde_json::to_string(&held.if_lost).map_err(|error| StorageError::Other(error.to_string()))?;
        write_hold(transaction, held.call, held.money, held.tokens, &if_lost, held.outlives)?;
    }
    write_booked(transaction, unfolded.rows.iter().map(|row| &row.settled.booked).chain(&unfolded.counts))
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
