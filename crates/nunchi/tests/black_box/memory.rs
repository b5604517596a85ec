//! What is remembered, from the command line and over HTTP, with a server and without one.

use crate::support::{Home, Ran, one_provider};
use nunchi_testkit::{Dialect, Turn, Upstream};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NO_MODELS: &str = "[local]\nenabled = false\n";

fn ran(home: &Home, words: &[&str]) -> Ran {
    let ran = home.run(words);
    assert_eq!(ran.code, 0, "{words:?}: {} {}", ran.out, ran.err);
    ran
}

fn texts(facts: &Value) -> Vec<&str> {
    facts.as_array().expect("a list").iter().map(|fact| fact["text"].as_str().expect("a text")).collect()
}

/// The whole life of facts, whoever holds the home folder.
fn story(home: &Home) {
    let rex = home.json(&["memory", "add", "My dog is called Rex"]);
    assert_eq!((rex["known"].as_bool(), rex["fact"]["label"].as_str()), (Some(false), Some("owner")));
    let busan = home.json(&["memory", "add", "나는 부산에 산다"]);
    let seoul = home.json(&["memory", "add", "나는 서울로 이사했다"]);
    assert_eq!(seoul["superseded"], json!([busan["fact"]["id"]]));
    assert_eq!(texts(&home.json(&["memory", "list"])), ["나는 서울로 이사했다", "My dog is called Rex"]);
    assert_eq!(texts(&home.json(&["memory", "list", "--state", "superseded"])), ["나는 부산에 산다"]);
    let again = home.json(&["memory", "add", "my dog is called Rex!"]);
    assert_eq!((again["known"].as_bool(), again["fact"]["uses"].as_u64()), (Some(true), Some(1)));
    for (text, code) in [("My password is hunter22", "memory.secret"), ("Thanks!", "memory.not_worth")] {
        assert_eq!(home.run(["memory", "add", text, "--json"]).error()["code"], code);
    }

    let found = home.json(&["memory", "search", "서울 어디로 이사했더라?"]);
    assert_eq!(found[0]["fact"]["text"], "나는 서울로 이사했다");
    assert_eq!(home.json(&["memory", "search", "quantum physics"]), json!([]));

    let id = rex["fact"]["id"].as_str().expect("an id").replace('-', "");
    let tail = &id[id.len() - 8..];
    assert!(ran(home, &["memory", "show", tail]).out.contains("Rex"));
    let edited = home.json(&["memory", "edit", tail, "My dog is called Max"]);
    assert_eq!(
        (edited["text"].as_str(), edited["label"].as_str()),
        (Some("My dog is called Max"), Some("owner"))
    );
    assert_eq!(home.json(&["memory", "forget", tail])["state"], "forgotten");
    assert_eq!(home.json(&["memory", "search", "what is my dog called"]), json!([]));
    assert_eq!(home.json(&["memory", "restore", tail])["state"], "active");
    assert_eq!(home.json(&["memory", "veto", tail])["state"], "vetoed");
    let refused = home.run(["memory", "add", "You know, my dog is called Max", "--lang", "ko", "--json"]);
    assert_eq!(refused.error()["code"], "memory.vetoed", "{}", refused.err);
    assert!(refused.error()["hint"].as_str().is_some_and(|hint| hint.contains("restore")));

    let exported = ran(home, &["memory", "export"]).out;
    let states: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["state"].clone())
        .collect();
    assert_eq!(states, ["active", "superseded", "vetoed"]);
    let figures = home.json(&["memory", "stats"]);
    assert_eq!((figures["facts"].as_u64(), figures["vetoed"].as_u64()), (Some(1), Some(1)));
    home.json(&["memory", "forget", tail, "--erase"]);
    assert_eq!(home.run(["memory", "show", tail, "--json"]).error()["code"], "memory.unknown");
    assert!(ran(home, &["memory", "list", "--lang", "ko"]).out.contains("소유자"));
}

#[test]
fn without_a_server() {
    story(&Home::with_config(NO_MODELS));
}

#[test]
fn with_a_server_and_only_for_those_who_administer() {
    let home = Home::with_config(NO_MODELS);
    let server = home.up();
    story(&home);
    let key = server.first_key();
    assert_eq!(server.get("/api/memory/stats", &key).status, 200);
    assert_eq!(server.get("/api/memory/not-an-id", &key).status, 400);
    assert_eq!(server.get("/api/memory/0192f0c1-0000-7000-8000-000000000000", &key).status, 404);
    let caller = home.json(&["keys", "create", "app"])["key"].as_str().expect("a key").to_owned();
    for path in ["/api/memory", "/api/memory/export", "/api/memory/search?q=dog"] {
        assert_eq!(server.get(path, &caller).status, 403, "{path}");
        assert_eq!(server.get(path, "nk-nobody").status, 401, "{path}");
    }
    server.stop();
    // The file holds what the server was told.
    assert_eq!(texts(&home.json(&["memory", "list"])), ["나는 서울로 이사했다"]);
}

#[test]
fn meaning_finds_what_words_do_not() {
    let home = Home::new().with_encoder();
    for text in
        ["I work as a veterinarian in Daegu", "My bicycle was stolen last spring", "Dinner is at seven"]
    {
        home.json(&["memory", "add", text]);
    }
    let server = home.up();
    let key = server.first_key();
    // The encoder is loaded by the first question that waits for it.
    let found = (0..20)
        .map(|_| server.get("/api/memory/search?q=somebody%20took%20my%20bike", &key).json())
        .find(|found| found[0]["likeness"].as_f64().is_some_and(|likeness| likeness > 0.3));
    assert_eq!(found.expect("a meaning")[0]["fact"]["text"], "My bicycle was stolen last spring");
    server.stop();
}

/// What a server tells once it is so.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_end_nobody_heard_is_learned_from_at_the_next_start() {
    let upstream = Upstream::start(Dialect::OpenAi).await;
    upstream.always(Turn::text("I will."));
    let config = |learn: &str| {
        format!("{}\n[memory]\nlearn = \"{learn}\"\n{NO_MODELS}", one_provider(&upstream.base_url()))
    };
    let home = Home::with_config(&config("off")).variable("UP_KEY", "sk-test");
    let server = home.up();
    let key = server.first_key();
    let order = json!({"goal": "Remember that my locker has the number 4711.", "mode": "reflexive",
        "model": "up/gpt-5-mini"});
    let made = server.post("/api/runs", &key, &order);
    let run = made.json()["run_id"].as_str().expect("an id").to_owned();
    let path = format!("/api/runs/{run}");
    let ended = until(|| Some(server.get(&path, &key).json()).filter(|run| run["status"] != "running"));
    assert_eq!(ended["status"], "done", "{ended:#}");
    server.stop();
    assert_eq!(home.json(&["memory", "list"]), json!([]));

    // As a process leaves it that was killed before it heard of the end.
    home.write("learned.json", "{\"until\": \"2000-01-01T00:00:00Z\", \"lately\": []}");
    home.write("nunchi.toml", &config("asked"));
    let server = home.up();
    let fact = until(|| {
        let facts = server.get("/api/memory", &key).json();
        let texts = facts.to_string();
        texts.contains("4711").then_some(texts)
    });
    assert!(fact.contains(&run), "it names its run: {fact}");
    let mark = || std::fs::read_to_string(home.path("learned.json")).expect("a mark");
    until(|| mark().contains(&run).then_some(()));
    server.stop();
}
