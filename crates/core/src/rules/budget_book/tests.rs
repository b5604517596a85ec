//! Tables and random walks through the budget book.

use super::*;
use crate::words::{Amount, BudgetScope, BudgetWindow, UserId};
use proptest::prelude::*;
use uuid::Uuid;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 / DAY * DAY + seconds).unwrap()
}

fn call(n: u128) -> CallId {
    CallId(Uuid::from_u128(n))
}

fn budget(id: u128, scope: BudgetScope, window: BudgetWindow, limit: Amount) -> Budget {
    Budget {
        id: BudgetId(Uuid::from_u128(id)),
        name: format!("budget {id}"),
        scope,
        window,
        limit,
        thresholds: Vec::new(),
        enabled: true,
    }
}

fn money(nanos: i64) -> Amount {
    Amount::Money(NanoUsd(nanos))
}

fn daily(id: u128, limit: i64) -> Budget {
    budget(id, BudgetScope::Everything, BudgetWindow::Day, money(limit))
}

fn wish(n: u128, money: i64) -> SpendWish {
    SpendWish { call: call(n), scope: SpendScope::default(), money: NanoUsd(money), tokens: 0 }
}

fn book_of(budgets: impl IntoIterator<Item = Budget>) -> BudgetBook {
    let mut book = BudgetBook::new(TimeZone::UTC);
    budgets.into_iter().for_each(|budget| book.put(budget, [], at(0)));
    book
}

fn spend(book: &mut BudgetBook, n: u128, money: i64, now: Timestamp) -> Booked {
    book.settle(call(n), &SpendScope::default(), NanoUsd(money), 0, now)
}

fn standing(book: &BudgetBook, now: Timestamp) -> (i64, i64) {
    let states = book.states(now);
    (states[0].1.spent, states[0].1.held)
}

fn granted(book: &mut BudgetBook) -> Vec<u128> {
    let decided = book.take_decided();
    assert!(decided.iter().all(|d| d.outcome.is_ok()), "{decided:?}");
    decided.iter().map(|d| d.call.0.as_u128()).collect()
}

#[test]
fn refused_at_once_or_queued() {
    let mut book = book_of([daily(1, 100)]);
    assert_eq!(book.hold(wish(1, 60), at(1)), Admission::Granted);
    let Admission::Refused(refusal) = book.hold(wish(2, 101), at(1)) else { panic!("101 of 100") };
    assert!(!refusal.busy);
    assert_eq!((refusal.needed, refusal.state.spent, refusal.state.held), (101, 0, 60));
    let Admission::Queued(third) = book.hold(wish(3, 50), at(1)) else { panic!("only a hold in the way") };
    let Admission::Queued(_) = book.hold(wish(4, 10), at(1)) else { panic!("never past an earlier waiter") };
    assert_eq!(standing(&book, at(1)), (0, 60));

    // 30 of the 60 were used: 50 fit, then 10 more.
    assert_eq!(spend(&mut book, 1, 30, at(2)).charges[0].units, 30);
    assert_eq!(granted(&mut book), [3, 4]);
    assert_eq!(standing(&book, at(2)), (30, 60));
    assert_eq!(book.cancel(third, at(2)), None);
    let Admission::Refused(refusal) = book.hold(wish(5, 71), at(2)) else { panic!("30 + 71 of 100") };
    assert!(!refusal.busy);
}

#[test]
fn a_waiter_that_can_never_be_served_is_refused_when_its_turn_comes() {
    let mut book = book_of([daily(1, 100)]);
    book.hold(wish(1, 100), at(1));
    book.hold(wish(2, 60), at(1));
    book.hold(wish(3, 40), at(1));
    spend(&mut book, 1, 50, at(2));
    let decided = book.take_decided();
    assert_eq!(decided.len(), 2);
    assert!(decided[0].outcome.as_ref().is_err_and(|refusal| !refusal.busy && refusal.needed == 60));
    assert_eq!((decided[1].call, decided[1].outcome.is_ok()), (call(3), true));
}

#[test]
fn giving_up_lets_the_next_in() {
    let mut book = book_of([daily(1, 100)]);
    book.hold(wish(1, 60), at(1));
    let Admission::Queued(second) = book.hold(wish(2, 90), at(1)) else { panic!() };
    let Admission::Queued(third) = book.hold(wish(3, 90), at(1)) else { panic!() };
    let Admission::Queued(_) = book.hold(wish(4, 40), at(1)) else { panic!() };
    assert!(book.cancel(third, at(2)).unwrap().busy);
    assert!(book.take_decided().is_empty());
    assert!(book.cancel(second, at(2)).unwrap().busy);
    assert_eq!(granted(&mut book), [4]);
    book.release(call(4), at(2));
    assert_eq!(book.hold(wish(5, 40), at(2)), Admission::Granted);
}

