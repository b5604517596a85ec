//! One run through the driver: files are really written, and a kill at any write of the run loses and doubles nothing.

use crate::support::{TurnModel, World, calls, run, says};
use nunchi_agent::{Notice, RunEvent, RunOrder};
use nunchi_core::{Mode, PermissionRule, RunLog, RunStatus, StepKind, Verdict, verify_steps};
use nunchi_testkit::ScriptedReply;
use serde_json::json;
use std::collections::BTreeMap;

fn may_send() -> PermissionRule {
    PermissionRule {
        name: "mail".into(),
        tool: "send_mail".into(),
        arguments: BTreeMap::new(),
        verdict: Verdict::Allow,
    }
}

/// Reads, writes, sends, answers.
fn errand() -> Vec<ScriptedReply> {
    vec![
        calls(&[("read_file", json!({"path": "a.md"}))]),
        calls(&[
            ("write_file", json!({"path": "a.md", "text": "new"})),
            ("send_mail", json!({"to": "kim@example.com", "body": "hi"})),
        ]),
        says("I have saved a.md and sent the mail."),
    ]
}

#[tokio::test]
async fn an_errand() {
    let world = World::with_rules(vec![may_send()]);
    world.write("a.md", "old");
    let (record, process) = run(&world, world.order("Update a.md and mail kim@example.com"), errand()).await;
    let outcome = record.outcome.clone().unwrap();
    assert_eq!(record.status, RunStatus::Done, "{outcome:?}");
    assert_eq!(
        (world.read("a.md").as_str(), world.read("outbox").as_str()),
        ("new", "kim@example.com: hi\n")
    );
    assert!(outcome.unbacked.is_empty() && outcome.receipts.len() == 3);
    let steps = world.runs.all_steps(record.id);
    assert_eq!(verify_steps(&steps), Ok(()));
    let kinds: Vec<_> = steps.iter().map(|step| step.kind).collect();
    use StepKind::{Message, Model, Tool};
    assert_eq!(kinds, [Message, Model, Tool, Model, Tool, Tool, Model, Message]);
    assert_eq!(steps[4].undo, Some(json!({"before": "old"})));
    process.spawn.finish().await;

    let log = serde_json::to_value(RunLog::new(&record, &steps)).unwrap();
    assert_eq!(log["total_tokens"], json!(120 + 120 + 20));
    assert_eq!(log["steps"][2]["tool"], json!("read_file"));
    assert_eq!(log["steps"][2]["input"], json!("{\"path\":\"a.md\"}"));
    assert_eq!(log["status"], json!("done"));
}

#[tokio::test]
async fn a_kill_at_every_write() {
    let mut kills = 0;
    for after in [false, true] {
        for write in 1.. {
            let world = World::with_rules(vec![may_send()]);
            world.write("a.md", "old");
            let order = world.order("Update a.md and mail kim@example.com");
            if !killed_and_recovered(&world, order, write, after).await {
                break;
            }
            kills += 1;
            assert_eq!(world.read("a.md"), "new", "write {write}, after: {after}");
            assert_eq!(world.read("outbox"), "kim@example.com: hi\n", "write {write}, after: {after}");
            let steps = world.runs.all_steps(world.runs.all()[0].id);
            assert_eq!(verify_steps(&steps), Ok(()));
        }
    }
    // Begun, started, three model turns, a preview, three tools; each before and after its write.
    assert_eq!(kills, 2 * 9);
}

/// Whether the process was killed at that write; if so, another one ends the run.
async fn killed_and_recovered(world: &World, order: RunOrder, write: usize, after: bool) -> bool {
    let (doomed, runs) = world.doomed(TurnModel::new(errand(), Vec::new()), write, after);
    let id = order.id;
    let whole = async {
        doomed.agent.start(order.clone()).await.unwrap();
        doomed.agent.wait(id).await.unwrap();
    };
    let killed = tokio::select! {
        biased;
        () = runs.killed.notified() => true,
        () = whole => false,
    };
    doomed.spawn.cancel().await;
    if killed {
        let next = world.process(TurnModel::new(errand(), Vec::new()));
        next.agent.recover().await.unwrap();
        if world.runs.all().is_empty() {
            // The order was never acknowledged, so it is given again.
            next.agent.start(order).await.unwrap();
        }
        let record = next.agent.wait(id).await.unwrap();
        assert_eq!(record.status, RunStatus::Done, "write {write}: {:?}", record.outcome);
        next.spawn.finish().await;
    }
    killed
}

#[tokio::test]
async fn a_deliberate_run_plans_acts_and_verifies() {
    let world = World::with_rules(vec![may_send()]);
    let plan = json!({"questions": [], "nodes": [
        {"id": "a", "goal": "write a.md", "done_when": "it is there", "tools": ["write_file"], "after": []},
    ]});
    let script = vec![
        says(&plan.to_string()),
        calls(&[("write_file", json!({"path": "a.md", "text": "x"}))]),
        says("I have saved a.md."),
        says("{\"goals\": [{\"id\": \"a\", \"met\": true, \"receipts\": [4]}]}"),
    ];
    let mut order = world.order("Write a.md");
    order.mode = Mode::Deliberate;
    let process = world.process(TurnModel::new(script, Vec::new()));
    let mut feed = process.agent.watch();
    let id = process.agent.start(order).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    let outcome = record.outcome.unwrap();
    assert_eq!(
        (record.status, outcome.text.as_str()),
        (RunStatus::Done, "I have saved a.md."),
        "{:?}",
        outcome.unmet
    );
    process.spawn.finish().await;
    let mut notices = Vec::new();
    while let Ok((_, event)) = feed.try_recv() {
        if let RunEvent::Notice(notice) = event {
            notices.push(notice);
        }
    }
    let kinds: Vec<_> = notices.iter().map(|notice| std::mem::discriminant(&**notice)).collect();
    assert_eq!(kinds.len(), 3);
    assert!(matches!(*notices[0], Notice::Estimate(_)) && matches!(*notices[1], Notice::Planned(_)));
}

#[tokio::test]
async fn ten_parts_side_by_side() {
    let world = World::new();
    let nodes: Vec<_> =
        (0..10).map(|at| json!({"id": format!("n{at}"), "goal": format!("part {at}")})).collect();
    let script = vec![says(&json!({ "nodes": nodes }).to_string()), says("All ten parts together.")];
    let mut order = world.order("Do ten things");
    order.mode = Mode::Ultrawork;
    let process = world.process(TurnModel::new(script, vec![says("A part.")]));
    let id = process.agent.start(order).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    let outcome = record.outcome.unwrap();
    assert_eq!((record.status, outcome.text.as_str()), (RunStatus::Done, "All ten parts together."));
    process.spawn.finish().await;
    let all = world.runs.all();
    assert_eq!(all.iter().filter(|run| run.parent == Some(id) && run.status == RunStatus::Done).count(), 10);
    assert_eq!(verify_steps(&world.runs.all_steps(id)), Ok(()));
}
