//! Bugs that users of other agents have paid for, each as a test: the same poll 1,535 times, 36 identical approval prompts,
//! "Done" without a tool call, a write to what was never read, thousands of calls from one message.

use crate::support::{TurnModel, World, calls, run, says};
use nunchi_core::{Answer, ApprovalSubject, LimitKind, RunStatus, StepKind};
use nunchi_testkit::ScriptedReply;
use serde_json::json;

fn codes(world: &World, run: nunchi_core::RunId) -> Vec<String> {
    world.runs.all_steps(run).into_iter().filter_map(|step| step.code).collect()
}

#[tokio::test]
async fn the_same_poll_is_not_made_1535_times() {
    let world = World::new();
    world.write("status", "pending");
    let mut order = world.order("Wait until it is ready");
    order.limits.turns = 2_000;
    order.limits.tool_calls = 2_000;
    let polls = vec![calls(&[("read_file", json!({"path": "status"}))]); 1_535];
    let (record, process) = run(&world, order, polls).await;
    // Told at the third, another model at the fourth, a person at the fifth.
    assert_eq!((record.status, record.totals.tool_calls), (RunStatus::Parked, 5));
    assert_eq!(codes(&world, record.id), ["loop.same_call"; 3]);
    let question = world.open_questions().await.remove(0);
    assert!(matches!(question.subject, ApprovalSubject::Question(_)));
    process.agent.answer(question.id, Answer::Deny(None), "cli").await.unwrap();
    process.spawn.finish().await;
    assert_eq!(process.agent.wait(record.id).await.unwrap().status, RunStatus::Failed);
}

#[tokio::test]
async fn a_poll_that_makes_progress_goes_on() {
    let world = World::new();
    let script: Vec<_> = (0..10)
        .map(|at| {
            world.write(&format!("page{at}"), &format!("page {at}"));
            calls(&[("read_file", json!({"path": format!("page{at}")}))])
        })
        .chain([says("Ten pages.")])
        .collect();
    let (record, _process) = run(&world, world.order("Look at the pages"), script).await;
    assert_eq!((record.status, record.totals.tool_calls), (RunStatus::Done, 10));
}

#[tokio::test]
async fn thirty_six_identical_calls_are_one_question_and_a_no_stays_a_no() {
    let world = World::new();
    let mail = ("send_mail", json!({"to": "a", "body": "b"}));
    let other_order = ("send_mail", json!({"body": "b", "to": "a"}));
    let many: Vec<_> =
        (0..36).map(|at| if at % 2 == 0 { mail.clone() } else { other_order.clone() }).collect();
    let script = vec![calls(&many), calls(&[mail]), says("I was not allowed to.")];
    let (record, process) = run(&world, world.order("Mail a"), script).await;
    let questions = world.open_questions().await;
    let ApprovalSubject::Calls(asked) = &questions[0].subject else { panic!() };
    assert_eq!((questions.len(), asked.len()), (1, 1));
    process.agent.answer(questions[0].id, Answer::Deny(None), "cli").await.unwrap();
    process.spawn.finish().await;
    // Asked again in the next turn, it is refused without a word to the person.
    let record = process.agent.wait(record.id).await.unwrap();
    assert_eq!((record.status, world.open_questions().await.len()), (RunStatus::Done, 0));
    assert_eq!(codes(&world, record.id), ["approval.denied", "approval.denied"]);
    assert_eq!(world.read("outbox"), "");
}

#[tokio::test]
async fn done_without_a_tool_call_is_told_once_and_then_flagged() {
    for (goal, claim) in [
        ("Save the summary as a.md", "I have saved a.md."),
        ("요약을 a.md로 저장해줘", "a.md에 저장했습니다."),
    ] {
        let world = World::new();
        let (record, _process) = run(&world, world.order(goal), vec![says(claim), says(claim)]).await;
        let outcome = record.outcome.unwrap();
        assert_eq!((record.status, outcome.unbacked.as_slice()), (RunStatus::Done, &[claim.to_owned()][..]));
        assert_eq!(codes(&world, record.id), ["claim.unbacked"; 2]);

        let world = World::new();
        let write = calls(&[("write_file", json!({"path": "a.md", "text": "x"}))]);
        let (record, _process) = run(&world, world.order(goal), vec![says(claim), write, says(claim)]).await;
        assert!(record.outcome.unwrap().unbacked.is_empty());
        assert_eq!(world.read("a.md"), "x");
    }
}

#[tokio::test]
async fn what_was_never_read_or_has_changed_is_not_overwritten() {
    let world = World::new();
    world.write("a.md", "the owner's");
    let write = || calls(&[("write_file", json!({"path": "a.md", "text": "mine"}))]);
    let (record, _process) =
        run(&world, world.order("Change a.md"), vec![write(), says("It is not changed.")]).await;
    assert_eq!(
        (codes(&world, record.id), world.read("a.md").as_str()),
        (vec!["tool.unread".to_owned()], "the owner's")
    );

    let read = calls(&[("read_file", json!({"path": "a.md"}))]);
    let edit = calls(&[("write_file", json!({"path": "b.md", "text": "z"}))]);
    let script = vec![read.clone(), edit, write(), says("Someone changed it.")];
    let order = world.order("Change a.md");
    let process = world.process(TurnModel::new(script, Vec::new()));
    let mut feed = process.agent.watch();
    let id = process.agent.start(order).await.unwrap();
    // The owner edits while the run is at work: as soon as it has read the file.
    loop {
        if let (_, nunchi_agent::RunEvent::Step(step)) = feed.recv().await.unwrap()
            && step.kind == StepKind::Tool
        {
            world.write("a.md", "edited meanwhile");
            break;
        }
    }
    process.agent.wait(id).await.unwrap();
    assert_eq!(codes(&world, id), ["tool.changed"]);
    assert_eq!(world.read("a.md"), "edited meanwhile");

    let (_, _process) =
        run(&world, world.order("Change a.md"), vec![read, write(), says("See above.")]).await;
    assert_eq!(world.read("a.md"), "mine");
}

#[tokio::test]
async fn one_message_cannot_make_1498_calls() {
    let world = World::new();
    let mut order = world.order("Go");
    (order.limits.tool_calls, order.limits.turns) = (40, 100);
    let turns: Vec<ScriptedReply> = (0..50)
        .map(|turn| {
            let paths: Vec<_> =
                (0..30).map(|at| ("read_file", json!({"path": format!("{turn}.{at}")}))).collect();
            (0..30).for_each(|at| world.write(&format!("{turn}.{at}"), &format!("{turn} {at}")));
            calls(&paths)
        })
        .collect();
    let (record, _process) = run(&world, order, turns).await;
    assert_eq!((record.status, record.totals.tool_calls), (RunStatus::Parked, 40));
    let question = world.open_questions().await.remove(0);
    assert!(matches!(question.subject, ApprovalSubject::Limit { limit: LimitKind::ToolCalls, .. }));
}

#[tokio::test]
async fn bad_calls_come_back_as_advice() {
    let world = World::new();
    let script = vec![
        calls(&[
            ("read_fil", json!({})),
            ("read_file", json!({"path": ""})),
            ("read_file", json!({"path": "none"})),
        ]),
        says("There is no such file."),
    ];
    let (record, _process) = run(&world, world.order("Read"), script).await;
    assert_eq!(record.status, RunStatus::Done);
    assert_eq!(codes(&world, record.id), ["tool.unknown", "tool.arguments", "file.not_found"]);
}
