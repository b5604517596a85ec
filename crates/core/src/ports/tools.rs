//! Tools that a run may call.

use super::runtime::BoxFuture;
use crate::words::{Preview, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec, UndoCall, Undone};
use std::sync::Arc;

/// One tool. Calls come with arguments that fit its schema.
pub trait Tool: Send + Sync {
    /// What it declares.
    fn spec(&self) -> ToolSpec;
    /// Does it. A write checks [`ToolCall::expect`] in one go with the write. An error that is not
    /// [`ToolError::uncertain`] means that nothing happened.
    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>>;
    /// What it would do; changes nothing. Also says when it cannot be done: no such product, no such table.
    /// Only asked of tools that declare [`ToolSpec::previews`].
    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        drop(call);
        Box::pin(std::future::ready(Ok(Preview::default())))
    }
    /// Takes a call back, by the record it gave. It restores what the call changed and nothing else, leaves alone what was
    /// changed since, and never removes what the call did not create. Undoing the undo is the same with [`Undone::redo`].
    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        drop(order);
        let error = ToolError::new("tool.no_undo", "This tool cannot take its calls back.");
        Box::pin(std::future::ready(Err(error)))
    }
    /// What became of a call (known by its [`ToolCall::key`]) whose answer was lost.
    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        drop(call);
        Box::pin(std::future::ready(ToolFate::Unknown))
    }
}

/// The tools there are.
pub trait ToolBox: Send + Sync {
    /// What they declare, in a stable order.
    fn specs(&self) -> Vec<ToolSpec>;
    /// The tool of this name.
    fn find(&self, name: &str) -> Option<Arc<dyn Tool>>;
}
