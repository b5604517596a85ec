//! Prices: exact to the last digit, from the owner, from other people's files.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream, UsageShape};
use serde_json::{Value, json};

/// An excerpt in the form of the LiteLLM file; its numbers have no exact float.
const LITELLM: &str = r#"{
    "sample_spec": {"litellm_provider": "one of these", "mode": "one of chat, embedding"},
    "gpt-made-up": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.1e-07,
        "output_cost_per_token": 4.4e-07, "cache_read_input_token_cost": 3.75e-08,
        "max_input_tokens": 128000, "something_new": {"a": [1]}},
    "gemini/gemini-made-up": {"litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 7e-08,
        "output_cost_per_token": 0.0000003},
    "far/away": {"litellm_provider": "bedrock", "mode": "chat", "input_cost_per_token": 1e-06},
    "a-picture": {"litellm_provider": "openai", "mode": "image_generation"},
    "broken": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": "free"}
}"#;

/// One price of `prices show`, in billionths of a dollar per million tokens.
fn rates(home: &Home, model: &str) -> Value {
    let shown = home.json(&["prices", "show", model]);
    let list = shown.as_array().cloned().unwrap_or_else(|| vec![shown.clone()]);
    assert_eq!(list.len(), 1, "{model}: {shown}");
    list[0]["rates"].clone()
}

#[test]
fn a_litellm_file_is_taken_exactly() {
    let home = Home::new();
    home.write("litellm.json", LITELLM);
    let file = home.path("litellm.json");
    let told = home.run(["prices", "import", file.to_str().unwrap(), "--json"]);
    assert_eq!(told.code, 0, "{}", told.err);
    let made_up = rates(&home, "openai/gpt-made-up");
    for (class, nanos) in [("input", 110_000_000), ("output", 440_000_000), ("cache_read", 37_500_000)] {
        assert_eq!(made_up[class], nanos, "{class}");
    }
    let gemini = rates(&home, "gemini/gemini-made-up");
    assert_eq!((gemini["input"].as_i64(), gemini["output"].as_i64()), (Some(70_000_000), Some(300_000_000)));
    // Two were taken, four were left out, and it says why.
    let told = told.json();
    assert_eq!(told["taken"], 2, "{told}");
    let left_out: u64 = told["left_out"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(left_out, 4, "{told}");
}

#[test]
fn the_owners_price_wins_and_stays() {
    let home = Home::new();
    let shipped = rates(&home, "anthropic/claude-sonnet-4-5");
    assert_eq!(
        (shipped["input"].as_i64(), shipped["output"].as_i64()),
        (Some(3_000_000_000), Some(15_000_000_000))
    );
    home.json(&["prices", "set", "anthropic/claude-sonnet-4-5", "--input", "0.0375", "--output", "$1.5"]);
    let own = rates(&home, "anthropic/claude-sonnet-4-5");
    assert_eq!((own["input"].as_i64(), own["output"].as_i64()), (Some(37_500_000), Some(1_500_000_000)));
}

#[test]
fn what_a_price_leaves_out_stays_as_it_was() {
    let home = Home::new();
    let show = || home.json(&["prices", "show", "openai/gpt-5.5"])[0].clone();
    let shipped = show();
    assert!(shipped["tool_use"].as_i64().unwrap() > 0 && !shipped["context_tiers"][0].is_null(), "{shipped}");
    home.json(&["prices", "set", "openai/gpt-5.5", "--input", "5", "--output", "30"]);
    assert_eq!(show(), shipped, "only what was known was said");
    home.write(
        "litellm.json",
        r#"{"gpt-5.5": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 6e-06,
            "output_cost_per_token": 3e-05, "input_cost_per_token_above_200k_tokens": 1.3e-05,
            "search_context_cost_per_query": {"search_context_size_low": 0.02, "search_context_size_high": 0.04},
            "input_cost_per_token_priority": 1.6e-05, "input_cost_per_audio_token_priority": 1.2e-05}}"#,
    );
    let file = home.path("litellm.json");
    let told = home.json(&["prices", "import", file.to_str().unwrap()]);
    assert_eq!(told["not_read"], json!({ "input_cost_per_audio_token_priority": 1 }), "{told}");
    let taken = show();
    let tier = &taken["context_tiers"][0];
    assert_eq!(
        (&tier["above_prompt_tokens"], &tier["rates"]["input"]),
        (&json!(200_000), &json!(13_000_000_000_i64))
    );
    assert_eq!(tier["rates"]["output"], shipped["context_tiers"][0]["rates"]["output"]);
    assert_eq!(taken["tool_use"], 40_000_000);
    assert_eq!(taken["priority"]["input"], 16_000_000_000_i64);
    assert_eq!(taken["priority"]["output"], shipped["priority"]["output"]);
    let flags = ["--input=6", "--output=30", "--above=1000", "--above-input=7", "--above-output=31"];
    let fees = ["--tool-use", "0.05", "--request", "0.001"];
    home.json(&[&["prices", "set", "openai/gpt-5.5"], &flags[..], &fees[..]].concat());
    let own = show();
    assert_eq!((&own["tool_use"], &own["request"]), (&json!(50_000_000), &json!(1_000_000)));
    assert_eq!(own["context_tiers"][0]["above_prompt_tokens"], 1_000);
    let shown = home.run(["prices", "show", "openai/gpt-5.5"]).out;
    assert!(
        shown.contains("above 1,000 tokens: input 7.00, output 31.00") && shown.contains("$0.05"),
        "{shown}"
    );
    assert_eq!(home.run(["prices", "set", "a/b", "--input=1", "--output=1", "--above=9"]).code, 2);
    assert_eq!(home.run(["prices", "set", "a/b", "--input=1", "--output=1", "--priority-input=2"]).code, 2);
    let tiers = ["--flex-input=2", "--flex-output=3", "--priority-input=20", "--priority-output=90"];
    home.json(&[&["prices", "set", "openai/gpt-5.5"], &flags[..2], &tiers[..]].concat());
    let shown = home.run(["prices", "show", "openai/gpt-5.5"]).out;
    assert!(shown.contains("service tier flex: input 2.00, output 3.00"), "{shown}");
    assert!(shown.contains("service tier priority: input 20.00, output 90.00"), "{shown}");
}

