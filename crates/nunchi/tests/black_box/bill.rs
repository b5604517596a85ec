//! The provider keeps its own bill, of whatever is asked and however it ends: it never passes the limit, nor what was booked.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Seen, Turn, Upstream, UsageShape};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

/// Calls in all, and callers at a time.
const CALLS: usize = 480;
const CALLERS: usize = 24;
/// What a million tokens of gpt-5-mini cost, in dollars: prompt and answer.
const RATES: (i64, i64) = (250_000_000, 2_000_000_000);

/// What a call asks for, and what its prompt truly has in tokens once the provider has added what it keeps, finds and reads.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Document,
    Kept,
    Search,
    Unreadable,
    Cut,
    Flex,
    Priority,
}

impl Kind {
    fn of(n: usize) -> Self {
        use Kind as K;
        [K::Plain, K::Document, K::Kept, K::Search, K::Unreadable, K::Cut, K::Flex, K::Priority][n % 8]
    }

    fn tokens(self) -> (u64, u64) {
        match self {
            Self::Document => (60_000, 40),
            Self::Kept => (150_000, 40),
            Self::Search => (9_000, 40),
            Self::Plain | Self::Unreadable | Self::Cut | Self::Flex | Self::Priority => (8, 40),
        }
    }

    /// What the provider charges, in billionths of a dollar: nothing is written for those who leave a stream, and of one that is cut
    /// only what went out.
    fn bill(self, n: usize) -> i64 {
        let (input, output) = self.tokens();
        let left = n.is_multiple_of(5) && streams(n);
        let output = if left || matches!(self, Self::Cut) { 0 } else { output };
        let tokens = (input as i64 * RATES.0 + output as i64 * RATES.1).div_euclid(1_000_000);
        match self {
            Self::Flex => tokens / 2,
            Self::Priority => tokens * 9 / 5,
            _ => tokens,
        }
    }

    /// Where it is asked, and how.
    fn request(self, n: usize) -> (&'static str, Value) {
        let text = format!("caller {n}, {self:?}");
        let mut chat = json!({
            "model": "up/gpt-5-mini", "max_completion_tokens": 64, "stream": streams(n),
            "messages": [{ "role": "user", "content": text }],
        });
        match self {
            Self::Document => {
                let file = json!({ "file_id": "file-kept" });
                chat["messages"][0]["content"] =
                    json!([{ "type": "text", "text": text }, { "type": "file", "file": file }]);
            }
            Self::Kept => {
                let kept = json!({ "model": "re/gpt-5-mini", "max_output_tokens": 64, "stream": streams(n),
                    "input": text, "previous_response_id": "resp_kept" });
                return ("/v1/responses", kept);
            }
            Self::Search => chat["web_search_options"] = json!({}),
            Self::Flex => chat["service_tier"] = "flex".into(),
            Self::Priority => chat["service_tier"] = "priority".into(),
            Self::Plain | Self::Unreadable | Self::Cut => {}
        }
        ("/v1/chat/completions", chat)
    }

    /// What the upstream does with it.
    fn turn(self) -> Turn {
        let (input, output) = self.tokens();
        let said =
            Turn::text("one two three four five six seven eight").usage(UsageShape::Plain { input, output });
        match self {
            Self::Unreadable => Turn::garbage(),
            Self::Cut => said.cut_after(4),
            _ => said.delay_between(1),
        }
    }
}

fn streams(n: usize) -> bool {
    n.is_multiple_of(3)
}

/// The number of the call that is seen.
fn number_of(seen: &Seen) -> Option<usize> {
    let text = seen.body.to_string();
    let (_, number) = text.split_once("caller ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// One call; every fifth caller leaves without the answer. The status, if one came.
fn call(address: SocketAddr, key: &str, n: usize) -> Option<u16> {
    let (path, body) = Kind::of(n).request(n);
    let body = body.to_string();
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(
        socket,
        "POST {path} HTTP/1.0\r\nx-nunchi-task: {:?}\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{body}",
        Kind::of(n),
        body.len()
    )
    .ok()?;
    if n.is_multiple_of(5) {
        std::thread::sleep(Duration::from_millis((n % 7) as u64));
        socket.shutdown(Shutdown::Both).ok()?;
        return None;
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).ok()?;
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// The upstream as `up` by chat completions, and as `re` by responses.
fn both_dialects(upstream: &Upstream) -> String {
    let config = one_provider(&upstream.base_url());
    let (_, provider) = config.split_once("[[providers]]").unwrap();
    let responses =
        provider.replace("\"up\"", "\"re\"").replace("\"openai\"\nbase", "\"openai_responses\"\nbase");
    format!("{config}\n[[providers]]{responses}models = [\"gpt-5-mini\"]\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_bill_never_passes_the_limit_nor_what_was_booked() {
    let (upstream, billed) = (Upstream::start(Dialect::OpenAi).await, Arc::new(AtomicI64::new(0)));
    let bill = Arc::clone(&billed);
    upstream.respond_with(move |seen| {
        let Some(n) = number_of(seen) else { return Turn::status(400) };
        bill.fetch_add(Kind::of(n).bill(n), Ordering::Relaxed);
        Kind::of(n).turn()
    });
    let home = Home::with_config(&both_dialects(&upstream)).variable("NUNCHI_LOG__LEVEL", "error");
    let mut server = home.up();
    let (address, key) = (server.address, server.first_key());
    let limit = 1_500_000_000_i64;
    home.json(&["budget", "set", "cap", "--limit", "1.5usd", "--window", "total", "--at", "100=stop"]);
    let (next, refused, answered) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let storm = |address: SocketAddr, until: usize| {
        std::thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    let taken = || next.fetch_add(1, Ordering::Relaxed);
                    for n in std::iter::repeat_with(taken).take_while(|n| *n < until) {
                        match call(address, &key, n) {
                            Some(200) => answered.fetch_add(1, Ordering::Relaxed),
                            Some(402) => refused.fetch_add(1, Ordering::Relaxed),
                            _ => 0,
                        };
                    }
                });
            }
        });
    };
    std::thread::scope(|scope| {
        scope.spawn(|| storm(address, CALLS / 2));
        while answered.load(Ordering::Relaxed) < 40 {
            std::thread::sleep(Duration::from_millis(2));
        }
        server.child.kill().unwrap();
    });
    server.child.wait().unwrap();
    next.store(CALLS / 2, Ordering::Relaxed);
    let server = home.up();
    storm(server.address, CALLS);
    server.stop();

    let stats = home.json(&["stats", "--by", "task", "--period", "all"]);
    let budgets = home.json(&["budget", "list"]);
    let cap = budgets.as_array().unwrap().iter().find(|one| one["budget"]["name"] == "cap").unwrap();
    let (spent, billed) = (cap["state"]["spent"].as_i64().unwrap(), billed.load(Ordering::Relaxed));
    assert!(billed <= spent && spent <= limit, "billed {billed}, booked {spent}: {stats}");
    assert_eq!(
        (&cap["state"]["held"], &cap["state"]["spent"]),
        (&json!(0), &stats["total"]["cost"]),
        "{cap}"
    );
    assert!(
        billed > limit / 4,
        "the budget could be used: {billed} of {spent}, {answered:?} answered: {stats}"
    );
    assert!(refused.into_inner() > 0, "{stats}");
}
