//! Budgets as a state machine: what may be reserved, who waits, what is booked. No clock, no waiting, no storage.

mod line;
mod queue;
#[cfg(test)]
mod tests;

use crate::ports::Refusal;
use crate::words::{
    Budget, BudgetAction, BudgetId, BudgetNotice, BudgetState, CallId, NanoUsd, Posture, SpendScope,
    Threshold,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use line::{Instance, Line};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use queue::{Decision, Ticket};
use queue::{Verdict, Waiter};

/// One attempt, as budgets see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendWish {
    /// The id of the attempt.
    pub call: CallId,
    /// What budgets are scoped by.
    pub scope: SpendScope,
    /// Money to reserve.
    pub money: NanoUsd,
    /// Tokens to reserve.
    pub tokens: u64,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Reserved on every budget in scope.
    Granted,
    /// Only open holds stand in the way, or calls that came before; a [`Decision`] follows.
    Queued(Ticket),
    /// Nothing is reserved.
    Refused(Box<Refusal>),
}

/// One counter: a budget, its session if it has one a session, and the window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// The budget.
    pub budget: BudgetId,
    /// The session, for a budget of each session by itself.
    pub instance: Option<Arc<str>>,
    /// When the window began.
    pub start: Timestamp,
}

/// An amount on a counter, in the budget's unit (billionths of a dollar, or tokens).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The counter.
    pub account: Account,
    /// The amount.
    pub units: i64,
}

/// What a booking did, so that it can be stored, told and, if it cannot be stored, undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    /// What was added to which counter.
    pub charges: SmallVec<[Charge; 2]>,
    /// Thresholds reached just now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<(Account, BudgetNotice)>,
}

struct Held {
    wish: SpendWish,
    charges: SmallVec<[Charge; 2]>,
}

/// All budgets, what is reserved on them and who waits.
///
/// Invariants: settled plus held never exceeds a limit because of a grant; waiters of a counter are served first come first
/// served; each threshold of a window is told once; an amount is counted in the window in which it was reserved.
pub struct BudgetBook {
    zone: TimeZone,
    lines: Vec<Line>,
    held: HashMap<CallId, Held>,
    waiters: BTreeMap<u64, Waiter>,
    next_ticket: u64,
    decided: Vec<Decision>,
    /// Between these moments no window of any budget changes.
    steady: (Timestamp, Timestamp),
}

