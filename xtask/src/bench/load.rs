//! A small HTTP/1.1 client for open-loop load: requests go out on schedule, and waiting in line counts as latency.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads the whole answer of a known length; gives its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
                let length: usize = header(&head, "content-length").context("no length")?.parse()?;
                while self.buffer.len() < end + 4 + length {
                    self.fill().await?;
                }
                return status(&head);
            }
            self.fill().await?;
        }
    }

    /// Sends a request and reads until the connection closes or a chunked body ends; calls `seen` after each read.
    pub(crate) async fn stream(&mut self, request: &[u8], mut seen: impl FnMut(&[u8])) -> Result<Vec<u8>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        while find(&self.buffer, b"\r\n0\r\n\r\n").is_none() {
            self.fill().await?;
            seen(&self.buffer);
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection closed early");
        }
        Ok(())
    }
}

fn status(head: &str) -> Result<u16> {
    Ok(head.split_whitespace().nth(1).context("no status")?.parse()?)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// A request for a chat completion.
pub(crate) fn request(key: Option<&str>, body: &str) -> Vec<u8> {
    let key = key.unwrap_or("none");
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Latencies of an open loop, sorted, in microseconds.
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        Self(micros)
    }

    /// A percentile in milliseconds.
    pub(crate) fn percentile(&self, per_cent: usize) -> f64 {
        let at = (self.0.len() * per_cent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |micros| f64::from(u32::try_from(*micros).unwrap_or(u32::MAX)) / 1e3)
    }
}

/// Sends `rate` requests a second over `connections` for `time`; each latency counts from when its request was due.
pub(crate) async fn open_loop(
    address: SocketAddr,
    connections: u32,
    rate: u32,
    time: Duration,
    body: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
) -> Result<Latencies> {
    let body = Arc::new(body);
    let begun = Instant::now() + Duration::from_millis(50);
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..connections {
        let body = Arc::clone(&body);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut micros = Vec::new();
            let mut number = u64::from(index);
            loop {
                let due = begun + Duration::from_secs_f64(number as f64 / f64::from(rate));
                if due.duration_since(begun) >= time {
                    return Ok::<_, anyhow::Error>(micros);
                }
                let request = body(number);
                tokio::time::sleep_until(due.into()).await;
                let status = connection.exchange(&request).await?;
                if status != 200 {
                    bail!("status {status}");
                }
                micros.push(u64::try_from(due.elapsed().as_micros())?);
                number += u64::from(connections);
            }
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(Latencies::of(all))
}
