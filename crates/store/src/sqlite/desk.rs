//! What callers and the writer share: the budgets, and who waits for them.

use jiff::Timestamp;
use nunchi_core::{Admission, BudgetBook, CallId, HoldError, Refusal, SpendWish, StorageError, Ticket};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What is told to who waits.
pub(super) type Verdict = Result<(), Box<Refusal>>;

/// Calls that may wait at once; the door admits fewer.
const MOST_WAITING: usize = 65_536;

/// The budgets, who waits for them, and why nothing is admitted any more, if so.
pub(super) struct Desk {
    pub(super) book: BudgetBook,
    waiting: HashMap<Ticket, oneshot::Sender<Verdict>>,
    shut: Option<StorageError>,
}

/// What became of a wish at the desk.
pub(super) enum Desked {
    /// Reserved in memory.
    Granted,
    /// Has to wait for the verdict.
    Waits(Ticket, oneshot::Receiver<Verdict>),
}

/// The desk, shared.
#[derive(Clone)]
pub(super) struct SharedDesk(Arc<Mutex<Desk>>);

impl SharedDesk {
    pub(super) fn new(book: BudgetBook) -> Self {
        Self(Arc::new(Mutex::new(Desk { book, waiting: HashMap::new(), shut: None })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Reserves the wish, or lets it wait.
    pub(super) fn admit(&mut self, wish: SpendWish, now: Timestamp) -> Result<Desked, HoldError> {
        if let Some(error) = &self.shut {
            return Err(HoldError::Storage(error.clone()));
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(HoldError::Storage(StorageError::Other("too many calls wait for a budget".into())));
        }
        let outcome = match self.book.hold(wish, now) {
            Admission::Granted => Ok(Desked::Granted),
            Admission::Refused(refusal) => Err(HoldError::Refused(refusal)),
            Admission::Queued(ticket) => {
                let (told, verdict) = oneshot::channel();
                self.waiting.insert(ticket, told);
                Ok(Desked::Waits(ticket, verdict))
            }
        };
        self.tell();
        outcome
    }

    /// Takes a waiter off the queue; `None` when it was decided about before.
    pub(super) fn give_up(&mut self, ticket: Ticket, now: Timestamp) -> Option<Box<Refusal>> {
        // The decision may have been made by the turn of a window inside `cancel`: then the verdict is on its way.
        let refusal = self.book.cancel(ticket, now);
        if refusal.is_some() {
            self.waiting.remove(&ticket);
        }
        self.tell();
        refusal
    }

    /// Tells those about whom something was decided. Who has left sends word by itself, and the hold is given back then.
    pub(super) fn tell(&mut self) {
        for decision in self.book.take_decided() {
            if let Some(waiter) = self.waiting.remove(&decision.ticket) {
                let _left = waiter.send(decision.outcome);
            }
        }
    }

    /// Gives back what a caller who left has, or waits for.
    pub(super) fn forget(&mut self, call: CallId, ticket: Option<Ticket>, now: Timestamp) {
        if let Some(ticket) = ticket {
            self.give_up(ticket, now);
        }
        self.book.release(call, now);
    }

    /// From now on nothing is admitted, and nobody waits.
    pub(super) fn shut(&mut self, error: &StorageError) {
        if self.shut.is_none() {
            self.shut = Some(error.clone());
            self.waiting.clear();
        }
        if let StorageError::Damaged(what) = error {
            tracing::error!(what, "the ledger is damaged and admits no more calls");
        }
    }

    /// Why nothing is admitted any more.
    pub(super) fn shut_by(&self) -> Option<StorageError> {
        self.shut.clone()
    }
}
