//! Measures durable holds and settles a second: `cargo run --release -p nunchi-store --example ledger_speed [CALLERS] [CALLS]`.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nunchi_core::{
    Amount, Budget, BudgetId, BudgetScope, BudgetStore, BudgetWindow, CacheVerdict, CallId, CallRecord,
    Clock, HoldRequest, Ledger, NanoUsd, Outcome, RequestId, Settlement, SpendScope, Usage,
};
use nunchi_store::{LedgerOptions, SqliteLedger};
use nunchi_testkit::{TokioClock, TokioSpawn};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const HELD: i64 = 2_000;
const COST: i64 = 900;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let callers = arguments.next().transpose()?.unwrap_or(16);
    let calls = arguments.next().transpose()?.unwrap_or(200_000) / callers;
    let folder = tempfile::tempdir()?;
    let clock = Arc::new(TokioClock::start());
    let options = LedgerOptions {
        time_zone: TimeZone::UTC,
        clock: clock.clone(),
        spawn: Arc::new(TokioSpawn::new()),
        encryption_key: None,
    };
    let (ledger, _) = SqliteLedger::open(&folder.path().join("ledger.db"), options)?;
    ledger.put_budget(daily(i64::MAX / 4)).await?;

    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        tasks.spawn(call_often(ledger.clone(), caller, calls, clock.clone()));
    }
    let mut slowest = Duration::ZERO;
    while let Some(done) = tasks.join_next().await {
        slowest = slowest.max(done??);
    }
    let took = began.elapsed();
    let done = calls * callers;
    println!(
        "{done} calls held and settled by {callers} callers in {took:.2?}: {} a second, the slowest {slowest:.2?}",
        u128::from(done) * 1_000_000 / took.as_micros().max(1)
    );
    ledger.close().await;
    Ok(())
}

/// Holds and settles one call after the other; returns how long the slowest took.
async fn call_often(
    ledger: SqliteLedger,
    caller: u64,
    calls: u64,
    clock: Arc<TokioClock>,
) -> Result<Duration, nunchi_core::HoldError> {
    let mut slowest = Duration::ZERO;
    for call in 0..calls {
        let began = Instant::now();
        let record = record(CallId(Uuid::from_u128(u128::from(call * 1_000 + caller))), clock.now());
        let hold = HoldRequest {
            call: record.id,
            scope: SpendScope { provider: "p".into(), model: "m".into(), ..SpendScope::default() },
            money: NanoUsd(HELD),
            tokens: 500,
            at: clock.now(),
            patience: Duration::from_secs(10),
            if_lost: Box::new(record.clone()),
            outlives: false,
        };
        ledger.hold(hold).await?;
        ledger.settle(Settlement { record }).await?;
        slowest = slowest.max(began.elapsed());
    }
    Ok(slowest)
}

fn record(id: CallId, started: Timestamp) -> CallRecord {
    CallRecord {
        id,
        request: RequestId(id.0),
        started,
        latency_us: 812_345,
        first_event_us: Some(212_345),
        provider: "anthropic".into(),
        model: "claude-sonnet".into(),
        requested_model: "auto".into(),
        tier: None,
        reason: "rules: default tier".into(),
        cache: CacheVerdict::Miss,
        outcome: Outcome::Ok,
        error_code: None,
        usage: Usage { input: 350, output: 120, ..Usage::default() },
        usage_estimated: false,
        batch: false,
        cost: NanoUsd(COST),
        baseline_cost: NanoUsd(COST),
        saved: nunchi_core::Saved::default(),
        price_version: "2026-11-01".into(),
        principal: "owner".into(),
        key: None,
        user: None,
        session: Some("a-session".into()),
        run: None,
        step: None,
        phase: None,
        task: None,
        tags: Arc::from([]),
        notes: Vec::new(),
    }
}

fn daily(limit: i64) -> Budget {
    Budget {
        id: BudgetId(Uuid::nil()),
        name: "daily".into(),
        scope: BudgetScope::Everything,
        window: BudgetWindow::Day,
        limit: Amount::Money(NanoUsd(limit)),
        thresholds: Vec::new(),
        enabled: true,
    }
}
