//! Changes in a SQLite file: tried first to see which rows they touch, then made in one transaction with the note of the call.

use super::super::rows::{Cell, Modified, Noted, RowChange, SqlChange, Wish, as_shown};
use super::super::settings::{DatabaseSettings, SqlCaps};
use super::super::statement::{must_change, one_statement};
use super::table::Table;
use super::{bind, guarded, open, said};
use nunchi_core::ToolError;
use rusqlite::hooks::Action;
use rusqlite::{Connection, OptionalExtension};
use sqlparser::dialect::SQLiteDialect;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Calls whose notes are kept.
const MOST_NOTES: i64 = 10_000;

type Touched = Vec<(Action, String, i64)>;

/// Changes rows. With a key it is made and noted under it, together with what `outcome` says; without, only tried.
pub(in crate::sql) fn modify(
    path: &Path,
    settings: &Arc<DatabaseSettings>,
    caps: &SqlCaps,
    wish: Wish<'_>,
    noted: Option<Noted<'_, SqlChange>>,
) -> Result<Modified, ToolError> {
    must_change(&one_statement(&SQLiteDialect {}, wish.sql)?)?;
    let connection = open(path, true)?;
    let sql = |text: &str| connection.execute_batch(text).map_err(|error| said(&error));
    sql("BEGIN IMMEDIATE")?;
    // Whatever ends this early leaves the transaction to be rolled back when the connection closes.
    if let Some(noted) = &noted
        && let Some(outcome) = note_of(&connection, noted.key)?
    {
        return Ok(Modified::Before(outcome));
    }
    sql("SAVEPOINT tried")?;
    let touched = run(&connection, settings, caps, &wish)?;
    let tables = tables(&connection, &touched)?;
    let after = read_all(&connection, &tables, &touched)?;
    sql("ROLLBACK TO tried")?;
    let before = read_all(&connection, &tables, &touched)?;
    let rows = changes(&tables, &touched, before, after)?;
    let change = SqlChange { database: settings.name.clone(), rows };
    as_shown(&wish, &change.rows)?;
    if let Some(noted) = &noted {
        let again = run(&connection, settings, caps, &wish)?;
        let stands = read_all(&connection, &tables, &again)?;
        let same =
            again == touched && stands.iter().zip(&change.rows).all(|(row, change)| *row == change.after);
        if !same {
            return Err(ToolError::new("sql.unstable", "The statement gives another result each time.")
                .hint("Write the values out instead of random() or the like."));
        }
        note(&connection, noted.key, &(noted.outcome)(&change))?;
        sql("COMMIT")?;
    }
    Ok(Modified::Now(change))
}

/// Runs the model's statement; tells the rows that were touched, each once, and checks their number.
fn run(
    connection: &Connection,
    settings: &Arc<DatabaseSettings>,
    caps: &SqlCaps,
    wish: &Wish<'_>,
) -> Result<Touched, ToolError> {
    let seen: Arc<Mutex<Touched>> = Arc::default();
    let notes = Arc::clone(&seen);
    let most = caps.changed_rows;
    let hook = move |action: Action, _: &str, table: &str, number: i64| {
        let mut seen = crate::arguments::lock(&notes);
        let known = seen.iter().any(|(_, other, at)| other == table && *at == number);
        // One more than may be: enough to know that it is too many.
        if !known && seen.len() <= most {
            seen.push((action, table.to_owned(), number));
        }
    };
    connection.update_hook(Some(hook)).map_err(|error| said(&error))?;
    let changed = guarded(connection, settings, caps, true, |connection| {
        let mut statement = connection.prepare(wish.sql).map_err(|error| said(&error))?;
        bind(&mut statement, wish.parameters)?;
        let mut rows = statement.raw_query();
        // What RETURNING gives is not wanted, but the statement ends only when all was taken.
        while rows.next().map_err(|error| said(&error))?.is_some() {}
        Ok(connection.changes())
    });
    let unset = connection.update_hook(None::<fn(Action, &str, &str, i64)>);
    unset.map_err(|error| said(&error))?;
    let changed = changed?;
    let touched = std::mem::take(&mut *crate::arguments::lock(&seen));
    if touched.len() > caps.changed_rows {
        let message = format!("It changes more than {} rows.", caps.changed_rows);
        return Err(
            ToolError::new("sql.too_many_rows", message).hint("Narrow it with WHERE, or do it in parts.")
        );
    }
    if changed != wish.rows {
        return Err(super::super::wrong_count(changed, wish.rows));
    }
    if (touched.len() as u64) < changed {
        return Err(ToolError::new("sql.untracked", "Rows of this table cannot be kept for undoing.")
            .hint("Ask the owner to do it."));
    }
    Ok(touched)
}

