//! `forget_fact`: takes a fact out. It can be brought back for 30 days; then its text is erased.

use super::undoing::{Back, undo};
use super::{id_of, refused};
use nunchi_core::{
    BoxFuture, Deed, EffectClass, FactState, Memory, MemoryError, Preview, Tool, ToolCall, ToolError,
    ToolFate, ToolOutput, ToolSpec, UndoCall, Undone,
};
use serde_json::json;
use std::sync::Arc;

/// The tool.
pub(super) struct ForgetFact(pub(super) Arc<dyn Memory>);

impl ForgetFact {
    async fn forget(&self, call: ToolCall) -> Result<ToolOutput, ToolError> {
        let id = id_of(&call.arguments)?;
        let before = self.0.fact(id).await.map_err(|error| refused(&error))?;
        if before.state != FactState::Active {
            return Err(ToolError::new(
                "memory.not_active",
                format!("Fact [{id}] is {} already.", before.state.as_str()),
            ));
        }
        self.0.forget(id).await.map_err(|error| refused(&error))?;
        let undo = Back::Restore { id, instead: Vec::new() }.record();
        Ok(ToolOutput { text: format!("Forgotten: {}", before.text), undo, ..ToolOutput::default() })
    }
}

impl Tool for ForgetFact {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({
            "type": "object", "required": ["id"], "additionalProperties": false,
            "properties": {"id": {"type": "string", "description": "The id, as search_memory shows it."}},
        });
        ToolSpec {
            effect: EffectClass::Reversible,
            guarded: vec!["id".into()],
            previews: true,
            deeds: vec![Deed::Delete],
            ..ToolSpec::new(
                "forget_fact",
                "Take a fact out of memory, when the owner wants it gone or it is wrong.",
                parameters,
            )
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(self.forget(call))
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        Box::pin(async move {
            let fact = self.0.fact(id_of(&call.arguments)?).await.map_err(|error| refused(&error))?;
            Ok(Preview { current: None, diff: format!("- {}", fact.text) })
        })
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        Box::pin(async move { undo(&*self.0, order).await })
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        Box::pin(async move {
            let Ok(id) = id_of(&call.arguments) else { return ToolFate::DidNot };
            match self.0.fact(id).await {
                Ok(fact) if fact.state == FactState::Forgotten => ToolFate::Happened(ToolOutput {
                    text: format!("Forgotten: {}", fact.text),
                    undo: Back::Restore { id, instead: Vec::new() }.record(),
                    ..ToolOutput::default()
                }),
                Ok(_) | Err(MemoryError::Unknown(_)) => ToolFate::DidNot,
                Err(_) => ToolFate::Unknown,
            }
        })
    }
}
