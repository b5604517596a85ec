//! Our tools for the agents of others: what the owner's rules allow runs, what they ask about waits, and runs once.

use nunchi_core::{
    Answer, ApprovalStore, BoxFuture, Clock, EffectClass, Expect, Label, PermissionRule, Preview, Principal,
    Reach, TaskName, Tool, ToolBox, ToolCall, ToolError, ToolOutput, ToolSpec, Touched, Verdict,
};
use nunchi_testkit::{MemoryApprovals, SequentialIds, TokioClock, TokioSpawn};
use nunchi_tools::{
    GuardParts, GuardedTools, McpAnswer, McpCaller, McpFault, McpLink, OfferTools, OfferedCall, ToolChest,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A shelf of texts: read, write, and one thing that reaches outside.
#[derive(Default)]
struct Shelf {
    texts: Mutex<BTreeMap<String, String>>,
    sent: Mutex<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Deed {
    Read,
    Write,
    Send,
}

struct ShelfTool(Arc<Shelf>, Deed);

impl Tool for ShelfTool {
    fn spec(&self) -> ToolSpec {
        let schema = json!({"type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {"name": {"type": "string"}, "text": {"type": "string"}}});
        let mut spec = match self.1 {
            Deed::Read => ToolSpec::new("read", "Reads.", schema),
            Deed::Write => ToolSpec::new("write", "Writes.", schema),
            Deed::Send => ToolSpec::new("send", "Sends.", schema),
        };
        spec.target = (self.1 != Deed::Send).then(|| "name".to_owned());
        spec.previews = self.1 == Deed::Write;
        match self.1 {
            Deed::Read => {}
            Deed::Write => spec.effect = EffectClass::Reversible,
            Deed::Send => {
                (spec.effect, spec.reach, spec.output) = (EffectClass::Final, Reach::Outside, Label::Stranger)
            }
        }
        spec
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let name = call.arguments["name"].as_str().unwrap_or_default().to_owned();
        let text = call.arguments["text"].as_str().unwrap_or_default().to_owned();
        let mut texts = self.0.texts.lock().unwrap();
        let answer = match self.1 {
            Deed::Send => {
                self.0.sent.lock().unwrap().push(name);
                return Box::pin(ready(Ok(ToolOutput::text("sent"))));
            }
            Deed::Read => texts.get(&name).cloned().unwrap_or_default(),
            Deed::Write => {
                let fits = match &call.expect {
                    Some(Expect::Version(version)) => texts.get(&name) == Some(version),
                    _ => !texts.contains_key(&name),
                };
                assert!(fits, "the guard let an unseen write through");
                texts.insert(name.clone(), text.clone());
                text
            }
        };
        let touched = Touched { target: name.clone(), version: texts.get(&name).cloned() };
        Box::pin(ready(Ok(ToolOutput { touched: vec![touched], ..ToolOutput::text(answer) })))
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        let name = call.arguments["name"].as_str().unwrap_or_default().to_owned();
        let current = self.0.texts.lock().unwrap().get(&name).cloned();
        Box::pin(ready(Ok(Preview { current, diff: format!("+ {}", call.arguments["text"]) })))
    }
}

/// A client that hears nothing.
struct Deaf;

impl McpLink for Deaf {
    fn progress<'a>(&'a self, _: f64, _: f64, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }
    fn log<'a>(&'a self, _: &'a str, _: Value) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }
    fn can(&self, _: &str) -> bool {
        false
    }
    fn ask<'a>(&'a self, _: &'a str, _: Value) -> BoxFuture<'a, Result<Value, McpFault>> {
        Box::pin(ready(Err(McpFault::Missing("elicitation"))))
    }
}

struct World {
    shelf: Arc<Shelf>,
    approvals: Arc<MemoryApprovals>,
    spawn: Arc<TokioSpawn>,
    guard: GuardedTools,
}

impl World {
    fn new(rules: Vec<PermissionRule>, patience: Duration) -> Self {
        let shelf = Arc::new(Shelf::default());
        let approvals = Arc::new(MemoryApprovals::new(rules));
        let spawn = Arc::new(TokioSpawn::new());
        let tools = [Deed::Read, Deed::Write, Deed::Send]
            .map(|deed| Arc::new(ShelfTool(shelf.clone(), deed)) as Arc<dyn Tool>);
        let chest: Arc<dyn ToolBox> = Arc::new(ToolChest::new().with(Arc::new(tools.to_vec())));
        let guard = GuardedTools::new(GuardParts {
            tools: Arc::new(move |_| chest.clone()),
            approvals: Some(approvals.clone()),
            clock: Arc::new(TokioClock::start()),
            ids: Arc::new(SequentialIds::new()),
            spawn: spawn.clone(),
            patience,
            expires: Duration::from_secs(3_600),
        });
        Self { shelf, approvals, spawn, guard }
    }

    /// The text of an answer, and whether it is a failure.
    async fn call(&self, tool: &str, arguments: Value) -> (String, bool) {
        let call = OfferedCall { tool: tool.into(), arguments, inputs: None, state: None };
        let caller = McpCaller { principal: Arc::new(Principal::owner()), intents: Vec::new() };
        match self.guard.call(call, &caller, &Deaf).await.unwrap() {
            McpAnswer::Content { content, failed, .. } => {
                (content[0]["text"].as_str().unwrap().to_owned(), failed)
            }
            McpAnswer::Needs { .. } => panic!("nothing is asked of the client"),
        }
    }

    async fn answer(&self, answer: Answer) {
        let open = self.approvals.approvals(None, true).await.unwrap();
        assert_eq!(open.len(), 1, "{open:?}");
        let now = TokioClock::start().now();
        self.approvals.answer(open[0].id, answer, "test".into(), now).await.unwrap().unwrap();
    }

    fn sent(&self) -> usize {
        self.shelf.sent.lock().unwrap().len()
    }
}

fn rule(name: &str, tool: &str, verdict: Verdict) -> PermissionRule {
    PermissionRule { name: name.into(), tool: tool.into(), arguments: BTreeMap::new(), verdict }
}

#[tokio::test]
async fn what_stays_inside_runs_and_bad_arguments_do_not() {
    let world = World::new(Vec::new(), Duration::ZERO);
    assert_eq!(world.call("write", json!({"name": "a", "text": "one"})).await, ("one".into(), false));
    assert_eq!(world.call("read", json!({"name": "a"})).await, ("one".into(), false));
    assert_eq!(world.spawn.started(TaskName::McpCall), 2);
    for arguments in [json!({}), json!({"name": 1}), json!({"name": "a", "more": 1})] {
        let (text, failed) = world.call("read", arguments).await;
        assert!(failed && text.contains("tool.arguments"), "{text}");
    }
}

#[tokio::test]
async fn what_a_key_has_not_seen_it_does_not_overwrite() {
    let world = World::new(Vec::new(), Duration::ZERO);
    world.shelf.texts.lock().unwrap().insert("mine".into(), "old".into());
    let (text, failed) = world.call("write", json!({"name": "mine", "text": "new"})).await;
    assert!(failed && text.contains("tool.unread"), "{text}");
    world.call("read", json!({"name": "mine"})).await;
    world.shelf.texts.lock().unwrap().insert("mine".into(), "edited meanwhile".into());
    let (text, failed) = world.call("write", json!({"name": "mine", "text": "new"})).await;
    assert!(failed && text.contains("tool.changed"), "{text}");
    world.call("read", json!({"name": "mine"})).await;
    assert_eq!(world.call("write", json!({"name": "mine", "text": "new"})).await, ("new".into(), false));
}

#[tokio::test]
async fn what_reaches_outside_waits_for_the_owner_and_runs_once() {
    let world = World::new(Vec::new(), Duration::ZERO);
    let arguments = json!({"name": "kim@example.com"});
    let (text, failed) = world.call("send", arguments.clone()).await;
    assert!(failed && text.contains("approval.pending") && text.contains("nothing was done"), "{text}");
    // Asking again makes no second question.
    world.call("send", arguments.clone()).await;
    world.answer(Answer::Approve).await;
    // Another call is not what was approved.
    let (text, _) = world.call("send", json!({"name": "eve@example.com"})).await;
    assert!(text.contains("approval.pending"), "{text}");
    world.answer(Answer::Deny(Some("who is that?".into()))).await;
    let (text, _) = world.call("send", json!({"name": "eve@example.com"})).await;
    assert!(text.contains("who is that?"), "{text}");
    assert_eq!(world.sent(), 0);
    assert_eq!(world.call("send", arguments.clone()).await, ("sent".into(), false));
    let (text, _) = world.call("send", arguments).await;
    assert!(text.contains("approval.pending"), "one approval is good for one call: {text}");
    assert_eq!(world.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_an_answer_that_comes_soon() {
    let world = World::new(Vec::new(), Duration::from_secs(30));
    let answering = async {
        while world.approvals.approvals(None, true).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        world.answer(Answer::Approve).await;
    };
    let ((text, failed), ()) = tokio::join!(world.call("send", json!({"name": "kim"})), answering);
    assert_eq!((text.as_str(), failed), ("sent", false));
}

#[tokio::test]
async fn rules_allow_and_deny() {
    let world = World::new(
        vec![rule("let it", "send", Verdict::Allow), rule("no", "write", Verdict::Deny)],
        Duration::ZERO,
    );
    assert_eq!(world.call("send", json!({"name": "kim"})).await, ("sent".into(), false));
    let (text, failed) = world.call("write", json!({"name": "a", "text": "x"})).await;
    assert!(failed && text.contains("permission.denied") && text.contains("\"no\""), "{text}");
    let caller = McpCaller { principal: Arc::new(Principal::owner()), intents: Vec::new() };
    let names: Vec<_> = world.guard.tools(&caller).await.into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["read", "send"], "what is always denied is not listed");
}
