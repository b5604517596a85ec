//! Who waits for holds of others to end, and in which order they are served.

use super::line::Instance;
use super::{BudgetBook, SpendWish};
use crate::ports::Refusal;
use crate::words::{BudgetId, CallId};
use jiff::Timestamp;
use smallvec::SmallVec;

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What became of a waiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its place.
    pub ticket: Ticket,
    /// Its call.
    pub call: CallId,
    /// Whether it holds now; a refusal means that it never will.
    pub outcome: Result<(), Box<Refusal>>,
}

pub(super) enum Verdict {
    Fits,
    Wait(Box<Refusal>),
    Never(Box<Refusal>),
}

/// A set of counters that calls queue for.
type LaneKey = (BudgetId, Instance);

pub(super) struct Waiter {
    wish: SpendWish,
    lanes: SmallVec<[LaneKey; 2]>,
}

impl BudgetBook {
    /// Gives up a place in the queue, and serves whom that lets in. Returns the budget in the way; `None` if the place is no
    /// longer taken: then the decision was made already.
    pub fn cancel(&mut self, ticket: Ticket, now: Timestamp) -> Option<Box<Refusal>> {
        self.turn(now);
        let waiter = self.waiters.remove(&ticket.0)?;
        let refusal = match self.judge(&waiter.wish, true) {
            Verdict::Wait(refusal) | Verdict::Never(refusal) => Some(refusal),
            Verdict::Fits => None,
        };
        self.serve(waiter.lanes);
        refusal
    }

    pub(super) fn enqueue(&mut self, wish: SpendWish) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let lanes = self.join(ticket, &wish);
        self.waiters.insert(ticket, Waiter { wish, lanes });
        Ticket(ticket)
    }

    fn join(&mut self, ticket: u64, wish: &SpendWish) -> SmallVec<[LaneKey; 2]> {
        let mut lanes = SmallVec::new();
        for line in self.lines.iter_mut().filter(|line| line.budget.enabled) {
            if line.units(wish.money, wish.tokens) > 0
                && let Some(instance) = line.instance(&wish.scope)
            {
                line.lanes.entry(instance.clone()).or_default().queue.push_back(ticket);
                lanes.push((line.budget.id, instance));
            }
        }
        lanes
    }

    /// Queues everyone anew, in the old order, after the budgets changed.
    pub(super) fn requeue(&mut self, now: Timestamp) {
        for line in &mut self.lines {
            line.lanes.values_mut().for_each(|lane| lane.queue.clear());
        }
        let mut waiters = std::mem::take(&mut self.waiters);
        for (ticket, waiter) in &mut waiters {
            waiter.lanes = self.join(*ticket, &waiter.wish);
        }
        self.waiters = waiters;
        self.turn(now);
        self.serve_all();
    }

    /// Serves every queue that has room.
    pub(super) fn serve_all(&mut self) {
        let mut lanes = SmallVec::new();
        for line in &self.lines {
            let busy = line.lanes.iter().filter(|(_, lane)| !lane.queue.is_empty());
            lanes.extend(busy.map(|(instance, _)| (line.budget.id, instance.clone())));
        }
        // A waiter whom no budget counts any more stands in no queue.
        let free = |waiter: &Waiter| waiter.lanes.is_empty();
        let stray: Vec<u64> = self.waiters.iter().filter(|(_, w)| free(w)).map(|(t, _)| *t).collect();
        for ticket in stray {
            self.decide(ticket);
        }
        self.serve(lanes);
    }

    /// Serves the first in each of these queues as long as they fit, and whoever that lets come first elsewhere.
    pub(super) fn serve(&mut self, mut lanes: SmallVec<[LaneKey; 2]>) {
        while let Some(lane) = lanes.pop() {
            while let Some(ticket) = self.first(&lane) {
                if !self.is_first_everywhere(ticket) {
                    break;
                }
                let Some(others) = self.decide(ticket) else { break };
                lanes.extend(others.into_iter().filter(|other| *other != lane));
            }
        }
    }

    /// Grants or refuses a waiter for good and returns the queues it stood in; `None` if it has to wait on.
    fn decide(&mut self, ticket: u64) -> Option<SmallVec<[LaneKey; 2]>> {
        let outcome = match self.judge(&self.waiters.get(&ticket)?.wish, false) {
            Verdict::Wait(_) => return None,
            Verdict::Fits => Ok(()),
            Verdict::Never(refusal) => Err(refusal),
        };
        let waiter = self.waiters.remove(&ticket)?;
        let call = waiter.wish.call;
        if outcome.is_ok() {
            self.grant(waiter.wish);
        }
        self.decided.push(Decision { ticket: Ticket(ticket), call, outcome });
        Some(waiter.lanes)
    }

    /// The first in a queue; places that were given up are cleared on the way.
    fn first(&mut self, (budget, instance): &LaneKey) -> Option<u64> {
        let line = self.lines.iter_mut().find(|line| line.budget.id == *budget)?;
        let queue = &mut line.lanes.get_mut(instance)?.queue;
        while let Some(ticket) = queue.front() {
            if self.waiters.contains_key(ticket) {
                return Some(*ticket);
            }
            queue.pop_front();
        }
        None
    }

    fn is_first_everywhere(&mut self, ticket: u64) -> bool {
        let lanes = self.waiters.get(&ticket).map(|waiter| waiter.lanes.clone()).unwrap_or_default();
        lanes.iter().all(|lane| self.first(lane) == Some(ticket))
    }
}

#[cfg(test)]
impl Waiter {
    pub(super) fn wish_for_test(&self) -> &SpendWish {
        &self.wish
    }
}
