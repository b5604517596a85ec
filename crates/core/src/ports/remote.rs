//! Calls of our tools that somebody else's agent wants made.

use super::runtime::BoxFuture;
use crate::words::{Principal, RunOrigin, ToolSpec};
use serde_json::Value;
use std::sync::Arc;

/// A call that somebody else's agent wants made.
#[derive(Clone, Debug)]
pub struct RemoteCall {
    /// Whose key it came with.
    pub principal: Arc<Principal>,
    /// Where it came from.
    pub origin: RunOrigin,
    /// The tool.
    pub spec: ToolSpec,
    /// The arguments, unchecked.
    pub arguments: Value,
}

/// Makes such calls: judged by the owner's rules, stored before they act, on the record, and undone like any other.
pub trait RemoteCalls: Send + Sync {
    /// Makes one; gives what the tool answers, or why there is no answer, both for a model to read. A call whose caller goes away
    /// is made all the same.
    fn call(&self, call: RemoteCall) -> BoxFuture<'_, Result<String, String>>;
}
