//! Data files read with the place of every value, so that what is wrong with them can be shown where it stands.

mod toml_text;
mod yaml_text;

pub use toml_text::read_toml;
pub use yaml_text::read_yaml;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Longest file, in bytes.
pub(crate) const MOST_BYTES: usize = 256 * 1024;
/// Deepest nesting.
pub(crate) const MOST_DEPTH: usize = 32;
/// Most values of a file.
pub(crate) const MOST_VALUES: usize = 20_000;

/// A place in a text; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Position {
    /// The place of a byte.
    pub fn of_byte(text: &str, byte: usize) -> Self {
        let before = &text[..text.floor_char_boundary(byte.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self::new(line, column)
    }

    pub(crate) fn new(line: usize, column: usize) -> Self {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { line: count(line), column: count(column) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// Where.
    pub at: Position,
    /// What.
    pub value: LocatedValue,
}

/// A value of a data file.
#[derive(Clone, Debug, PartialEq)]
pub enum LocatedValue {
    /// Null, a truth value, a number or a text.
    Scalar(Value),
    /// A list.
    List(Vec<Located>),
    /// A table, in the order of the file; no key stands twice.
    Map(Vec<LocatedEntry>),
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct LocatedEntry {
    /// Its key.
    pub key: String,
    /// Where the key stands.
    pub at: Position,
    /// Its value.
    pub value: Located,
}

/// Why a text is no data file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// What, in English as the format's parsers say it.
    pub message: String,
}

impl SyntaxError {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

impl Located {
    /// The entries, if it is a table.
    pub fn entries(&self) -> Option<&[LocatedEntry]> {
        match &self.value {
            LocatedValue::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, if it is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Located> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The items, if it is a list.
    pub fn items(&self) -> Option<&[Located]> {
        match &self.value {
            LocatedValue::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            LocatedValue::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The same without places.
    pub fn to_json(&self) -> Value {
        match &self.value {
            LocatedValue::Scalar(value) => value.clone(),
            LocatedValue::List(items) => items.iter().map(Self::to_json).collect(),
            LocatedValue::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }
}

/// Refuses texts that no person writes by hand.
pub(crate) fn check_length(text: &str) -> Result<(), SyntaxError> {
    if text.len() > MOST_BYTES {
        let message = format!("the file has {} bytes, more than {MOST_BYTES}", text.len());
        return Err(SyntaxError::new(Position::new(1, 1), message));
    }
    Ok(())
}
