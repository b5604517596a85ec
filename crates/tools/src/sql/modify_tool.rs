//! The tool that changes rows.

use super::desk::{SqlDesk, cells};
use super::query_tool::no_postgres;
use super::rows::{SqlChange, diff, version};
use super::settings::{DatabasePlace, DatabaseSettings};
use super::sqlite::{self, Modified};
use crate::arguments::{Attempt, arguments, blocking, lock};
use nunchi_core::{
    BoxFuture, Deed, EffectClass, Preview, Tool, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec,
    UndoCall, Undone,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) struct SqlModify(pub(super) Arc<SqlDesk>);

#[derive(Deserialize)]
struct Asked {
    database: Option<String>,
    sql: String,
    #[serde(default)]
    parameters: Vec<Value>,
    #[serde(default = "one")]
    rows: u64,
}

fn one() -> u64 {
    1
}

fn file(settings: &DatabaseSettings) -> Result<&Path, ToolError> {
    match &settings.place {
        DatabasePlace::Sqlite(path) => Ok(path),
        DatabasePlace::Postgres(_) => Err(no_postgres()),
    }
}

fn preview(desk: &SqlDesk, call: &ToolCall) -> Result<Preview, ToolError> {
    let asked: Asked = arguments(call)?;
    let settings = desk.database(asked.database.as_deref())?;
    let parameters = cells(&asked.parameters)?;
    let wish = sqlite::Wish { sql: &asked.sql, parameters: &parameters, rows: asked.rows, shown: None };
    match sqlite::modify(file(settings)?, settings, &desk.caps, wish, None)? {
        Modified::Now(change) => {
            desk.show(call.run, &call.arguments, version(&change.rows));
            Ok(Preview { current: None, diff: diff(&change.rows) })
        }
        Modified::Before(_) => Ok(Preview::default()),
    }
}

fn make(desk: &SqlDesk, call: &ToolCall, attempt: &Attempt) -> Result<ToolOutput, ToolError> {
    let asked: Asked = arguments(call)?;
    let settings = desk.database(asked.database.as_deref())?;
    let parameters = cells(&asked.parameters)?;
    let path = file(settings)?;
    let _alone = lock(&desk.writing);
    attempt.may_begin()?;
    let shown = desk.take_shown(call.run, &call.arguments);
    let wish =
        sqlite::Wish { sql: &asked.sql, parameters: &parameters, rows: asked.rows, shown: shown.as_deref() };
    let outcome = |change: &SqlChange| serde_json::to_string(&told(change)).unwrap_or_default();
    match sqlite::modify(path, settings, &desk.caps, wish, Some((&call.key, &outcome)))? {
        Modified::Now(change) => Ok(told(&change)),
        Modified::Before(outcome) => read(&outcome),
    }
}

fn told(change: &SqlChange) -> ToolOutput {
    let text = format!("Changed {} rows:\n{}", change.rows.len(), diff(&change.rows));
    ToolOutput { undo: serde_json::to_value(change).ok(), ..ToolOutput::text(text) }
}

fn read<T: serde::de::DeserializeOwned>(outcome: &str) -> Result<T, ToolError> {
    serde_json::from_str(outcome).map_err(|error| {
        ToolError::new("sql.note", format!("The note of the call cannot be read: {error}.")).uncertain()
    })
}

fn undo(desk: &SqlDesk, order: &UndoCall, attempt: &Attempt) -> Result<Undone, ToolError> {
    let change = SqlChange::deserialize(&order.record)
        .map_err(|error| ToolError::new("undo.record", format!("The record cannot be read: {error}.")))?;
    let settings = desk.database(Some(&change.database))?;
    let path = file(settings)?;
    let _alone = lock(&desk.writing);
    attempt.may_begin()?;
    let outcome = |restored: &sqlite::Restored| {
        serde_json::to_string(&undone(&change.database, restored, false)).unwrap_or_default()
    };
    let noted: Option<(&str, &dyn Fn(&sqlite::Restored) -> String)> =
        if order.dry_run { None } else { Some((&order.key, &outcome)) };
    match sqlite::undo(path, settings, &change, noted)? {
        Ok(restored) => Ok(undone(&change.database, &restored, order.dry_run)),
        Err(outcome) => read(&outcome),
    }
}

fn undone(database: &str, restored: &sqlite::Restored, dry_run: bool) -> Undone {
    let summary = if restored.rows.is_empty() {
        String::new()
    } else {
        format!("{} rows of {database} are as they were:\n{}", restored.rows.len(), diff(&restored.rows))
    };
    let redo = SqlChange { database: database.to_owned(), rows: restored.rows.clone() };
    let changed = !dry_run && !restored.rows.is_empty();
    Undone {
        summary,
        conflicts: restored.conflicts.clone(),
        redo: changed.then(|| serde_json::to_value(redo).ok()).flatten(),
        touched: Vec::new(),
    }
}

fn fate(desk: &SqlDesk, call: &ToolCall) -> Result<ToolFate, ToolError> {
    desk.attempts.forbid(&call.key);
    let asked: Asked = arguments(call)?;
    let path: PathBuf = file(desk.database(asked.database.as_deref())?)?.to_owned();
    let _alone = lock(&desk.writing);
    Ok(match sqlite::outcome_of(&path, &call.key)? {
        Some(outcome) => ToolFate::Happened(read(&outcome)?),
        None => ToolFate::DidNot,
    })
}

impl Tool for SqlModify {
    fn spec(&self) -> ToolSpec {
        let mut properties = json!({
            "sql": {"type": "string", "description": "One INSERT, UPDATE or DELETE with ? for values"},
            "parameters": {"type": "array"},
            "rows": {"type": "integer", "minimum": 1, "default": 1, "description": "How many rows it must change"},
        });
        if let Some(names) = self.0.names() {
            properties["database"] = names;
        }
        let schema = json!({
            "type": "object", "required": ["sql"], "properties": properties, "additionalProperties": false,
        });
        ToolSpec {
            // Rows come back exactly, but whoever read them meanwhile has acted on them: a person is asked.
            effect: EffectClass::Compensable,
            guarded: vec!["sql".into(), "parameters".into()],
            previews: true,
            deeds: vec![Deed::Write, Deed::Delete],
            ..ToolSpec::new("sql_modify", "Change rows you have read.", schema)
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let desk = Arc::clone(&self.0);
        // Known before the work stands in a queue, so that it can be given up there.
        let attempt = desk.attempts.begin(&call.key);
        Box::pin(blocking(move || {
            let made = make(&desk, &call, &attempt);
            desk.attempts.end(&call.key, &attempt);
            made
        }))
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        let desk = Arc::clone(&self.0);
        Box::pin(blocking(move || preview(&desk, &call)))
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        let desk = Arc::clone(&self.0);
        let attempt = desk.attempts.begin(&order.key);
        Box::pin(blocking(move || {
            let undone = undo(&desk, &order, &attempt);
            desk.attempts.end(&order.key, &attempt);
            undone
        }))
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        let desk = Arc::clone(&self.0);
        let looked = blocking(move || fate(&desk, &call));
        Box::pin(async move { looked.await.unwrap_or(ToolFate::Unknown) })
    }
}
