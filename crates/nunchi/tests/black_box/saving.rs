//! Saving without lying: answers shared by meaning, prompt caches kept warm, and an account of both.

use crate::support::{Home, Server, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream, UsageShape};
use serde_json::{Value, json};
use std::time::Duration;

/// How a question was served: `miss`, `exact`, `semantic` …
fn served(server: &Server, key: &str, text: &str) -> String {
    let got = server.chat(key, "up/gpt-5-mini", text);
    assert_eq!(got.status, 200, "{}", got.body);
    got.header("x-nunchi-cache").expect("a verdict").to_owned()
}

/// Waits until the encoder is loaded: a request does not wait for that.
pub(crate) fn warm(server: &Server, key: &str) {
    let ready =
        || server.post("/api/cache/explain", key, &json!({ "a": "hello", "b": "hello" })).status == 200;
    assert!((0..100).any(|_| ready() || {
        std::thread::sleep(Duration::from_millis(100));
        false
    }));
}

/// A server whose encoder is loaded.
fn with_meaning(upstream: &Upstream) -> (Home, Server, String) {
    let home = Home::with_config(&one_provider(&upstream.base_url())).with_encoder();
    let server = home.up();
    let key = server.first_key();
    warm(&server, &key);
    (home, server, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn near_misses_are_never_shared() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let (home, server, key) = with_meaning(&upstream);
    let pairs = [
        ("turn on dark mode", "turn off dark mode"),
        ("다크 모드를 켜 줘", "다크 모드를 꺼 줘"),
        ("flights from Seoul to Tokyo", "flights from Tokyo to Seoul"),
        ("서울에서 부산까지 기차로 얼마나 걸려?", "부산에서 서울까지 기차로 얼마나 걸려?"),
        ("Summarise the meeting of March 5", "Summarise the meeting of March 6"),
        ("3월 5일 회의록을 요약해 줘", "3월 6일 회의록을 요약해 줘"),
        ("Convert 250 dollars to euros by hand", "Convert 520 dollars to euros by hand"),
        ("사과 세 개를 셋으로 나누는 법", "사과 다섯 개를 셋으로 나누는 법"),
        ("Who founded Samsung?", "Who founded Hyundai?"),
        ("세종대왕은 무엇을 만들었나요?", "이순신은 무엇을 만들었나요?"),
        ("translate cat to French", "translate dog to French"),
        ("say: hello to my/model-5", "say: responses to my/model-5"),
        ("파이썬에서 리스트를 정렬하는 방법 알려줘", "파이썬 리스트 역순 정렬 어떻게 해?"),
    ];
    for (a, b) in pairs {
        assert_eq!(
            (served(&server, &key, a), served(&server, &key, b)),
            ("miss".into(), "miss".into()),
            "{a}"
        );
        let report = server.post("/api/cache/explain", &key, &json!({ "a": a, "b": b })).json();
        assert_eq!(report["shared"], false, "{report}");
    }
    assert_eq!(upstream.calls(), 2 * pairs.len());
    let figures = home.json(&["cache", "stats"]);
    assert!(figures["semantic"]["refused"].as_u64().unwrap() > 0, "{figures}");
    assert_eq!(figures["semantic"]["hits"], 0, "{figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_in_two_conversations_are_two_questions() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("and so on"));
    let (_home, server, key) = with_meaning(&upstream);
    let talk = |about: &str| {
        json!({ "model": "up/gpt-5-mini", "messages": [
            { "role": "user", "content": about },
            { "role": "assistant", "content": "Once upon a time…" },
            { "role": "user", "content": "continue" },
        ] })
    };
    for about in ["Tell me the story of Rome.", "Tell me the story of Troy."] {
        let got = server.post("/v1/chat/completions", &key, &talk(about));
        assert_eq!(got.header("x-nunchi-cache"), Some("miss"), "{}", got.body);
    }
    assert_eq!(upstream.calls(), 2);
}

fn agent_call(system: &str, turns: &[&str]) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": system })];
    messages.extend(turns.iter().map(|text| json!({ "role": "user", "content": text })));
    let parameters = json!({ "type": "object", "properties": { "path": { "type": "string" } } });
    let tool = json!({ "name": "read_file", "description": "Reads a file.", "parameters": parameters });
    json!({
        "model": "up/claude-sonnet-5-5",
        "max_tokens": 64,
        "messages": messages,
        "tools": [{ "type": "function", "function": tool }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_are_marked_and_what_breaks_them_is_found() {
    let upstream = Upstream::start(Dialect::Anthropic).await;
    upstream.always(Turn::text("noted"));
    let config = one_provider(&upstream.base_url())
        .replace("dialect = \"openai\"", "dialect = \"anthropic\"")
        .replace("price_from = \"openai\"", "price_from = \"anthropic\"");
    let home = Home::with_config(&config);
    let server = home.up();
    let key = server.first_key();
    let rules = "You are a careful engineer. Follow the rules of the house. ".repeat(120);
    let system = |day: &str| format!("Today is {day}. {rules}");
    let session = [("x-nunchi-session", "work")];
    let ask = |system: &str, turns: &[&str]| {
        let got = server.send("POST", "/v1/chat/completions", &key, &session, &agent_call(system, turns));
        assert_eq!(got.status, 200, "{}", got.body);
    };
    ask(&system("2026-11-21"), &["Read the first file."]);
    ask(&system("2026-11-21"), &["Read the first file.", "Read the second file."]);
    ask(&system("2026-11-22"), &["Read the first file.", "Read the second file.", "And the third."]);
    let sent: Vec<Value> = upstream.requests().iter().map(|seen| seen.body.clone()).collect();
    for body in &sent {
        let marks = body.to_string().matches("\"cache_control\"").count();
        assert_eq!(marks, 2, "the instructions and the end are marked: {body}");
        assert!(body["system"][0]["cache_control"].is_object(), "{body}");
    }
    assert_eq!(sent[0]["system"], sent[1]["system"], "the prefix stays as it was");
    assert_eq!(sent[0]["tools"], sent[1]["tools"]);
    let report = home.json(&["cache", "doctor"]);
    assert_eq!((&report[0]["session"], &report[0]["calls"]), (&json!("work"), &json!(3)), "{report}");
    let breaks = report[0]["breaks"].as_array().unwrap();
    assert_eq!(breaks.len(), 1, "{report}");
    assert_eq!((&breaks[0]["place"], &breaks[0]["byte"]), (&json!("system"), &json!(18)), "{report}");
    assert!(breaks[0]["excerpt"].as_str().unwrap().starts_with("2. You are"), "{report}");
    assert!(breaks[0]["lost_tokens"].as_u64().unwrap() > 1_000, "{report}");
    let text = home.run(["cache", "doctor"]);
    assert!(text.out.contains("system, byte 18"), "{}", text.out);
}

/// A question of an agent with thirty tools, in a session of its own.
fn shared_agent_call(model: &str, turns: &[&str], turned: bool) -> Value {
    let what = "Looks something up in a large collection of documents, and gives what fits the query best. "
        .repeat(4);
    let tool = |at: usize| json!({ "type": "function", "function": { "name": format!("look_{at:02}"), "description": what } });
    let mut tools: Vec<Value> = (0..30).map(tool).collect();
    if turned {
        tools.reverse();
    }
    let mut messages = vec![json!({ "role": "system", "content": "You are an assistant. Be brief." })];
    messages.extend(turns.iter().map(|text| json!({ "role": "user", "content": text })));
    json!({ "model": model, "max_tokens": 64, "messages": messages, "tools": tools })
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_one_agent_share_a_prefix_that_is_marked_for_them() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("noted").usage(UsageShape::Cached { input: 20, cached: 3_000, output: 5 }));
    let home = Home::with_config(&one_provider(&upstream.base_url()));
    let server = home.up();
    let key = server.first_key();
    let ask = |session: &str, turns: &[&str], tools: &str, turned: bool| {
        let headers =
            [("x-nunchi-session", session), ("x-nunchi-tools", tools), ("x-nunchi-cache", "no-store")];
        let body = shared_agent_call("up/gpt-6-luna", turns, turned);
        let got = server.send("POST", "/v1/chat/completions", &key, &headers, &body);
        assert_eq!(got.status, 200, "{}", got.body);
        (upstream.last_request().body, got.header("x-nunchi-notes").unwrap_or_default().to_owned())
    };
    for number in 0..12 {
        ask(&format!("s{number}"), &[&format!("question {number}")], "all", false);
    }
    let (sent, _) = ask("alone", &["Where is the lighthouse?"], "all", false);
    let mark = json!({ "mode": "explicit" });
    assert_eq!(sent["messages"][0]["content"][0]["prompt_cache_breakpoint"], mark, "{sent}");
    assert_eq!(
        sent["messages"][1]["content"], "Where is the lighthouse?",
        "nobody goes on from here: {sent}"
    );
    assert_eq!(sent["prompt_cache_options"], mark, "{sent}");
    // The list is warm: who lets the gateway choose gets all of it, whatever order it came in, and keeps it.
    let (whole, notes) = ask("chosen", &["Where is the lighthouse?"], "auto", true);
    assert_eq!((&whole["tools"], &whole["prompt_cache_key"]), (&sent["tools"], &sent["prompt_cache_key"]));
    assert!(notes.contains("all 30 tools sent"), "{notes}");
    let (later, _) = ask("chosen", &["Where is the lighthouse?", "And the harbour?"], "auto", false);
    assert_eq!((&later["tools"], &later["messages"][0]), (&whole["tools"], &whole["messages"][0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_not_marked_where_no_session_goes_on() {
    let upstream = Upstream::start(Dialect::Anthropic).await;
    upstream.always(Turn::text("noted").usage(UsageShape::Cached { input: 20, cached: 3_000, output: 5 }));
    let config = one_provider(&upstream.base_url())
        .replace("dialect = \"openai\"", "dialect = \"anthropic\"")
        .replace("price_from = \"openai\"", "price_from = \"anthropic\"");
    let home = Home::with_config(&config);
    let server = home.up();
    let key = server.first_key();
    for number in 0..12 {
        let session = [("x-nunchi-session", format!("s{number}"))];
        let session = [(session[0].0, session[0].1.as_str())];
        let body = shared_agent_call("up/claude-opus-5-5", &[&format!("question {number}")], false);
        let got = server.send("POST", "/v1/chat/completions", &key, &session, &body);
        assert_eq!(got.status, 200, "{}", got.body);
    }
    let sent = upstream.last_request().body;
    // They came within seconds, so five minutes are enough.
    assert_eq!(sent["system"][0]["cache_control"], json!({ "type": "ephemeral" }), "{sent}");
    assert_eq!(sent.to_string().matches("\"cache_control\"").count(), 1, "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn savings_add_up() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let home = Home::with_config(&format!(
        "{}\n[tiers]\nbaseline = \"openai/gpt-6.1-sol\"\n",
        one_provider(&upstream.base_url())
    ));
    let server = home.up();
    let key = server.first_key();
    for text in ["first question", "first question", "second question"] {
        served(&server, &key, text);
    }
    let saved = home.json(&["stats", "--savings"]);
    let money = |cause: &str| saved[cause].as_i64().unwrap_or_else(|| panic!("{cause}: {saved}"));
    let causes = ["exact", "semantic", "tier", "prompt_cache", "tools", "compression", "batch"];
    assert_eq!(causes.iter().map(|cause| money(cause)).sum::<i64>(), money("baseline") - money("spent"));
    assert!(money("exact") > 0 && money("tier") > 0 && money("spent") > 0, "{saved}");
    let text = home.run(["stats", "--savings", "--lang", "ko"]);
    assert!(text.out.contains("절약 합계"), "{}", text.out);
}

const TOOLS: [(&str, &str); 12] = [
    ("get_weather", "Weather forecast of a city."),
    ("send_email", "Sends an e-mail to a person."),
    ("convert_currency", "Converts an amount between currencies."),
    ("play_music", "Plays songs and playlists."),
    ("book_hotel", "Books hotel rooms."),
    ("search_papers", "Searches academic papers."),
    ("play_chess", "Plays a game of chess."),
    ("find_recipes", "Finds recipes to cook."),
    ("find_jobs", "Finds job openings."),
    ("find_cars", "Finds used cars."),
    ("search_laws", "Searches laws and court decisions."),
    ("water_plants", "Waters the indoor plants."),
];

fn with_tools(messages: Value) -> Value {
    let tools: Vec<Value> = TOOLS
        .iter()
        .map(|(name, description)| {
            let parameters = json!({ "type": "object", "properties": { "what": { "type": "string" } } });
            let function = json!({ "name": name, "description": description, "parameters": parameters });
            json!({ "type": "function", "function": function, "x-unknown": 1.50 })
        })
        .collect();
    json!({ "model": "up/gpt-5-mini", "messages": messages, "tools": tools, "x_unknown": [1.0] })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tools_a_question_needs_are_sent_and_a_session_keeps_them() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.lenient();
    upstream.always(Turn::text("fine"));
    let (home, server, key) = with_meaning(&upstream);
    let ask = |messages: Value, tools: &str| {
        let headers =
            [("x-nunchi-session", "trip"), ("x-nunchi-tools", tools), ("x-nunchi-cache", "no-store")];
        let got = server.send("POST", "/v1/chat/completions", &key, &headers, &with_tools(messages));
        assert_eq!(got.status, 200, "{}", got.body);
        let sent = upstream.last_request();
        let names = sent.body["tools"].as_array().unwrap().iter();
        let names: Vec<String> =
            names.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect();
        assert!(
            String::from_utf8_lossy(&sent.raw).contains(r#""x_unknown":[1.0]"#),
            "the rest stays as it was"
        );
        (names, sent.body["tools"].to_string())
    };
    let user = |text: &str| json!({ "role": "user", "content": text });
    assert_eq!(ask(json!([user("Will it rain in Seoul?")]), "all").0.len(), 12);
    let (first, bytes) = ask(json!([user("Will it rain in Seoul?")]), "auto");
    assert!(first.contains(&"get_weather".to_owned()) && first.len() <= 6, "{first:?}");
    let call = json!({ "role": "assistant", "tool_calls": [{
        "id": "c1", "type": "function", "function": { "name": "water_plants", "arguments": "{}" },
    }] });
    let result = json!({ "role": "tool", "tool_call_id": "c1", "content": "done" });
    let (grown, _) = ask(json!([user("Will it rain in Seoul?"), call, result]), "auto");
    assert!(grown.starts_with(&first) && grown.contains(&"water_plants".to_owned()), "{grown:?}");
    let loop_again = json!([user("Will it rain in Seoul?"), call, result, call, result]);
    assert_eq!(ask(loop_again, "auto").0, grown, "the prefix stays byte for byte in a tool loop");
    assert!(bytes.contains("x-unknown"), "{bytes}");
    let saved = home.json(&["stats", "--savings"]);
    assert!(saved["tools"].as_i64().unwrap() > 0, "{saved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_mean_the_same_share_an_answer() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("the answer"));
    let (home, server, key) = with_meaning(&upstream);
    let pairs = [
        ("How do I enable 2FA on my account?", "How do I turn on 2FA for my account?"),
        ("What is the capital of France?", "what's the capital city of France"),
        ("turn on dark mode", "switch on dark mode"),
        ("파이썬에서 리스트를 정렬하는 방법 알려줘", "파이썬 리스트 정렬 어떻게 해?"),
        ("서울에서 부산까지 가는 기차표 예매 방법", "서울에서 부산 가는 기차표 어떻게 예매해?"),
    ];
    let mut shared = 0;
    for (a, b) in pairs {
        let report = server.post("/api/cache/explain", &key, &json!({ "a": a, "b": b })).json();
        assert_eq!(report["shared"], true, "{report}");
        assert_eq!(served(&server, &key, a), "miss");
        let got = server.chat(&key, "up/gpt-5-mini", b);
        assert_eq!(got.json()["choices"][0]["message"]["content"], "the answer");
        match got.header("x-nunchi-cache").unwrap() {
            "semantic" => {
                shared += 1;
                assert_eq!(
                    got.header("x-nunchi-cost-usd"),
                    Some("0.000000000"),
                    "{:?}",
                    got.header("x-nunchi-reason")
                );
                assert!(got.header("x-nunchi-reason").unwrap().contains("like"));
            }
            // One in twenty is asked anew, and compared.
            other => assert_eq!(other, "audit"),
        }
    }
    assert!(shared >= 2, "{shared}");
    assert_eq!(upstream.calls(), 2 * pairs.len() - shared);
    // Who wants nothing but a stored answer is never told that there is none only because it should be checked.
    for (_, b) in pairs.iter().cycle().take(100) {
        let body = json!({ "model": "up/gpt-5-mini", "messages": [{ "role": "user", "content": b }] });
        let only = [("x-nunchi-cache", "only-if-cached")];
        let got = server.send("POST", "/v1/chat/completions", &key, &only, &body);
        assert_eq!(got.status, 200, "{b}: {}", got.body);
        shared += usize::from(got.header("x-nunchi-cache") == Some("semantic"));
    }
    let shared_at_first = 2 * pairs.len() - upstream.calls();
    let figures = home.json(&["cache", "stats"]);
    assert_eq!(figures["semantic"]["hits"], shared, "{figures}");
    // They are compared behind their answers.
    let audited = || home.json(&["cache", "stats"])["semantic"]["audited"] == pairs.len() - shared_at_first;
    assert!((0..50).any(|_| audited() || {
        std::thread::sleep(Duration::from_millis(100));
        false
    }));
    // They are still known after a restart, and gone with their answers.
    server.stop();
    let server = home.up();
    warm(&server, &key);
    let known = || home.json(&["cache", "stats"])["semantic"]["questions"].as_u64().unwrap() >= 5;
    assert!((0..50).any(|_| known() || {
        std::thread::sleep(Duration::from_millis(100));
        false
    }));
    home.json(&["cache", "clear", "--all"]);
    assert_eq!(served(&server, &key, "What's the capital city of France, please?"), "miss");
}

#[tokio::test(flavor = "multi_thread")]
async fn sharing_is_calibrated_on_pairs_of_ones_own() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    let config = format!("{}\n[cache]\nsemantic_error_rate = 0.05\n", one_provider(&upstream.base_url()));
    let home = Home::with_config(&config).with_encoder();
    let places = ["France", "Spain", "Peru", "Chad", "Laos", "Cuba", "Mali", "Iran", "Togo", "Oman"];
    let things = ["capital", "currency", "flag", "anthem", "president", "coastline"];
    let pairs: Vec<String> = places
        .iter()
        .flat_map(|place| things.map(|thing| (place, thing)))
        .flat_map(|(place, thing)| {
            let a = format!("What is the {thing} of {place}?");
            let pair = |b: String, same: bool| json!({ "a": a, "b": b, "same": same }).to_string();
            let (like, other) =
                (format!("What's the {thing} of {place}?"), format!("What's the {thing} of Japan?"));
            [pair(like, true), pair(other, false)]
        })
        .collect();
    home.write("pairs.jsonl", &pairs.join("\n"));
    let file = home.path("pairs.jsonl");
    let file = file.to_str().unwrap();
    let needed =
        |home: &Home| home.json(&["cache", "explain", "a plain question", "some question"])["needed"].clone();
    let before = needed(&home);
    assert_eq!(home.run(["cache", "calibrate", "--json"]).error()["code"], "cache.calibrate.too_few");
    let found = home.json(&["cache", "calibrate", "--data", file, "--apply"]);
    assert_eq!((&found["lookups"], &found["applied"]), (&json!(120), &json!(true)), "{found}");
    assert!(found["rows"][0]["score"].is_null(), "120 look-ups cannot promise half a per cent: {found}");
    assert!(
        found["rows"][3]["served"].as_f64().unwrap() > 0.4 && found["rows"][3]["wrong"] == 0.0,
        "{found}"
    );
    assert_eq!(needed(&home), found["rows"][3]["score"], "another process keeps to it");
    home.json(&["cache", "calibrate", "--revert"]);
    assert_eq!(needed(&home), before);
    home.write("pairs.jsonl", "{\"a\": 1}\n");
    let wrong = home.run(["cache", "calibrate", "--data", file, "--json"]);
    assert!(wrong.error()["message"].as_str().unwrap().contains("pairs.jsonl:1"), "{}", wrong.err);
}

/// A body up to the end of its messages, as bytes on the wire.
fn prefix_of(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw).into_owned();
    let end = text.rfind("]").expect("a list of messages");
    text[..end].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_loop_keeps_its_model_its_tools_and_its_bytes() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.lenient();
    upstream.always(Turn::text("on it"));
    let tiers = "[tiers]\ntrivial = [\"up/gpt-5-mini\"]\nstandard = [\"up/gpt-6-luna\"]\ncomplex = [\"up/gpt-6.1-sol\"]\n";
    let config = format!("{tiers}\n[tools]\nselect = true\n\n{}", one_provider(&upstream.base_url()));
    let home = Home::with_config(&config).with_encoder();
    let server = home.up();
    let key = server.first_key();
    warm(&server, &key);
    let mut messages = vec![
        json!({ "role": "user", "content": "Prove that the shortest route through all ten cities is optimal, and analyse its cost in depth." }),
    ];
    let mut seen: Vec<(Value, Value, String)> = Vec::new();
    for round in 0..6 {
        // The messages stand last, so that the body's beginning is the prompt's.
        let tools = with_tools(json!([]))["tools"].clone();
        let body = format!(
            "{{\"model\":\"auto\",\"tools\":{tools},\"messages\":{}}}",
            Value::from(messages.clone())
        );
        let got = server.send_text("/v1/chat/completions", &key, &[("x-nunchi-session", "tour")], &body);
        assert_eq!(got.status, 200, "{}", got.body);
        let sent = upstream.last_request();
        seen.push((sent.body["model"].clone(), sent.body["tools"].clone(), prefix_of(&sent.raw)));
        let name = if round == 2 { "water_plants" } else { "get_weather" };
        let call = json!({ "id": format!("c{round}"), "type": "function", "function": { "name": name, "arguments": "{}" } });
        messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
        // What tools say is small talk to a router that would listen to it.
        messages
            .push(json!({ "role": "tool", "tool_call_id": format!("c{round}"), "content": "thanks, bye!" }));
    }
    let (model, _, _) = &seen[0];
    assert_eq!(model, "gpt-6.1-sol", "a proof is complex");
    assert!(seen.iter().all(|(other, ..)| other == model), "one model in the whole loop: {seen:?}");
    for (round, pair) in seen.windows(2).enumerate() {
        let [(_, tools, prefix), (_, later_tools, later)] = pair else { unreachable!() };
        let (tools, later_tools) = (tools.as_array().unwrap(), later_tools.as_array().unwrap());
        assert!(later_tools.starts_with(tools), "no tool leaves or moves: round {round}");
        if tools.len() == later_tools.len() {
            assert!(later.starts_with(prefix.as_str()), "the prompt only grows: round {round}");
        }
        if round >= 3 {
            assert!(
                later_tools.iter().any(|tool| tool["function"]["name"] == "water_plants"),
                "a used tool stays"
            );
        }
    }
    let grown = seen.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    assert!(grown <= 1, "the list grows once, for the tool that was used: {grown}");
}
