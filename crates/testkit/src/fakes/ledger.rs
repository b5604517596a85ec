//! A ledger in memory: one optional limit on everything, and a list of what was held and booked.

use jiff::Timestamp;
use nunchi_core::{
    Amount, BoxFuture, BudgetAction, BudgetId, BudgetNotice, BudgetState, BudgetWindow, CallId, CallRecord,
    HoldError, HoldRequest, Ledger, NanoUsd, Outcome, Posture, Refusal, Settlement, SpendScope, StorageError,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

#[derive(Debug)]
struct Open {
    money: NanoUsd,
    if_lost: CallRecord,
    outlives: bool,
}

#[derive(Debug, Default)]
struct Book {
    limit: Option<NanoUsd>,
    action: Option<BudgetAction>,
    spared: Option<(String, BudgetAction)>,
    open: BTreeMap<CallId, Open>,
    rows: Vec<CallRecord>,
    holds: usize,
    most_committed: NanoUsd,
}

impl Book {
    fn spent(&self) -> NanoUsd {
        self.rows.iter().map(|row| row.cost).sum()
    }

    fn held(&self) -> NanoUsd {
        self.open.values().map(|open| open.money).sum()
    }

    fn state(&self, limit: NanoUsd) -> BudgetState {
        BudgetState {
            id: BudgetId(Uuid::nil()),
            name: "memory".into(),
            window: BudgetWindow::Total,
            limit: Amount::Money(limit),
            spent: self.spent().0,
            held: self.held().0,
            resets: None,
        }
    }
}

fn crashed(open: Open) -> CallRecord {
    CallRecord { outcome: Outcome::Crashed, cost: open.money, ..open.if_lost }
}

/// A ledger that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Book>);

impl MemoryLedger {
    /// Without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a limit on everything.
    pub fn with_limit(limit: NanoUsd) -> Self {
        let ledger = Self::default();
        ledger.book().limit = Some(limit);
        ledger
    }

    /// From now on the budget asks for this.
    pub fn ask_for(&self, action: Option<BudgetAction>) {
        let mut book = self.book();
        book.limit.get_or_insert(NanoUsd::from_usd(1_000));
        book.action = action;
    }

    /// From now on a budget of this provider asks for this.
    pub fn spare(&self, provider: &str, action: BudgetAction) {
        self.book().spared = Some((provider.to_owned(), action));
    }

    /// All rows booked, in order.
    pub fn rows(&self) -> Vec<CallRecord> {
        self.book().rows.clone()
    }

    /// Holds that are not settled.
    pub fn open_holds(&self) -> usize {
        self.book().open.len()
    }

    /// Holds ever granted.
    pub fn holds(&self) -> usize {
        self.book().holds
    }

    /// The most that was ever spent and held together.
    pub fn most_committed(&self) -> NanoUsd {
        self.book().most_committed
    }

    /// What a start after a crash does: books open holds at their amounts, but for those that outlive their process.
    pub fn restart(&self) {
        let mut book = self.book();
        let (stay, lost): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut book.open).into_iter().partition(|(_, open)| open.outlives);
        book.open = stay;
        book.rows.extend(lost.into_values().map(crashed));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn hold(&self, request: HoldRequest) -> BoxFuture<'_, Result<(), HoldError>> {
        Box::pin(async move {
            // The durable ledger waits for its disk here; so does this one, so that tests can leave in the middle.
            tokio::task::yield_now().await;
            let mut book = self.book();
            if book.open.contains_key(&request.call) {
                return Ok(());
            }
            let after = book.spent() + book.held() + request.money;
            if let Some(limit) = book.limit.filter(|limit| after > *limit) {
                let busy = book.spent() + request.money <= limit;
                let refusal = Refusal { state: book.state(limit), needed: request.money.0, busy };
                return Err(HoldError::Refused(Box::new(refusal)));
            }
            let HoldRequest { money, if_lost, outlives, .. } = request;
            book.open.insert(request.call, Open { money, if_lost: *if_lost, outlives });
            book.holds += 1;
            book.most_committed = book.most_committed.max(after);
            Ok(())
        })
    }

    fn settle(&self, settlement: Settlement) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        Box::pin(async move {
            let mut book = self.book();
            book.open.remove(&settlement.record.id);
            if book.rows.iter().all(|row| row.id != settlement.record.id) {
                book.rows.push(settlement.record);
            }
            Ok(Vec::new())
        })
    }

    fn posture(&self, scope: &SpendScope, _now: Timestamp) -> Posture {
        let book = self.book();
        let mut states: Vec<_> = book.limit.map(|limit| book.state(limit)).into_iter().collect();
        let spared = book.spared.as_ref().filter(|(provider, _)| *provider == scope.provider);
        if let Some((provider, _)) = spared {
            states.push(BudgetState { name: provider.clone(), ..book.state(NanoUsd::from_usd(1_000)) });
        }
        let action = spared.map(|(_, action)| *action).max(book.action);
        Posture { action, because: states.first().cloned(), states }
    }

    fn outlived(&self) -> Vec<CallRecord> {
        let open = |open: &Open| Open { if_lost: open.if_lost.clone(), ..*open };
        self.book().open.values().filter(|hold| hold.outlives).map(|hold| crashed(open(hold))).collect()
    }
}
