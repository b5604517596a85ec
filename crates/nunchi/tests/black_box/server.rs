//! A running server: a request end to end, what it says of it afterwards, and who may ask.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, RedisServer, Turn, Upstream};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

fn asked(got: &crate::support::Got) -> String {
    got.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_key_to_the_row_in_the_ledger() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.require_key("sk-upstream");
    upstream.always(Turn::text("4"));
    let home = Home::with_config(&one_provider(&upstream.base_url())).variable("UP_KEY", "sk-upstream");
    let server = home.up();
    let key = server.first_key();
    assert!(
        server.greeting.contains("curl") && server.greeting.contains(&format!("http://{}", server.address))
    );

    let got = server.chat(&key, "up/gpt-5-mini", "What is 2+2?");
    assert_eq!((got.status, asked(&got).as_str()), (200, "4"), "{}", got.body);
    assert_eq!(got.header("x-nunchi-cache"), Some("miss"));
    assert_eq!(got.header("x-nunchi-model"), Some("up/gpt-5-mini"));
    assert!(got.header("x-nunchi-cost-usd").is_some_and(|cost| cost.starts_with("0.")), "{}", got.head);
    let again = server.chat(&key, "up/gpt-5-mini", "What is 2+2?");
    assert_eq!(
        (again.header("x-nunchi-cache"), again.header("x-nunchi-cost-usd")),
        (Some("exact"), Some("0.000000000"))
    );
    assert_eq!(upstream.calls(), 1, "the second one came from the cache");

    let stats = home.json(&["stats", "--by", "model"]);
    assert_eq!(
        (stats["total"]["calls"].as_u64(), stats["total"]["cache_hits"].as_u64()),
        (Some(2), Some(1)),
        "{stats}"
    );
    assert!(stats["total"]["cost"].as_i64().unwrap() > 0, "{stats}");
    let cache = home.json(&["cache", "stats"]);
    assert_eq!((cache["hits"].as_u64(), cache["lookups"].as_u64()), (Some(1), Some(2)), "{cache}");
    let entries = home.json(&["cache", "list"]);
    let entry = entries[0]["key"].as_str().unwrap();
    home.json(&["cache", "rm", &entry[..12]]);
    server.chat(&key, "up/gpt-5-mini", "What is 2+2?");
    assert_eq!(upstream.calls(), 2, "what was removed is asked anew");
    let top = home.json(&["top", "--once"]);
    assert_eq!(top["recent"].as_array().unwrap().len(), 3, "{top}");
    let shown = home.run(["top", "--once"]);
    assert!(shown.out.contains("3 calls, 1 from the cache"), "{}", shown.out);
    let vague = home.run(["cache", "clear", "--json"]);
    assert_eq!(vague.error()["code"], "cache.clear_what");
    assert_eq!(home.json(&["cache", "clear", "--all"])["removed"], 1);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn ask_goes_through_the_running_server() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("안녕하세요, streamed"));
    let config = format!(
        "{}\n[tiers]\ntrivial = [\"up/gpt-5-mini\"]\nstandard = [\"up/gpt-5-mini\"]\n",
        one_provider(&upstream.base_url())
    );
    let home = Home::with_config(&config);
    let without = home.run(["ask", "hello", "there", "--offline", "--no-cache"]);
    assert_eq!((without.code, without.out.as_str()), (0, "안녕하세요, streamed\n"), "{}", without.err);
    let server = home.up();
    let with = home.run(["ask", "hello", "there", "--session", "s1", "--no-cache"]);
    assert_eq!((with.code, with.out.as_str()), (0, "안녕하세요, streamed\n"), "{}", with.err);
    let json = home.json(&["ask", "hello", "there", "--no-cache"]);
    assert_eq!((&json["text"], &json["model"]), (&json!("안녕하세요, streamed"), &json!("up/gpt-5-mini")));
    server.stop();
    // One ledger, whoever wrote to it.
    assert_eq!(home.json(&["stats", "--by", "session", "--period", "all"])["total"]["calls"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_work_at_once_and_end_at_once() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let made = home.json(&["keys", "create", "few", "--models", "up/gpt-5-mini"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(server.chat(key, "up/gpt-5-mini", "one").status, 200);
    let refused = server.chat(key, "up/gpt-5", "two");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!("key.model_not_allowed")));
    for path in ["/api/stats", "/api/keys", "/api/budgets", "/api/overview", "/api/prices", "/api/cache"] {
        let refused = server.get(path, key);
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (403, &json!("key.not_admin")),
            "{path}"
        );
        assert_eq!(server.get(path, "nk-nobody").status, 401, "{path}");
    }
    home.json(&["keys", "revoke", "few"]);
    assert_eq!(server.chat(key, "up/gpt-5-mini", "three").json()["error"]["code"], "key.revoked");
    assert_eq!(server.chat("", "up/gpt-5-mini", "four").json()["error"]["code"], "key.missing");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_refuses_nonsense() {
    let home = Home::new();
    let server = home.up();
    let made = home.json(&["keys", "create", "boss", "--admin"]);
    let key = made["key"].as_str().unwrap();
    for (method, path, body, status) in [
        ("GET", "/api/stats?by=colour", Value::Null, 400),
        ("GET", "/api/stats?since=yesterday", Value::Null, 400),
        ("GET", "/api/cache/xyz", Value::Null, 400),
        ("DELETE", "/api/budgets/xyz", Value::Null, 400),
        ("DELETE", "/api/keys/00000000000000000000000000000000", Value::Null, 404),
        ("POST", "/api/keys", json!({}), 400),
        ("POST", "/api/keys", json!({ "name": " " }), 400),
        (
            "PUT",
            "/api/budgets",
            json!({ "name": "x", "scope": "everything", "window": "day", "limit": { "money": -1 }, "thresholds": [] }),
            400,
        ),
        (
            "PUT",
            "/api/budgets",
            json!({ "name": "x", "scope": "everything", "window": "day", "limit": { "money": 1 }, "thresholds": [{ "percent": 0, "action": "stop" }] }),
            400,
        ),
        ("PUT", "/api/prices", json!([{ "provider": "x" }]), 400),
        ("GET", "/api/nothing", Value::Null, 404),
        ("PATCH", "/api/budgets", json!({}), 405),
    ] {
        let got = server.send(method, path, key, &[], &body);
        assert_eq!(got.status, status, "{method} {path}: {}", got.body);
        let error = got.json()["error"].clone();
        assert!(error["code"].is_string() && error["message"].is_string(), "{method} {path}: {}", got.body);
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_page_is_described() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    server.chat(&server.first_key(), "up/gpt-5-mini", "hello");
    let page = server.get("/metrics", "");
    let names: std::collections::BTreeSet<_> = page
        .body
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            line.split(['{', ' '])
                .next()
                .unwrap()
                .trim_end_matches("_bucket")
                .trim_end_matches("_sum")
                .trim_end_matches("_count")
        })
        .collect();
    assert!(
        names.contains("nunchi_calls_total") && names.contains("nunchi_http_requests_total"),
        "{names:?}"
    );
    for name in names {
        assert!(name.starts_with("nunchi_"), "{name}");
        for kind in ["HELP", "TYPE"] {
            assert!(page.body.contains(&format!("# {kind} {name} ")), "{name} has no {kind}");
        }
    }
    assert!(!page.body.contains("gpt-5-mini"), "model names are the callers' choice and no label");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_in_the_terminal() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.script([
        Turn::text("first answer"),
        Turn::status(400).message("no"),
        Turn::text("second answer"),
    ]);
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let mut chat = home.command(["chat", "--model", "up/gpt-5-mini", "--system", "be brief"]);
    let mut chat = chat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let typed = "one\nbroken\ntwo\n/cost\n/new\nthree\n/quit\n";
    chat.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let said = String::from_utf8(chat.wait_with_output().unwrap().stdout).unwrap();
    for text in ["first answer", "second answer", "3 calls, "] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(!said.contains('\x1b'), "no colours where nobody looks: {said}");
    let roles = |at: usize| -> Vec<String> {
        let messages = upstream.requests()[at].body["messages"].as_array().unwrap().clone();
        messages.iter().map(|message| message["role"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(roles(2), ["system", "user", "assistant", "user"], "what failed is not repeated");
    assert_eq!(roles(3), ["system", "user"], "a new conversation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_in_json_lines() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.script([
        Turn::text("first"),
        Turn::status(400).message("no"),
        Turn::text("second"),
        Turn::text("third"),
    ]);
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let mut chat = home.command(["chat", "--model", "up/gpt-5-mini", "--json"]);
    let mut chat = chat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let typed = concat!(
        r#"{"text": "one"}"#,
        "\n\n",
        r#"{"text": "broken"}"#,
        "\nnot JSON\n",
        r#"{"text": "two"}"#,
        "\n",
        r#"{"text": "three", "model": "up/gpt-5-nano", "new": true}"#,
        "\n",
    );
    chat.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let said = String::from_utf8(chat.wait_with_output().unwrap().stdout).unwrap();
    let said: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(said.len(), 5, "{said:?}");
    for (at, text) in [(0, "first"), (3, "second"), (4, "third")] {
        assert_eq!(said[at]["text"], text, "{said:?}");
        assert!(said[at]["cost"].as_i64().unwrap() > 0 && said[at]["cache"] == "miss", "{}", said[at]);
        assert!(
            said[at]["model"].as_str().unwrap().starts_with("up/gpt-5-") && said[at]["reason"].is_string()
        );
    }
    assert!(said[1]["error"]["message"].is_string(), "{}", said[1]);
    assert_eq!(said[2]["error"]["code"], "chat.line");
    let bodies: Vec<Value> = upstream.requests().iter().map(|request| request.body.clone()).collect();
    let contents = |at: usize| -> Vec<&str> {
        bodies[at]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["content"].as_str().unwrap())
            .collect()
    };
    assert_eq!(contents(2), ["one", "first", "two"], "what failed is not repeated");
    assert_eq!((contents(3), &bodies[3]["model"]), (vec!["three"], &json!("gpt-5-nano")));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_answers_in_redis_and_work_without_it() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let mut redis = RedisServer::start();
    let config = one_provider(&upstream.base_url()) + "\n[cache]\nstore = \"redis\"\nscope = \"everyone\"\n";
    let home = || Home::with_config(&config).variable("REDIS_URL", &redis.url());
    let (first, second) = (home(), home());
    let (one, two) = (first.up(), second.up());
    let ask = |server: &crate::support::Server, key: &str| {
        server.chat(key, "up/gpt-5-mini", "Why is the sky blue?")
    };
    assert_eq!(ask(&one, &one.first_key()).header("x-nunchi-cache"), Some("miss"));
    let key = two.first_key();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    // The answer is written behind the reply.
    while second.json(&["cache", "stats"])["stored"]["entries"] == 0 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(ask(&two, &key).header("x-nunchi-cache"), Some("exact"));
    assert_eq!(upstream.calls(), 1);
    redis.stop();
    let away = two.chat(&key, "up/gpt-5-mini", "Why is grass green?");
    assert_eq!((away.status, away.header("x-nunchi-cache")), (200, Some("miss")), "{}", away.body);
    one.stop();
    two.stop();
    let lost = Home::with_config("[cache]\nstore = \"redis\"\n").run(["up", "--offline", "--json"]);
    assert_eq!(lost.code, 1, "{}", lost.err);
    assert!(lost.err.contains("redis_url_env") && lost.err.contains("nunchi.toml"), "{}", lost.err);
}

#[test]
fn guessing_keys_at_the_console_is_slowed_down() {
    let home = Home::with_config("[local]\nenabled = false\n");
    let server = home.up();
    let try_key = |key: &str| -> String {
        let (host, body) = (server.address, format!("key={key}"));
        let mut socket = std::net::TcpStream::connect(host).unwrap();
        write!(
            socket,
            "POST /console/sign-in HTTP/1.0\r\nhost: {host}\r\norigin: http://{host}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut socket, &mut answer).unwrap();
        answer.to_ascii_lowercase()
    };
    for _ in 0..30 {
        assert!(
            try_key(&server.first_key()).starts_with("http/1.0 303"),
            "who knows the key is not slowed down"
        );
    }
    let answers: Vec<_> = (0..25).map(|n| try_key(&format!("nk-guess-{n}"))).collect();
    assert!(answers[0].starts_with("http/1.0 401"), "{}", answers[0]);
    let last = answers.last().unwrap();
    assert!(last.starts_with("http/1.0 429") && last.contains("retry-after: "), "{last}");
    server.stop();
}
