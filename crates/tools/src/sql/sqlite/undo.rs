//! Takes changes of rows back, row by row, and leaves alone what was changed since.

use super::super::rows::{Cell, Noted, Restored, RowChange, SqlChange};
use super::super::settings::{DatabaseSettings, TableAccess};
use super::modify::{note, note_of};
use super::table::{condition, row_where};
use super::{open, quoted, said};
use nunchi_core::ToolError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;

/// Takes a change back. Without a key it is only tried, after those of `before` were tried; with one it is noted under it with what
/// `outcome` says.
pub(in crate::sql) fn undo(
    path: &Path,
    settings: &DatabaseSettings,
    (before, change): (&[SqlChange], &SqlChange),
    noted: Option<Noted<'_, Restored>>,
) -> Result<Result<Restored, String>, ToolError> {
    let connection = open(path, true)?;
    let sql = |text: &str| connection.execute_batch(text).map_err(|error| said(&error));
    // What triggers changed is on record as well, and must not be changed once more.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
        .map_err(|error| said(&error))?;
    // What refers to a row that is taken away must not go with it: it may be somebody else's.
    sql("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")?;
    if let Some(noted) = &noted
        && let Some(outcome) = note_of(&connection, noted.key)?
    {
        return Ok(Err(outcome));
    }
    for earlier in before {
        // What cannot be taken back was said when it was looked at itself.
        let _said_then = put_rows_back(&connection, settings, earlier)?;
    }
    let restored = put_rows_back(&connection, settings, change)?;
    for row in &restored.rows {
        if row_where(&connection, &row.table, &row.columns, &row.key)? != row.after {
            let message = format!("{} could not be put back exactly.", row.name());
            return Err(ToolError::new("sql.inexact", message).hint("Correct it with sql_modify."));
        }
    }
    if let Some(noted) = &noted
        && !restored.rows.is_empty()
    {
        note(&connection, noted.key, &(noted.outcome)(&restored))?;
        sql("COMMIT")?;
    }
    // What was not committed ends with the connection.
    Ok(Ok(restored))
}

/// Puts the rows of a change back, those that were not changed since; none where others would then refer to nothing.
fn put_rows_back(
    connection: &Connection,
    settings: &DatabaseSettings,
    change: &SqlChange,
) -> Result<Restored, ToolError> {
    let sql = |text: &str| connection.execute_batch(text).map_err(|error| said(&error));
    let loose = loose_ends(connection)?;
    sql("SAVEPOINT change")?;
    let mut restored = Restored::default();
    let mut open_rows = Vec::new();
    for row in change.rows.iter().rev() {
        match conflict(connection, settings, row)? {
            Some(why) => restored.conflicts.push(why),
            None => open_rows.push(row),
        }
    }
    for row in open_rows {
        sql("SAVEPOINT row")?;
        match put_back(connection, row) {
            Ok(()) => restored.rows.push(row.reversed()),
            Err(error) => {
                sql("ROLLBACK TO row")?;
                restored.conflicts.push(format!("{}: {}", row.name(), error.message));
            }
        }
        sql("RELEASE row")?;
    }
    if loose_ends(connection)? > loose {
        let names: Vec<_> = restored.rows.iter().map(RowChange::name).collect();
        let why = format!("{}: other rows refer to what would go, or to what is gone", names.join(", "));
        restored.conflicts.push(why);
        restored.rows.clear();
        sql("ROLLBACK TO change")?;
    }
    sql("RELEASE change")?;
    Ok(restored)
}

/// Rows that refer to rows that are not there.
fn loose_ends(connection: &Connection) -> Result<i64, ToolError> {
    connection
        .query_row("SELECT count(*) FROM pragma_foreign_key_check()", [], |row| row.get(0))
        .map_err(|error| said(&error))
}

/// Why a row cannot be put back.
fn conflict(
    connection: &Connection,
    settings: &DatabaseSettings,
    row: &RowChange,
) -> Result<Option<String>, ToolError> {
    if settings.access(&row.table) != Some(TableAccess::Write) {
        return Ok(Some(format!("{}: the table may not be changed any more", row.name())));
    }
    let now = row_where(connection, &row.table, &row.columns, &row.key);
    Ok(match (now, &row.after) {
        (Err(error), _) => Some(format!("{}: {}", row.name(), error.message)),
        (Ok(now), after) if now == *after => None,
        (Ok(None), _) => Some(format!("{} is gone", row.name())),
        (Ok(Some(_)), None) => Some(format!("{} exists again; it was left as it is", row.name())),
        (Ok(Some(_)), Some(_)) => Some(format!("{} has changed since; it was left as it is", row.name())),
    })
}

fn put_back(connection: &Connection, row: &RowChange) -> Result<(), ToolError> {
    let table = quoted(&row.table);
    let names: Vec<_> = row.columns.iter().map(|name| quoted(name)).collect();
    let key = row.key.iter().map(|(_, value)| value);
    let (sql, values): (String, Vec<&Cell>) = match (&row.before, &row.after) {
        (None, _) => (format!("DELETE FROM {table} WHERE {}", condition(&row.key, 1)), key.collect()),
        (Some(before), Some(_)) => {
            let sets = names.iter().enumerate().map(|(at, name)| format!("{name} = ?{}", at + 1));
            let sets = sets.collect::<Vec<_>>().join(", ");
            let rest = condition(&row.key, names.len() + 1);
            (format!("UPDATE {table} SET {sets} WHERE {rest}"), before.iter().chain(key).collect())
        }
        (Some(before), None) => {
            // Where rows have only their number, it is part of what comes back.
            let number = row.key.iter().find(|(name, _)| name == "rowid");
            let mut columns = names.clone();
            let mut values: Vec<_> = before.iter().collect();
            if let Some((name, value)) = number {
                columns.push(name.clone());
                values.push(value);
            }
            let places: Vec<_> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
            (format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", ")), values)
        }
    };
    let changed = connection.execute(&sql, params_from_iter(values)).map_err(|error| said(&error))?;
    if changed == 1 { Ok(()) } else { Err(ToolError::new("sql.failed", "it could not be put back")) }
}
