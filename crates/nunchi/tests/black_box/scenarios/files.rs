//! Files: written with a receipt, taken back, never over what the owner changed.

use super::stage::{Scenario, Talk, call, says};
use serde_json::json;

#[test]
fn a_note_is_written_and_the_answer_points_to_its_receipt() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("write_file", json!({"path": "notes/today.md", "text": "- buy milk\n"})),
        _ => says("I wrote the note to notes/today.md."),
    };
    Scenario::new("Write 'buy milk' to notes/today.md.", "reflexive", script)
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!(ended.file("notes/today.md").as_deref(), Some("- buy milk\n"));
            assert_eq!(ended.done("write_file"), 1, "written once, whatever was killed: {:#}", ended.run);
            assert_eq!(ended.run["outcome"]["unbacked"], json!([]));
            assert_eq!(ended.run["outcome"]["receipts"].as_array().map(Vec::len), Some(1));
        })
        .plays();
}

#[test]
fn an_edit_is_taken_back_unless_the_owner_changed_the_file_too() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("read_file", json!({"path": "plan.md"})),
        1 => call("edit_file", json!({"path": "plan.md", "old": "Monday", "new": "Tuesday"})),
        2 => call("write_file", json!({"path": "log.md", "text": "moved"})),
        _ => says("Moved the meeting in plan.md and noted it in log.md."),
    };
    Scenario::new("Move the meeting in plan.md to Tuesday and note it in log.md.", "reflexive", script)
        .file("plan.md", "Meet on Monday.\n")
        .then(|stage, run| {
            assert_eq!(stage.file("plan.md").as_deref(), Some("Meet on Tuesday.\n"));
            stage.write("plan.md", "Meet on Tuesday, bring cake.\n");
            let report = stage.post(&format!("/api/runs/{run}/undo"), &json!({}));
            let statuses: Vec<_> =
                report["steps"].as_array().into_iter().flatten().map(|step| step["status"].clone()).collect();
            assert_eq!(statuses, ["undone", "conflict"], "{report:#}");
            assert_eq!(
                stage.file("plan.md").as_deref(),
                Some("Meet on Tuesday, bring cake.\n"),
                "the owner's edit wins"
            );
            assert_eq!(stage.file("log.md"), None, "what the run made is gone");
            stage.post(&format!("/api/runs/{run}/undo"), &json!({ "redo": true }));
            assert_eq!(stage.file("log.md").as_deref(), Some("moved"), "and the undo is undone");
        })
        .check(|ended| assert_eq!(ended.status(), "done", "{}", ended.run))
        .plays();
}

#[test]
fn a_file_that_was_never_read_is_not_overwritten() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("write_file", json!({"path": "budget.csv", "text": "food,0\n"})),
        1 => call("read_file", json!({"path": "budget.csv"})),
        2 => call("edit_file", json!({"path": "budget.csv", "old": "food,100", "new": "food,120"})),
        _ => says("I changed food to 120 in budget.csv."),
    };
    Scenario::new("Set food to 120 in budget.csv.", "reflexive", script)
        .file("budget.csv", "rent,900\nfood,100\n")
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!(ended.file("budget.csv").as_deref(), Some("rent,900\nfood,120\n"));
            assert!(ended.codes().contains(&"tool.unread"), "{:?}", ended.codes());
        })
        .plays();
}

#[test]
fn 한국어_메모를_끝까지_한국어로_다룬다() {
    let script = |talk: &Talk| match talk.turn() {
        0 => call("read_file", json!({"path": "메모/회의.md"})),
        1 => call("edit_file", json!({"path": "메모/회의.md", "old": "월요일", "new": "화요일"})),
        _ => says("메모/회의.md의 회의를 화요일로 바꿨습니다."),
    };
    Scenario::new("메모/회의.md에서 회의를 화요일로 바꿔줘", "reflexive", script)
        .file("메모/회의.md", "회의는 월요일 오후 3시\n")
        .check(|ended| {
            assert_eq!(ended.status(), "done", "{}", ended.run);
            assert_eq!(ended.file("메모/회의.md").as_deref(), Some("회의는 화요일 오후 3시\n"));
            assert_eq!(ended.run["outcome"]["unbacked"], json!([]), "바꿨다는 말에는 증거가 있다");
            let system = ended.upstream.requests()[0].body["messages"][0]["content"].to_string();
            assert!(system.contains("Korean"), "{system}");
        })
        .plays();
}
