//! What was booked survives whatever happens to the process.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream};
use std::io::Read;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_a_whole_ledger() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let mut server = home.up();
    let key = server.first_key();
    for n in 0..20 {
        assert_eq!(server.chat(&key, "up/gpt-5-mini", &format!("number {n}")).status, 200);
    }
    upstream.script([Turn::hang()]);
    let open = server.open(
        "POST",
        "/v1/chat/completions",
        &key,
        &[],
        &serde_json::json!({ "model": "up/gpt-5-mini", "messages": [{ "role": "user", "content": "the last one" }] }),
    );
    upstream.wait_until(|seen| seen.len() == 21).await;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    drop(open);

    let stats = home.json(&["stats", "--by", "outcome", "--period", "all"]);
    let count = |outcome: &str| {
        let groups = stats["groups"].as_array().unwrap();
        groups
            .iter()
            .find(|group| group["group"] == outcome)
            .map_or(0, |group| group["calls"].as_u64().unwrap())
    };
    assert_eq!((count("ok"), count("crashed")), (20, 1), "{stats}");
    let budgets = home.json(&["budget", "list"]);
    assert_eq!(budgets[0]["state"]["held"], 0, "no hold leaks: {budgets}");
    assert_eq!(budgets[0]["state"]["spent"], stats["total"]["cost"], "{budgets} {stats}");

    // The next server takes the folder over.
    let next = home.up();
    assert!(!next.greeting.contains("nk-"), "a key is shown once: {}", next.greeting);
    assert_eq!(next.chat(&key, "up/gpt-5-mini", "after").status, 200);
    next.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_is_settled() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let key = server.first_key();
    upstream.script([Turn::text("one two three four five six seven eight").delay_between(200)]);
    let body = serde_json::json!({ "model": "up/gpt-5-mini", "stream": true, "messages": [{ "role": "user", "content": "go" }] });
    let mut open = server.open("POST", "/v1/chat/completions", &key, &[], &body);
    let mut head = [0_u8; 512];
    assert!(open.read(&mut head).unwrap() > 0, "it began");
    drop(open);
    server.stop();
    let stats = home.json(&["stats", "--by", "outcome", "--period", "all"]);
    assert_eq!(stats["total"]["calls"], 1, "{stats}");
    let budgets = home.json(&["budget", "list"]);
    assert_eq!(budgets[0]["state"]["held"], 0, "{budgets}");
    assert_eq!(budgets[0]["state"]["spent"], stats["total"]["cost"], "{budgets} {stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_calls_and_loses_nothing() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    // No file may grow beyond what is allowed just now, as on a disk that is full.
    let server = home.up_on_a_small_disk();
    let key = server.first_key();
    assert_eq!(server.chat(&key, "up/gpt-5-mini", "there is room").status, 200);
    server.limit_file_size("1024");
    let refused = server.chat(&key, "up/gpt-5-mini", "there is none");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let error = refused.json()["error"].clone();
    assert!(error["code"].as_str().unwrap().starts_with("storage."), "{error}");
    assert!(error["hint"].is_string(), "{error}");
    assert_eq!(upstream.calls(), 1, "nobody was asked without a hold on disk");
    server.limit_file_size("unlimited");
    // The disk is tried again once a second.
    let again = || server.chat(&key, "up/gpt-5-mini", "there is room again").status == 200;
    assert!((0..50).any(|_| again() || {
        std::thread::sleep(Duration::from_millis(100));
        false
    }));
    server.stop();
    let stats = home.json(&["stats", "--period", "all"]);
    assert_eq!(
        stats["total"]["calls"].as_u64().unwrap() - stats["total"]["failed"].as_u64().unwrap(),
        2,
        "{stats}"
    );
    let budgets = home.json(&["budget", "list"]);
    assert_eq!(budgets[0]["state"]["held"], 0, "{budgets}");
    assert_eq!(budgets[0]["state"]["spent"], stats["total"]["cost"], "{budgets} {stats}");
}
