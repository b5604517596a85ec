//! Copies of the ledger: a whole one, and what can still be read of a damaged one.

use super::connection::{connect, failure};
use nunchi_core::StorageError;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};
use std::path::Path;

/// Writes a whole, checked copy of the database at `path` to `copy`, which must not exist yet.
///
/// # Errors
/// [`StorageError::Exists`] when the copy is there already, [`StorageError::Damaged`] when the source is damaged.
pub fn backup_to(path: &Path, copy: &Path) -> Result<(), StorageError> {
    refuse_present(copy)?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failure)?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", params![], |row| row.get(0)).map_err(failure)?;
    if verdict != "ok" {
        return Err(StorageError::Damaged(verdict));
    }
    connection.execute("VACUUM INTO ?", [copy.to_string_lossy()]).map_err(failure)?;
    Ok(())
}

/// Copies every row that can still be read into a new database; tells how many of each table came over.
pub fn salvage_to(path: &Path, copy: &Path) -> Result<Vec<(String, u64)>, StorageError> {
    refuse_present(copy)?;
    let target = connect(copy, &[include_str!("../../migrations/sqlite/0001_ledger.sql")])?;
    target.execute("ATTACH DATABASE ? AS broken", [path.to_string_lossy()]).map_err(failure)?;
    let tables = ["calls", "holds", "budgets", "spent", "notices", "keys"];
    let saved = tables.map(|table| (table.to_owned(), salvage_table(&target, table)));
    Ok(saved.to_vec())
}

/// Copies a table row by row from both its ends; a page that cannot be read ends each way.
fn salvage_table(target: &Connection, table: &str) -> u64 {
    ["1", "1 DESC"].iter().map(|order| copy_rows(target, table, order).unwrap_or(0)).sum()
}

fn copy_rows(target: &Connection, table: &str, order: &str) -> rusqlite::Result<u64> {
    let mut select = target.prepare(&format!("SELECT * FROM broken.{table} ORDER BY {order}"))?;
    let columns = select.column_count();
    let places = vec!["?"; columns].join(", ");
    let mut insert = target.prepare(&format!("INSERT OR IGNORE INTO main.{table} VALUES ({places})"))?;
    let mut rows = select.query(params![])?;
    let mut saved = 0;
    while let Ok(Some(row)) = rows.next() {
        let values = (0..columns).map(|at| row.get::<_, Value>(at)).collect::<rusqlite::Result<Vec<_>>>()?;
        saved += insert.execute(params_from_iter(values))? as u64;
    }
    Ok(saved)
}

fn refuse_present(copy: &Path) -> Result<(), StorageError> {
    if copy.exists() { Err(StorageError::Exists(copy.display().to_string())) } else { Ok(()) }
}
