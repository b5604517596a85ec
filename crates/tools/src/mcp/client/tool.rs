//! A server's tool as one of ours.

use super::pins::PinnedTool;
use super::remote::RemoteServer;
use super::spec::spec_of;
use nunchi_core::{BoxFuture, Tool, ToolCall, ToolError, ToolOutput, ToolSpec};
use std::sync::Arc;

/// A tool that was accepted.
pub(crate) struct RemoteTool {
    pub(crate) server: Arc<RemoteServer>,
    pub(crate) pin: PinnedTool,
}

impl Tool for RemoteTool {
    fn spec(&self) -> ToolSpec {
        spec_of(&self.server.config, &self.pin)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(self.server.call(&self.pin.name, call.arguments))
    }
}