#[test]
fn other_budgets_are_not_held_up() {
    let user = |n| BudgetScope::User(UserId(Uuid::from_u128(n)));
    let of = |n: u128, user: u128, money| {
        let mut wish = wish(n, money);
        wish.scope.user = Some(UserId(Uuid::from_u128(user)));
        wish
    };
    let mut book = book_of([
        budget(1, user(1), BudgetWindow::Day, money(100)),
        budget(2, user(2), BudgetWindow::Day, money(100)),
        daily(3, 150),
    ]);
    book.hold(of(1, 1, 100), at(1));
    assert!(matches!(book.hold(of(2, 1, 10), at(1)), Admission::Queued(_)));
    // Shares the daily budget with the earlier waiter.
    assert!(matches!(book.hold(of(3, 2, 50), at(1)), Admission::Queued(_)));
    book.remove(BudgetId(Uuid::from_u128(3)), at(1));
    assert_eq!(granted(&mut book), [3]);
    assert_eq!(book.hold(of(4, 2, 50), at(1)), Admission::Granted);
    book.release(call(1), at(1));
    assert_eq!(granted(&mut book), [2]);
}

#[test]
fn each_session_by_itself() {
    let of = |n: u128, session: &str, money| {
        let mut wish = wish(n, money);
        wish.scope.session = Some(Arc::from(session));
        wish
    };
    let mut book = book_of([budget(1, BudgetScope::Session("*".into()), BudgetWindow::Total, money(100))]);
    assert_eq!(book.hold(of(1, "a", 100), at(1)), Admission::Granted);
    assert!(matches!(book.hold(of(2, "a", 1), at(1)), Admission::Queued(_)));
    assert_eq!(book.hold(of(3, "b", 100), at(1)), Admission::Granted);
    assert_eq!(book.hold(wish(4, 1_000), at(1)), Admission::Granted, "without a session");
    let booked = book.settle(call(3), &of(3, "b", 0).scope, NanoUsd(70), 0, at(2));
    assert_eq!(booked.charges[0].account.instance.as_deref(), Some("b"));
    assert_eq!(standing(&book, at(2)), (70, 0), "the fullest session is shown");
}

#[test]
fn free_models_pass_until_a_threshold_stops_them() {
    let mut spent = daily(1, 100);
    let mut book = book_of([spent.clone()]);
    book.hold(wish(1, 100), at(1));
    assert!(matches!(book.hold(wish(2, 1), at(1)), Admission::Queued(_)));
    assert_eq!(book.hold(wish(3, 0), at(1)), Admission::Granted);
    spend(&mut book, 1, 100, at(1));
    assert_eq!(book.hold(wish(4, 0), at(1)), Admission::Granted);
    for action in [BudgetAction::Pause, BudgetAction::Stop] {
        spent.thresholds = vec![Threshold { percent: 100, action }];
        book.put(spent.clone(), [], at(1));
        assert!(matches!(book.hold(wish(5, 0), at(1)), Admission::Refused(_)));
        assert_eq!(book.posture(&SpendScope::default(), at(1)).action, Some(action));
    }
    spent.thresholds = vec![Threshold { percent: 100, action: BudgetAction::LocalOnly }];
    book.put(spent.clone(), [], at(1));
    assert_eq!(book.hold(wish(6, 0), at(1)), Admission::Granted);
    spent.enabled = false;
    book.put(spent.clone(), [], at(1));
    assert_eq!(book.hold(wish(7, 1_000), at(1)), Admission::Granted);
    assert_eq!(book.posture(&SpendScope::default(), at(1)), Posture::default());
    spend(&mut book, 7, 1_000, at(1));
    spent.enabled = true;
    book.put(spent, [], at(1));
    assert_eq!(standing(&book, at(1)), (1_100, 0), "a budget that is off goes on counting");
}

#[test]
fn tokens_bind_free_models_too() {
    let mut book = book_of([budget(1, BudgetScope::Everything, BudgetWindow::Day, Amount::Tokens(100))]);
    let tokens = |n, tokens| SpendWish { tokens, ..wish(n, 0) };
    assert_eq!(book.hold(tokens(1, 80), at(1)), Admission::Granted);
    assert!(matches!(book.hold(tokens(2, 30), at(1)), Admission::Queued(_)));
    assert!(matches!(book.hold(tokens(3, 101), at(1)), Admission::Refused(_)));
    book.settle(call(1), &SpendScope::default(), NanoUsd(5), 70, at(1));
    assert_eq!(granted(&mut book), [2]);
}

