//! Which tools there are, what their definitions cost, and what they declare.

use nunchi_core::{
    EffectClass, Label, MessageStore, Reach, RunId, Tool, ToolCall, ToolFate, ToolOutput, UndoCall, Verdict,
};
use nunchi_testkit::{ManualClock, MemoryMessages};
use nunchi_tools::{
    BuiltinPorts, BuiltinSettings, DatabasePlace, DatabaseSettings, FileCaps, FileRoot, SearchEndpoint,
    SqlCaps, TableAccess, WebSettings, builtin_rules, builtin_tools,
};
use serde_json::json;
use std::sync::Arc;

fn all(folder: &std::path::Path, told: &Arc<MemoryMessages>) -> Vec<Arc<dyn Tool>> {
    let work = folder.join("work");
    std::fs::create_dir_all(&work).unwrap();
    let settings = BuiltinSettings {
        roots: vec![FileRoot { name: "work".into(), path: work, writable: true, label: Label::Tool }],
        closed: Vec::new(),
        undo_folder: folder.join("undo"),
        file_caps: FileCaps::default(),
        databases: vec![DatabaseSettings {
            name: "shop".into(),
            place: DatabasePlace::Sqlite(folder.join("shop.db")),
            tables: [("orders".to_owned(), TableAccess::Write)].into(),
            label: Label::Tool,
        }],
        sql_caps: SqlCaps::default(),
        web: WebSettings {
            hosts: vec!["example.com".into()],
            search: Some(SearchEndpoint::DuckDuckGo(None)),
            ..WebSettings::default()
        },
        zone: jiff::tz::TimeZone::UTC,
    };
    let clock = Arc::new(ManualClock::at("2026-11-21T00:00:00Z"));
    let notifier: Arc<MemoryMessages> = Arc::clone(told);
    builtin_tools(settings, BuiltinPorts { clock, notifier: Some(notifier) }).unwrap()
}

#[test]
fn definitions_are_cheap() {
    let folder = tempfile::tempdir().unwrap();
    let tools = all(folder.path(), &Arc::default());
    let definition = |tool: &Arc<dyn Tool>| {
        let spec = tool.spec();
        json!({"name": spec.name, "description": spec.description, "parameters": spec.parameters}).to_string()
    };
    let tokens: usize = tools.iter().map(|tool| bpe_openai::o200k_base().count(&definition(tool))).sum();
    println!("{} tools, {tokens} tokens", tools.len());
    assert!(tokens <= 1_800, "{tokens}");
}

#[test]
fn what_they_declare() {
    let folder = tempfile::tempdir().unwrap();
    let tools = all(folder.path(), &Arc::default());
    for tool in &tools {
        let spec = tool.spec();
        let properties = spec.parameters["properties"].as_object().unwrap();
        assert_eq!(spec.parameters["additionalProperties"], false, "{}", spec.name);
        for argument in spec.guarded.iter().chain(&spec.target) {
            assert!(properties.contains_key(argument), "{}: {argument}", spec.name);
        }
        // What writes can be shown before and says what it does.
        assert!(spec.effect == EffectClass::ReadOnly || !spec.deeds.is_empty(), "{}", spec.name);
        assert!(spec.reach == Reach::Inside || !spec.guarded.is_empty() || spec.name == "web_search");
        assert!(spec.description.len() <= 160, "{}", spec.name);
    }
    let rules = builtin_rules();
    assert!(rules.iter().any(|rule| rule.tool == "delete_file" && rule.verdict == Verdict::Deny));
}

#[tokio::test]
async fn the_owner_is_told_once() {
    let (folder, told) = (tempfile::tempdir().unwrap(), Arc::<MemoryMessages>::default());
    let tools = all(folder.path(), &told);
    let notify = tools.iter().find(|tool| tool.spec().name == "notify").unwrap();
    let call = ToolCall {
        run: RunId(uuid::Uuid::nil()),
        key: "run.1".into(),
        tool: "notify".into(),
        arguments: json!({"text": "회의 10분 전"}),
        expect: None,
    };
    assert_eq!(notify.fate(call.clone()).await, ToolFate::DidNot);
    notify.run(call.clone()).await.unwrap();
    notify.run(call.clone()).await.unwrap();
    assert_eq!(told.messages(false, 10).await.unwrap().len(), 1);
    assert_eq!(notify.fate(call).await, ToolFate::Happened(ToolOutput::text("The owner is told.")));
}

#[tokio::test]
async fn a_reminder_is_set_once_and_taken_off() {
    let (folder, told) = (tempfile::tempdir().unwrap(), Arc::<MemoryMessages>::default());
    let tools = all(folder.path(), &told);
    let remind = tools.iter().find(|tool| tool.spec().name == "remind").unwrap();
    let run = RunId(uuid::Uuid::nil());
    let call = |arguments| {
        let (key, tool) = ("run.1".to_owned(), "remind".to_owned());
        ToolCall { run, key, tool, arguments, expect: None }
    };
    for (when, code) in [
        (json!({"text": "x"}), "remind.when"),
        (json!({"text": "x", "at": "2026-11-20T09:00"}), "remind.past"),
        (json!({"text": "x", "after": "soon"}), "remind.span"),
        (json!({"text": "x", "at": "9 o'clock", "after": ""}), "time.moment"),
    ] {
        assert_eq!(remind.run(call(when)).await.unwrap_err().code, code);
    }
    let asked = call(json!({"text": "회의", "after": "1 hour 30 minutes"}));
    let done = remind.run(asked.clone()).await.unwrap();
    remind.run(asked.clone()).await.unwrap();
    assert!(done.text.contains("2026-11-21T01:30"), "{}", done.text);
    assert_eq!(told.reminders().await.unwrap().len(), 1);
    let undo = |record, dry_run| {
        remind.undo(UndoCall { run, key: "u".into(), record, dry_run, taken_back: Vec::new() })
    };
    assert!(undo(done.undo.clone().unwrap(), true).await.unwrap().redo.is_none());
    let redo = undo(done.undo.clone().unwrap(), false).await.unwrap().redo.unwrap();
    assert_eq!(told.reminders().await.unwrap(), []);
    assert_eq!(undo(done.undo.unwrap(), false).await.unwrap().conflicts.len(), 1);
    undo(redo, false).await.unwrap();
    assert_eq!(told.reminders().await.unwrap()[0].text, "회의");
}
