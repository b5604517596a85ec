//! What happens once, whoever comes first, and several commands at a time.

use crate::support::Home;
use nunchi_testkit::{Dialect, Turn, Upstream};
use serde_json::json;

#[test]
fn the_first_server_shows_a_key_whatever_ran_before() {
    let home = Home::new();
    home.json(&["stats"]);
    let server = home.up();
    assert_eq!(server.get("/v1/models", &server.first_key()).status, 200);
    server.stop();
    let second = home.up();
    assert!(!second.greeting.contains("nk-"), "{}", second.greeting);
    second.stop();
}

#[test]
fn who_made_a_key_needs_no_other() {
    let home = Home::new();
    home.json(&["keys", "create", "mine"]);
    let server = home.up();
    assert!(!server.greeting.contains("nk-"), "{}", server.greeting);
    server.stop();
    let names: Vec<_> =
        home.json(&["keys", "list"]).as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert!(names.contains(&json!("mine")) && !names.contains(&json!("first")), "{names:?}");
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let home = Home::new();
    let mut running: Vec<_> = (0..6)
        .map(|n| home.command(["keys", "create", &format!("key {n}"), "--json"]).spawn().unwrap())
        .collect();
    for command in &mut running {
        assert!(command.wait().unwrap().success());
    }
    let keys = home.json(&["keys", "list"]);
    let made = keys
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["name"].as_str().unwrap().starts_with("key "))
        .count();
    assert_eq!(made, 6, "{keys}");
}

#[test]
fn a_note_of_a_dead_server_misleads_nobody() {
    let home = Home::new();
    let mut server = home.up();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(home.path("server.json").exists(), "it had no time to take it away");
    assert_eq!(home.json(&["stats"])["total"]["calls"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ollama_is_found_and_used() {
    let ollama = Upstream::start(Dialect::Ollama).await;
    ollama.models(["llama3.2", "nomic-embed-text"]);
    ollama.always(Turn::text("from ollama"));
    let home = Home::new().variable("OLLAMA_HOST", &ollama.origin());
    let ran = home.run(["ask", "hello", "--offline", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        (&ran.json()["text"], &ran.json()["model"]),
        (&json!("from ollama"), &json!("ollama/llama3.2"))
    );
    let stats = home.json(&["stats", "--by", "provider"]);
    assert_eq!(
        (&stats["groups"][0]["group"], &stats["total"]["cost"]),
        (&json!("ollama"), &json!(0)),
        "{stats}"
    );
}
