//! Requests per second under a closed loop of 16 connections: cache misses, cache hits, and nginx.

use super::Row;
use super::servers::{Bench, Server, lines_of, scratch};
use anyhow::{Context, Result};
use std::process::Command;

const CONNECTIONS: &str = "-c16";
const SECONDS: &str = "-d8s";

/// A body of about 1 KB; `unique` makes each request another question.
pub(crate) fn script(unique: bool, key: Option<&str>) -> String {
    let filler = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    let number = if unique { "thread_seed .. '-' .. counter" } else { "'same'" };
    let key = key.unwrap_or("none");
    format!(
        "local counter = 0
local thread_seed = tostring(math.random(1, 1000000000)) .. tostring({{}})
wrk.method = 'POST'
wrk.headers['Content-Type'] = 'application/json'
wrk.headers['Authorization'] = 'Bearer {key}'
request = function()
  counter = counter + 1
  local body = '{{\"model\":\"bench/fixed\",\"max_tokens\":64,\"messages\":[{{\"role\":\"user\",\"content\":\"{filler}' .. {number} .. '\"}}]}}'
  return wrk.format(nil, '/v1/chat/completions', nil, body)
end
"
    )
}

/// What wrk found.
struct Found {
    per_second: f64,
    p99_ms: f64,
    errors: String,
}

fn wrk(server: &Server, unique: bool) -> Result<Found> {
    let folder = scratch("wrk")?;
    let path = folder.join("load.lua");
    std::fs::write(&path, script(unique, server.key.as_deref()))?;
    let url = format!("http://{}/v1/chat/completions", server.address);
    let run = |seconds: &str| {
        lines_of(
            Command::new("wrk").args(["-t1", CONNECTIONS, seconds, "--latency", "-s"]).arg(&path).arg(&url),
        )
    };
    run("-d2s")?;
    let lines = run(SECONDS)?;
    std::fs::remove_dir_all(folder)?;
    let figure = |name: &str| {
        lines.iter().find_map(|line| line.trim().strip_prefix(name).map(str::trim).map(str::to_owned))
    };
    Ok(Found {
        per_second: figure("Requests/sec:").context("no rate")?.parse()?,
        p99_ms: millis(&figure("99%").context("no percentile")?)?,
        errors: figure("Non-2xx or 3xx responses:").unwrap_or_else(|| "0".into()),
    })
}

fn millis(text: &str) -> Result<f64> {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let number: f64 = digits.parse()?;
    Ok(match text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "us" => number / 1e3,
        "s" => number * 1e3,
        _ => number,
    })
}

/// Measures nginx, misses and hits.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Row>> {
    let upstream = bench.fixed_upstream()?;
    let peer = wrk(&bench.nginx(&upstream)?, true)?;
    let nunchi = bench.nunchi(&upstream)?;
    let misses = wrk(&nunchi, true)?;
    let hits = wrk(&nunchi, false)?;
    let row = |what: &str, ours: &Found, goal: &str| {
        Row::new(
            what,
            format!("{:.0} RPS, p99 {:.2} ms, {} errors", ours.per_second, ours.p99_ms, ours.errors),
            format!("{:.0} RPS, p99 {:.2} ms", peer.per_second, peer.p99_ms),
            format!("{:.2} x RPS, {:.1} x p99", ours.per_second / peer.per_second, ours.p99_ms / peer.p99_ms),
            goal,
        )
    };
    Ok(vec![
        row("cache misses, 16 connections, 1 KB", &misses, ">= 0.35 x RPS, aim 0.5; p99 <= 3 x"),
        row("exact hits, 16 connections, 1 KB", &hits, "aim 1 x RPS"),
    ])
}
