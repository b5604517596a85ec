//! Budgets on a running server: nothing gets past them, and everybody is told.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Upstream};
use serde_json::json;

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
