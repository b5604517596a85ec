//! A ledger in a temporary folder, and rows to put into it.

use nunchi_core::{
    Amount, Budget, BudgetId, BudgetScope, BudgetWindow, CacheVerdict, CallId, CallRecord, Clock,
    HoldRequest, NanoUsd, Outcome, RequestId, SpendScope, Usage,
};
use nunchi_store::{LedgerOptions, OpenReport, SqliteLedger};
use nunchi_testkit::{SequentialIds, TokioClock, TokioSpawn};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A test that runs itself as a child and kills it.
pub(crate) struct CrashTest {
    /// Its full name.
    pub(crate) name: &'static str,
    /// The environment variable that tells a child its folder.
    pub(crate) variable: &'static str,
    /// What begins a line that says that something is done.
    pub(crate) word: &'static str,
}

impl CrashTest {
    /// Starts a child, reads so many lines that say so, kills it; what came through counts.
    pub(crate) fn kill_after(&self, folder: &Path, round: u64, lines: usize) -> Vec<String> {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([self.name, "--exact", "--nocapture"])
            .env(self.variable, folder)
            .env("NUNCHI_CRASH_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut told = out
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix(self.word).map(str::to_owned));
        let mut heard: Vec<String> = told.by_ref().take(lines).collect();
        child.kill().unwrap();
        heard.extend(told);
        child.wait().unwrap();
        heard
    }
}

pub(crate) fn open(folder: &Path) -> (SqliteLedger, OpenReport) {
    open_with(folder, None)
}

pub(crate) fn open_with(folder: &Path, encryption_key: Option<[u8; 32]>) -> (SqliteLedger, OpenReport) {
    let options = LedgerOptions {
        time_zone: jiff::tz::TimeZone::UTC,
        clock: Arc::new(TokioClock::start()),
        spawn: Arc::new(TokioSpawn::new()),
        encryption_key,
    };
    SqliteLedger::open(&folder.join("ledger.db"), options).unwrap()
}

pub(crate) fn call_id(number: u64) -> CallId {
    CallId(SequentialIds::nth(number))
}

pub(crate) fn row(number: u64, cost: i64) -> CallRecord {
    CallRecord {
        id: call_id(number),
        request: RequestId(Uuid::nil()),
        started: jiff::Timestamp::from_microsecond(1_767_225_600_000_001).unwrap(),
        latency_us: 1_000 * number,
        first_event_us: Some(10),
        provider: "p".into(),
        model: "m".into(),
        requested_model: "auto".into(),
        tier: None,
        reason: "왜냐하면".into(),
        cache: CacheVerdict::Miss,
        outcome: Outcome::Ok,
        error_code: None,
        usage: Usage { input: 10, output: 5, ..Usage::default() },
        usage_estimated: false,
        batch: false,
        cost: NanoUsd(cost),
        baseline_cost: NanoUsd(cost * 2),
        saved: nunchi_core::Saved::default(),
        price_version: "v".into(),
        principal: "me".into(),
        key: None,
        user: None,
        session: Some("세션".into()),
        run: None,
        step: None,
        phase: Some("plan".into()),
        task: None,
        tags: vec!["a".to_owned(), "b".to_owned()].into(),
        notes: vec!["top_k: left out".into()],
    }
}

pub(crate) fn wish(number: u64, money: i64, patience: Duration) -> HoldRequest {
    HoldRequest {
        call: call_id(number),
        scope: SpendScope { provider: "p".into(), model: "m".into(), ..SpendScope::default() },
        money: NanoUsd(money),
        tokens: 100,
        at: TokioClock::start().now(),
        patience,
        if_lost: Box::new(row(number, 0)),
        outlives: false,
    }
}

pub(crate) fn cap(limit: i64) -> Budget {
    Budget {
        id: BudgetId(Uuid::max()),
        name: "cap".into(),
        scope: BudgetScope::Everything,
        window: BudgetWindow::Total,
        limit: Amount::Money(NanoUsd(limit)),
        thresholds: Vec::new(),
        enabled: true,
    }
}
