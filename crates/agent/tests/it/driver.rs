//! One run through the driver: files are really written, and a kill at any write of the run loses and doubles nothing.

use crate::support::{Process, TurnModel, World, calls, run, says};
use nunchi_agent::{Notice, RunEvent, RunOrder};
use nunchi_core::{
    Answer, Explain, Mode, ModelError, ModelErrorKind, PermissionRule, RunId, RunLog, RunStatus, StepKind,
    TaskName, Verdict, verify_steps,
};
use nunchi_testkit::{ScriptedModel, ScriptedReply};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    assert_eq!(steps[4].undo, Some(json!({"path": "a.md", "before": "old", "after": "new"})));
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

fn two_parts() -> (Vec<ScriptedReply>, Vec<ScriptedReply>) {
    let nodes = json!({"nodes": [
        {"id": "a", "goal": "mail kim@example.com", "tools": ["send_mail"]},
        {"id": "b", "goal": "mail lee@example.com", "tools": ["send_mail"], "after": ["a"]},
    ]});
    let top = vec![says(&nodes.to_string()), says("Both mails are out.")];
    let below = vec![calls(&[("send_mail", json!({"to": "team", "body": "hi"}))]), says("I have sent it.")];
    (top, below)
}

#[tokio::test]
async fn a_sub_agents_end_outlives_its_parent() {
    for after in [false, true] {
        for write in 1.. {
            let world = World::with_rules(vec![may_send()]);
            let mut order = world.order("Mail kim@example.com and lee@example.com");
            order.mode = Mode::Ultrawork;
            let id = order.id;
            let (top, below) = two_parts();
            let (doomed, runs) = world.doomed(TurnModel::new(top.clone(), below.clone()), write, after);
            let whole = async {
                doomed.agent.start(order.clone()).await.unwrap();
                consent(&world, &doomed, id).await;
                doomed.agent.wait(id).await.unwrap();
            };
            let killed = tokio::select! {
                biased;
                () = runs.killed.notified() => true,
                () = whole => false,
            };
            doomed.spawn.cancel().await;
            if !killed {
                assert!(write > 15, "the whole story has more writes than {write}");
                break;
            }
            let next = world.process(TurnModel::new(top, below));
            next.agent.recover().await.unwrap();
            if world.runs.all().is_empty() {
                next.agent.start(order).await.unwrap();
            }
            consent(&world, &next, id).await;
            let record = next.agent.wait(id).await.unwrap();
            assert_eq!(record.status, RunStatus::Done, "write {write}: {:?}", record.outcome);
            next.spawn.finish().await;
            assert_eq!(world.read("outbox"), "team: hi\nteam: hi\n", "write {write}, after: {after}");
            let all = world.runs.all();
            assert_eq!(all.len(), 3, "no sub-agent was started twice");
            for run in &all {
                assert_eq!(
                    (run.status, verify_steps(&world.runs.all_steps(run.id))),
                    (RunStatus::Done, Ok(()))
                );
            }
        }
    }
}

/// Consents to the plan when the run asks for it.
async fn consent(world: &World, process: &Process, id: RunId) {
    process.agent.wait(id).await.unwrap();
    for question in world.open_questions().await {
        process.agent.answer(question.id, Answer::Approve, "test").await.unwrap();
    }
}

/// Runs at the same time.
const RUNS: usize = 200;

#[tokio::test]
async fn two_hundred_runs_at_once() {
    let world = World::with_rules(vec![may_send()]);
    let process = world.process(TurnModel::new(
        vec![calls(&[("send_mail", json!({"to": "a", "body": "b"}))]), says("I have sent it.")],
        Vec::new(),
    ));
    let mut ids = Vec::new();
    for _ in 0..RUNS {
        ids.push(process.agent.start(world.order("Mail a")).await.unwrap());
    }
    for id in &ids {
        assert_eq!(process.agent.wait(*id).await.unwrap().status, RunStatus::Done);
    }
    process.spawn.finish().await;
    assert_eq!(world.read("outbox").lines().count(), RUNS);
}

#[tokio::test]
async fn an_order_is_taken_once() {
    let world = World::new();
    let process = world.process(TurnModel::new(vec![says("x")], Vec::new()));
    let order = world.order("Answer");
    process.agent.start(order.clone()).await.unwrap();
    assert_eq!(process.agent.start(order).await.unwrap_err().code(), "storage.exists");
    process.spawn.finish().await;
    assert_eq!(process.spawn.started(TaskName::AgentRun), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_hangs_is_cut_and_asked_what_became_of_it() {
    let mut world = World::with_rules(vec![may_send()]);
    Arc::get_mut(&mut world.tools).unwrap().hang("send_mail");
    let script = vec![calls(&[("send_mail", json!({"to": "a", "body": "b"}))]), says("It did not work.")];
    let (record, _process) = run(&world, world.order("Mail a"), script).await;
    assert_eq!(record.status, RunStatus::Done);
    let codes: Vec<_> = world.runs.all_steps(record.id).into_iter().filter_map(|step| step.code).collect();
    assert_eq!(codes, ["tool.did_not_happen"]);
}

#[tokio::test]
async fn a_failing_model_is_tried_once_more_and_then_the_run_ends_with_its_reason() {
    let world = World::new();
    let cut = || ScriptedReply::error(ModelError::new(ModelErrorKind::UpstreamFailed, "it is down"));
    let process = world.process(Arc::new(ScriptedModel::new([cut(), says("x is 3.")])));
    let id = process.agent.start(world.order("Answer")).await.unwrap();
    assert_eq!(process.agent.wait(id).await.unwrap().status, RunStatus::Done);
    let process = world.process(Arc::new(ScriptedModel::new([cut(), cut()])));
    let id = process.agent.start(world.order("Answer")).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!((record.status, record.reason.as_deref()), (RunStatus::Failed, Some("upstream.failed")));
}
