//! The journal before the database: entries reach the database once, whatever happens in between.

use crate::support::{call_id, cap, open, row, wish};
use futures_util::FutureExt;
use nunchi_core::{BudgetId, BudgetStore, CallFilter, Clock, Ledger, LedgerReader, Outcome, Settlement};
use nunchi_store::SqliteLedger;
use nunchi_testkit::TokioClock;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

const SHORT: Duration = Duration::from_millis(50);

fn journals(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut found: Vec<_> = files.filter(|path| path.to_string_lossy().contains(".journal-")).collect();
    found.sort();
    found
}

/// A copy of the folder as a process that dies now would leave it.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    // The journal first: what the database takes in meanwhile is then in both, as after a kill.
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|path| !path.to_string_lossy().contains(".journal-"));
    for path in files {
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

async fn spent(ledger: &SqliteLedger) -> (i64, i64) {
    let all = ledger.budgets(TokioClock::start().now()).await.unwrap();
    (all[0].1.spent, all[0].1.held)
}

async fn costs(ledger: &SqliteLedger) -> (usize, i64) {
    let rows = ledger.calls(CallFilter::default()).await.unwrap();
    (rows.len(), rows.iter().map(|row| row.cost.0).sum())
}

#[tokio::test]
async fn what_never_reached_the_database_is_taken_in_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(100_000)).await.unwrap();
    for number in 0..20 {
        ledger.hold(wish(number, 900, SHORT)).await.unwrap();
        if number % 2 == 0 {
            ledger.settle(Settlement { record: row(number, 500) }).await.unwrap();
        }
    }
    let left = killed(folder.path());
    let (again, report) = open(left.path());
    assert_eq!(report.crashed_holds, 10);
    assert_eq!(costs(&again).await, (20, 10 * 500 + 10 * 900));
    assert_eq!(spent(&again).await, (10 * 500 + 10 * 900, 0));
    again.close().await;
    let (again, report) = open(left.path());
    assert_eq!(report.crashed_holds, 0);
    assert_eq!(costs(&again).await, (20, 10 * 500 + 10 * 900), "nothing is taken in twice");
}

#[tokio::test]
async fn an_entry_that_was_cut_short_was_never_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(100_000)).await.unwrap();
    for number in 0..3 {
        ledger.settle(Settlement { record: row(number, 0) }).await.unwrap();
    }
    let left = killed(folder.path());
    let journal = journals(left.path()).pop().unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend_from_slice(&[0x20, 0, 0, 0, 1, 2, 3]);
    std::fs::write(&journal, &bytes).unwrap();
    let (again, _) = open(left.path());
    assert_eq!(costs(&again).await.0, 3);
    // What comes next goes to a new file, so nothing stands behind the cut.
    again.settle(Settlement { record: row(9, 0) }).await.unwrap();
    let (again, _) = open(killed(left.path()).path());
    assert_eq!(costs(&again).await.0, 4);
}

