//! Memory and messages: what was remembered is known in the next conversation, what changed takes its place, what was told was told once.

use super::stage::{Scenario, Talk, call, says};
use serde_json::{Value, json};

#[test]
fn the_owner_is_told_once() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("notify", json!({"text": "3시에 치과 예약이 있습니다."})),
        _ => says("3시 치과 예약을 알려 드렸습니다."),
    };
    Scenario::new("3시 치과 예약을 지금 나에게 알려줘", "reflexive", script)
        .then(|stage, _| {
            let told = stage.get("/api/messages?unseen=true");
            let texts: Vec<_> =
                told.as_array().into_iter().flatten().map(|message| message["text"].clone()).collect();
            assert_eq!(texts, ["3시에 치과 예약이 있습니다."], "once, whatever was killed");
            assert_eq!(stage.post("/api/messages/seen", &json!({ "up_to": told[0]["number"] })), json!([]));
        })
        .check(|ended| assert_eq!((ended.status(), ended.done("notify")), ("done", 1), "{}", ended.run))
        .plays();
}

#[test]
fn what_contradicts_takes_the_place_of_what_was_known() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("remember", json!({"text": "The owner lives in Seoul.", "about": "owner/home city"})),
        1 => call("remember", json!({"text": "The owner lives in Busan.", "about": "owner/home city"})),
        _ => says("I remember that you live in Busan now."),
    };
    Scenario::new("First my home was Seoul, now it is Busan.", "reflexive", script)
        .then(|stage, _| {
            let facts = stage.get("/api/memory?state=active&kind=fact");
            let active: Vec<_> = texts(&facts);
            assert_eq!(active, ["The owner lives in Busan."], "{facts:#}");
            let next = json!({ "goal": "The owner lives where?", "mode": "reflexive", "model": "up/gpt-5-mini", "wait": true });
            let run = stage.post("/api/runs", &next);
            assert_eq!(run["status"], "done", "{run:#}");
        })
        .check(|ended| {
            let asked = ended.upstream.requests().into_iter().rev().find(|seen| seen.body.to_string().contains("The owner lives where?"));
            let prompt = asked.expect("the second run").body["messages"][0].to_string();
            assert!(prompt.contains("lives in Busan") && !prompt.contains("lives in Seoul"), "{prompt}");
        })
        .plays();
}

/// The texts of facts, however the list is wrapped.
fn texts(facts: &Value) -> Vec<&str> {
    let list = facts.get("facts").unwrap_or(facts).as_array();
    list.into_iter().flatten().filter_map(|fact| fact["text"].as_str()).collect()
}