impl BudgetBook {
    /// A book without budgets: it admits everything.
    pub fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            lines: Vec::new(),
            held: HashMap::new(),
            waiters: BTreeMap::new(),
            next_ticket: 0,
            decided: Vec::new(),
            steady: (Timestamp::MAX, Timestamp::MIN),
        }
    }

    /// Adds a budget or replaces the one of the same id. A replacement that counts the same things in the same windows goes on
    /// with its counters; otherwise it starts from `counted`: what was spent, by session and start of window.
    pub fn put(
        &mut self,
        budget: Budget,
        counted: impl IntoIterator<Item = (Option<Arc<str>>, Timestamp, i64)>,
        now: Timestamp,
    ) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.budget.id == budget.id)
            && line.counts_like(&budget)
        {
            line.budget = budget;
        } else {
            let mut line = Line::new(budget, now, &self.zone);
            for (instance, start, spent) in counted {
                line.lanes.entry(instance).or_default().window(start).spent = spent;
            }
            self.lines.retain(|old| old.budget.id != line.budget.id);
            self.lines.push(line);
            self.recount_holds();
        }
        self.steady = (Timestamp::MAX, Timestamp::MIN);
        self.requeue(now);
    }

    /// Whether putting this budget would go on with the counters of the one that is there.
    pub fn keeps_counters(&self, budget: &Budget) -> bool {
        self.lines.iter().any(|line| line.budget.id == budget.id && line.counts_like(budget))
    }

    /// Removes a budget; tells whether it was there.
    pub fn remove(&mut self, id: BudgetId, now: Timestamp) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| line.budget.id != id);
        self.requeue(now);
        self.lines.len() < before
    }

    /// Notes that a threshold was told before this book was made.
    pub fn restore_told(&mut self, account: &Account, threshold: Threshold) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.budget.id == account.budget) {
            let told =
                &mut line.lanes.entry(account.instance.clone()).or_default().window(account.start).told;
            told.push((threshold.percent, threshold.action));
        }
    }

    /// Reserves the wish on every budget in scope, or on none. A call that already holds is granted without holding twice.
    pub fn hold(&mut self, wish: SpendWish, now: Timestamp) -> Admission {
        self.turn(now);
        if self.held.contains_key(&wish.call) {
            return Admission::Granted;
        }
        match self.judge(&wish, true) {
            Verdict::Fits => {
                self.grant(wish);
                Admission::Granted
            }
            Verdict::Never(refusal) => Admission::Refused(refusal),
            Verdict::Wait(_) => Admission::Queued(self.enqueue(wish)),
        }
    }

    /// Puts a hold back that was granted before this book was made, whatever the limits say now.
    pub fn restore_hold(&mut self, wish: SpendWish, at: Timestamp) {
        self.turn(at);
        if !self.held.contains_key(&wish.call) {
            self.grant(wish);
        }
    }

    /// Counts the real cost of a call as spent, on the counters of its hold if it has one. The hold stays until
    /// [`BudgetBook::release`], so that nothing is admitted on the strength of a booking that is not stored yet.
    pub fn book(
        &mut self,
        call: CallId,
        scope: &SpendScope,
        money: NanoUsd,
        tokens: u64,
        now: Timestamp,
    ) -> Booked {
        self.turn(now);
        let mut booked = Booked::default();
        let held = self.held.get(&call).map(|held| held.charges.as_slice());
        for line in &mut self.lines {
            let account = match held {
                Some(charges) => {
                    charges.iter().find(|c| c.account.budget == line.budget.id).map(|c| c.account.clone())
                }
                None => line.account(scope),
            };
            if let Some(account) = account {
                count(line, account, (money, tokens), (now, &self.zone), &mut booked);
            }
        }
        booked
    }

    /// Counts, on one budget only, a call that was booked before that budget was there.
    pub fn book_late(
        &mut self,
        budget: BudgetId,
        scope: &SpendScope,
        money: NanoUsd,
        tokens: u64,
        now: Timestamp,
    ) -> Booked {
        let mut booked = Booked::default();
        if let Some(line) = self.lines.iter_mut().find(|line| line.budget.id == budget)
            && let Some(account) = line.account(scope)
        {
            count(line, account, (money, tokens), (now, &self.zone), &mut booked);
        }
        booked
    }

    /// Takes a booking back that could not be stored.
    pub fn unbook(&mut self, booked: &Booked) {
        for Charge { account, units } in &booked.charges {
            if let Some(line) = self.lines.iter_mut().find(|line| line.budget.id == account.budget) {
                let window = line.lanes.entry(account.instance.clone()).or_default().window(account.start);
                window.spent = window.spent.saturating_sub(*units);
            }
        }
        for (account, notice) in &booked.notices {
            if let Some(line) = self.lines.iter_mut().find(|line| line.budget.id == account.budget) {
                let window = line.lanes.entry(account.instance.clone()).or_default().window(account.start);
                let told = (notice.threshold.percent, notice.threshold.action);
                window.told.retain(|known| *known != told);
            }
        }
    }

    /// Gives a hold back and serves whom that lets in; without a hold of that id nothing happens.
    pub fn release(&mut self, call: CallId, now: Timestamp) {
        let Some(held) = self.held.remove(&call) else { return };
        let mut freed = SmallVec::<[(BudgetId, Instance); 2]>::new();
        for Charge { account, units } in held.charges {
            if let Some(line) = self.lines.iter_mut().find(|line| line.budget.id == account.budget)
                && let Some(lane) = line.lanes.get_mut(&account.instance)
            {
                lane.window(account.start).held -= units;
                if !lane.queue.is_empty() {
                    freed.push((account.budget, account.instance));
                }
            }
        }
        self.turn(now);
        self.serve(freed);
    }

    /// Books a call and gives its hold back.
    pub fn settle(
        &mut self,
        call: CallId,
        scope: &SpendScope,
        money: NanoUsd,
        tokens: u64,
        now: Timestamp,
    ) -> Booked {
        let booked = self.book(call, scope, money, tokens, now);
        self.release(call, now);
        booked
    }

    /// Goes to the windows of `now` and serves the waiters for whom a new one makes room. Every method that is given the time
    /// does this by itself.
    pub fn turn(&mut self, now: Timestamp) {
        if self.steady.0 <= now && now < self.steady.1 {
            return;
        }
        let mut turned = false;
        for line in &mut self.lines {
            turned |= line.turn(now, &self.zone);
        }
        // Behind the floor the clock is before the window that counts: look again every time.
        let start = self.lines.iter().map(|line| line.current).max().unwrap_or(Timestamp::MIN);
        let end = self.lines.iter().map(|line| line.end(&self.zone)).min().unwrap_or(Timestamp::MAX);
        self.steady = (start, end);
        if turned {
            self.serve_all();
        }
    }

    /// What was decided about waiters since the last time.
    pub fn take_decided(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.decided)
    }

    /// What the budgets of a scope ask of the next call.
    pub fn posture(&self, scope: &SpendScope, now: Timestamp) -> Posture {
        let mut posture = Posture::default();
        for line in self.lines.iter().filter(|line| line.budget.enabled) {
            let Some(instance) = line.instance(scope) else { continue };
            let state = line.state(&instance, line.start_at(now, &self.zone), &self.zone);
            let action =
                line.reached(state.spent, state.limit_units()).map(|threshold| threshold.action).max();
            if action > posture.action {
                posture.action = action;
                posture.because = Some(state.clone());
            }
            posture.states.push(state);
        }
        posture.states.sort_by_cached_key(tightness);
        posture
    }

    /// All budgets and where they stand; of a budget of each session, its fullest one.
    pub fn states(&self, now: Timestamp) -> Vec<(Budget, BudgetState)> {
        let state = |line: &Line| {
            let start = line.start_at(now, &self.zone);
            line.state(&line.fullest(start), start, &self.zone)
        };
        self.lines.iter().map(|line| (line.budget.clone(), state(line))).collect()
    }

    /// Whether a call has a hold.
    pub fn is_held(&self, call: CallId) -> bool {
        self.held.contains_key(&call)
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.held.len()
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    fn judge(&self, wish: &SpendWish, behind_others: bool) -> Verdict {
        let mut verdict = Verdict::Fits;
        for line in self.lines.iter().filter(|line| line.budget.enabled) {
            let Some(instance) = line.instance(&wish.scope) else { continue };
            let need = line.units(wish.money, wish.tokens);
            let (spent, held, limit) = line.standing(&instance);
            let stops = |t: Threshold| matches!(t.action, BudgetAction::Stop | BudgetAction::Pause);
            let refusal = |busy| {
                let state = line.state(&instance, line.current, &self.zone);
                Box::new(Refusal { state, needed: need, busy })
            };
            let total = i128::from(spent) + i128::from(need);
            if line.reached(spent, limit).any(stops) || (need > 0 && total > i128::from(limit)) {
                return Verdict::Never(refusal(false));
            }
            let queued =
                behind_others && line.lanes.get(&instance).is_some_and(|lane| !lane.queue.is_empty());
            let full = total + i128::from(held) > i128::from(limit);
            if need > 0 && (queued || full) && matches!(verdict, Verdict::Fits) {
                verdict = Verdict::Wait(refusal(true));
            }
        }
        verdict
    }

    fn grant(&mut self, wish: SpendWish) {
        let mut charges = SmallVec::new();
        for line in &mut self.lines {
            let units = line.units(wish.money, wish.tokens);
            if let Some(charge) = reserve(line, &wish.scope, units) {
                charges.push(charge);
            }
        }
        self.held.insert(wish.call, Held { wish, charges });
    }

    /// Puts every open hold on the counters of budgets that it does not stand on yet.
    fn recount_holds(&mut self) {
        let Some(line) = self.lines.last_mut() else { return };
        for held in self.held.values_mut() {
            held.charges.retain(|charge| charge.account.budget != line.budget.id);
            let units = line.units(held.wish.money, held.wish.tokens);
            held.charges.extend(reserve(line, &held.wish.scope, units));
        }
    }
}

