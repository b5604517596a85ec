//! Shortened conversations with the real binary: what reaches the upstream, byte for byte, and what the caller hears.

use crate::support::{Got, Home, Server, one_provider};
use nunchi_testkit::{Dialect, ToolCall, Turn, Upstream, UsageShape};
use serde_json::{Value, json};

/// A log whose lines are alike; only the whole one tells how long request 17 took: 7,700 ms and the job's number.
fn log(number: usize) -> String {
    let took = |at: usize| if at == 17 { 7_700 + number } else { at % 7 };
    let line = |at| format!("10:00:{at:02} INFO request {at} of job {number} was served in {} ms", took(at));
    (0..60).map(line).collect::<Vec<_>>().join("\n")
}

/// Conversations are shortened early, so that those of tests can be small.
fn early(config: &str) -> String {
    format!("{config}\n[compress]\nrecent_tokens = 600\nsegment_tokens = 1000\n")
}

/// An agent that has read so many logs, in chat completions; fields that nobody knows are among them.
fn chat(turns: usize) -> Value {
    let mut messages = vec![
        json!({ "role": "system", "content": "You read logs.", "x_sys": [1.0] }),
        json!({ "role": "user", "content": "Look at job 0." }),
    ];
    for at in 0..turns {
        let function = json!({ "name": "read_log", "arguments": format!("{{\"job\": {at}}}") });
        let call = json!({ "id": format!("c{at}"), "type": "function", "function": function, "x_call": 2.0 });
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
        messages.push(
            json!({ "role": "tool", "tool_call_id": format!("c{at}"), "content": log(at), "x_res": 3.0 }),
        );
        messages.push(json!({ "role": "assistant", "content": format!("Job {at} is fine.") }));
        messages.push(json!({ "role": "user", "content": format!("Look at job {}.", at + 1) }));
    }
    let parameters = json!({ "type": "object", "properties": { "job": { "type": "integer" } } });
    let function = json!({ "name": "read_log", "description": "Reads a log.", "parameters": parameters });
    let tool = json!({ "type": "function", "function": function, "x_tool": 1.0 });
    json!({ "model": "up/gpt-5-mini", "messages": messages, "tools": [tool], "x_unknown": [1.0] })
}

/// The same in Anthropic's dialect.
fn anthropic(turns: usize) -> Value {
    let mut messages = vec![json!({ "role": "user", "content": "Look at job 0." })];
    for at in 0..turns {
        let call =
            json!({ "type": "tool_use", "id": format!("c{at}"), "name": "read_log", "input": { "job": at } });
        messages.push(json!({ "role": "assistant", "content": [call] }));
        let result = json!({ "type": "tool_result", "tool_use_id": format!("c{at}"), "content": log(at) });
        let next = json!({ "type": "text", "text": format!("Go on with job {}.", at + 1) });
        messages.push(json!({ "role": "user", "content": [result, next] }));
    }
    messages.push(json!({ "role": "assistant", "content": "All fine." }));
    messages.push(json!({ "role": "user", "content": "How long did request 17 of job 0 take?" }));
    let schema = json!({ "type": "object", "properties": { "job": { "type": "integer" } } });
    let tool = json!({ "name": "read_log", "description": "Reads a log.", "input_schema": schema });
    json!({
        "model": "up/claude-sonnet-5-5", "max_tokens": 500, "system": "You read logs.",
        "messages": messages, "tools": [tool], "metadata": { "user_id": "u", "x_meta": 1.0 },
    })
}

const HEADERS: [(&str, &str); 2] = [("x-nunchi-compress", "results"), ("x-nunchi-cache", "no-store")];

fn ask(server: &Server, key: &str, path: &str, body: &Value) -> Got {
    let got = server.send("POST", path, key, &HEADERS, body);
    assert_eq!(got.status, 200, "{}", got.body);
    got
}

fn anthropic_provider(base_url: &str) -> String {
    one_provider(base_url)
        .replace("dialect = \"openai\"", "dialect = \"anthropic\"")
        .replace("price_from = \"openai\"", "price_from = \"anthropic\"")
}

