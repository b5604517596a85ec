//! One row of a table, by its number or its key.

use super::super::rows::{Cell, Row};
use super::{cell, quoted, said};
use nunchi_core::ToolError;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

/// The columns of a table that hold values of their own.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The columns of the primary key; none where rows have only their number.
    key: Vec<String>,
}

impl Table {
    pub(super) fn read(connection: &Connection, name: &str) -> Result<Self, ToolError> {
        let read = || {
            let mut statement = connection
                .prepare("SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
            let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<(String, i64)>, _>>()
        };
        let columns = read().map_err(|error| said(&error))?;
        let mut key: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).cloned().collect();
        key.sort_by_key(|(_, place)| *place);
        Ok(Self {
            name: name.to_owned(),
            columns: columns.into_iter().map(|(name, _)| name).collect(),
            key: key.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// The row of a number.
    pub(super) fn row(&self, connection: &Connection, number: i64) -> Result<Option<Row>, ToolError> {
        row_where(connection, &self.name, &self.columns, &[("rowid".into(), Cell::Integer(number))])
    }

    /// What names a row for ever: its primary key, or its number where it has none.
    pub(super) fn key_of(&self, row: &Row, number: i64) -> Vec<(String, Cell)> {
        if self.key.is_empty() {
            return vec![("rowid".into(), Cell::Integer(number))];
        }
        let value = |name: &String| {
            let at = self.columns.iter().position(|column| column == name)?;
            Some((name.clone(), row.get(at)?.clone()))
        };
        self.key.iter().filter_map(value).collect()
    }
}

/// The row of a key.
pub(super) fn row_where(
    connection: &Connection,
    table: &str,
    columns: &[String],
    key: &[(String, Cell)],
) -> Result<Option<Row>, ToolError> {
    let names: Vec<_> = columns.iter().map(|name| quoted(name)).collect();
    let sql = format!("SELECT {} FROM {} WHERE {}", names.join(", "), quoted(table), condition(key, 1));
    let read = || {
        let mut statement = connection.prepare_cached(&sql)?;
        statement
            .query_row(params_from_iter(key.iter().map(|(_, value)| value)), |row| {
                (0..columns.len()).map(|at| row.get_ref(at).map(cell)).collect()
            })
            .optional()
    };
    read().map_err(|error: rusqlite::Error| said(&error))
}

/// `IS` and not `=`: a key may hold NULL.
pub(super) fn condition(key: &[(String, Cell)], first: usize) -> String {
    let column = |name: &str| if name == "rowid" { name.to_owned() } else { quoted(name) };
    let parts = key.iter().enumerate().map(|(at, (name, _))| format!("{} IS ?{}", column(name), at + first));
    parts.collect::<Vec<_>>().join(" AND ")
}
