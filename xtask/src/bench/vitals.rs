//! Memory over many requests, time to listening, size of the binary.

use super::Row;
use super::servers::{Bench, free_address, lines_of, scratch};
use super::throughput::script;
use anyhow::Result;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// Requests of the memory bench; `BENCH_REQUESTS` overrides.
const REQUESTS: u64 = 1_000_000;

/// Resident memory while a million different requests pass.
pub(crate) fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let wanted = std::env::var("BENCH_REQUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(REQUESTS);
    let upstream = bench.fixed_upstream()?;
    let nunchi = bench.nunchi(&upstream)?;
    let folder = scratch("memory")?;
    let path = folder.join("load.lua");
    std::fs::write(&path, script(true, nunchi.key.as_deref()))?;
    let url = format!("http://{}/v1/chat/completions", nunchi.address);
    let (mut done, mut samples) = (0_u64, vec![nunchi.resident_kib()?]);
    while done < wanted {
        let lines = lines_of(Command::new("wrk").args(["-t1", "-c16", "-d10s", "-s"]).arg(&path).arg(&url))?;
        let count = lines.iter().find_map(|line| line.trim().split_once(" requests in "));
        done += count.and_then(|(count, _)| count.parse().ok()).unwrap_or(0_u64);
        samples.push(nunchi.resident_kib()?);
    }
    std::fs::remove_dir_all(folder)?;
    let shown: Vec<_> = samples.iter().map(|kib| (kib / 1024).to_string()).collect();
    let ours = format!("MiB every 10 s: {}; {done} requests", shown.join(", "));
    Ok(vec![Row::new("resident memory", ours, "-".into(), "-".into(), "<= 60 MB and flat")])
}

/// Time from the start of the process until it listens, and the binary's size.
pub(crate) fn start(bench: &Bench) -> Result<Vec<Row>> {
    let home = scratch("start")?;
    let mut micros = Vec::new();
    for _ in 0..11 {
        let address = free_address()?;
        let begun = Instant::now();
        let mut child = bench.start(&home, address)?;
        while TcpStream::connect(address).is_err() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_micros(500));
        }
        micros.push(begun.elapsed().as_micros());
        child.kill()?;
        child.wait()?;
    }
    micros.sort_unstable();
    let size = std::fs::metadata(&bench.nunchi)?.len();
    std::fs::remove_dir_all(home)?;
    Ok(vec![
        Row::new(
            "start to listening, median of 11",
            format!("{} ms", micros[5] / 1_000),
            "-".into(),
            "-".into(),
            "<= 150 ms",
        ),
        Row::new("binary, stripped", format!("{} MB", size / 1_000_000), "-".into(), "-".into(), "<= 40 MB"),
    ])
}
