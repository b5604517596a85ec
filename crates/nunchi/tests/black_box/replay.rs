//! A workload under other policies: what it costs, why, and what needs no thought beside it.

use crate::support::{Home, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream};
use serde_json::{Value, json};

const POLICY: &str = "[tiers]\ntrivial = [\"embedded/smollm2-135m-instruct\"]\nstandard = [\"openai/gpt-6-luna\"]\ncomplex = [\"anthropic/claude-opus-5-5\"]\n";

/// A short question, its paraphrase, its opposite, a repeat, a task with tools, hard work in the other dialect, and two broken lines.
fn workload() -> String {
    let ask = |text: &str, label: Value| {
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] });
        json!({ "body": body, "output_tokens": 50, "label": label }).to_string()
    };
    let tools: Vec<Value> = [
        "get_weather",
        "send_email",
        "play_music",
        "book_hotel",
        "find_jobs",
        "find_cars",
        "play_chess",
        "water_plants",
    ]
    .iter()
    .map(|name| {
        let what = format!("{} for the person who asks. ", name.replace('_', " ")).repeat(8);
        json!({ "type": "function", "function": { "name": name, "description": what } })
    })
    .collect();
    let with_tools = json!({ "model": "auto", "tools": tools, "messages": [{ "role": "user", "content": "Will it rain in Seoul at the start of spring?" }] });
    let hard = json!({
        "model": "auto", "max_tokens": 4_000, "system": "You are an analyst.",
        "messages": [{ "role": "user", "content": "우리 회사 3분기 재무제표를 분석하고 경쟁사와 비교해서 투자 전략 보고서를 써줘" }],
    });
    [
        ask("turn on dark mode", json!({ "tier": "trivial", "answer": "on" })),
        ask("switch on dark mode", json!({ "tier": "trivial", "answer": "on" })),
        ask("turn off dark mode", json!({ "tier": "trivial", "answer": "off" })),
        "{\"model\": ".to_owned(),
        ask("turn on dark mode", json!({ "tier": "trivial", "answer": "on" })),
        json!({ "body": with_tools, "label": { "tool": "get_weather" } }).to_string(),
        json!({ "body": hard, "dialect": "anthropic", "output_tokens": 900, "label": { "tier": "complex" } })
            .to_string(),
        "{\"body\": {\"model\": \"auto\"}}".to_owned(),
    ]
    .join("\n")
}

fn causes(report: &Value) -> i64 {
    let money =
        |cause: &str| report["savings"][cause].as_i64().unwrap_or_else(|| panic!("{cause}: {report}"));
    let causes = ["exact", "semantic", "tier", "prompt_cache", "tools", "compression", "batch"];
    assert_eq!(
        causes.iter().map(|cause| money(cause)).sum::<i64>(),
        money("baseline") - money("spent"),
        "{report}"
    );
    money("spent")
}

