//! What happens, told to whoever watches: a bounded broadcast and the last calls.

use nunchi_core::{CallRecord, Event, EventSink};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// Rows kept for a page that opens later.
const RECENT: usize = 200;
/// Events a slow watcher may fall behind before it loses some.
const BACKLOG: usize = 1_024;

/// Fans events out; never blocks the call path.
pub struct Feed {
    sender: broadcast::Sender<Event>,
    recent: Mutex<VecDeque<Arc<CallRecord>>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG), recent: Mutex::new(VecDeque::with_capacity(RECENT)) }
    }

    /// Watches from now on; a watcher that lags is told how many events it lost.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// The last calls since the process began, the newest first.
    pub fn recent(&self, most: usize) -> Vec<Arc<CallRecord>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().take(most).cloned().collect()
    }
}

impl EventSink for Feed {
    fn emit(&self, event: Event) {
        if let Event::CallFinished(record) = &event {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(Arc::clone(record));
        }
        if self.sender.receiver_count() > 0 {
            // An error means that the last watcher left just now: nobody wants the event.
            let _nobody_watches = self.sender.send(event);
        }
    }
}
