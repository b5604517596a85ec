//! The tool that changes rows.

use super::desk::{SqlDesk, cells};
use super::rows::{Modified, Noted, Restored, SqlChange, Wish, diff, version};
use super::settings::DatabasePlace;
use super::{postgres, sqlite};
use crate::arguments::{Attempt, arguments, blocking, lock};
use nunchi_core::{
    BoxFuture, Deed, EffectClass, Expect, Preview, Tool, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec,
    UndoCall, Undone,
};
use serde::Deserialize;
use serde_json::{Value, json};
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

/// A change that is under way under a key.
struct Under<'a> {
    key: &'a str,
    attempt: &'a Attempt,
}

/// Tries a change, or makes it under a key.
async fn modify(
    desk: &Arc<SqlDesk>,
    call: &ToolCall,
    under: Option<Under<'_>>,
) -> Result<Modified, ToolError> {
    let asked: Asked = arguments(call)?;
    let settings = Arc::clone(desk.database(asked.database.as_deref())?);
    let parameters = cells(&asked.parameters)?;
    let shown = match &call.expect {
        Some(Expect::Version(shown)) => Some(shown.clone()),
        Some(Expect::Absent) | None => None,
    };
    let outcome = |change: &SqlChange| serde_json::to_string(&told(change)).unwrap_or_default();
    match settings.place.clone() {
        DatabasePlace::Sqlite(path) => {
            let desk = Arc::clone(desk);
            let under = under.map(|under| (under.key.to_owned(), under.attempt.clone()));
            blocking(move || {
                let _alone = lock(&desk.writing);
                under.as_ref().map_or(Ok(()), |(_, attempt)| attempt.may_begin())?;
                let wish = Wish {
                    sql: &asked.sql,
                    parameters: &parameters,
                    rows: asked.rows,
                    shown: shown.as_deref(),
                };
                let noted = under.as_ref().map(|(key, _)| Noted { key, outcome: &outcome });
                sqlite::modify(&path, &settings, &desk.caps, wish, noted)
            })
            .await
        }
        DatabasePlace::Postgres(address) => {
            let wish =
                Wish { sql: &asked.sql, parameters: &parameters, rows: asked.rows, shown: shown.as_deref() };
            let noted = under.map(|under| Noted { key: under.key, outcome: &outcome });
            postgres::modify(&address, &settings, &desk.caps, wish, noted).await
        }
    }
}

async fn preview(desk: Arc<SqlDesk>, call: ToolCall) -> Result<Preview, ToolError> {
    match modify(&desk, &call, None).await? {
        Modified::Now(change) => {
            Ok(Preview { current: Some(version(&change.rows)), diff: diff(&change.rows) })
        }
        Modified::Before(_) => Ok(Preview::default()),
    }
}

async fn make(desk: &Arc<SqlDesk>, call: &ToolCall, attempt: &Attempt) -> Result<ToolOutput, ToolError> {
    match modify(desk, call, Some(Under { key: &call.key, attempt })).await? {
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

async fn undo(desk: &Arc<SqlDesk>, order: &UndoCall, attempt: &Attempt) -> Result<Undone, ToolError> {
    let change = SqlChange::deserialize(&order.record)
        .map_err(|error| ToolError::new("undo.record", format!("The record cannot be read: {error}.")))?;
    let settings = Arc::clone(desk.database(Some(&change.database))?);
    let database = change.database.clone();
    let before = order.taken_back.iter().filter_map(|record| SqlChange::deserialize(record).ok());
    let before: Vec<_> = before.filter(|earlier| earlier.database == database).collect();
    let outcome = {
        let database = database.clone();
        move |restored: &Restored| {
            serde_json::to_string(&undone(&database, restored, false)).unwrap_or_default()
        }
    };
    let key = (!order.dry_run).then(|| order.key.clone());
    let done = match settings.place.clone() {
        DatabasePlace::Sqlite(path) => {
            let (desk, attempt) = (Arc::clone(desk), attempt.clone());
            blocking(move || {
                let _alone = lock(&desk.writing);
                attempt.may_begin()?;
                let noted = key.as_ref().map(|key| Noted { key, outcome: &outcome });
                sqlite::undo(&path, &settings, (&before, &change), noted)
            })
            .await?
        }
        DatabasePlace::Postgres(address) => {
            let noted = key.as_ref().map(|key| Noted { key, outcome: &outcome });
            postgres::undo(&address, &settings, &desk.caps, (&before, &change), noted).await?
        }
    };
    match done {
        Ok(restored) => Ok(undone(&database, &restored, order.dry_run)),
        Err(outcome) => read(&outcome),
    }
}

fn undone(database: &str, restored: &Restored, dry_run: bool) -> Undone {
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

async fn fate(desk: Arc<SqlDesk>, call: ToolCall) -> Result<ToolFate, ToolError> {
    desk.attempts.forbid(&call.key);
    let asked: Asked = arguments(&call)?;
    let found = match desk.database(asked.database.as_deref())?.place.clone() {
        DatabasePlace::Sqlite(path) => {
            let desk = Arc::clone(&desk);
            blocking(move || {
                let _alone = lock(&desk.writing);
                sqlite::outcome_of(&path, &call.key)
            })
            .await?
        }
        DatabasePlace::Postgres(address) => postgres::outcome_of(&address, &desk.caps, &call.key).await?,
    };
    Ok(match found {
        Some(outcome) => ToolFate::Happened(read(&outcome)?),
        None => ToolFate::DidNot,
    })
}

impl Tool for SqlModify {
    fn spec(&self) -> ToolSpec {
        let mut properties = json!({
            "sql": {"type": "string", "description": "One INSERT, UPDATE or DELETE"},
            "parameters": {"type": "array", "description": self.0.places()},
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
        Box::pin(async move {
            let made = make(&desk, &call, &attempt).await;
            desk.attempts.end(&call.key, &attempt);
            made
        })
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        let desk = Arc::clone(&self.0);
        Box::pin(preview(desk, call))
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        let desk = Arc::clone(&self.0);
        let attempt = desk.attempts.begin(&order.key);
        Box::pin(async move {
            let undone = undo(&desk, &order, &attempt).await;
            desk.attempts.end(&order.key, &attempt);
            undone
        })
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        let desk = Arc::clone(&self.0);
        Box::pin(async move { fate(desk, call).await.unwrap_or(ToolFate::Unknown) })
    }
}
