//! Holds, settles, totals: durable, exactly once, never beyond a limit.

use crate::support::{cap, open, row, wish};
use nunchi_core::{
    BudgetStore, CacheVerdict, CallFilter, CallRecord, Clock, Grouping, HoldError, Ledger, LedgerReader,
    NanoUsd, Saved, Savings, Settlement, StorageError,
};
use nunchi_store::SqliteLedger;
use nunchi_testkit::TokioClock;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);

async fn spent(ledger: &SqliteLedger) -> (i64, i64) {
    let all = ledger.budgets(TokioClock::start().now()).await.unwrap();
    (all[0].1.spent, all[0].1.held)
}

#[tokio::test]
async fn a_row_comes_back_as_it_was_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let wanted = row(1, 500);
    ledger.hold(wish(1, 900, SHORT)).await.unwrap();
    ledger.settle(Settlement { record: wanted.clone() }).await.unwrap();
    assert_eq!(ledger.calls(CallFilter::default()).await.unwrap(), std::slice::from_ref(&wanted));
    ledger.close().await;
    let (again, report) = open(folder.path());
    assert_eq!(report.crashed_holds, 0);
    assert_eq!(again.calls(CallFilter::default()).await.unwrap(), [wanted]);
}

#[tokio::test]
async fn a_second_settle_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(10_000)).await.unwrap();
    ledger.hold(wish(1, 900, SHORT)).await.unwrap();
    assert_eq!(spent(&ledger).await, (0, 900));
    for _ in 0..3 {
        ledger.settle(Settlement { record: row(1, 500) }).await.unwrap();
    }
    assert_eq!(spent(&ledger).await, (500, 0));
    assert_eq!(ledger.calls(CallFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_what_only_has_to_wait_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(1_000)).await.unwrap();
    let Err(HoldError::Refused(never)) = ledger.hold(wish(1, 1_001, SHORT)).await else { panic!("refused") };
    assert!(!never.busy);
    ledger.hold(wish(2, 800, SHORT)).await.unwrap();
    let Err(HoldError::Refused(busy)) = ledger.hold(wish(3, 800, SHORT)).await else { panic!("refused") };
    assert!(busy.busy);
    let (waited, ()) = tokio::join!(ledger.hold(wish(4, 800, Duration::from_secs(10))), async {
        ledger.settle(Settlement { record: row(2, 100) }).await.unwrap();
    });
    waited.unwrap();
    assert_eq!(spent(&ledger).await, (100, 800));
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_at_once_never_exceed_the_limit_and_use_nearly_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let (calls, cost) = (5_000_u64, 100_i64);
    ledger.put_budget(cap(1_000 * cost)).await.unwrap();
    let each = (0..calls).map(|number| {
        let ledger = ledger.clone();
        async move {
            // Every seventh caller leaves in the middle of its hold.
            if number % 7 == 0 {
                let left = tokio::time::timeout(
                    Duration::from_micros(number),
                    ledger.hold(wish(number, cost, SHORT)),
                )
                .await;
                return if matches!(left, Ok(Ok(()))) { settle(&ledger, number, cost).await } else { false };
            }
            ledger.hold(wish(number, cost, Duration::from_secs(30))).await.is_ok()
                && settle(&ledger, number, cost).await
        }
    });
    let done = futures_util::future::join_all(each).await.into_iter().filter(|done| *done).count();
    let (spent, held) = spent(&ledger).await;
    assert_eq!((spent, held), (i64::try_from(done).unwrap() * cost, 0));
    assert!((990..=1_000).contains(&done), "{done}");
    assert_eq!(ledger.open_holds(), 0);
    let rows = ledger.totals(CallFilter::default(), Grouping::All).await.unwrap();
    assert_eq!((rows[0].calls, rows[0].cost), (done as u64, NanoUsd(spent)));
}

