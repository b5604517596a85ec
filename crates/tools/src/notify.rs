//! Tells the owner something while a run is at work.

use crate::arguments::arguments;
use nunchi_core::{
    BoxFuture, Deed, EffectClass, Explain, Lang, Notifier, OwnerMessage, Tool, ToolCall, ToolError, ToolFate,
    ToolOutput, ToolSpec,
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// The tool. Nothing takes back what was told, so it is final; the built-in rules allow it all the same.
pub(crate) struct Notify(pub(crate) Arc<dyn Notifier>);

#[derive(Deserialize)]
struct Asked {
    text: String,
}

fn told() -> ToolOutput {
    ToolOutput::text("The owner is told.")
}

impl Tool for Notify {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["text"], "additionalProperties": false,
            "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 2000}},
        });
        ToolSpec {
            effect: EffectClass::Final,
            deeds: vec![Deed::Send],
            ..ToolSpec::new("notify", "Tell the owner something now.", schema)
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let Asked { text } = arguments(&call)?;
            let message = OwnerMessage { key: call.key, run: call.run, text };
            self.0
                .notify(message)
                .await
                .map_err(|error| ToolError::new("notify.failed", error.message(Lang::En)).uncertain())?;
            Ok(told())
        })
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        Box::pin(async move {
            match self.0.was_told(&call.key).await {
                Ok(true) => ToolFate::Happened(told()),
                Ok(false) => ToolFate::DidNot,
                Err(_) => ToolFate::Unknown,
            }
        })
    }
}