fn tables(connection: &Connection, touched: &Touched) -> Result<BTreeMap<String, Table>, ToolError> {
    let mut tables = BTreeMap::new();
    for (_, name, _) in touched {
        if !tables.contains_key(name) {
            tables.insert(name.clone(), Table::read(connection, name)?);
        }
    }
    Ok(tables)
}

fn read_all(
    connection: &Connection,
    tables: &BTreeMap<String, Table>,
    touched: &Touched,
) -> Result<Vec<Option<Vec<Cell>>>, ToolError> {
    let row = |(_, name, number): &(Action, String, i64)| match tables.get(name) {
        Some(table) => table.row(connection, *number),
        None => Ok(None),
    };
    touched.iter().map(row).collect()
}

fn changes(
    tables: &BTreeMap<String, Table>,
    touched: &Touched,
    before: Vec<Option<Vec<Cell>>>,
    after: Vec<Option<Vec<Cell>>>,
) -> Result<Vec<RowChange>, ToolError> {
    let mut changes = Vec::new();
    for ((action, name, number), (before, after)) in touched.iter().zip(before.into_iter().zip(after)) {
        let Some(table) = tables.get(name) else { continue };
        let key =
            after.as_ref().or(before.as_ref()).map(|row| table.key_of(row, *number)).unwrap_or_default();
        let moved = before.as_ref().is_some_and(|row| after.is_some() && table.key_of(row, *number) != key);
        if moved || (*action == Action::SQLITE_UPDATE && before.is_none()) {
            return Err(ToolError::new("sql.key_change", "It changes the key of a row.")
                .hint("Insert a new row and delete the old one."));
        }
        let columns = table.columns.clone();
        changes.push(RowChange { table: name.clone(), columns, key, before, after });
    }
    Ok(changes)
}

/// The notes of calls live in the owner's database, so that a change and its note are one.
pub(super) fn note(connection: &Connection, key: &str, outcome: &str) -> Result<(), ToolError> {
    let write = || {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS _nunchi_calls (
                 number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, outcome TEXT NOT NULL)",
        )?;
        connection.execute("INSERT INTO _nunchi_calls (key, outcome) VALUES (?1, ?2)", [key, outcome])?;
        connection.execute(
            "DELETE FROM _nunchi_calls WHERE number <= (SELECT max(number) FROM _nunchi_calls) - ?1",
            [MOST_NOTES],
        )
    };
    write().map(drop).map_err(|error| said(&error))
}

/// What a call of this key answered.
pub(super) fn note_of(connection: &Connection, key: &str) -> Result<Option<String>, ToolError> {
    let read = || {
        let there: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_nunchi_calls')",
            [],
            |row| row.get(0),
        )?;
        if !there {
            return Ok(None);
        }
        connection
            .query_row("SELECT outcome FROM _nunchi_calls WHERE key = ?1", [key], |row| row.get(0))
            .optional()
    };
    read().map_err(|error: rusqlite::Error| said(&error))
}

/// What a call answered, once no transaction is open any more.
pub(in crate::sql) fn outcome_of(path: &Path, key: &str) -> Result<Option<String>, ToolError> {
    let connection = open(path, true)?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| said(&error))?;
    note_of(&connection, key)
}
