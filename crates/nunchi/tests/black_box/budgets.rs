//! Budgets on a running server: nothing gets past them, and everybody is told.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Upstream};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_refuses() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let key = server.first_key();
    home.json(&["budget", "set", "tiny", "--limit", "0.000001usd", "--at", "100=stop"]);
    let refused = server.chat(&key, "up/gpt-5", "a question that costs more than that");
    assert_eq!(refused.status, 402, "{}", refused.body);
    let error = refused.json()["error"].clone();
    assert_eq!(error["code"], "budget.exhausted");
    assert!(error["hint"].as_str().unwrap().contains("tiny"), "{error}");
    assert_eq!(upstream.calls(), 0, "no provider was asked");
    home.json(&["budget", "remove", "tiny"]);
    assert_eq!(server.chat(&key, "up/gpt-5", "again").status, 200);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_own_budget_counts_only_that_key() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let poor = home.json(&["keys", "create", "poor", "--budget", "1tokens/day"]);
    let rich = home.json(&["keys", "create", "rich"]);
    let refused = server.chat(poor["key"].as_str().unwrap(), "up/gpt-5-mini", "hello");
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (402, &json!("budget.exhausted")),
        "{}",
        refused.body
    );
    assert_eq!(server.chat(rich["key"].as_str().unwrap(), "up/gpt-5-mini", "hello").status, 200);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_never_overspend() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let key = server.first_key();
    let limit = 3_000_i64;
    home.json(&["budget", "set", "cap", "--limit", &format!("{limit}tokens"), "--window", "total"]);
    let outcomes: Vec<u16> = std::thread::scope(|scope| {
        let (server, key) = (&server, key.as_str());
        let call = |n: usize| {
            let body = json!({ "model": "up/gpt-5-mini", "max_tokens": 100, "messages": [{ "role": "user", "content": format!("caller {n}") }] });
            server.post("/v1/chat/completions", key, &body).status
        };
        let callers: Vec<_> = (0..60).map(|n| scope.spawn(move || call(n))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|status| matches!(status, 200 | 402 | 429)), "{outcomes:?}");
    assert!(outcomes.contains(&200), "{outcomes:?}");
    let all = home.json(&["budget", "list"]);
    let cap = all.as_array().unwrap().iter().find(|one| one["budget"]["name"] == "cap").unwrap().clone();
    assert!(cap["state"]["spent"].as_i64().unwrap() <= limit, "{cap}");
    assert_eq!(cap["state"]["held"], 0, "{cap}");
    server.stop();
}

/// Calls in all, and callers at a time.
const CALLS: usize = 5_000;
const CALLERS: usize = 64;

/// One call as a careless client makes it: a failing upstream, a broken stream, a caller who leaves early. The status, if one came.
fn careless_call(address: SocketAddr, key: &str, n: usize) -> Option<u16> {
    let (stream, text) = match n % 10 {
        0 => (false, format!("fail 500, caller {n}")),
        1 => (true, format!("break the stream, caller {n}")),
        2..5 => (true, format!("caller {n}")),
        _ => (false, format!("caller {n}")),
    };
    let body = json!({
        "model": "up/gpt-5-mini", "max_tokens": 16, "stream": stream,
        "messages": [{ "role": "user", "content": text }],
    })
    .to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    socket.write_all(head.as_bytes()).ok()?;
    socket.write_all(body.as_bytes()).ok()?;
    if n.is_multiple_of(13) {
        return None;
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).ok()?;
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// Sends calls from many threads at once; `seen` is told of each status.
fn storm(address: SocketAddr, key: &str, calls: std::ops::Range<usize>, seen: impl Fn(u16) + Sync) {
    let next = AtomicUsize::new(calls.start);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= calls.end {
                        return;
                    }
                    if let Some(status) = careless_call(address, key, n) {
                        seen(status);
                    }
                }
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_calls_aborts_failures_and_a_kill_never_overspend() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url())).variable("NUNCHI_LOG__LEVEL", "error");
    let mut server = home.up();
    let (address, key) = (server.address, server.first_key());
    // A call costs about 0.00002 USD, so this pays for about a thousand.
    let limit = 20_000_000_i64;
    home.json(&["budget", "set", "cap", "--limit", "0.02usd", "--window", "total", "--at", "100=stop"]);
    let (answered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let count = |status: u16| {
        match status {
            200 => answered.fetch_add(1, Ordering::Relaxed),
            402 => refused.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    };
    std::thread::scope(|scope| {
        scope.spawn(|| storm(address, &key, 0..CALLS / 2, count));
        while answered.load(Ordering::Relaxed) < 300 {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.child.kill().unwrap();
    });
    server.child.wait().unwrap();
    let before_kill = answered.load(Ordering::Relaxed);
    let next = home.up();
    storm(next.address, &key, CALLS / 2..CALLS, count);
    next.stop();

    let stats = home.json(&["stats", "--by", "outcome", "--period", "all"]);
    let budgets = home.json(&["budget", "list"]);
    let cap = budgets.as_array().unwrap().iter().find(|one| one["budget"]["name"] == "cap").unwrap();
    let spent = cap["state"]["spent"].as_i64().unwrap();
    assert!(spent <= limit, "{cap}");
    assert!(spent >= limit / 2, "the budget could be used: {cap} {stats}");
    assert_eq!(cap["state"]["held"], 0, "no hold leaks: {cap}");
    assert_eq!(cap["state"]["spent"], stats["total"]["cost"], "no call is booked twice: {cap} {stats}");
    let (answered, refused) = (answered.into_inner(), refused.into_inner());
    assert!(before_kill >= 300 && answered > before_kill, "{before_kill} {answered}");
    assert!(refused > CALLS / 4, "{answered} answered, {refused} refused: {stats}");
    let booked = stats["total"]["calls"].as_u64().unwrap();
    assert!(booked >= (answered + refused) as u64, "{booked} rows for {answered} and {refused}: {stats}");
}