#[test]
fn a_new_day() {
    let mut book = book_of([daily(1, 100)]);
    book.hold(wish(1, 60), at(DAY - 2));
    book.hold(wish(2, 50), at(DAY - 1));
    assert!(book.take_decided().is_empty());
    // Midnight makes room: yesterday's hold stays yesterday's.
    book.turn(at(DAY));
    assert_eq!(granted(&mut book), [2]);
    assert_eq!(standing(&book, at(DAY)), (0, 50));
    let booked = spend(&mut book, 1, 55, at(DAY + 1));
    assert_eq!(booked.charges[0].account.start, at(0));
    assert_eq!(standing(&book, at(DAY + 1)), (0, 50));
    assert_eq!(book.hold(wish(3, 50), at(DAY + 1)), Admission::Granted);
}

#[test]
fn a_clock_put_back_lowers_no_counter() {
    let mut book = book_of([daily(1, 100)]);
    spend(&mut book, 1, 90, at(10));
    spend(&mut book, 2, 30, at(DAY + 10));
    assert_eq!(standing(&book, at(DAY + 10)), (30, 0));
    // Back over midnight: yesterday's counter and what was booked since.
    assert_eq!(standing(&book, at(DAY - 10)), (120, 0));
    assert!(matches!(book.hold(wish(3, 1), at(DAY - 10)), Admission::Refused(_)));
    // Back further than is known: as far as is known.
    spend(&mut book, 4, 10, at(2 * DAY));
    assert!(standing(&book, at(-20 * DAY)).0 >= 40);
    // Ahead by years and back: what was booked there counts here, and the present day goes on.
    spend(&mut book, 5, 20, at(900 * DAY));
    assert_eq!(standing(&book, at(2 * DAY + 1)), (30, 0));
    spend(&mut book, 6, 5, at(2 * DAY + 2));
    assert_eq!(standing(&book, at(2 * DAY + 3)), (35, 0));
    spend(&mut book, 7, 1, at(3 * DAY));
    assert_eq!(standing(&book, at(3 * DAY)), (21, 0));
}

#[test]
fn thresholds_are_told_once_a_window() {
    let threshold = |percent, action| Threshold { percent, action };
    let mut with = daily(1, 100);
    with.thresholds = vec![
        threshold(50, BudgetAction::Notify),
        threshold(90, BudgetAction::Downgrade),
        threshold(90, BudgetAction::TellModel),
    ];
    let mut book = book_of([with]);
    let told = |booked: Booked| -> Vec<u8> { booked.notices.iter().map(|n| n.1.threshold.percent).collect() };
    assert_eq!(told(spend(&mut book, 1, 49, at(1))), [0_u8; 0]);
    let undone = book.book(call(2), &SpendScope::default(), NanoUsd(1), 0, at(1));
    book.unbook(&undone);
    assert_eq!(standing(&book, at(1)), (49, 0));
    assert_eq!(told(undone), [50]);
    assert_eq!(told(spend(&mut book, 2, 1, at(1))), [50]);
    assert_eq!(told(spend(&mut book, 3, 39, at(1))), [0_u8; 0]);
    assert_eq!(told(spend(&mut book, 4, 500, at(1))), [90, 90]);
    assert_eq!(told(spend(&mut book, 5, 500, at(1))), [0_u8; 0]);
    assert_eq!(told(spend(&mut book, 6, 95, at(DAY))), [50, 90, 90]);
    let posture = book.posture(&SpendScope::default(), at(DAY));
    assert_eq!(posture.action, Some(BudgetAction::Downgrade));
    assert_eq!(posture.because.unwrap().spent, 95);
}

#[test]
fn a_booking_that_is_not_released_yet_admits_nobody() {
    let mut book = book_of([daily(1, 100)]);
    book.hold(wish(1, 60), at(1));
    let booked = book.book(call(1), &SpendScope::default(), NanoUsd(10), 0, at(1));
    assert!(matches!(book.hold(wish(2, 40), at(1)), Admission::Queued(_)));
    assert_eq!(standing(&book, at(1)), (10, 60));
    book.unbook(&booked);
    assert_eq!(standing(&book, at(1)), (0, 60));
    book.book(call(1), &SpendScope::default(), NanoUsd(10), 0, at(1));
    book.release(call(1), at(1));
    assert_eq!(granted(&mut book), [2]);
}

