//! Streams: what the first chunk costs, and two thousand at once with every chunk checked.

use super::Row;
use super::load::{Connection, Latencies, find, request};
use super::servers::{Bench, Server};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

const CHUNKS: usize = 20;
const STREAMS: usize = 2_000;

fn body(number: usize) -> String {
    let seed = std::process::id();
    format!(
        "{{\"model\":\"bench/fixed\",\"stream\":true,\"max_tokens\":64,\"messages\":[{{\"role\":\"user\",\"content\":\"count {seed}-{number}\"}}]}}"
    )
}

/// Time to the first chunk with content, one stream after the other.
pub(crate) fn first_chunk(bench: &Bench) -> Result<Vec<Row>> {
    let upstream = bench.streaming_upstream(3, Duration::ZERO)?;
    let (nginx, nunchi) = (bench.nginx(&upstream)?, bench.nunchi(&upstream)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let measure = |server: &Server| {
        runtime.block_on(async {
            let mut connection = Connection::open(server.address).await?;
            let mut micros = Vec::new();
            for number in 0..2_000 {
                let request = request(server.key.as_deref(), &body(number));
                let begun = Instant::now();
                let mut first = None;
                connection
                    .stream(&request, |so_far| {
                        if first.is_none() && find(so_far, b"\"content\":\"").is_some() {
                            first = Some(begun.elapsed());
                        }
                    })
                    .await?;
                micros.extend(first.map(|first| u64::try_from(first.as_micros()).unwrap_or(u64::MAX)));
            }
            Ok::<_, anyhow::Error>(Latencies::of(micros.split_off(200)))
        })
    };
    let (peer, ours) = (measure(&nginx)?, measure(&nunchi)?);
    let shown =
        |found: &Latencies| format!("p50 {:.2}, p99 {:.2} ms", found.percentile(50), found.percentile(99));
    let added = format!("+{:.2} ms p99", ours.percentile(99) - peer.percentile(99));
    Ok(vec![Row::new("time to the first chunk", shown(&ours), shown(&peer), added, "adds <= 1 ms p99")])
}

/// Two thousand streams at once; every one must bring every chunk in order.
pub(crate) fn many(bench: &Bench) -> Result<Vec<Row>> {
    let upstream = bench.streaming_upstream(u32::try_from(CHUNKS)?, Duration::from_millis(50))?;
    let expected = single(&upstream)?;
    let nunchi = bench.nunchi(&upstream)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let (whole, peak) = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..STREAMS {
            let (address, request) = (nunchi.address, request(nunchi.key.as_deref(), &body(number)));
            tasks.spawn(async move {
                let answer = Connection::open(address).await?.stream(&request, |_| {}).await?;
                Ok::<_, anyhow::Error>(text_of(&answer))
            });
        }
        let (mut whole, mut peak) = (0_usize, 0_u64);
        while let Some(done) = tasks.join_next().await {
            peak = peak.max(nunchi.resident_kib()?);
            whole += usize::from(done?.is_ok_and(|text| text == expected));
        }
        Ok::<_, anyhow::Error>((whole, peak))
    })?;
    let ours =
        format!("{whole} of {STREAMS} whole, {} MiB, {:.1} s", peak / 1024, begun.elapsed().as_secs_f64());
    Ok(vec![Row::new(
        "2,000 streams of 20 chunks",
        ours,
        "-".into(),
        "-".into(),
        "none lost, none wrong; <= 60 MB",
    )])
}

/// What the upstream itself says.
fn single(upstream: &Server) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        Connection::open(upstream.address).await?.stream(&request(None, &body(0)), |_| {}).await
    })?;
    let text = text_of(&answer);
    if text.is_empty() {
        bail!("the upstream streams nothing");
    }
    Ok(text)
}

/// The content of all chunks, in order.
fn text_of(answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer);
    let pieces = answer.split("\"content\":\"").skip(1);
    pieces.filter_map(|piece| piece.split('"').next()).collect()
}
