//! Questions to a SQLite file, which is opened for reading only.

use super::super::rows::{Cell, Shown};
use super::super::settings::{DatabaseSettings, SqlCaps};
use super::super::statement::{must_read, one_statement};
use super::{bind, cell, guarded, open, said};
use nunchi_core::ToolError;
use rusqlite::Connection;
use sqlparser::dialect::SQLiteDialect;
use std::path::Path;
use std::sync::Arc;

/// Answers a question.
pub(in crate::sql) fn query(
    path: &Path,
    settings: &Arc<DatabaseSettings>,
    caps: &SqlCaps,
    sql: &str,
    parameters: &[Cell],
) -> Result<String, ToolError> {
    must_read(&one_statement(&SQLiteDialect {}, sql)?)?;
    let connection = open(path, false)?;
    guarded(&connection, settings, caps, false, |connection| read(connection, caps, sql, parameters))
}

fn read(
    connection: &Connection,
    caps: &SqlCaps,
    sql: &str,
    parameters: &[Cell],
) -> Result<String, ToolError> {
    let mut statement = connection.prepare(sql).map_err(|error| said(&error))?;
    if !statement.readonly() {
        return Err(ToolError::new("sql.not_a_query", "The statement would change something."));
    }
    bind(&mut statement, parameters)?;
    let columns: Vec<_> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut shown = Shown::new(&columns, caps.shown_rows, caps.shown_bytes);
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(|error| said(&error))? {
        let values = (0..columns.len()).map(|at| row.get_ref(at).map(cell)).collect::<Result<Vec<_>, _>>();
        if !shown.add(&values.map_err(|error| said(&error))?) {
            break;
        }
    }
    Ok(shown.told())
}

/// The tables that may be used, with their columns.
pub(in crate::sql) fn describe(path: &Path, settings: &DatabaseSettings) -> Result<String, ToolError> {
    let connection = open(path, false)?;
    let mut lines = Vec::new();
    for (table, access) in &settings.tables {
        let mut statement = connection
            .prepare("SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1")
            .map_err(|error| said(&error))?;
        let column = |row: &rusqlite::Row<'_>| {
            let (name, kind, key): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let key = if key > 0 { " KEY" } else { "" };
            Ok(format!("{name} {kind}{key}").trim_end().replace("  ", " "))
        };
        let columns: Result<Vec<_>, _> =
            statement.query_map([table], column).and_then(|found| found.collect());
        let columns = columns.map_err(|error| said(&error))?;
        if !columns.is_empty() {
            lines.push(super::super::described(table, *access, &columns));
        }
    }
    Ok(lines.join("\n"))
}
