//! The metrics page: one recorder for the process, described in words.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use nunchi_api::MetricsPage;
use std::sync::{Arc, OnceLock};

/// Bounds of call durations, in seconds.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Renders what was counted since the process began. The recorder is installed on first use; a process has one.
pub(crate) fn page() -> MetricsPage {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let handle = HANDLE.get_or_init(install).clone();
    Arc::new(move || handle.as_ref().map(PrometheusHandle::render).unwrap_or_default())
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
    metrics::describe_histogram!("nunchi_call_duration_seconds", "Duration of calls, by cache verdict");
    Some(handle)
}