#[test]
fn nonsense_changes_nothing() {
    let home = Home::new();
    home.write("wrong.json", "[1, 2]");
    let wrong = home.path("wrong.json");
    for words in [
        vec!["prices", "set", "openai/gpt-5", "--input", "cheap", "--output", "1"],
        vec!["prices", "set", "openai/gpt-5", "--input=-1", "--output", "1"],
        vec!["prices", "set", "gpt-5", "--input", "1", "--output", "1"],
        vec!["prices", "import", wrong.to_str().unwrap()],
        vec!["prices", "import", "/does/not/exist"],
        vec!["prices", "show", "nobody/nothing"],
    ] {
        let ran = home.run(words.iter().chain(&["--json"]));
        assert_eq!(ran.code, 1, "{words:?} {}", ran.out);
        assert!(ran.error()["code"].is_string(), "{words:?}");
    }
    assert!(!home.path("prices.json").exists(), "nothing was kept");
}

/// Waits until a model's input price is this.
fn becomes(home: &Home, model: &str, nanos: i64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while rates(home, model)["input"].as_i64() != Some(nanos) {
        assert!(std::time::Instant::now() < deadline, "{model}: {}", rates(home, model));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_source_is_read_again_and_again_and_never_beats_the_owner() {
    let ours = |price: &str| {
        format!(
            r#"{{"version": "x", "models": [
                {{"provider": "openai", "model": "gpt-5", "input": "{price}", "output": "9"}},
                {{"provider": "openai", "model": "gpt-5-mini", "input": "{price}", "output": "9"}}]}}"#
        )
    };
    let home = Home::new();
    home.write("mine.json", &ours("7"));
    let source = home.path("mine.json");
    home.write("nunchi.toml", &format!("[prices]\nsource = {source:?}\nrefresh = \"1s\"\n"));
    home.json(&["prices", "set", "openai/gpt-5-mini", "--input", "0.5", "--output", "1"]);
    let server = home.up();
    becomes(&home, "openai/gpt-5", 7_000_000_000);
    assert_eq!(rates(&home, "openai/gpt-5-mini")["input"], 500_000_000);
    home.write("mine.json", &ours("8"));
    becomes(&home, "openai/gpt-5", 8_000_000_000);
    // Nonsense changes nothing, and a start without the source has what was read last.
    home.write("mine.json", "{\"version\": \"x\", \"models\": [{\"provider\": \"openai\", \"model\": \"gpt-5\", \"input\": \"-1\"}]}");
    std::thread::sleep(std::time::Duration::from_secs(3));
    becomes(&home, "openai/gpt-5", 8_000_000_000);
    server.signal("TERM");
    let ran = server.wait();
    assert!(ran.code == 0 && ran.err.contains("could not be read"), "the nonsense was read: {}", ran.err);
    std::fs::remove_file(&source).unwrap();
    becomes(&home, "openai/gpt-5", 8_000_000_000);
    let version = home.json(&["prices", "list"])["version"].as_str().unwrap().to_owned();
    assert!(version.contains("+source 20") && version.ends_with("+own"), "{version}");
}