#[test]
fn changed_budgets() {
    let mut book = book_of([daily(1, 100)]);
    spend(&mut book, 1, 40, at(1));
    book.hold(wish(2, 50), at(1));
    book.hold(wish(3, 50), at(1));
    // A higher limit keeps the counters and serves who waits.
    book.put(daily(1, 200), [(None, at(0), 7)], at(1));
    assert_eq!(granted(&mut book), [3]);
    assert_eq!(standing(&book, at(1)), (40, 100));
    // Other windows start from what the rows say, with the open holds on them.
    assert!(!book.keeps_counters(&budget(1, BudgetScope::Everything, BudgetWindow::Total, money(500))));
    let total = budget(1, BudgetScope::Everything, BudgetWindow::Total, money(500));
    book.put(total, [(None, Timestamp::UNIX_EPOCH, 340)], at(1));
    assert_eq!(standing(&book, at(1)), (340, 100));
    spend(&mut book, 2, 45, at(2));
    spend(&mut book, 3, 45, at(2));
    assert_eq!(standing(&book, at(2)), (430, 0));
    // A budget that comes while a call is open counts that call.
    book.hold(wish(4, 50), at(2));
    book.put(daily(2, 60), [], at(2));
    assert!(matches!(book.hold(wish(5, 20), at(2)), Admission::Queued(_)));
    assert!(book.remove(BudgetId(Uuid::from_u128(2)), at(2)));
    assert_eq!(granted(&mut book), [5]);
    assert!(!book.remove(BudgetId(Uuid::from_u128(2)), at(2)));
}

#[derive(Clone, Debug)]
enum Op {
    Hold { scope: usize, money: i64 },
    Settle { which: usize, share: i64 },
    Release { which: usize },
    Cancel { which: usize },
    Advance { seconds: i64 },
    Raise { by: i64 },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0..6_usize, 0..60_i64).prop_map(|(scope, money)| Op::Hold { scope, money }),
        4 => (any::<usize>(), 0..=100_i64).prop_map(|(which, share)| Op::Settle { which, share }),
        1 => any::<usize>().prop_map(|which| Op::Release { which }),
        1 => any::<usize>().prop_map(|which| Op::Cancel { which }),
        1 => (0..DAY / 3).prop_map(|seconds| Op::Advance { seconds }),
        1 => (0..40_i64).prop_map(|by| Op::Raise { by }),
    ];
    prop::collection::vec(op, 1..400)
}

/// What the walk itself knows, to hold the book's figures against.
struct Walk {
    book: BudgetBook,
    now: Timestamp,
    open: Vec<(u128, usize, i64, Timestamp)>,
    queued: Vec<(Ticket, u128, usize, i64)>,
    spent: Vec<(usize, Timestamp, i64)>,
    raised: i64,
    calls: u128,
}

/// Users 0 to 2, each with and without a session.
fn scope_of(n: usize) -> SpendScope {
    SpendScope {
        user: Some(UserId(Uuid::from_u128(n as u128 % 3))),
        session: (n >= 3).then(|| Arc::from(format!("s{n}"))),
        ..SpendScope::default()
    }
}

fn walk_budgets(raised: i64) -> Vec<Budget> {
    let user = |n| BudgetScope::User(UserId(Uuid::from_u128(n)));
    vec![
        budget(1, BudgetScope::Everything, BudgetWindow::Day, money(150 + raised)),
        budget(2, user(0), BudgetWindow::Week, money(80)),
        budget(3, user(1), BudgetWindow::Day, money(70)),
        budget(4, BudgetScope::Session("*".into()), BudgetWindow::Day, money(90)),
    ]
}

