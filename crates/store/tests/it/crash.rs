//! Killed in the middle, again and again: what was acknowledged is there, nothing is booked twice, no hold is left open.

use crate::support::{cap, open, row, wish};
use nunchi_core::{BudgetStore, CallFilter, Clock, Ledger, LedgerReader, Outcome, Settlement};
use nunchi_testkit::TokioClock;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Tells a copy of this test binary to be the process that is killed.
const CHILD: &str = "NUNCHI_CRASH_CHILD";

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
        acknowledged.extend(kill_after(folder.path(), round, 200 + 90 * usize::try_from(round).unwrap()));
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

/// Starts a child, reads so many acknowledgements, kills it; what came through counts.
fn kill_after(folder: &Path, round: u64, lines: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::killed_processes_lose_nothing_they_acknowledged", "--exact", "--nocapture"])
        .env(CHILD, folder)
        .env("NUNCHI_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut told =
        out.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("settled ").map(str::to_owned));
    let mut heard: Vec<String> = told.by_ref().take(lines).collect();
    child.kill().unwrap();
    heard.extend(told);
    child.wait().unwrap();
    heard
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
