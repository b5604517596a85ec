//! What callers and the folding thread share: the budgets, who waits for them, the journal, and what is not in the database yet.

use super::budgets::Counted;
use super::journal::{Entry, Frame, Held, Marker, Segment, SettleDraft, Settled};
use super::ledger::scope_of;
use super::unfolded::Unfolded;
use super::writer::FOLD_AT;
use jiff::Timestamp;
use nunchi_core::{
    Admission, Booked, Budget, BudgetBook, BudgetNotice, CallId, CallRecord, HoldError, Refusal, SpendWish,
    StorageError, Ticket,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// What is told to who waits.
pub(super) type Verdict = Result<(), Box<Refusal>>;

/// Calls that may wait at once; the door admits fewer.
const MOST_WAITING: usize = 65_536;
/// Entries kept in memory until they are folded; then holds wait. About 1 KB each.
const MOST_KEPT: usize = 2 * FOLD_AT;
/// Rows that may wait for a full disk; each row of a paid call has a hold, so only free rows can be more.
const MOST_LEFT: usize = 65_536;

/// The budgets with all that has to change together with them.
///
/// Invariant: what is in `unfolded` was appended to the journal, in the same order, behind what the database holds.
pub(super) struct Desk {
    pub(super) book: BudgetBook,
    waiting: HashMap<Ticket, oneshot::Sender<Verdict>>,
    journal: Segment,
    unfolded: Unfolded,
    /// Rows that the disk refused: tried again, and their holds stay open as long.
    left: Vec<CallRecord>,
    /// Why nothing is admitted for now: the database cannot be written.
    trouble: Option<StorageError>,
    /// Why nothing is admitted any more.
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
pub(super) struct SharedDesk {
    desk: Arc<Mutex<Desk>>,
    /// Told whenever entries were folded, or will not be.
    pub(super) room: Arc<Notify>,
}

impl SharedDesk {
    pub(super) fn new(book: BudgetBook, journal: Segment) -> Self {
        let desk = Desk {
            book,
            waiting: HashMap::new(),
            journal,
            unfolded: Unfolded::default(),
            left: Vec::new(),
            trouble: None,
            shut: None,
        };
        Self { desk: Arc::new(Mutex::new(desk)), room: Arc::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// How many entries of the journal wait to be folded.
    pub(super) const fn entries(&self) -> usize {
        self.unfolded.entries()
    }

    /// Whether a hold has to wait until entries were folded; where that will not be, it is told so at once instead.
    pub(super) fn is_full(&self) -> bool {
        self.unfolded.kept() >= MOST_KEPT && self.trouble.is_none() && self.shut.is_none()
    }

    /// Reserves the wish in memory, or lets it wait.
    pub(super) fn admit(&mut self, wish: SpendWish, now: Timestamp) -> Result<Desked, HoldError> {
        if let Some(error) = self.shut.as_ref().or(self.trouble.as_ref()) {
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

    /// Makes a granted hold durable; gives it back when that fails.
    pub(super) fn keep(&mut self, held: Held, frame: &Frame, now: Timestamp) -> Result<(), StorageError> {
        let open = self.shut.clone().map_or(Ok(()), Err);
        if let Err(error) = open.and_then(|()| self.journal.append(frame)) {
            self.book.release(held.call, now);
            self.tell();
            return Err(error);
        }
        self.unfolded.push(Entry::Hold(held));
        Ok(())
    }

    /// Books a call that has ended, durably, and gives its hold back. The caller knows that the row is new. What the disk refuses
    /// is kept for another try.
    pub(super) fn settle(
        &mut self,
        record: Box<CallRecord>,
        draft: SettleDraft,
        now: Timestamp,
    ) -> Result<Vec<BudgetNotice>, StorageError> {
        if matches!(self.shut, Some(StorageError::Closed)) {
            return Err(StorageError::Closed);
        }
        let tokens = record.usage.total_tokens();
        let booked = self.book.book(record.id, &scope_of(&record), record.cost, tokens, now);
        if let Err(error) = draft.finish(&booked).and_then(|frame| self.journal.append(&frame)) {
            self.book.unbook(&booked);
            self.leave(*record);
            return Err(error);
        }
        self.book.release(record.id, now);
        self.tell();
        let notices = booked.notices.iter().map(|(_, notice)| notice.clone()).collect();
        self.unfolded.push(Entry::Settle(Settled { record, booked }));
        Ok(notices)
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

    /// Gives back what a caller who left waits for, or was just granted.
    pub(super) fn forget(&mut self, call: CallId, ticket: Ticket, now: Timestamp) {
        self.give_up(ticket, now);
        self.book.release(call, now);
        self.tell();
    }

    /// Takes what is to be folded, and up to where the journal then goes.
    pub(super) fn take_unfolded(&mut self, journal: Marker) -> (Unfolded, Marker) {
        (std::mem::take(&mut self.unfolded), journal.at(self.journal.end()))
    }

    /// Puts entries back that could not be folded, before those that came since.
    pub(super) fn put_back(&mut self, mut unfolded: Unfolded) {
        unfolded.append(std::mem::take(&mut self.unfolded));
        self.unfolded = unfolded;
    }

    /// Keeps a row that the disk refused.
    pub(super) fn leave(&mut self, record: CallRecord) {
        if self.left.len() < MOST_LEFT {
            self.left.push(record);
        }
    }

    /// Puts a budget, counted from the database, into the book, and counts on it what is not in the database yet.
    ///
    /// # Errors
    /// Then the counters in memory are right, and those of the next start may be short of a few calls.
    pub(super) fn put_budget(
        &mut self,
        budget: Budget,
        counted: Counted,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let (id, kept) = (budget.id, self.book.keeps_counters(&budget));
        self.book.put(budget, counted, now);
        let mut late = Booked::default();
        let settled = self.unfolded.rows.iter().filter(|_| !kept).map(|row| &row.settled.record);
        for record in settled {
            let tokens = record.usage.total_tokens();
            let booked = self.book.book_late(id, &scope_of(record), record.cost, tokens, now);
            late.charges.extend(booked.charges);
            late.notices.extend(booked.notices);
        }
        self.tell();
        if late.charges.is_empty() {
            return Ok(());
        }
        self.journal.append(&Frame::count(&late)?)?;
        self.unfolded.push(Entry::Count(late));
        Ok(())
    }

    /// Rows that the disk refused before.
    pub(super) fn take_left(&mut self) -> Vec<CallRecord> {
        std::mem::take(&mut self.left)
    }

    /// How many rows the disk has refused so far.
    pub(super) const fn left(&self) -> usize {
        self.left.len()
    }

    /// From now on entries go to another segment.
    pub(super) fn turn_page(&mut self, segment: Segment) {
        self.journal = segment;
    }

    /// Bytes of the present segment.
    pub(super) const fn journal_bytes(&self) -> u64 {
        self.journal.end().offset
    }

    /// Notes whether the database can be written for now.
    pub(super) fn note_trouble(&mut self, trouble: Option<StorageError>) {
        self.trouble = trouble;
    }

    /// From now on nothing is admitted, and nobody waits.
    pub(super) fn shut(&mut self, error: &StorageError) {
        if self.shut.is_none() || *error == StorageError::Closed {
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
