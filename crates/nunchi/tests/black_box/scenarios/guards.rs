//! Guards: no fake progress, no loops, no secrets, no strangers' orders.

use super::stage::{Scenario, Talk, call, says};
use serde_json::json;

#[test]
fn done_without_a_tool_call_is_flagged_and_said_once_to_the_model() {
    let script = |talk: &Talk| match talk.turn() {
        0 => says("Done! I have saved the report to report.md."),
        _ => says("I have saved it to report.md, as I said."),
    };
    Scenario::new("Save the report to report.md.", "reflexive", script)
        .check(|ended| {
            assert_eq!(ended.file("report.md"), None);
            let unbacked = ended.run["outcome"]["unbacked"].as_array().cloned().unwrap_or_default();
            assert!(!unbacked.is_empty(), "{:#}", ended.run);
            // A killed process asks again, so it is the conversation that counts, not the requests.
            let last = ended.upstream.last_request().body.to_string();
            let told = last.matches("No tool result shows this").count();
            assert_eq!(told, 1, "the model is told once");
        })
        .plays();
}

#[test]
fn the_same_look_over_and_over_is_broken_off() {
    let script = |talk: &Talk| {
        if talk.text().contains("going round in circles") {
            says("queue.txt does not change; somebody else must fill it.")
        } else {
            call("read_file", json!({"path": "queue.txt"}))
        }
    };
    Scenario::new("Tell me when queue.txt has a second line.", "reflexive", script)
        .file("queue.txt", "one\n")
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert!(ended.done("read_file") <= 6, "{} looks", ended.done("read_file"));
        })
        .plays();
}

#[test]
fn a_failing_tool_is_told_to_the_model_and_got_around() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("read_file", json!({"path": "raport.md"})),
        1 => call("list_files", json!({"path": "."})),
        2 => call("read_file", json!({"path": "report.md"})),
        _ => says("The report says: sales are up."),
    };
    Scenario::new("What does the report say?", "reflexive", script)
        .file("report.md", "Sales are up.\n")
        .check(|ended| {
            assert_eq!((ended.status(), ended.answer()), ("done", "The report says: sales are up."));
            assert!(ended.codes().contains(&"file.missing"), "{:?}", ended.codes());
        })
        .plays();
}

#[test]
fn no_secret_reaches_a_prompt_the_log_or_a_step() {
    const SECRET: &str = "sk-proj-Zk3v9QwX7LmN2pR8tY5uB1cD4eF6gH0jK";
    let script = |talk: &Talk| match talk.turn() {
        0 => call("read_file", json!({"path": "app.env"})),
        _ => says("The app listens on port 8080."),
    };
    Scenario::new("Which port does the app listen on? See app.env.", "reflexive", script)
        .config("[log]\nlevel = \"info,nunchi=debug\"")
        .file("app.env", format!("PORT=8080\nOPENAI_API_KEY={SECRET}\n"))
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            for seen in ended.upstream.requests() {
                assert!(!seen.body.to_string().contains(SECRET), "the provider was sent the secret");
            }
            assert!(!ended.run.to_string().contains(SECRET));
            assert!(ended.log.contains("stopped") && !ended.log.contains(SECRET), "{}", ended.log);
            assert!(!serde_json::to_string(&ended.steps).expect("JSON").contains(SECRET));
        })
        .plays();
}
