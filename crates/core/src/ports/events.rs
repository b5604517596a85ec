//! What happens, told to whoever watches: metrics, traces, the console's live page.

use crate::words::{BudgetNotice, CallRecord};
use std::sync::Arc;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call was booked.
    CallFinished(Arc<CallRecord>),
    /// A budget reached a threshold.
    BudgetThreshold(Arc<BudgetNotice>),
    /// An upstream's circuit breaker changed: provider, model, whether it is open now.
    Breaker {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
        /// Whether calls are held back now.
        open: bool,
    },
}

/// Takes events; must not block.
pub trait EventSink: Send + Sync {
    /// Tells one event.
    fn emit(&self, event: Event);
}