async fn settle(ledger: &SqliteLedger, number: u64, cost: i64) -> bool {
    ledger.settle(Settlement { record: row(number, cost) }).await.is_ok()
}

#[tokio::test]
async fn totals_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    for number in 1..=20 {
        ledger.settle(Settlement { record: row(number, 100) }).await.unwrap();
    }
    for by in [
        Grouping::Provider,
        Grouping::Model,
        Grouping::Session,
        Grouping::Phase,
        Grouping::Day,
        Grouping::Key,
    ] {
        let totals = ledger.totals(CallFilter::default(), by).await.unwrap();
        assert_eq!((totals.len(), totals[0].calls, totals[0].cost), (1, 20, NanoUsd(2_000)), "{by:?}");
        assert_eq!(totals[0].p95_latency_us, 19_000);
    }
    let session = CallFilter { session: Some("세션".into()), ..CallFilter::default() };
    assert_eq!(ledger.totals(session, Grouping::Session).await.unwrap()[0].group, "세션");
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (ledger, _) = open(folder.path());
    for number in 1..=200 {
        ledger.settle(Settlement { record: row(number, 100) }).await.unwrap();
    }
    ledger.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4_096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let options = nunchi_store::LedgerOptions {
        time_zone: jiff::tz::TimeZone::UTC,
        clock: std::sync::Arc::new(TokioClock::start()),
        spawn: std::sync::Arc::new(nunchi_testkit::TokioSpawn::new()),
        encryption_key: None,
    };
    let error = SqliteLedger::open(&path, options).unwrap_err();
    assert!(matches!(error, StorageError::Damaged(_)), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let copy = folder.path().join("saved.db");
    let saved = nunchi_store::salvage_to(&path, &copy).unwrap();
    assert!(saved.iter().any(|(table, rows)| table == "calls" && *rows > 0), "{saved:?}");
}

#[tokio::test]
async fn savings_add_up_by_cause() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let rows = [
        (CacheVerdict::Exact, 0, 1_000, Saved::default(), None),
        (CacheVerdict::Semantic, 0, 700, Saved::default(), None),
        (CacheVerdict::Miss, 200, 1_000, Saved { prompt_cache: NanoUsd(300), ..Saved::default() }, None),
        (CacheVerdict::Audit, 40, 100, Saved::default(), None),
        (CacheVerdict::Miss, 900, 1_000, Saved { prompt_cache: NanoUsd(-50), ..Saved::default() }, None),
        (
            CacheVerdict::Bypass,
            10,
            500,
            Saved { tools: NanoUsd(30), compression: NanoUsd(20), batch: NanoUsd(5), ..Saved::default() },
            Some("nunchi/judge"),
        ),
    ];
    for (number, (cache, cost, baseline, saved, task)) in (1..).zip(rows) {
        let task = task.map(Into::into);
        let record = CallRecord { cache, saved, task, baseline_cost: NanoUsd(baseline), ..row(number, cost) };
        ledger.settle(Settlement { record }).await.unwrap();
    }
    let saved = ledger.savings(CallFilter::default()).await.unwrap();
    assert_eq!((saved.calls, saved.baseline, saved.spent), (6, NanoUsd(4_300), NanoUsd(1_150)));
    assert_eq!((saved.exact, saved.semantic), (NanoUsd(1_000), NanoUsd(700)));
    assert_eq!(
        saved.overhead,
        NanoUsd(10 + 40),
        "our own call, and the check of an answer that could have been shared"
    );
    assert_eq!(saved.exact + saved.semantic + saved.tier + saved.other.total(), saved.total());
    assert_eq!(saved.tier, NanoUsd(1_000 - 200 - 300 + 100 - 40 + 1_000 - 900 + 50 + 500 - 10 - 55));
    let nothing = CallFilter { provider: Some("nobody".into()), ..CallFilter::default() };
    assert_eq!(ledger.savings(nothing).await.unwrap(), Savings::default());
}
