//! One budget with its counters: a lane for what it counts (one a session for a budget of each session), windows in a lane.

use super::Account;
use crate::rules::window::{window_end, window_start};
use crate::words::{Amount, Budget, BudgetAction, BudgetScope, BudgetState, NanoUsd, SpendScope, Threshold};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Which of a budget's counters: a session for a budget of each session, nothing else otherwise.
pub(super) type Instance = Option<Arc<str>>;

/// The counters of one window.
#[derive(Debug)]
pub(super) struct WindowSum {
    pub(super) start: Timestamp,
    pub(super) spent: i64,
    pub(super) held: i64,
    /// The thresholds that were told.
    pub(super) told: SmallVec<[(u8, BudgetAction); 2]>,
}

/// One set of counters and the calls that wait for it, by ticket.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) windows: SmallVec<[WindowSum; 1]>,
    pub(super) queue: VecDeque<u64>,
}

impl Lane {
    pub(super) fn window(&mut self, start: Timestamp) -> &mut WindowSum {
        let place = self.windows.iter().position(|window| window.start == start).unwrap_or_else(|| {
            self.windows.push(WindowSum { start, spent: 0, held: 0, told: SmallVec::new() });
            self.windows.len() - 1
        });
        &mut self.windows[place]
    }

    /// Spent and held of the window, and of windows that lie ahead of it: what was booked while the clock ran ahead still
    /// counts once it is put back.
    fn sums(&self, start: Timestamp) -> (i64, i64) {
        self.windows
            .iter()
            .filter(|window| window.start >= start)
            .fold((0, 0), |(spent, held), w| (spent.saturating_add(w.spent), held.saturating_add(w.held)))
    }
}

/// A budget with its counters.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) budget: Budget,
    pub(super) lanes: HashMap<Instance, Lane>,
    /// The start of the present window.
    pub(super) current: Timestamp,
    /// The start of the earliest window whose counters are still known; the clock cannot go back beyond it.
    floor: Timestamp,
}

impl Line {
    pub(super) fn new(budget: Budget, now: Timestamp, zone: &TimeZone) -> Self {
        let current = window_start(budget.window, now, zone);
        Self { floor: Self::before(&budget, current, zone), budget, lanes: HashMap::new(), current }
    }

    fn before(budget: &Budget, start: Timestamp, zone: &TimeZone) -> Timestamp {
        let earlier = start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
        window_start(budget.window, earlier, zone).min(start)
    }

    /// Which counters a call belongs to, if it belongs to this budget at all.
    pub(super) fn instance(&self, scope: &SpendScope) -> Option<Instance> {
        let counts = match &self.budget.scope {
            BudgetScope::Everything => true,
            BudgetScope::User(user) => scope.user == Some(*user),
            BudgetScope::Key(key) => scope.key == Some(*key),
            BudgetScope::Session(any) if any == "*" => return scope.session.clone().map(Some),
            BudgetScope::Session(session) => scope.session.as_deref() == Some(session),
            BudgetScope::Run(run) => scope.run == Some(*run),
            BudgetScope::Task(task) => scope.task.as_deref() == Some(task),
            BudgetScope::Tag(tag) => scope.tags.contains(tag),
            BudgetScope::Provider(provider) => scope.provider == *provider,
            BudgetScope::Model(model) => scope.model == *model,
        };
        counts.then_some(None)
    }

    /// The counter of the present window on which a call is counted that has no hold.
    pub(super) fn account(&self, scope: &SpendScope) -> Option<Account> {
        let instance = self.instance(scope)?;
        Some(Account { budget: self.budget.id, instance, start: self.current })
    }

    /// An amount in the budget's unit.
    pub(super) fn units(&self, money: NanoUsd, tokens: u64) -> i64 {
        match self.budget.limit {
            Amount::Money(_) => money.0.max(0),
            Amount::Tokens(_) => i64::try_from(tokens).unwrap_or(i64::MAX),
        }
    }

    /// Whether a changed budget goes on with the same counters.
    pub(super) fn counts_like(&self, other: &Budget) -> bool {
        let unit = |budget: &Budget| matches!(budget.limit, Amount::Money(_));
        self.budget.scope == other.scope
            && self.budget.window == other.window
            && unit(&self.budget) == unit(other)
    }

    /// The window that `now` lies in, never one whose counters are forgotten.
    pub(super) fn start_at(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        window_start(self.budget.window, now, zone).max(self.floor)
    }

    /// Goes to the window of `now`; tells whether that is another one than before.
    pub(super) fn turn(&mut self, now: Timestamp, zone: &TimeZone) -> bool {
        let start = self.start_at(now, zone);
        if start == self.current {
            return false;
        }
        if start > self.current {
            self.floor = self.floor.max(self.current);
            let floor = self.floor;
            self.lanes.retain(|_, lane| {
                lane.windows.retain(|window| window.start >= floor || window.held != 0);
                !lane.windows.is_empty() || !lane.queue.is_empty()
            });
        }
        self.current = start;
        true
    }

    /// Until when the present window lasts.
    pub(super) fn end(&self, zone: &TimeZone) -> Timestamp {
        window_end(self.budget.window, self.current, zone).unwrap_or(Timestamp::MAX)
    }

    /// Where one set of counters stands in the window that began at `start`.
    pub(super) fn state(&self, instance: &Instance, start: Timestamp, zone: &TimeZone) -> BudgetState {
        let (spent, held) = self.lanes.get(instance).map_or((0, 0), |lane| lane.sums(start));
        BudgetState {
            id: self.budget.id,
            name: self.budget.name.clone(),
            window: self.budget.window,
            limit: self.budget.limit,
            spent,
            held,
            resets: window_end(self.budget.window, start, zone),
        }
    }

    /// Spent, held and limit of the present window, in the budget's unit.
    pub(super) fn standing(&self, instance: &Instance) -> (i64, i64, i64) {
        let (spent, held) = self.lanes.get(instance).map_or((0, 0), |lane| lane.sums(self.current));
        let limit = match self.budget.limit {
            Amount::Money(money) => money.0,
            Amount::Tokens(tokens) => i64::try_from(tokens).unwrap_or(i64::MAX),
        };
        (spent, held, limit)
    }

    /// The thresholds that settled spend has reached.
    pub(super) fn reached(&self, spent: i64, limit: i64) -> impl Iterator<Item = Threshold> {
        let of_limit = move |percent: u8| i128::from(spent) * 100 >= i128::from(limit) * i128::from(percent);
        self.budget.thresholds.iter().copied().filter(move |t| limit <= 0 || of_limit(t.percent))
    }

    /// The counters that are fullest, for a budget that has several.
    pub(super) fn fullest(&self, start: Timestamp) -> Instance {
        let spent = |lane: &Lane| lane.sums(start).0;
        let fullest = self.lanes.iter().max_by_key(|(_, lane)| spent(lane));
        fullest.and_then(|(instance, _)| instance.clone())
    }
}
