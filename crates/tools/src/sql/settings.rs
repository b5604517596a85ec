//! Which databases, tables and rights the owner gave the tools.

use nunchi_core::Label;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// A database that tools may use.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Its name in calls.
    pub name: String,
    /// Where it is.
    pub place: DatabasePlace,
    /// The tables and views that may be used; all others are as if they were not there.
    pub tables: BTreeMap<String, TableAccess>,
    /// Whose words its rows are.
    pub label: Label,
}

/// Where a database is.
#[derive(Clone)]
pub enum DatabasePlace {
    /// A file.
    Sqlite(PathBuf),
    /// A server, as a connection string, which may hold a password.
    Postgres(String),
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

/// What may be done with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableAccess {
    /// Its rows are read.
    Read,
    /// Its rows are read and changed.
    Write,
}

/// Limits of the database tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlCaps {
    /// Most rows shown at once.
    pub shown_rows: usize,
    /// Most bytes shown at once.
    pub shown_bytes: usize,
    /// Most rows changed by one call; all of them are kept for undoing.
    pub changed_rows: usize,
    /// Longest time of one statement, in milliseconds.
    pub statement_ms: u64,
}

impl Default for SqlCaps {
    fn default() -> Self {
        Self { shown_rows: 100, shown_bytes: 12 * 1024, changed_rows: 200, statement_ms: 10_000 }
    }
}

impl DatabaseSettings {
    /// What may be done with a table, whatever the case of its name.
    pub(super) fn access(&self, table: &str) -> Option<TableAccess> {
        self.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(table)).map(|(_, access)| *access)
    }
}
