//! Copies of the ledger: a whole one, and what can still be read of a damaged one.

use super::connection::{connect, failure};
use nunchi_core::StorageError;
use rusqlite::{Connection, OpenFlags, params};
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

/// Copies a table row by row; a page that cannot be read ends it.
fn salvage_table(target: &Connection, table: &str) -> u64 {
    let whole = target
        .execute(&format!("INSERT OR IGNORE INTO main.{table} SELECT * FROM broken.{table}"), params![]);
    if let Ok(rows) = whole {
        return rows as u64;
    }
    let mut saved = 0_u64;
    loop {
        let sql = format!(
            "INSERT OR IGNORE INTO main.{table} SELECT * FROM broken.{table} LIMIT 100 OFFSET {saved}"
        );
        match target.execute(&sql, params![]) {
            Ok(rows) if rows > 0 => saved += rows as u64,
            _ => return saved,
        }
    }
}

fn refuse_present(copy: &Path) -> Result<(), StorageError> {
    if copy.exists() { Err(StorageError::Exists(copy.display().to_string())) } else { Ok(()) }
}
