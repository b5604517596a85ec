//! A server's tool as one of ours.

use super::inverse::McpInverse;
use super::pins::PinnedTool;
use super::remote::RemoteServer;
use super::spec::spec_of;
use nunchi_core::{BoxFuture, Tool, ToolCall, ToolError, ToolOutput, ToolSpec, UndoCall, Undone};
use serde_json::{Value, json};
use std::sync::Arc;

/// A tool that was accepted.
pub(crate) struct RemoteTool {
    pub(crate) server: Arc<RemoteServer>,
    pub(crate) pin: PinnedTool,
}

/// What stands in place of the record of a call that was taken back: that itself cannot be.
const COMPENSATED: &str = "compensated";

impl RemoteTool {
    async fn compensate(&self, order: UndoCall) -> Result<Undone, ToolError> {
        let conflict = |why: &str| Undone { conflicts: vec![why.to_owned()], ..Undone::default() };
        if order.record.get(COMPENSATED).is_some() {
            return Ok(conflict("It was taken back by another call, which nothing takes back."));
        }
        let Ok(inverse) = serde_json::from_value::<McpInverse>(order.record) else {
            return Ok(conflict("The record of the call cannot be read."));
        };
        let arguments = Value::Object(inverse.arguments);
        let summary = format!("`{}` of \"{}\" with {arguments}", inverse.tool, self.server.config.name);
        if order.dry_run {
            return Ok(Undone { summary, ..Undone::default() });
        }
        let answer = self.server.call(&inverse.tool, arguments).await?;
        let redo = Some(json!({ COMPENSATED: order.key }));
        Ok(Undone { summary: format!("{summary}: {}", answer.text), redo, ..Undone::default() })
    }
}

impl Tool for RemoteTool {
    fn spec(&self) -> ToolSpec {
        spec_of(&self.server.config, &self.pin)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(self.server.call(&self.pin.name, call.arguments))
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        Box::pin(self.compensate(order))
    }
}
