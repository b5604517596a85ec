//! The script of a server and what it has seen, shared by its connections.

use super::seen::Seen;
use crate::batch::{BatchBook, Bill};
use crate::dialect::{Dialect, Endpoint};
use crate::turn::Turn;
use http::Method;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Makes a turn from a request.
pub(super) type Handler = Arc<dyn Fn(&Seen) -> Turn + Send + Sync>;

/// Everything a server knows.
pub(super) struct State {
    pub(super) dialect: Dialect,
    book: Mutex<Book>,
    batches: Mutex<BatchBook>,
    changed: watch::Sender<u64>,
}

/// The part behind the lock.
pub(super) struct Book {
    pub(super) script: VecDeque<Turn>,
    pub(super) script_for: HashMap<Endpoint, VecDeque<Turn>>,
    pub(super) handler: Option<Handler>,
    pub(super) always: Turn,
    pub(super) models: Vec<String>,
    pub(super) key: Option<String>,
    pub(super) lenient: bool,
    pub(super) forgetful: bool,
    pub(super) requests: Vec<Seen>,
    pub(super) violations: Vec<String>,
    pub(super) served: u64,
    pub(super) calls: usize,
    epoch: u64,
}

impl Book {
    /// Forgets what was seen and scripted; answers under way are then followed by nobody.
    pub(super) fn reset(&mut self) {
        self.script.clear();
        self.script_for.clear();
        self.requests.clear();
        self.violations.clear();
        self.calls = 0;
        self.epoch += 1;
    }
}

/// The place of a request in the book; `None` when requests are not kept.
/// An entry of an earlier epoch is gone.
pub(super) type Place = Option<(u64, usize)>;

impl State {
    pub(super) fn new(dialect: Dialect) -> Self {
        let book = Book {
            script: VecDeque::new(),
            script_for: HashMap::new(),
            handler: None,
            always: Turn::text("Hello from the scripted upstream."),
            models: dialect.models().iter().map(|&model| model.to_owned()).collect(),
            key: None,
            lenient: false,
            forgetful: false,
            requests: Vec::new(),
            violations: Vec::new(),
            served: 0,
            calls: 0,
            epoch: 0,
        };
        let batches = Mutex::new(BatchBook::new());
        Self { dialect, book: Mutex::new(book), batches, changed: watch::Sender::new(0) }
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches; never asked for while the book is held.
    pub(super) fn batches(&self) -> MutexGuard<'_, BatchBook> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no request has had.
    pub(super) fn number(&self) -> u64 {
        let mut book = self.book();
        book.served += 1;
        book.served
    }

    /// The turn that was scripted for an endpoint, if any.
    pub(super) fn scripted(&self, endpoint: Endpoint) -> Option<Turn> {
        self.book().script_for.get_mut(&endpoint)?.pop_front()
    }

    /// Charges for an answer that is given at once.
    pub(super) fn bill_live(&self, seen: &Seen, turn: &Turn) {
        if turn.fault.is_some() || !matches!(seen.endpoint, Some(Endpoint::Chat | Endpoint::Responses)) {
            return;
        }
        let text = (!self.book().forgetful).then(|| seen.last_user_text());
        let billed = &mut self.batches().billed;
        Bill::add(&mut billed.live, turn.usage.tokens());
        if let Some(text) = text {
            *billed.texts.entry(text).or_default() += 1;
        }
    }

    /// Tells waiters that the book changed.
    pub(super) fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Writes a request down; returns its place and its number (from 1).
    pub(super) fn record(&self, seen: &Seen) -> (Place, u64) {
        let mut book = self.book();
        book.served += 1;
        book.calls += usize::from(seen.method == Method::POST);
        let place = (!book.forgetful).then(|| {
            book.requests.push(seen.clone());
            (book.epoch, book.requests.len() - 1)
        });
        let number = book.served;
        drop(book);
        self.touch();
        (place, number)
    }

    /// The next turn for a request: of its endpoint, of the script, of the handler, or the fall-back.
    pub(super) fn next_turn(&self, seen: &Seen) -> Turn {
        let mut book = self.book();
        let own = seen.endpoint.and_then(|endpoint| book.script_for.get_mut(&endpoint)?.pop_front());
        if let Some(turn) = own {
            return turn;
        }
        if seen.method != Method::POST {
            return Turn::empty();
        }
        if let Some(turn) = book.script.pop_front() {
            return turn;
        }
        match book.handler.clone() {
            Some(handler) => {
                drop(book);
                handler(seen)
            }
            None => book.always.clone(),
        }
    }

    /// Changes a request that was written down.
    pub(super) fn update(&self, place: Place, change: impl FnOnce(&mut Seen)) {
        let Some((epoch, at)) = place else { return };
        let mut book = self.book();
        if book.epoch == epoch
            && let Some(seen) = book.requests.get_mut(at)
        {
            change(seen);
        }
        drop(book);
        self.touch();
    }
}

/// Follows one answer: dropped before its end, the client went away.
pub(super) struct Follow {
    state: Arc<State>,
    place: Place,
    done: bool,
}

impl Follow {
    pub(super) fn new(state: Arc<State>, place: Place) -> Self {
        Self { state, place, done: false }
    }

    /// The answer has this status.
    pub(super) fn begin(&self, status: u16) {
        self.state.update(self.place, |seen| seen.status = status);
    }

    /// The answer went out as scripted.
    pub(super) fn finish(&mut self) {
        if !self.done {
            self.done = true;
            self.state.update(self.place, |seen| seen.finished = true);
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if !self.done {
            self.state.update(self.place, |seen| seen.aborted = true);
        }
    }
}