impl Walk {
    fn new() -> Self {
        Self {
            book: book_of(walk_budgets(0)),
            now: at(0),
            open: Vec::new(),
            queued: Vec::new(),
            spent: Vec::new(),
            raised: 0,
            calls: 0,
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Hold { scope, money } => {
                self.calls += 1;
                let wish = SpendWish { scope: scope_of(scope), ..wish(self.calls, money) };
                match self.book.hold(wish, self.now) {
                    Admission::Granted => self.open.push((self.calls, scope, money, self.now)),
                    Admission::Queued(ticket) => self.queued.push((ticket, self.calls, scope, money)),
                    Admission::Refused(refusal) => assert!(!refusal.busy),
                }
            }
            Op::Settle { which, share } if !self.open.is_empty() => {
                let (n, scope, money, made) = self.open.remove(which % self.open.len());
                let real = money * share / 100;
                self.book.settle(call(n), &scope_of(scope), NanoUsd(real), 0, self.now);
                self.spent.push((scope, made, real));
                // A second settle finds nothing to give back.
                self.book.release(call(n), self.now);
            }
            Op::Release { which } if !self.open.is_empty() => {
                let (n, ..) = self.open.remove(which % self.open.len());
                self.book.release(call(n), self.now);
            }
            Op::Cancel { which } if !self.queued.is_empty() => {
                let (ticket, ..) = self.queued.remove(which % self.queued.len());
                assert!(self.book.cancel(ticket, self.now).is_some());
                assert!(self.book.cancel(ticket, self.now).is_none());
            }
            Op::Advance { seconds } => {
                self.now += jiff::SignedDuration::from_secs(seconds);
                self.book.turn(self.now);
            }
            Op::Raise { by } => {
                self.raised += by;
                self.book.put(walk_budgets(self.raised).remove(0), [], self.now);
            }
            _ => {}
        }
        self.take_decided();
    }

    fn take_decided(&mut self) {
        for decision in self.book.take_decided() {
            let place = self.queued.iter().position(|q| q.0 == decision.ticket).expect("decided once");
            let (ticket, n, scope, money) = self.queued.remove(place);
            assert_eq!(decision.call, call(n));
            if decision.outcome.is_ok() {
                self.open.push((n, scope, money, self.now));
                let overtaken = self.queued.iter().find(|q| q.0 < ticket && q.3 > 0 && shares(q.2, scope));
                assert!(money == 0 || overtaken.is_none(), "{n} overtook {overtaken:?}");
            }
        }
    }

    /// Sums of a budget's counter, from the walk's own memory.
    fn expect(&self, budget: &Budget, line: &Line, instance: &Instance) -> (i64, i64) {
        let start = |at: &Timestamp| crate::rules::window::window_start(budget.window, *at, &TimeZone::UTC);
        let counts = |scope: &usize, at: &Timestamp| {
            line.instance(&scope_of(*scope)).as_ref() == Some(instance) && start(at) == start(&self.now)
        };
        let spent = self.spent.iter().filter(|(scope, at, _)| counts(scope, at)).map(|s| s.2).sum();
        let held = self.open.iter().filter(|(_, scope, _, at)| counts(scope, at)).map(|o| o.2).sum();
        (spent, held)
    }

    fn check(&self) {
        for line in &self.book.lines {
            for instance in line.lanes.keys() {
                let (spent, held, limit) = line.standing(instance);
                assert!(spent + held <= limit, "{spent} + {held} > {limit}");
                assert_eq!((spent, held), self.expect(&line.budget, line, instance), "{}", line.budget.name);
            }
        }
        assert_eq!(self.book.open_holds(), self.open.len());
        assert_eq!(self.book.waiting(), self.queued.len());
        // Whoever is first in all its queues does not fit; otherwise it would be in.
        for (_, waiter) in self.book.waiters.iter().take(1) {
            assert!(matches!(self.book.judge(waiter.wish_for_test(), false), Verdict::Wait(_)));
        }
    }
}

/// The daily budget is shared by all.
fn shares(_: usize, _: usize) -> bool {
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_walks(ops in ops()) {
        let mut walk = Walk::new();
        for op in &ops {
            walk.step(op);
            walk.check();
        }
        while let Some((n, scope, money, made)) = walk.open.pop() {
            walk.book.settle(call(n), &scope_of(scope), NanoUsd(money), 0, walk.now);
            walk.spent.push((scope, made, money));
            walk.take_decided();
        }
        walk.check();
        prop_assert_eq!((walk.book.open_holds(), walk.book.waiting()), (0, 0));
    }

    #[test]
    fn counters_never_fall_while_the_clock_jumps(
        jumps in prop::collection::vec((-3 * DAY..3 * DAY, 0_i64..5), 1..60),
    ) {
        let mut book = book_of([daily(1, 1_000)]);
        let (mut now, mut n) = (at(0), 100_u128);
        for (jump, money) in jumps {
            let then = now + jiff::SignedDuration::from_secs(jump);
            if jump < 0 {
                prop_assert!(standing(&book, then).0 >= standing(&book, now).0);
            }
            now = then;
            n += 1;
            let before = standing(&book, now).0;
            book.hold(wish(n, money), now);
            spend(&mut book, n, money, now);
            prop_assert_eq!(standing(&book, now), (before + money, 0));
        }
    }
}
