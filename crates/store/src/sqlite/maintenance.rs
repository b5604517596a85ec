//! Copies of the ledger: a whole one, and what can still be read of a damaged one.

use super::connection::{check_pages, connect, connect_to_read, failure};
use super::fold::{fold, forget_marker, read_marker};
use super::journal;
use super::open::MIGRATIONS;
use nunchi_core::StorageError;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};
use std::path::{Path, PathBuf};

/// Writes a whole, checked copy of the database at `path` to `copy`, which must not exist yet.
///
/// # Errors
/// [`StorageError::Exists`] when the copy is there already, [`StorageError::Damaged`] when the source is damaged.
pub fn backup_to(path: &Path, copy: &Path) -> Result<(), StorageError> {
    refuse_present(copy)?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failure)?;
    check_pages(&connection)?;
    loop {
        connection.execute("VACUUM INTO ?", [copy.to_string_lossy()]).map_err(failure)?;
        if complete(path, copy)? {
            break;
        }
        // The server has folded its journal in meanwhile, so the next copy holds that.
        std::fs::remove_file(copy).map_err(|error| StorageError::Other(error.to_string()))?;
    }
    // A copy that a loss of power takes back is none.
    let synced = std::fs::File::open(copy).and_then(|file| file.sync_all());
    synced.map_err(|error| StorageError::Other(error.to_string()))
}

/// Adds to a copy what the journal beside the original holds; tells whether that was all there.
fn complete(path: &Path, copy: &Path) -> Result<bool, StorageError> {
    let mut target = connect(copy, &MIGRATIONS)?;
    if let Some(marker) = read_marker(&target)? {
        let Some(missing) = journal::missing(path, marker)? else { return Ok(false) };
        fold(&mut target, &missing.entries.into_iter().collect(), missing.marker)?;
    }
    forget_marker(&target)?;
    // One file is easier to keep than three.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failure)?;
    Ok(true)
}

/// Moves a database to another name, with all that belongs to it. Nobody may have it open.
pub fn move_to(path: &Path, to: &Path) -> Result<(), StorageError> {
    refuse_present(to)?;
    let failed = |error: std::io::Error| StorageError::Other(error.to_string());
    journal::follow(path, to)?;
    for suffix in ["", "-wal", "-shm"] {
        let named = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        if named(path).exists() {
            std::fs::rename(named(path), named(to)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Copies every row that can still be read into a new database; tells how many of each table came over. The damaged file is
/// only read.
pub fn salvage_to(path: &Path, copy: &Path) -> Result<Vec<(String, u64)>, StorageError> {
    refuse_present(copy)?;
    let source = connect_to_read(path)?;
    let mut target = connect(copy, &MIGRATIONS)?;
    let transaction = target.transaction().map_err(failure)?;
    // Each table with what tells its rows apart, so that a row that is met from both ends comes over once.
    let tables = [
        ("calls", ""),
        ("holds", ""),
        ("budgets", ""),
        ("spent", ""),
        ("notices", "rowid, "),
        ("keys", ""),
        ("feedback", ""),
        ("weights", ""),
        ("facts", ""),
        ("jobs", ""),
        ("files", ""),
        ("batches", ""),
        ("runs", ""),
        ("run_states", ""),
        ("steps", ""),
        ("approvals", ""),
        ("grants", ""),
        ("memories", ""),
        ("messages", ""),
        ("scores", ""),
    ];
    let saved = tables.map(|(table, id)| (table.to_owned(), salvage_table(&source, &transaction, table, id)));
    transaction.commit().map_err(failure)?;
    if let Some(marker) = read_marker(&target)? {
        // What was acknowledged and never reached the damaged file.
        match journal::missing(path, marker) {
            Ok(Some(missing)) => fold(&mut target, &missing.entries.into_iter().collect(), missing.marker)?,
            Ok(None) | Err(_) => tracing::warn!("a part of the journal is gone or cannot be read"),
        }
        forget_marker(&target)?;
    }
    Ok(saved.to_vec())
}

/// Copies a table row by row from both its ends; a page that cannot be read ends each way.
fn salvage_table(source: &Connection, target: &Connection, table: &str, id: &str) -> u64 {
    ["1", "1 DESC"].iter().map(|order| copy_rows(source, target, table, id, order).unwrap_or(0)).sum()
}

fn copy_rows(
    source: &Connection,
    target: &Connection,
    table: &str,
    id: &str,
    order: &str,
) -> rusqlite::Result<u64> {
    let mut select = source.prepare(&format!("SELECT {id}* FROM {table} ORDER BY {order}"))?;
    let columns = select.column_names().join(", ");
    let places = vec!["?"; select.column_count()].join(", ");
    let mut insert =
        target.prepare(&format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})"))?;
    let count = select.column_count();
    let mut rows = select.query(params![])?;
    let mut saved = 0;
    while let Ok(Some(row)) = rows.next() {
        let values = (0..count).map(|at| row.get::<_, Value>(at)).collect::<rusqlite::Result<Vec<_>>>()?;
        saved += insert.execute(params_from_iter(values))? as u64;
    }
    Ok(saved)
}

fn refuse_present(copy: &Path) -> Result<(), StorageError> {
    if copy.exists() { Err(StorageError::Exists(copy.display().to_string())) } else { Ok(()) }
}
