//! The plainest call context.

use super::ids::SequentialIds;
use nunchi_core::{CallContext, Principal, RequestId};
use std::sync::Arc;

/// The owner asks, with request id number 1 and nothing else said.
pub fn owner_context() -> CallContext {
    CallContext::new(RequestId(SequentialIds::nth(1)), Arc::new(Principal::owner()))
}
