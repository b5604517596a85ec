//! Opening a database file, its migrations, and SQLite's errors in our words.

use nunchi_core::StorageError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// Opens or makes a database and brings its schema up to date. A damaged or newer file is refused and left as it is.
pub(crate) fn connect(path: &Path, migrations: &[&str]) -> Result<Connection, StorageError> {
    let connection = Connection::open(path).map_err(failure)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failure)?;
    let version = schema_version(&connection)?;
    if version > migrations.len() {
        return Err(StorageError::TooNew(path.display().to_string()));
    }
    for (name, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "NORMAL"),
        ("cache_size", "-2048"),
        ("cell_size_check", "ON"),
        ("temp_store", "MEMORY"),
    ] {
        connection
            .pragma_update_and_check(None, name, value, |_| Ok(()))
            .or_else(ignore_silent)
            .map_err(failure)?;
    }
    for (done, migration) in migrations.iter().enumerate().skip(version) {
        let next = done + 1;
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {next}; COMMIT;"))
            .map_err(failure)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Looks at a file without changing it. A large one is not read through: a start must not take seconds, and `backup` does it.
///
/// # Errors
/// [`StorageError::Damaged`] and [`StorageError::TooNew`].
pub(super) fn check(path: &Path, known_versions: usize) -> Result<(), StorageError> {
    const CHECKED_BYTES: u64 = 16 << 20;
    // A file that is not there yet is made later.
    let Ok(about) = std::fs::metadata(path) else { return Ok(()) };
    if about.len() == 0 {
        return Ok(());
    }
    let connection = connect_to_read(path)?;
    if schema_version(&connection)? > known_versions {
        return Err(StorageError::TooNew(path.display().to_string()));
    }
    if about.len() <= CHECKED_BYTES { check_pages(&connection) } else { Ok(()) }
}

/// Reads a database through and compares its pages with each other.
pub(super) fn check_pages(connection: &Connection) -> Result<(), StorageError> {
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failure)?;
    if verdict == "ok" { Ok(()) } else { Err(StorageError::Damaged(verdict)) }
}

fn schema_version(connection: &Connection) -> Result<usize, StorageError> {
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failure)?;
    Ok(usize::try_from(version).unwrap_or(0))
}

/// A second connection that folds the log in.
pub(super) fn connect_to_fold(path: &Path) -> Result<Connection, StorageError> {
    let connection = Connection::open(path).map_err(failure)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failure)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failure)?;
    Ok(connection)
}

/// A second connection that only reads.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failure)?;
    connection.pragma_update(None, "cache_size", -2048).map_err(failure)?;
    Ok(connection)
}

/// Some settings answer with a row and some do not; both are fine.
fn ignore_silent(error: rusqlite::Error) -> Result<(), rusqlite::Error> {
    if matches!(error, rusqlite::Error::QueryReturnedNoRows) { Ok(()) } else { Err(error) }
}

/// SQLite's error in our words.
pub(crate) fn failure(error: rusqlite::Error) -> StorageError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::DiskFull,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StorageError::Damaged(error.to_string())
        }
        _ => StorageError::Other(error.to_string()),
    }
}