#[test]
fn a_workload_is_priced_under_several_policies_in_both_languages() {
    let home = Home::with_config(POLICY).with_encoder();
    home.write("w.jsonl", &workload());
    home.write("plain.toml", "[cache]\nenabled = false\n[replay]\nprefixes = false\n");
    home.write("tools.toml", "[tools]\nselect = true\n");
    let (file, plain, tools) = (home.path("w.jsonl"), home.path("plain.toml"), home.path("tools.toml"));
    let words = [
        "replay",
        file.to_str().unwrap(),
        "--policy",
        "current",
        "--policy",
        plain.to_str().unwrap(),
        "--policy",
        tools.to_str().unwrap(),
    ];
    let found = home.json(&words);
    let lines: Vec<_> =
        found["bad_lines"].as_array().unwrap().iter().map(|bad| bad["line"].as_u64().unwrap()).collect();
    assert_eq!(
        (found["calls"].as_u64(), lines.as_slice(), &found["meaning"]),
        (Some(6), &[4, 8][..], &json!(true))
    );
    let [current, off, selecting] = found["policies"].as_array().unwrap().as_slice() else {
        panic!("{found}")
    };
    // The repeats are trivial, and would have cost nothing on this machine.
    assert!(causes(selecting) < causes(current) && causes(current) == causes(off));
    assert!(current["savings"]["exact"].as_i64() > Some(0) && off["savings"]["exact"] == 0, "{current}");
    assert_eq!(current["verdicts"], json!({ "exact": 1, "semantic": 1, "miss": 4 }), "{current}");
    assert_eq!(off["verdicts"], json!({ "bypass": 6 }));
    assert_eq!(current["quality"]["semantic"], json!({ "wrong": 0, "labelled": 1 }));
    assert_eq!(current["quality"]["under_routed"], json!({ "wrong": 0, "labelled": 5 }), "{current}");
    assert_eq!(selecting["quality"]["tools"], json!({ "wrong": 0, "labelled": 1 }));
    let floor = |name: &str| {
        let floors = off["floors"].as_array().unwrap();
        floors.iter().find(|floor| floor["name"] == name).unwrap_or_else(|| panic!("{name}: {off}"))["spent"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(floor("always premium"), off["savings"]["baseline"].as_i64().unwrap());
    assert_eq!((floor("all local"), floor("tiers alone")), (0, causes(off)));
    let english = home.run(words);
    let korean = home.run(words.iter().chain(&["--lang", "ko"]));
    for (ran, said) in [
        (
            english,
            ["6 calls of", "shared by meaning", "always premium", "all local", "by prompt length", "4: EOF"],
        ),
        (korean, ["호출 6건", "의미로 공유", "항상 최고급", "모두 로컬", "프롬프트 길이", "8: "]),
    ] {
        assert_eq!(ran.code, 0, "{}", ran.err);
        said.iter().for_each(|said| assert!(ran.out.contains(said), "{said}: {}", ran.out));
    }
}

#[test]
fn without_the_encoder_rules_route_and_it_says_so() {
    let home = Home::with_config(&format!("{POLICY}[local]\nweights = \"/nonexistent\"\n"));
    home.write("w.jsonl", &workload());
    let ran = home.run(["replay", home.path("w.jsonl").to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("The sentence encoder is not on this machine"), "{}", ran.out);
}

#[test]
fn what_cannot_be_replayed_is_explained() {
    let home = Home::with_config(POLICY);
    home.write("empty.jsonl", "not json\n");
    home.write("w.jsonl", &workload());
    home.write("typo.toml", "[tools]\nselct = true\n");
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    for (words, code, said) in [
        (vec!["replay".into(), path("empty.jsonl")], "replay.empty", "(1: "),
        (
            vec!["replay".into(), path("w.jsonl"), "--policy".into(), path("none.toml")],
            "replay.policy",
            "none.toml",
        ),
        (
            vec!["replay".into(), path("w.jsonl"), "--policy".into(), path("typo.toml")],
            "config.invalid",
            "typo.toml:2",
        ),
        (vec!["replay".into(), path("missing.jsonl")], "system.failed", "missing.jsonl"),
    ] {
        for lang in ["en", "ko"] {
            let ran = home.run(words.iter().cloned().chain(["--json".into(), "--lang".into(), lang.into()]));
            let error = ran.error();
            assert_eq!((ran.code, &error["code"]), (1, &json!(code)), "{error}");
            assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_written_out_and_priced_again() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("done"));
    let home = Home::with_config(&format!(
        "{}\n[cache]\nsemantic = false\n[tiers]\nbaseline = \"anthropic/claude-opus-5-5\"\n",
        one_provider(&upstream.base_url())
    ));
    let server = home.up();
    let key = server.first_key();
    for text in ["first question", "first question", "second question"] {
        assert_eq!(server.chat(&key, "up/gpt-6-luna", text).status, 200);
    }
    let file = home.path("calls.jsonl");
    let written = home.json(&["stats", "--export", file.to_str().unwrap()]);
    assert_eq!(written["calls"], 3);
    assert_ne!(
        home.run(["stats", "--export", file.to_str().unwrap()]).code,
        0,
        "a file is never overwritten"
    );
    let booked = home.json(&["stats", "--savings"]);
    let found = home.json(&["replay", file.to_str().unwrap()]);
    let report = &found["policies"][0];
    assert_eq!(causes(report), booked["spent"].as_i64().unwrap(), "{found}");
    assert_eq!(
        (&report["savings"]["baseline"], &report["savings"]["exact"]),
        (&booked["baseline"], &booked["exact"]),
        "{found} {booked}"
    );
}
