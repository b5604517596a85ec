//! Results too long for a model: the rest is found by words and by pages, also after a restart, and by nobody else.

use crate::support::{TurnModel, World, calls, run, says};
use nunchi_core::{Answer, ContentHash, RunStatus, RunStore, StepRecord};
use nunchi_testkit::ScriptedReply;
use serde_json::{Value, json};

const FACT: &str = "The spare key of the warehouse lies under the blue pump.";

/// A text whose needed line stands far behind what a model is shown.
fn log() -> String {
    let line = |at: usize| match at {
        2_000 => format!("{FACT}\n"),
        at => format!("entry {at}: nothing happened on this day, either\n"),
    };
    (0..2_500).map(line).collect()
}

fn id_of(text: &str) -> String {
    ContentHash::of(text).to_string()[..12].to_owned()
}

async fn tool_steps(world: &World, run: nunchi_core::RunId) -> Vec<StepRecord> {
    let steps = world.runs.steps(run, 0, u32::MAX).await.unwrap();
    steps.into_iter().filter(|step| step.tool.as_deref() == Some("recall_result")).collect()
}

fn recall(arguments: Value) -> ScriptedReply {
    calls(&[("recall_result", arguments)])
}

#[tokio::test]
async fn what_was_cut_is_recalled_after_a_restart() {
    let world = World::new();
    world.write("log.txt", &log());
    let id = id_of(&log());
    let script = || {
        vec![
            calls(&[("read_file", json!({"path": "log.txt"}))]),
            calls(&[("send_mail", json!({"to": "kim@example.com", "body": "I look."}))]),
            recall(json!({"id": id, "query": "Where is the spare key?"})),
            recall(json!({"id": id, "page": 2})),
            says("It lies under the blue pump."),
        ]
    };
    let (record, process) =
        run(&world, world.order("Where is the key? Tell kim@example.com that you look."), script()).await;
    assert_eq!(record.status, RunStatus::Parked);
    let state = process.agent.state_of(record.id).await.unwrap();
    let shown = state.thread().iter().map(nunchi_core::Message::plain_text).collect::<String>();
    let seen = format!("{:?}", state.thread());
    assert!(!seen.contains(FACT) && seen.contains(&format!("recall_result with the id {id}")), "{shown}");
    process.spawn.finish().await;

    let next = world.process(TurnModel::new(script(), Vec::new()));
    next.agent.recover().await.unwrap();
    let question = world.open_questions().await.remove(0);
    next.agent.answer(question.id, Answer::Approve, "cli").await.unwrap();
    let record = next.agent.wait(record.id).await.unwrap();
    assert_eq!(record.status, RunStatus::Done, "{record:?}");
    let steps = tool_steps(&world, record.id).await;
    assert!(steps[0].output.contains(FACT) && steps[0].output.len() < 8_000, "{}", steps[0].output);
    assert!(steps[1].output.starts_with("[page 2 of ") && steps[1].output.contains("entry 200:"));
}

#[tokio::test]
async fn short_results_are_not_kept_and_another_run_recalls_nothing() {
    let world = World::new();
    world.write("log.txt", &log());
    world.write("note.txt", "short");
    let read = |path: &str| calls(&[("read_file", json!({"path": path}))]);
    let (_, first) = run(&world, world.order("Look."), vec![read("note.txt"), says("Seen.")]).await;
    first.spawn.finish().await;
    assert_eq!(world.originals.count(), 0);
    let asked = || recall(json!({"id": id_of(&log()), "query": "key"}));
    let script = vec![asked(), read("log.txt"), says("Seen.")];
    let (first, process) = run(&world, world.order("Look."), script).await;
    process.spawn.finish().await;
    let steps = tool_steps(&world, first.id).await;
    assert_eq!(steps[0].code.as_deref(), Some("tool.unknown"), "nothing was cut yet");
    assert_eq!(world.originals.count(), 1);
    let longer = format!("{}\nand more", log());
    world.write("log.txt", &longer);
    let script = vec![read("log.txt"), asked(), says("Nothing.")];
    let (second, process) = run(&world, world.order("Look."), script).await;
    process.spawn.finish().await;
    let steps = tool_steps(&world, second.id).await;
    assert_eq!(steps[0].code.as_deref(), Some("recall.gone"), "{steps:?}");
}