#[tokio::test]
async fn a_copy_in_the_databases_place_takes_nothing_of_anothers_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(100_000)).await.unwrap();
    ledger.settle(Settlement { record: row(1, 0) }).await.unwrap();
    let path = folder.path().join("ledger.db");
    let backup = folder.path().join("backup.db");
    nunchi_store::backup_to(&path, &backup).unwrap();
    ledger.settle(Settlement { record: row(2, 0) }).await.unwrap();
    let left = killed(folder.path());
    for suffix in ["-wal", "-shm"] {
        let _absent = std::fs::remove_file(left.path().join(format!("ledger.db{suffix}")));
    }
    std::fs::copy(&backup, left.path().join("ledger.db")).unwrap();
    let (again, _) = open(left.path());
    assert_eq!(
        costs(&again).await.0,
        1,
        "the backup holds what was acknowledged before it, and nothing else"
    );
    let unclaimed = std::fs::read_dir(left.path()).unwrap();
    assert!(
        unclaimed.map(|file| file.unwrap().path()).any(|path| path.to_string_lossy().ends_with(".unclaimed"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_beside_a_busy_server_hold_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(i64::MAX / 2)).await.unwrap();
    for round in 0..8_u64 {
        let work = async {
            for number in 0..3_000 {
                let number = round * 10_000 + number;
                ledger.hold(wish(number, 900, SHORT)).await.unwrap();
                ledger.settle(Settlement { record: row(number, 500) }).await.unwrap();
            }
        };
        let before = round * 3_000;
        let (path, copy) = (folder.path().join("ledger.db"), folder.path().join(format!("copy-{round}.db")));
        let copied = tokio::task::spawn_blocking(move || nunchi_store::backup_to(&path, &copy).unwrap());
        let ((), copied) = tokio::join!(work, copied);
        copied.unwrap();
        let alone = tempfile::tempdir().unwrap();
        std::fs::copy(folder.path().join(format!("copy-{round}.db")), alone.path().join("ledger.db"))
            .unwrap();
        let (copy, _) = open(alone.path());
        let (rows, cost) = costs(&copy).await;
        assert!(rows as u64 >= before, "{rows} of {before}");
        assert_eq!(spent(&copy).await, (cost, 0), "the counters of a copy are its rows' sum");
    }
    ledger.close().await;
    assert!(journals(folder.path()).is_empty(), "a ledger that was closed is one file");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_do_not_grow_while_calls_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(i64::MAX / 2)).await.unwrap();
    let mut largest = 0;
    for number in 0..40_000 {
        ledger.hold(wish(number, 900, SHORT)).await.unwrap();
        ledger.settle(Settlement { record: row(number, 500) }).await.unwrap();
        if number % 500 == 0 {
            let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |about| about.len());
            largest = largest.max(journals(folder.path()).iter().map(size).sum::<u64>());
        }
    }
    assert!((8 << 20..120 << 20).contains(&largest), "{largest} bytes at most");
    assert_eq!(costs(&ledger).await, (40_000, 40_000 * 500));
    ledger.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_made_while_calls_end_counts_each_of_them_once() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let work = async {
        for number in 0..5_000 {
            ledger.hold(wish(number, 900, SHORT)).await.unwrap();
            ledger.settle(Settlement { record: row(number, 500) }).await.unwrap();
            // Lets the budgets be made in between.
            tokio::task::yield_now().await;
        }
    };
    let budgets = async {
        for number in 0..20_u128 {
            let budget = nunchi_core::Budget { id: BudgetId(Uuid::from_u128(number)), ..cap(i64::MAX / 2) };
            ledger.put_budget(budget).await.unwrap();
        }
        killed(folder.path())
    };
    let ((), left) = tokio::join!(work, budgets);
    for (_, state) in ledger.budgets(TokioClock::start().now()).await.unwrap() {
        assert_eq!((state.spent, state.held), (5_000 * 500, 0));
    }
    let (again, _) = open(left.path());
    let (_, cost) = costs(&again).await;
    for (_, state) in again.budgets(TokioClock::start().now()).await.unwrap() {
        assert_eq!((state.spent, state.held), (cost, 0), "also when the process dies in the middle");
    }
}

#[tokio::test]
async fn a_row_that_counts_and_has_no_hold_is_booked_once() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(100_000)).await.unwrap();
    let settle = || ledger.settle(Settlement { record: row(1, 500) });
    let (one, two, three) = tokio::join!(settle(), settle(), settle());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    // Nobody waits for this one's answer.
    drop(ledger.settle(Settlement { record: row(2, 70) }));
    assert_eq!(costs(&ledger).await, (2, 570));
    assert_eq!(spent(&ledger).await, (570, 0));
    let rows = ledger.calls(CallFilter::default()).await.unwrap();
    assert!(rows.iter().all(|row| row.outcome == Outcome::Ok) && rows.iter().any(|row| row.id == call_id(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_database_stays_few() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(i64::MAX / 2)).await.unwrap();
    let others = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    others.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut calls = 0_u64;
    // One that waits, or that is refused as the database cannot be written for so long, is dropped.
    while let Some(Ok(())) = ledger.hold(wish(calls, 900, SHORT)).now_or_never() {
        ledger.settle(Settlement { record: row(calls, 500) }).await.unwrap();
        calls += 1;
        assert!(calls < 40_000, "memory would fill up");
    }
    others.execute_batch("ROLLBACK").unwrap();
    while ledger.hold(wish(calls, 900, SHORT)).await.is_err() {
        tokio::task::yield_now().await;
    }
    ledger.settle(Settlement { record: row(calls, 500) }).await.unwrap();
    let count = usize::try_from(calls + 1).unwrap();
    assert_eq!(costs(&ledger).await, (count, 500 * (i64::try_from(calls).unwrap() + 1)));
    assert_eq!(spent(&ledger).await.1, 0, "no hold is left");
    ledger.close().await;
}
