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
fn a_reminder_comes_when_its_time_has_come() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("remind", json!({"text": "치과에 갈 시간입니다.", "after": "3 seconds"})),
        1 => call("remind", json!({"text": "내년에 또 갑니다.", "after": "1 year"})),
        _ => says("두 가지를 알려 드리도록 예약했습니다."),
    };
    Scenario::new("치과를 3초 뒤에, 그리고 내년에 알려줘", "reflexive", script)
        .then(|stage, run| {
            let texts = |path: &str| -> Vec<String> {
                let list = stage.get(path);
                let text = |message: &Value| message["text"].as_str().unwrap_or_default().to_owned();
                list.as_array().into_iter().flatten().map(text).collect()
            };
            let told = || texts("/api/messages?unseen=true");
            let patience = std::time::Instant::now();
            while told().is_empty() && patience.elapsed() < std::time::Duration::from_secs(60) {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            assert_eq!(told(), ["치과에 갈 시간입니다."], "once, whatever was killed");
            assert_eq!(texts("/api/reminders"), ["내년에 또 갑니다."]);
            // What was told cannot be untold; what was not is off.
            let undone = stage.post(&format!("/api/runs/{run}/undo"), &json!({}));
            let text = undone.to_string();
            assert!(text.contains("is off") && text.contains("told already"), "{undone:#}");
            assert_eq!(texts("/api/reminders"), Vec::<String>::new());
        })
        .check(|ended| assert_eq!((ended.status(), ended.done("remind")), ("done", 2), "{}", ended.run))
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
