//! Taking back: per step and per run, never over somebody else's change, and back again.

use crate::support::{World, calls, run, says};
use nunchi_core::{
    Answer, RunRecord, RunStatus, RunStore, StepKind, UndoOrder, UndoReport, UndoRuns, UndoStatus,
    verify_steps,
};
use serde_json::json;

fn order(run: &RunRecord) -> UndoOrder {
    UndoOrder { run: run.id, step: None, dry_run: false, redo: false, by: "test".into() }
}

fn told(report: &UndoReport) -> Vec<(u32, UndoStatus)> {
    report.steps.iter().map(|step| (step.number, step.status)).collect()
}

/// Two files are written, one of them twice, and a mail is sent.
async fn busy_run(world: &World) -> (RunRecord, crate::support::Process) {
    world.write("a.txt", "one");
    let script = vec![
        calls(&[("read_file", json!({"path": "a.txt"}))]),
        calls(&[("write_file", json!({"path": "a.txt", "text": "two"}))]),
        calls(&[("write_file", json!({"path": "b.txt", "text": "new"}))]),
        calls(&[("write_file", json!({"path": "a.txt", "text": "three"}))]),
        calls(&[("send_mail", json!({"to": "kim@example.org", "body": "hi"}))]),
        says("Wrote both files and sent the mail."),
    ];
    let (parked, process) =
        run(world, world.order("Change a.txt and b.txt, then mail kim@example.org."), script).await;
    assert_eq!(parked.status, RunStatus::Parked);
    let question = world.open_questions().await.remove(0);
    process.agent.answer(question.id, Answer::Approve, "test").await.unwrap();
    let record = process.agent.wait(parked.id).await.unwrap();
    assert_eq!(record.status, RunStatus::Done, "{record:?}");
    (record, process)
}

#[tokio::test]
async fn a_run_is_taken_back_whole_and_put_again() {
    let world = World::new();
    let (record, process) = busy_run(&world).await;
    let look = process.agent.undo(UndoOrder { dry_run: true, ..order(&record) }).await.unwrap();
    assert_eq!(world.read("a.txt"), "three", "a look changes nothing");
    let report = process.agent.undo(order(&record)).await.unwrap();
    let statuses: Vec<_> = told(&report).into_iter().map(|(_, status)| status).collect();
    use UndoStatus::{Impossible, Undone};
    assert_eq!(statuses, [Impossible, Undone, Undone, Undone], "the mail is gone for good");
    assert_eq!(told(&look), told(&report), "a look tells what is then done");
    assert_eq!(world.read("a.txt"), "one");
    assert!(!world.folder.path().join("b.txt").exists());
    // A second undo finds only what nothing takes back.
    let again = process.agent.undo(order(&record)).await.unwrap();
    assert_eq!(again.steps.iter().map(|step| step.status).collect::<Vec<_>>(), [Impossible]);
    let redone = process.agent.undo(UndoOrder { redo: true, ..order(&record) }).await.unwrap();
    assert_eq!(redone.steps.iter().map(|step| step.status).collect::<Vec<_>>(), [Undone; 3]);
    assert_eq!((world.read("a.txt").as_str(), world.read("b.txt").as_str()), ("three", "new"));
    let steps = world.runs.steps(record.id, 0, u32::MAX).await.unwrap();
    verify_steps(&steps).unwrap();
    assert_eq!(steps.iter().filter(|step| step.kind == StepKind::Undo).count(), 6);
}

#[tokio::test]
async fn what_the_owner_changed_since_is_left_alone() {
    let world = World::new();
    let (record, process) = busy_run(&world).await;
    world.write("a.txt", "the owner's own words");
    let report = process.agent.undo(order(&record)).await.unwrap();
    assert_eq!(world.read("a.txt"), "the owner's own words");
    assert!(!world.folder.path().join("b.txt").exists(), "what nobody touched is taken back all the same");
    let conflicts: Vec<_> = report.steps.iter().filter(|step| step.status == UndoStatus::Conflict).collect();
    assert_eq!(conflicts.len(), 2, "{report:?}");
    assert!(conflicts[0].conflicts[0].contains("changed since"));
}

#[tokio::test]
async fn one_step_is_taken_back_alone() {
    let world = World::new();
    let (record, process) = busy_run(&world).await;
    let steps = world.runs.steps(record.id, 0, u32::MAX).await.unwrap();
    let made_b =
        steps.iter().find(|step| step.input.contains("b.txt") && step.kind == StepKind::Tool).unwrap();
    let one = UndoOrder { step: Some(made_b.number), ..order(&record) };
    assert_eq!(told(&process.agent.undo(one.clone()).await.unwrap()), [(made_b.number, UndoStatus::Undone)]);
    assert!(!world.folder.path().join("b.txt").exists());
    assert_eq!(world.read("a.txt"), "three");
    assert_eq!(told(&process.agent.undo(one.clone()).await.unwrap()), [(made_b.number, UndoStatus::Already)]);
    let refused = process.agent.undo(UndoOrder { step: Some(1), ..one }).await.unwrap_err();
    assert_eq!(refused.code(), "undo.nothing");
}
