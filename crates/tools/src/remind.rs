//! Tells the owner something later, whatever becomes of the run until then.

use crate::arguments::arguments;
use crate::time::moment;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nunchi_core::{
    BoxFuture, Clock, Deed, EffectClass, Explain, Lang, Notifier, OwnerMessage, RunId, StorageError, Tool,
    ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec, UndoCall, Undone,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// The tool.
pub(crate) struct Remind {
    pub(crate) notifier: Arc<dyn Notifier>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The zone of times that name none.
    pub(crate) zone: TimeZone,
}

#[derive(Deserialize)]
struct Asked {
    text: String,
    at: Option<String>,
    after: Option<String>,
}

/// How a reminder, or its removal, is taken back.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Back {
    Cancel { key: String },
    Set { text: String, due: Timestamp },
}

fn failed(error: &StorageError) -> ToolError {
    ToolError::new("remind.failed", error.message(Lang::En)).uncertain()
}

impl Remind {
    /// When the owner is to be told.
    fn due(&self, asked: &Asked) -> Result<Timestamp, ToolError> {
        let now = self.clock.now().to_zoned(self.zone.clone());
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let due = match (given(&asked.at), given(&asked.after)) {
            (Some(at), None) => moment(&at, &now)?,
            (None, Some(after)) => {
                let span = after.parse::<jiff::Span>().and_then(|span| now.checked_add(span));
                span.map_err(|error| {
                    ToolError::new("remind.span", format!("`{after}` is no span of time: {error}."))
                        .hint("Write it like `10 minutes` or `2 days 3 hours`.")
                })?
            }
            _ => {
                return Err(ToolError::new("remind.when", "It must be said when.")
                    .hint("Give either `at` or `after`."));
            }
        };
        if due <= now {
            let message = format!("{due} is over; it is {now}.");
            return Err(ToolError::new("remind.past", message).hint("Give a later time, or use notify."));
        }
        Ok(due.timestamp())
    }

    async fn set(&self, key: String, run: RunId, text: String, due: Timestamp) -> Result<String, ToolError> {
        let message = OwnerMessage { key, run, text };
        self.notifier.remind(message, due).await.map_err(|error| failed(&error))?;
        Ok(format!("The owner will be told at {}.", due.to_zoned(self.zone.clone())))
    }

    async fn take_back(&self, order: UndoCall) -> Result<Undone, ToolError> {
        let conflict = |why: &str| Ok(Undone { conflicts: vec![why.to_owned()], ..Undone::default() });
        let Ok(back) = serde_json::from_value::<Back>(order.record) else {
            return conflict("The record of the reminder cannot be read.");
        };
        let (summary, redo) = match back {
            Back::Cancel { key } if order.dry_run => (format!("The reminder `{key}` would be off."), None),
            Back::Cancel { key } => {
                let cancelled = self.notifier.cancel(&key).await.map_err(|error| failed(&error))?;
                let Some((text, due)) = cancelled else {
                    return conflict("The owner has been told already, or the reminder is off.");
                };
                (format!("The reminder \"{text}\" is off."), Some(Back::Set { text, due }))
            }
            Back::Set { .. } if order.dry_run => ("The reminder would be on again.".to_owned(), None),
            Back::Set { text, due } => {
                let told = self.set(order.key.clone(), order.run, text, due).await?;
                (told, Some(Back::Cancel { key: order.key }))
            }
        };
        let redo = redo.and_then(|back| serde_json::to_value(back).ok());
        Ok(Undone { summary, redo, ..Undone::default() })
    }

    fn output(key: String, text: String) -> ToolOutput {
        let undo = serde_json::to_value(Back::Cancel { key }).ok();
        ToolOutput { undo, ..ToolOutput::text(text) }
    }
}

impl Tool for Remind {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["text"], "additionalProperties": false,
            "properties": {
                "text": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "What the owner is told then"},
                "at": {"type": "string", "description": "Date and time, such as 2026-11-23T09:00"},
                "after": {"type": "string", "description": "Instead of at: such as `10 minutes`"},
            },
        });
        ToolSpec {
            effect: EffectClass::Reversible,
            deeds: vec![Deed::Schedule],
            ..ToolSpec::new("remind", "Tell the owner something later.", schema)
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let asked: Asked = arguments(&call)?;
            let due = self.due(&asked)?;
            let told = self.set(call.key.clone(), call.run, asked.text, due).await?;
            Ok(Self::output(call.key, told))
        })
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        Box::pin(self.take_back(order))
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        Box::pin(async move {
            match self.notifier.was_told(&call.key).await {
                Ok(true) => ToolFate::Happened(Self::output(call.key, "The reminder is set.".into())),
                Ok(false) => ToolFate::DidNot,
                Err(_) => ToolFate::Unknown,
            }
        })
    }
}
