//! Rows: how they are kept, compared and shown.

use crate::arguments::cut;
use nunchi_core::{ContentHash, ToolError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest value shown, in bytes.
const LONGEST_VALUE: usize = 300;
/// Most changed rows shown.
const MOST_SHOWN: usize = 40;

/// A value, kept exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cell {
    Null,
    Integer(i64),
    /// Its bits: decimal notation on the way through JSON could lose the last one.
    Real(u64),
    Text(String),
    Blob(Vec<u8>),
}

/// The values of a row.
pub(super) type Row = Vec<Cell>;

/// What happened to a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RowChange {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    /// What names the row, before and after.
    pub(super) key: Vec<(String, Cell)>,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
}

/// What a call changed, kept with the step so that it can be taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SqlChange {
    pub(super) database: String,
    /// In the order in which they were changed.
    pub(super) rows: Vec<RowChange>,
}

/// Under which key a change is noted, and what its call answers.
pub(super) struct Noted<'a, T> {
    pub(super) key: &'a str,
    pub(super) outcome: &'a (dyn Fn(&T) -> String + Sync),
}

/// A change as it was asked for.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) sql: &'a str,
    pub(super) parameters: &'a [Cell],
    /// How many rows it must change.
    pub(super) rows: u64,
    /// The version of the rows as they were shown; `None` when they were not.
    pub(super) shown: Option<&'a str>,
}

/// What a change did or would do.
pub(super) enum Modified {
    /// These rows.
    Now(SqlChange),
    /// The call was made before; this is what it answered.
    Before(String),
}

/// What was put back, and what was left alone and why.
#[derive(Default)]
pub(super) struct Restored {
    pub(super) rows: Vec<RowChange>,
    pub(super) conflicts: Vec<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(value) => value.fmt(f),
            Self::Real(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Self::Text(text) => {
                let (head, was_cut) = cut(text, LONGEST_VALUE);
                f.write_str(&head.replace('\\', "\\\\").replace('\n', "\\n").replace('|', "\\|"))?;
                if was_cut { f.write_str("…") } else { Ok(()) }
            }
            Self::Blob(bytes) => write!(f, "<{} bytes>", bytes.len()),
        }
    }
}

impl RowChange {
    /// The row's name for people: `products id=17`.
    pub(super) fn name(&self) -> String {
        let key: Vec<_> = self.key.iter().map(|(column, value)| format!("{column}={value}")).collect();
        format!("{} {}", self.table, key.join(" "))
    }

    /// The same change the other way round.
    pub(super) fn reversed(&self) -> Self {
        let (before, after) = (self.after.clone(), self.before.clone());
        Self { before, after, ..self.clone() }
    }

    fn shown(&self) -> String {
        let pairs = |row: &Row| {
            let pair = |(column, value): (&String, &Cell)| format!("{column}={value}");
            self.columns.iter().zip(row).map(pair).collect::<Vec<_>>().join(", ")
        };
        match (&self.before, &self.after) {
            (None, Some(row)) => format!("+ {}: {}", self.table, pairs(row)),
            (Some(row), None) => format!("- {}: {}", self.table, pairs(row)),
            (Some(before), Some(after)) => {
                let columns = self.columns.iter().zip(before.iter().zip(after));
                let differs = columns.filter(|(_, (before, after))| before != after);
                let pair = |(column, (before, after)): (&String, (&Cell, &Cell))| {
                    format!("{column} {before} → {after}")
                };
                format!("~ {}: {}", self.name(), differs.map(pair).collect::<Vec<_>>().join(", "))
            }
            (None, None) => String::new(),
        }
    }
}

/// Refuses a change of rows that are not as they were shown.
pub(super) fn as_shown(wish: &Wish<'_>, rows: &[RowChange]) -> Result<(), ToolError> {
    if wish.shown.is_none_or(|shown| shown == version(rows)) {
        return Ok(());
    }
    Err(ToolError::new("tool.changed", "The rows have changed since they were shown.")
        .hint("Read them again."))
}

/// The changes, one a line.
pub(super) fn diff(rows: &[RowChange]) -> String {
    let mut lines: Vec<_> = rows.iter().take(MOST_SHOWN).map(RowChange::shown).collect();
    if rows.len() > MOST_SHOWN {
        lines.push(format!("… and {} rows more", rows.len() - MOST_SHOWN));
    }
    lines.join("\n")
}

/// A version of what the rows were before. A new row has no key in it: the database may number it anew at each try.
pub(super) fn version(rows: &[RowChange]) -> String {
    let before =
        |row: &RowChange| (row.table.clone(), row.before.clone().map(|before| (row.key.clone(), before)));
    let before: Vec<_> = rows.iter().map(before).collect();
    ContentHash::of(serde_json::to_vec(&before).unwrap_or_default()).to_string()
}

/// A table as text: names, then rows, up to a cap.
pub(super) struct Shown {
    text: String,
    rows: usize,
    most_rows: usize,
    most_bytes: usize,
    full: bool,
}

impl Shown {
    pub(super) fn new(columns: &[String], most_rows: usize, most_bytes: usize) -> Self {
        let text = columns.join(" | ");
        Self { text, rows: 0, most_rows, most_bytes, full: false }
    }

    /// Adds a row; whether there is room for more.
    pub(super) fn add(&mut self, row: &[Cell]) -> bool {
        let line = row.iter().map(Cell::to_string).collect::<Vec<_>>().join(" | ");
        if self.rows >= self.most_rows || self.text.len() + line.len() > self.most_bytes {
            self.full = true;
            return false;
        }
        self.text.push('\n');
        self.text.push_str(&line);
        self.rows += 1;
        true
    }

    pub(super) fn told(mut self) -> String {
        if self.full {
            self.text.push_str(&format!("\n[the first {} rows; go on with LIMIT and OFFSET]", self.rows));
        } else {
            self.text.push_str(&format!("\n[{} rows]", self.rows));
        }
        self.text
    }
}
