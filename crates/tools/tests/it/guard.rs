//! Our tools for the agents of others: what is never allowed is not listed, and every call goes to where calls are made.

use nunchi_core::{
    BoxFuture, EffectClass, PermissionRule, Principal, Reach, RemoteCall, RemoteCalls, RunDoor, Tool,
    ToolBox, ToolCall, ToolError, ToolOutput, ToolSpec, Verdict,
};
use nunchi_testkit::MemoryApprovals;
use nunchi_tools::{
    GuardParts, GuardedTools, McpAnswer, McpCaller, McpFault, McpLink, OfferTools, OfferedCall, ToolChest,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Arc, Mutex};

struct Named(&'static str);

impl Tool for Named {
    fn spec(&self) -> ToolSpec {
        let mut spec = ToolSpec::new(self.0, "", json!({"type": "object"}));
        if self.0 == "send" {
            (spec.effect, spec.reach) = (EffectClass::Final, Reach::Outside);
        }
        spec
    }

    fn run(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(ready(Err(ToolError::new("test", "Nobody calls a tool past the record."))))
    }
}

/// Writes down what it is asked for, and answers or refuses with a key in the text.
#[derive(Default)]
struct Record(Mutex<Vec<RemoteCall>>);

impl RemoteCalls for Record {
    fn call(&self, call: RemoteCall) -> BoxFuture<'_, Result<String, String>> {
        let text = "it is sk-proj-Zk3v9QwX7LmN2pR8tY5uB1cD4eF6gH0jK".to_owned();
        let answer = if call.spec.name == "read" { Ok(text) } else { Err(text) };
        self.0.lock().unwrap().push(call);
        Box::pin(ready(answer))
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

#[tokio::test]
async fn listed_as_the_rules_say_and_called_on_the_record() {
    let no = PermissionRule {
        name: "no".into(),
        tool: "write".into(),
        arguments: BTreeMap::new(),
        verdict: Verdict::Deny,
    };
    let tools = ["read", "write", "send"].map(|name| Arc::new(Named(name)) as Arc<dyn Tool>);
    let chest: Arc<dyn ToolBox> = Arc::new(ToolChest::new().with(Arc::new(tools.to_vec())));
    let record = Arc::new(Record::default());
    let guard = GuardedTools::new(GuardParts {
        tools: Arc::new(move |_| Arc::clone(&chest)),
        approvals: Arc::new(MemoryApprovals::new(vec![no])),
        calls: Arc::clone(&record) as Arc<dyn RemoteCalls>,
    });
    let client = Some("pal".to_owned());
    let caller = McpCaller { principal: Arc::new(Principal::owner()), client, intents: Vec::new() };
    let listed = guard.tools(&caller).await;
    let listed: Vec<_> =
        listed.iter().map(|tool| (tool.name.as_str(), tool.read_only, tool.open_world)).collect();
    assert_eq!(listed, [("read", true, false), ("send", false, true)], "what is always denied is not listed");

    let call =
        |tool: &str| OfferedCall { tool: tool.into(), arguments: json!({"a": 1}), inputs: None, state: None };
    assert_eq!(guard.call(call("read"), &caller, &Deaf).await, Ok(McpAnswer::text("it is [key]")));
    assert_eq!(guard.call(call("send"), &caller, &Deaf).await, Ok(McpAnswer::failure("it is [key]")));
    let unknown = guard.call(call("other"), &caller, &Deaf).await;
    assert!(matches!(unknown, Err(McpFault::Unknown(_))), "{unknown:?}");
    let made = record.0.lock().unwrap();
    let made: Vec<_> = made.iter().map(|call| (call.spec.name.as_str(), call.origin.clone())).collect();
    assert!(
        made.iter().all(|(_, origin)| origin.door == RunDoor::Mcp && origin.client.as_deref() == Some("pal"))
    );
    assert_eq!(made.len(), 2, "{made:?}");
}
