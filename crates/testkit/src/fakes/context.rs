//! The plainest call context.

use super::ids::SequentialIds;
use nunchi_core::{CallContext, Principal, RequestId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The owner asks, with a request id that no other call of this process has, and nothing else said.
pub fn owner_context() -> CallContext {
    static ASKED: AtomicU64 = AtomicU64::new(1);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    CallContext::new(RequestId(SequentialIds::nth(number)), Arc::new(Principal::owner()))
}