fn reserve(line: &mut Line, scope: &SpendScope, units: i64) -> Option<Charge> {
    let instance = line.instance(scope)?;
    let start = line.current;
    let window = line.lanes.entry(instance.clone()).or_default().window(start);
    window.held = window.held.saturating_add(units);
    Some(Charge { account: Account { budget: line.budget.id, instance, start }, units })
}

/// Counts an amount on a counter of the line, and notes the thresholds that this reaches.
fn count(
    line: &mut Line,
    account: Account,
    (money, tokens): (NanoUsd, u64),
    (now, zone): (Timestamp, &TimeZone),
    booked: &mut Booked,
) {
    let units = line.units(money, tokens);
    if units == 0 {
        return;
    }
    let window = line.lanes.entry(account.instance.clone()).or_default().window(account.start);
    window.spent = window.spent.saturating_add(units);
    let spent = window.spent;
    tell(line, &account, spent, now, zone, &mut booked.notices);
    booked.charges.push(Charge { account, units });
}

fn tell(
    line: &mut Line,
    account: &Account,
    spent: i64,
    now: Timestamp,
    zone: &TimeZone,
    notices: &mut Vec<(Account, BudgetNotice)>,
) {
    let (_, _, limit) = line.standing(&account.instance);
    if !line.budget.enabled || line.budget.thresholds.is_empty() {
        return;
    }
    let reached: SmallVec<[Threshold; 4]> = line.reached(spent, limit).collect();
    for threshold in reached {
        let window = line.lanes.entry(account.instance.clone()).or_default().window(account.start);
        if !window.told.contains(&(threshold.percent, threshold.action)) {
            window.told.push((threshold.percent, threshold.action));
            let state = line.state(&account.instance, account.start, zone);
            notices.push((account.clone(), BudgetNotice { at: now, state, threshold }));
        }
    }
}

/// Orders states by the share of the limit that is left, the smallest first.
fn tightness(state: &BudgetState) -> (i128, Reverse<i64>) {
    let limit = i128::from(state.limit_units()).max(1);
    (i128::from(state.remaining_units()) * 1_000_000_000 / limit, Reverse(state.spent))
}
