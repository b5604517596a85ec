//! Which tools there are, what their definitions cost, and what they declare.

use nunchi_core::{
    BoxFuture, EffectClass, Label, Notifier, OwnerMessage, Reach, RunId, StorageError, Tool, ToolCall,
    ToolFate, ToolOutput, Verdict,
};
use nunchi_testkit::ManualClock;
use nunchi_tools::{
    BuiltinPorts, BuiltinSettings, DatabasePlace, DatabaseSettings, FileCaps, FileRoot, SearchEndpoint,
    SqlCaps, TableAccess, WebSettings, builtin_rules, builtin_tools,
};
use serde_json::json;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Told(Mutex<Vec<OwnerMessage>>);

impl Notifier for Told {
    fn notify(&self, message: OwnerMessage) -> BoxFuture<'_, Result<(), StorageError>> {
        let mut told = self.0.lock().unwrap();
        if !told.iter().any(|earlier| earlier.key == message.key) {
            told.push(message);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn was_told<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<bool, StorageError>> {
        let told = self.0.lock().unwrap().iter().any(|message| message.key == key);
        Box::pin(std::future::ready(Ok(told)))
    }
}

fn all(folder: &std::path::Path, told: &Arc<Told>) -> Vec<Arc<dyn Tool>> {
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
    let notifier = Arc::clone(told);
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
    let (folder, told) = (tempfile::tempdir().unwrap(), Arc::<Told>::default());
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
    assert_eq!(told.0.lock().unwrap().len(), 1);
    assert_eq!(notify.fate(call).await, ToolFate::Happened(ToolOutput::text("The owner is told.")));
}
