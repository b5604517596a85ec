//! The tool that asks databases.

use super::desk::{SqlDesk, cells};
use super::settings::{DatabasePlace, DatabaseSettings, SqlCaps};
use super::{postgres, sqlite};
use crate::arguments::{arguments, blocking};
use nunchi_core::{BoxFuture, Deed, Label, Tool, ToolCall, ToolError, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) struct SqlQuery(pub(super) Arc<SqlDesk>);

#[derive(Deserialize)]
struct Asked {
    database: Option<String>,
    sql: Option<String>,
    #[serde(default)]
    parameters: Vec<Value>,
}

async fn answer(desk: Arc<SqlDesk>, call: ToolCall) -> Result<ToolOutput, ToolError> {
    let asked: Asked = arguments(&call)?;
    let sql = asked.sql.filter(|sql| !sql.trim().is_empty());
    let parameters = cells(&asked.parameters)?;
    let settings = match (asked.database.as_deref(), &sql) {
        (None, None) => {
            let mut all = Vec::new();
            for settings in &desk.databases {
                all.push(format!("{}:\n{}", settings.name, describe(settings, &desk.caps).await?));
            }
            return Ok(ToolOutput::text(all.join("\n\n")));
        }
        (name, _) => Arc::clone(desk.database(name)?),
    };
    let text = match sql {
        None => describe(&settings, &desk.caps).await?,
        Some(sql) => match settings.place.clone() {
            DatabasePlace::Sqlite(path) => {
                let (rights, caps) = (Arc::clone(&settings), desk.caps);
                blocking(move || sqlite::query(&path, &rights, &caps, &sql, &parameters)).await?
            }
            DatabasePlace::Postgres(address) => {
                postgres::query(&address, &settings, &desk.caps, &sql, &parameters).await?
            }
        },
    };
    let label = Some(settings.label).filter(|label| *label > Label::Tool);
    Ok(ToolOutput { label, ..ToolOutput::text(text) })
}

async fn describe(settings: &Arc<DatabaseSettings>, caps: &SqlCaps) -> Result<String, ToolError> {
    match settings.place.clone() {
        DatabasePlace::Sqlite(path) => {
            let settings = Arc::clone(settings);
            blocking(move || sqlite::describe(&path, &settings)).await
        }
        DatabasePlace::Postgres(address) => postgres::describe(&address, settings, caps).await,
    }
}

impl Tool for SqlQuery {
    fn spec(&self) -> ToolSpec {
        let mut properties = json!({
            "sql": {"type": "string", "description": "One SELECT; without it: the tables and columns"},
            "parameters": {"type": "array", "description": self.0.places()},
        });
        if let Some(names) = self.0.names() {
            properties["database"] = names;
        }
        let schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
        let description = "Ask a database, or see its tables.";
        ToolSpec { deeds: vec![Deed::Read], ..ToolSpec::new("sql_query", description, schema) }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(answer(Arc::clone(&self.0), call))
    }
}
