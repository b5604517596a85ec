//! Latency under an open loop, where waiting in line counts.

use super::Row;
use super::load::{Latencies, open_loop, request};
use super::servers::{Bench, Server};
use anyhow::Result;
use std::time::Duration;

fn measure(server: &Server, rate: u32, filler_bytes: usize) -> Result<Latencies> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (address, key) = (server.address, server.key.clone());
    let filler = "lorem ipsum ".repeat(filler_bytes / 12);
    let seed = std::process::id();
    let make = move |number: u64| {
        let content = format!("{filler}{seed}-{number}");
        let body = format!(
            "{{\"model\":\"bench/fixed\",\"max_tokens\":64,\"messages\":[{{\"role\":\"user\",\"content\":\"{content}\"}}]}}"
        );
        request(key.as_deref(), &body)
    };
    let make = std::sync::Arc::new(make);
    let warm = std::sync::Arc::clone(&make);
    runtime.block_on(async {
        open_loop(address, 64, rate, Duration::from_secs(1), move |number| warm(number + 10_000_000)).await?;
        open_loop(address, 64, rate, Duration::from_secs(8), move |number| make(number)).await
    })
}

fn row(what: &str, ours: &Latencies, peer: &Latencies, goal: &str) -> Row {
    let shown =
        |found: &Latencies| format!("p50 {:.2}, p99 {:.2} ms", found.percentile(50), found.percentile(99));
    let added = format!(
        "+{:.2} ms p50, +{:.2} ms p99",
        ours.percentile(50) - peer.percentile(50),
        ours.percentile(99) - peer.percentile(99)
    );
    Row::new(what, shown(ours), shown(peer), added, goal)
}

/// 3,000 requests a second, all cache misses.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let upstream = bench.fixed_upstream()?;
    let peer = measure(&bench.nginx(&upstream)?, 3_000, 1_000)?;
    let ours = measure(&bench.nunchi(&upstream)?, 3_000, 1_000)?;
    Ok(vec![row("3,000 RPS open loop, cache misses", &ours, &peer, "p99 <= nginx + 1 ms")])
}

/// Bodies of 300 KB.
pub(crate) fn big_body(bench: &Bench) -> Result<Vec<Row>> {
    let upstream = bench.fixed_upstream()?;
    let peer = measure(&bench.nginx(&upstream)?, 50, 300_000)?;
    let ours = measure(&bench.nunchi(&upstream)?, 50, 300_000)?;
    Ok(vec![row("300 KB bodies, 50 RPS", &ours, &peer, "adds <= 5 ms")])
}
