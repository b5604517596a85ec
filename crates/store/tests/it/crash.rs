//! Killed in the middle, again and again: what was acknowledged is there, nothing is booked twice, no hold is left open.

use crate::support::{CrashTest, cap, open, row, wish};
use nunchi_core::{BudgetStore, CallFilter, Clock, Ledger, LedgerReader, Outcome, Settlement};
use nunchi_testkit::TokioClock;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

/// Tells a copy of this test binary to be the process that is killed.
const CHILD: &str = "NUNCHI_CRASH_CHILD";
const CRASH: CrashTest = CrashTest {
    name: "crash::killed_processes_lose_nothing_they_acknowledged",
    variable: CHILD,
    word: "settled ",
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_they_acknowledged() {
    if let Ok(folder) = std::env::var(CHILD) {
        return work_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(i64::MAX / 2)).await.unwrap();
    ledger.close().await;
    let mut acknowledged = HashSet::new();
    for round in 0..5_u64 {
        acknowledged.extend(CRASH.kill_after(
            folder.path(),
            round,
            200 + 90 * usize::try_from(round).unwrap(),
        ));
        let (ledger, report) = open(folder.path());
        let rows = ledger.calls(CallFilter::default()).await.unwrap();
        let ids: HashSet<String> = rows.iter().map(|row| row.id.to_string()).collect();
        assert_eq!(ids.len(), rows.len(), "nothing is booked twice");
        assert!(acknowledged.is_subset(&ids), "what was acknowledged is there");
        let crashed = rows.iter().filter(|row| row.outcome == Outcome::Crashed).count() as u64;
        assert!(crashed >= report.crashed_holds);
        let booked: i64 = rows.iter().map(|row| row.cost.0).sum();
        let state = ledger.budgets(TokioClock::start().now()).await.unwrap().remove(0).1;
        assert_eq!((state.spent, state.held), (booked, 0), "the counters are the rows' sum");
        ledger.close().await;
    }
    assert!(acknowledged.len() > 500);
}

async fn work_until_killed(folder: &Path) {
    let (ledger, _) = open(folder);
    let round: u64 = std::env::var("NUNCHI_CRASH_ROUND").unwrap().parse().unwrap();
    let workers = (0..16_u64).map(|worker| {
        let ledger = ledger.clone();
        async move {
            for step in 0..1_000_000_u64 {
                let number = round * 100_000_000 + worker * 1_000_000 + step;
                ledger.hold(wish(number, 900, Duration::from_secs(5))).await.unwrap();
                ledger.settle(Settlement { record: row(number, 500) }).await.unwrap();
                println!("settled {}", crate::support::call_id(number));
            }
        }
    });
    futures_util::future::join_all(workers).await;
}
