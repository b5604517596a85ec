//! The metrics page: one recorder for the process, described in words.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use nunchi_api::MetricsPage;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Time between two folds.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Bounds of call durations, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Renders what was counted since the process began. The recorder is installed on first use; a process has one.
pub(crate) fn page() -> MetricsPage {
    let handle = handle();
    Arc::new(move || handle.as_ref().map(PrometheusHandle::render).unwrap_or_default())
}

/// Folds measured durations into their buckets now and then; else they would pile up until somebody reads the page.
pub(crate) async fn upkeep() {
    let Some(handle) = handle() else { return };
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        handle.run_upkeep();
    }
}

fn handle() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new();
    let builder = builder
        .set_buckets_for_metric(Matcher::Full("nunchi_call_duration_seconds".into()), &SECONDS)
        .ok()?;
    let handle = builder.install_recorder().ok()?;
    metrics::describe_counter!(
        "nunchi_calls_total",
        "Calls booked, by provider, outcome, cache verdict and tier"
    );
    metrics::describe_counter!(
        "nunchi_cost_nano_usd_total",
        "Money spent, in billionths of a dollar, by provider"
    );
    metrics::describe_counter!("nunchi_tokens_total", "Tokens booked, by kind");
    metrics::describe_counter!(
        "nunchi_semantic_lookups_total",
        "Questions that were looked up by their meaning"
    );
    metrics::describe_counter!("nunchi_semantic_hits_total", "Answers shared by meaning");
    metrics::describe_counter!(
        "nunchi_semantic_audits_total",
        "Answers that could have been shared and were compared with a fresh one instead, by verdict: wrong ones would have been false hits"
    );
    metrics::describe_counter!("nunchi_http_requests_total", "HTTP requests, by route and status");
    metrics::describe_histogram!("nunchi_call_duration_seconds", "Duration of calls, by cache verdict");
    Some(handle)
}