#[test]
fn a_source_may_be_an_address() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let home = Home::with_config(&format!("[prices]\nsource = \"http://{address}/prices.json\"\n"));
    let mut command = home.command(["up", "--listen", "127.0.0.1:0"]);
    command.env("NUNCHI_LOCAL__ENABLED", "false");
    let server = Home::greeted(command);
    let (mut socket, _) = listener.accept().unwrap();
    let mut head = [0_u8; 2_048];
    assert!(socket.read(&mut head).unwrap() > 0);
    write!(socket, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{LITELLM}", LITELLM.len()).unwrap();
    becomes(&home, "openai/gpt-made-up", 110_000_000);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_amounts_in_the_owners_currency_too() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("넷"));
    let config = "\n[currency]\nper_usd = \"1390.5\"\nas_of = \"2026-11-20\"\n";
    let home = Home::with_config(&(one_provider(&upstream.base_url()) + config)).variable("UP_KEY", "sk-up");
    home.json(&["prices", "set", "up/gpt-5-mini", "--input", "1", "--output", "2"]);
    home.json(&["prices", "set", "openai/gpt-5-mini", "--input", "1", "--output", "2"]);
    let rates = &home.json(&["prices", "show", "openai/gpt-5-mini"])[0]["rates"];
    assert_eq!((&rates["input"], &rates["krw"]["input"]), (&json!(1_000_000_000), &json!("1390.5")));

    let answer = home.json(&["ask", "2+2?", "--model", "up/gpt-5-mini"]);
    let cost = answer["cost"].as_i64().unwrap();
    assert!(cost > 0 && answer["text"] == "넷", "{answer}");
    let won: f64 = answer["krw"]["cost"].as_str().unwrap().parse().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few cents fit a double")]
    let expected = cost as f64 * 1390.5e-9;
    assert!((won - expected).abs() <= 0.000_05, "{answer}");
    assert_eq!(answer["krw"]["as_of"], "2026-11-20");

    let stats = home.json(&["stats", "--period", "all"]);
    assert_eq!(
        (&stats["total"]["cost"], &stats["total"]["krw"]["cost"]),
        (&answer["cost"], &answer["krw"]["cost"])
    );
    let budgets = home.json(&["budget", "list"]);
    assert_eq!(budgets[0]["state"]["krw"]["limit"], "6952.5");
    assert_eq!(budgets[0]["state"]["krw"]["per_usd"], "1390.5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tier_costs_its_own_price() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("4").usage(UsageShape::Plain { input: 1_000, output: 100 }));
    let home = Home::with_config(&one_provider(&upstream.base_url())).variable("UP_KEY", "sk-up");
    let server = home.up();
    let key = server.first_key();
    for (tier, word, cost) in [
        ("auto", "default", "0.000450000"),
        ("flex", "flex", "0.000225000"),
        ("priority", "priority", "0.000810000"),
    ] {
        let question = format!("2+2 in {tier}");
        let chat = json!({ "model": "up/gpt-5-mini", "service_tier": tier, "messages": [{ "role": "user", "content": question }] });
        let response =
            json!({ "model": "up/gpt-5-mini", "service_tier": tier, "input": format!("{question}?") });
        for (path, body) in [("/v1/chat/completions", chat), ("/v1/responses", response)] {
            let got = server.post(path, &key, &body);
            assert_eq!(got.header("x-nunchi-cost-usd"), Some(cost), "{path} {tier}: {}", got.body);
            assert_eq!(got.json()["service_tier"], word, "{path}: {}", got.body);
        }
    }
    let calls = upstream.calls();
    let body = json!({ "model": "up/gpt-5-nano", "service_tier": "priority", "messages": [{ "role": "user", "content": "Hi" }] });
    let refused = server.post("/v1/chat/completions", &key, &body);
    assert_eq!((refused.status, upstream.calls()), (400, calls), "{}", refused.body);
    assert!(refused.body.contains("leave `service_tier` out"), "{}", refused.body);
    server.stop();
}
