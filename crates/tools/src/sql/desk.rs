//! What the database tools share: the databases by name, and calls under way.

use super::rows::Cell;
use super::settings::{DatabasePlace, DatabaseSettings, SqlCaps};
use crate::arguments::Attempts;
use nunchi_core::ToolError;
use serde_json::Value;
use std::sync::{Arc, Mutex};

pub(super) struct SqlDesk {
    pub(super) databases: Vec<Arc<DatabaseSettings>>,
    pub(super) caps: SqlCaps,
    pub(super) attempts: Attempts,
    /// One change at a time; held as well by whoever asks what became of one.
    pub(super) writing: Mutex<()>,
}

impl SqlDesk {
    pub(super) fn new(databases: Vec<DatabaseSettings>, caps: SqlCaps) -> Self {
        Self {
            databases: databases.into_iter().map(Arc::new).collect(),
            caps,
            attempts: Attempts::default(),
            writing: Mutex::default(),
        }
    }

    /// The database of this name, or the only one.
    pub(super) fn database(&self, name: Option<&str>) -> Result<&Arc<DatabaseSettings>, ToolError> {
        let found = match name {
            None if self.databases.len() == 1 => self.databases.first(),
            None => None,
            Some(name) => self.databases.iter().find(|database| database.name == name),
        };
        found.ok_or_else(|| {
            let names: Vec<_> = self.databases.iter().map(|database| database.name.as_str()).collect();
            ToolError::new("sql.database", "There is no such database.")
                .hint(format!("Name one of: {}.", names.join(", ")))
        })
    }

    /// How the places of values are written.
    pub(super) fn places(&self) -> &'static str {
        let postgres =
            |database: &&Arc<DatabaseSettings>| matches!(database.place, DatabasePlace::Postgres(_));
        match self.databases.iter().filter(postgres).count() {
            0 => "Values for ?",
            count if count == self.databases.len() => "Values for $1, $2",
            _ => "Values for ? (SQLite) or $1, $2 (PostgreSQL)",
        }
    }

    /// The schema of the argument that names the database.
    pub(super) fn names(&self) -> Option<Value> {
        let names: Vec<_> = self.databases.iter().map(|database| database.name.as_str()).collect();
        (names.len() > 1).then(|| serde_json::json!({ "enum": names }))
    }
}

/// Parameters as they are bound.
pub(super) fn cells(values: &[Value]) -> Result<Vec<Cell>, ToolError> {
    let cell = |value: &Value| {
        Ok(match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Integer(i64::from(*value)),
            Value::String(text) => Cell::Text(text.clone()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Cell::Integer(whole),
                (None, Some(real)) => Cell::Real(real.to_bits()),
                (None, None) => Cell::Null,
            },
            Value::Array(_) | Value::Object(_) => {
                return Err(ToolError::new("sql.parameters", "A parameter is a list or an object.")
                    .hint("Give texts, numbers or null."));
            }
        })
    };
    values.iter().map(cell).collect()
}
