//! Skills that go with some tools only: the machine refuses the others, and a second skill adds its own.

use crate::support::{World, calls, run, says};
use nunchi_agent::RunOrder;
use nunchi_core::{BoxFuture, RunStatus, RunStore, Tool, ToolBox, ToolCall, ToolError, ToolOutput, ToolSpec};
use serde_json::{Value, json};
use std::sync::Arc;

/// Reads skills: `read` goes with reading alone, `write` also with writing, `foreign` names another product's tools.
struct UseSkill;

impl Tool for UseSkill {
    fn spec(&self) -> ToolSpec {
        let name =
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        ToolSpec::new("use_skill", "Reads a skill.", name)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let tools = match call.arguments["name"].as_str() {
            Some("read") => vec!["read_file".to_owned()],
            Some("write") => vec!["write_file".to_owned()],
            Some("none") => Vec::new(),
            _ => vec!["Bash".to_owned(), "Read".to_owned()],
        };
        let output = ToolOutput { narrows: Some(tools), ..ToolOutput::text("Do it well.") };
        Box::pin(std::future::ready(Ok(output)))
    }
}

struct WithSkills(Arc<dyn ToolBox>);

impl ToolBox for WithSkills {
    fn specs(&self) -> Vec<ToolSpec> {
        self.0.specs().into_iter().chain([UseSkill.spec()]).collect()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Tool>> {
        if name == "use_skill" { Some(Arc::new(UseSkill)) } else { self.0.find(name) }
    }
}

/// What became of the calls of a run: each tool with the code of its step.
async fn codes(wanted: &[(&str, Value)]) -> Vec<(String, Option<String>)> {
    let mut world = World::new();
    world.write("a.txt", "one");
    world.extra = Some(Arc::new(WithSkills(world.tools.clone())));
    let script = wanted.iter().map(|call| calls(std::slice::from_ref(call))).chain([says("I looked.")]);
    let mut order: RunOrder = world.order("Look at a.txt");
    order.tools = WithSkills(world.tools.clone()).specs();
    let (record, process) = run(&world, order, script.collect()).await;
    process.spawn.finish().await;
    assert_eq!(record.status, RunStatus::Done, "{record:?}");
    let steps = world.runs.steps(record.id, 0, u32::MAX).await.unwrap();
    let called = steps.into_iter().filter(|step| step.kind == nunchi_core::StepKind::Tool);
    called.map(|step| (step.tool.unwrap_or_default(), step.code)).collect()
}

fn skill(name: &str) -> (&'static str, Value) {
    ("use_skill", json!({"name": name}))
}

fn write(path: &str) -> (&'static str, Value) {
    ("write_file", json!({"path": path, "text": "x"}))
}

#[tokio::test]
async fn a_skill_takes_tools_away_and_another_adds_its_own() {
    let read = ("read_file", json!({"path": "a.txt"}));
    let got =
        codes(&[write("b.txt"), skill("read"), write("c.txt"), read, skill("write"), write("d.txt")]).await;
    let refused: Vec<_> = got.iter().map(|(_, code)| code.as_deref()).collect();
    assert_eq!(refused, [None, None, Some("tool.narrowed"), None, None, None], "{got:?}");
}

#[tokio::test]
async fn an_empty_list_leaves_no_tool_and_a_foreign_one_all() {
    let read = || ("read_file", json!({"path": "a.txt"}));
    assert_eq!(codes(&[skill("none"), read()]).await[1].1.as_deref(), Some("tool.narrowed"));
    assert_eq!(codes(&[skill("foreign"), read()]).await[1].1, None);
}