fn usage(input: u64, output: u64) -> UsageShape {
    UsageShape::Plain { input, output }
}

/// The id in the note of the first shortened result.
fn first_id(text: &str) -> String {
    let (_, rest) = text.split_once("recall id ").expect("a note");
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_turns_reach_the_upstream_with_the_same_bytes_also_after_a_restart() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.lenient();
    upstream.always(Turn::text("Fine."));
    let home = Home::with_config(&early(&one_provider(&upstream.base_url())));
    let mut server = home.up();
    let key = server.first_key();
    let mut before: Vec<String> = Vec::new();
    for turns in 1..=10 {
        if turns == 8 {
            server.stop();
            server = home.up();
        }
        let got = ask(&server, &key, "/v1/chat/completions", &chat(turns));
        let seen = upstream.last_request();
        let raw = String::from_utf8(seen.raw.to_vec()).unwrap();
        for kept in [
            r#""x_unknown":[1.0]"#,
            r#""x_sys":[1.0]"#,
            r#""x_call":2.0"#,
            r#""x_res":3.0"#,
            r#""x_tool":1.0"#,
        ] {
            assert!(raw.contains(kept), "{kept} is gone: {raw}");
        }
        let messages = seen.body["messages"].as_array().unwrap();
        let results: Vec<String> =
            messages.iter().filter(|message| message["role"] == "tool").map(Value::to_string).collect();
        assert_eq!(messages.len(), chat(turns)["messages"].as_array().unwrap().len());
        assert!(!results[turns - 1].contains("recall id"), "the newest is untouched");
        for (then, now) in before.iter().zip(&results) {
            assert!(!then.contains("recall id") || then == now, "{then}\n{now}");
        }
        let short = results.iter().any(|result| result.contains("recall id"));
        assert_eq!(
            short,
            got.header("x-nunchi-notes").is_some_and(|notes| notes.contains("tool results shortened"))
        );
        let first_tool = &seen.body["tools"][0]["function"]["name"];
        assert_eq!(first_tool, if short { "recall" } else { "read_log" });
        before = results;
    }
    assert!(before.iter().filter(|result| result.contains("recall id")).count() >= 7, "{before:?}");
    let saved = home.json(&["stats", "--savings"]);
    assert!(saved["compression"].as_i64().unwrap() > 0, "{saved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_in_chat_completions_is_one_answer() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.lenient();
    upstream.respond_with(|seen| {
        let messages = seen.body["messages"].as_array().cloned().unwrap_or_default();
        let last = messages.last().cloned().unwrap_or_default();
        if last["role"] == "tool" {
            let word = last["content"].as_str().unwrap_or_default().contains("7700 ms");
            return Turn::text(if word { "It_took_7700_ms." } else { "It is not there." })
                .usage(usage(700, 5));
        }
        let id = first_id(messages[3]["content"].as_str().unwrap_or_default());
        let query = json!({ "id": id, "query": "how long did request 17 take" });
        Turn::tool_calls([ToolCall::new("recall", &query)]).usage(usage(600, 4))
    });
    let home = Home::with_config(&format!(
        "{}\n[tiers]\nbaseline = \"openai/gpt-6.1-sol\"\n",
        early(&one_provider(&upstream.base_url()))
    ));
    let server = home.up();
    let key = server.first_key();
    for stream in [false, true] {
        let mut body = chat(10);
        body["stream"] = stream.into();
        body["stream_options"] = if stream { json!({ "include_usage": true }) } else { Value::Null };
        let got = ask(&server, &key, "/v1/chat/completions", &body);
        assert!(got.body.contains("It_took_7700_ms.") && !got.body.contains("recall"), "{}", got.body);
        assert!(
            got.body.contains("\"prompt_tokens\":1300") && got.body.contains("\"completion_tokens\":9"),
            "{}",
            got.body
        );
        if !stream {
            let json = got.json();
            assert_eq!(json["choices"][0]["finish_reason"], "stop");
            assert_eq!(json["choices"][0]["message"]["content"], "It_took_7700_ms.");
        }
    }
    let seen = upstream.requests();
    assert_eq!(seen.len(), 4);
    let (first, second) = (String::from_utf8_lossy(&seen[0].raw), String::from_utf8_lossy(&seen[1].raw));
    let turns = |raw: &str| {
        raw.split_once("\"messages\":[")
            .map(|(_, rest)| rest.split("],\"tools\"").next().unwrap_or("").to_owned())
    };
    let (first, second) = (turns(&first).unwrap(), turns(&second).unwrap());
    assert!(second.starts_with(first.trim_end_matches(']')), "the prefix stays byte for byte");
    let saved = home.json(&["stats", "--savings"]);
    let money = |cause: &str| saved[cause].as_i64().unwrap();
    let causes = ["exact", "semantic", "tier", "prompt_cache", "tools", "compression", "batch"];
    assert_eq!(
        causes.iter().map(|cause| money(cause)).sum::<i64>(),
        money("baseline") - money("spent"),
        "{saved}"
    );
    assert_eq!(saved["calls"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_in_anthropics_dialect_is_one_answer() {
    let upstream = Upstream::start(Dialect::Anthropic).await;
    upstream.lenient();
    upstream.respond_with(|seen| {
        let messages = seen.body["messages"].as_array().cloned().unwrap_or_default();
        let last = messages.last().cloned().unwrap_or_default();
        if let Some(told) = last["content"][0]["content"].as_array() {
            let word =
                told.iter().any(|block| block["text"].as_str().unwrap_or_default().contains("7700 ms"));
            return Turn::text(if word { "It_took_7700_ms." } else { "It is not there." })
                .usage(usage(700, 5));
        }
        let id = first_id(messages[2]["content"][0]["content"].as_str().unwrap_or_default());
        let query = json!({ "id": id, "query": "how long did request 17 take" });
        let call = ToolCall::new("recall", &query).id("toolu_hidden");
        Turn::thinking("Where was it?", "proof").then_tools([call]).usage(usage(600, 4))
    });
    let home = Home::with_config(&early(&anthropic_provider(&upstream.base_url())));
    let server = home.up();
    let key = server.first_key();
    for stream in [false, true] {
        let mut body = anthropic(10);
        body["stream"] = stream.into();
        let got = ask(&server, &key, "/v1/messages", &body);
        assert!(got.body.contains("It_took_7700_ms.") && !got.body.contains("recall"), "{}", got.body);
        assert!(
            !got.body.contains("Where was it?"),
            "its reasoning stays with the hidden call: {}",
            got.body
        );
        assert!(got.body.contains("end_turn") && !got.body.contains("tool_use"), "{}", got.body);
        assert!(got.body.contains("\"input_tokens\":1300"), "{}", got.body);
    }
    let seen = upstream.requests();
    assert_eq!(seen.len(), 4);
    let raw = String::from_utf8_lossy(&seen[1].raw);
    assert!(raw.contains(r#""x_meta":1.0"#), "{raw}");
    let messages = seen[1].body["messages"].as_array().unwrap();
    let [.., said, told] = messages.as_slice() else { panic!("{raw}") };
    assert_eq!(
        (&said["content"][0]["type"], &said["content"][1]["name"]),
        (&json!("thinking"), &json!("recall"))
    );
    assert_eq!(told["content"][0]["tool_use_id"], "toolu_hidden");
    assert_eq!(seen[0].body["messages"].as_array().unwrap(), &messages[..messages.len() - 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_turns_are_shortened_in_both_dialects() {
    for (dialect, path, body) in [
        (Dialect::OpenAi, "/v1/chat/completions", chat(10)),
        (Dialect::Anthropic, "/v1/messages", anthropic(10)),
    ] {
        let upstream = Upstream::start(dialect).await;
        upstream.lenient();
        upstream.always(Turn::text("Fine."));
        let config = match dialect {
            Dialect::Anthropic => anthropic_provider(&upstream.base_url()),
            _ => one_provider(&upstream.base_url()),
        };
        let home = Home::with_config(&early(&config));
        let server = home.up();
        let key = server.first_key();
        let got = server.send("POST", path, &key, &[("x-nunchi-compress", "history")], &body);
        assert_eq!(got.status, 200, "{}", got.body);
        assert!(got.header("x-nunchi-notes").unwrap().contains("older messages"), "{}", got.head);
        let seen = upstream.last_request();
        let raw = String::from_utf8_lossy(&seen.raw);
        assert!(raw.contains("Earlier turns follow in shortened form"), "{raw}");
        assert!(seen.raw.len() * 2 < body.to_string().len(), "{} bytes", seen.raw.len());
        let kept = if dialect == Dialect::Anthropic { r#""x_meta":1.0"# } else { r#""x_unknown":[1.0]"# };
        assert!(raw.contains(kept), "the rest stays as it was");
        let last = seen.body["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last, body["messages"].as_array().unwrap().last().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_window_is_told_and_cut_only_if_the_owner_wants_that() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.lenient();
    upstream.always(Turn::text("Fine."));
    let mut shown = Vec::new();
    for on_limit in ["refuse", "trim"] {
        let config =
            format!("{}\n[compress]\non_limit = \"{on_limit}\"\n", one_provider(&upstream.base_url()));
        let home = Home::with_config(&config);
        let price =
            json!({ "provider": "openai", "model": "tiny", "input": "1", "output": "2", "context": 4000 });
        home.write("prices.json", &json!({ "version": "test", "models": [price] }).to_string());
        let server = home.up();
        let key = server.first_key();
        let small = json!({ "model": "up/tiny", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }] });
        let got = server.post("/v1/chat/completions", &key, &small);
        assert_eq!(got.header("x-nunchi-context"), None);
        let mut large = chat(1);
        large["model"] = "up/tiny".into();
        large["max_tokens"] = 100.into();
        let words = "word ".repeat(4_000);
        large["messages"][1]["content"] = words.into();
        let got = server.post("/v1/chat/completions", &key, &large);
        assert_eq!(got.status, 200, "{}", got.body);
        shown.push(got.header("x-nunchi-context").unwrap().to_owned());
        let raw = upstream.last_request().raw.len();
        assert_eq!(raw > 20_000, on_limit == "refuse", "{raw} bytes");
    }
    assert!(shown[0].ends_with("too long") && shown[1].ends_with("trimmed"), "{shown:?}");
}

#[test]
fn what_would_be_shortened_is_explained() {
    let home = Home::with_config(&early(&one_provider("http://127.0.0.1:9")));
    home.write("recorded.json", &chat(10).to_string());
    let path = |name: &str| home.path(name).display().to_string();
    let file = path("recorded.json");
    let report = home.json(&["compress", "explain", &file, "--mode", "results"]);
    let tokens = |name: &str| report[name].as_u64().unwrap();
    assert!(tokens("tokens_after") * 2 < tokens("tokens_before"), "{report}");
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 10);
    assert!(parts[0]["recall_id"].is_string() && parts[0]["why_not"].is_null(), "{report}");
    assert!(parts[9]["why_not"].as_str().unwrap().contains("too fresh"), "{report}");
    let text = home.run(["compress", "explain", file.as_str(), "--lang", "ko"]);
    assert!(text.out.contains("토큰으로 보냅니다"), "{} {}", text.out, text.err);
    let mut messages = anthropic(10);
    messages["model"] = "up/gpt-5-mini".into();
    home.write("anthropic.json", &messages.to_string());
    let report = home.json(&["compress", "explain", &path("anthropic.json"), "--mode", "history"]);
    assert_eq!(report["parts"][0]["kind"], "older turns", "{report}");
    assert_eq!(home.run(["compress", "explain", file.as_str(), "--mode", "loud"]).code, 1);
}
