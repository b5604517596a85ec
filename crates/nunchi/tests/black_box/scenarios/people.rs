//! People: what needs their yes waits for it, their no holds, limits ask before they are passed.

use super::stage::{Scenario, Talk, call, says};
use serde_json::{Value, json};

const ASK_BEFORE_DELETING: &str = "[[permissions]]\ntool = \"delete_file\"\nverdict = \"ask\"";

fn tidies_up(talk: &Talk) -> nunchi_testkit::Turn {
    match talk.turn() {
        0 => call("read_file", json!({"path": "old.txt"})),
        1 => call("delete_file", json!({"path": "old.txt"})),
        _ if talk.text().contains("denied") || talk.text().contains("refused") => {
            says("I left old.txt where it is, as you did not want it deleted.")
        }
        _ => says("I deleted old.txt."),
    }
}

#[test]
fn a_denied_call_is_not_made() {
    Scenario::new("Delete old.txt.", "reflexive", tidies_up)
        .config(ASK_BEFORE_DELETING)
        .file("old.txt", "keep me")
        .person(|_| Some(json!({ "answer": "deny", "reason": "I still need it" })))
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!(ended.file("old.txt").as_deref(), Some("keep me"));
            assert_eq!(ended.done("delete_file"), 0);
        })
        .plays();
}

#[test]
fn an_approved_call_is_made_exactly_once() {
    Scenario::new("Delete old.txt.", "reflexive", tidies_up)
        .config(ASK_BEFORE_DELETING)
        .file("old.txt", "old")
        .person(|question| {
            let call = &question["subject"]["calls"][0];
            assert_eq!(call["tool"], "delete_file");
            assert_eq!(call["arguments"], r#"{"path":"old.txt"}"#, "exact arguments are shown");
            Some(json!({ "answer": "approve" }))
        })
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!((ended.file("old.txt"), ended.done("delete_file")), (None, 1));
        })
        .plays();
}

#[test]
fn nobody_answers_and_nothing_happens() {
    Scenario::new("Delete old.txt.", "autonomous", |talk: &Talk| match talk.turn() {
        0 => says(json!({"questions": [], "nodes": [{"id": "a", "goal": "delete old.txt", "done_when": "it is gone", "tools": ["read_file", "delete_file"], "after": []}]}).to_string()),
        1 => call("read_file", json!({"path": "old.txt"})),
        _ => call("delete_file", json!({"path": "old.txt"})),
    })
    .config(ASK_BEFORE_DELETING)
    .file("old.txt", "old")
    .check(|ended| {
        assert_eq!(ended.status(), "parked", "{}", ended.run);
        assert_eq!(ended.questions.len(), 1, "asked once, however often the process was killed");
        assert_eq!(ended.file("old.txt").as_deref(), Some("old"));
    })
    .plays();
}

#[test]
fn a_run_out_of_money_asks_and_goes_on_with_more() {
    let script = |talk: &Talk| match talk.turn() {
        turn @ 0..=3 => call("read_file", json!({"path": format!("{turn}.txt")})),
        _ => says("All four files are empty."),
    };
    let asked = |question: &Value| {
        let limit = &question["subject"]["limit"];
        assert_eq!(limit["limit"], "money", "{question:#}");
        Some(json!({ "answer": "approve" }))
    };
    let mut scenario = Scenario::new("Are 0.txt to 3.txt empty?", "reflexive", script)
        .with("money", json!("0.0018"))
        .person(asked)
        .check(|ended| {
            assert_eq!((ended.status(), ended.answer()), ("done", "All four files are empty."));
            let asked = ended.steps.iter().filter(|step| step.kind == nunchi_core::StepKind::Asked).count();
            assert!(asked >= 1, "{:#}", ended.run);
        });
    for name in ["0.txt", "1.txt", "2.txt", "3.txt"] {
        scenario = scenario.file(name, "");
    }
    scenario.plays();
}
