//! Workflows carried out: files are really written, people are asked, and a kill at any write loses and doubles nothing.

use crate::machine::price;
use crate::support::{TurnModel, World, calls, says};
use nunchi_agent::{
    CompileError, NodeStage, PastRun, RunOrder, Workflow, WorkflowOrder, WorkflowSource, compile_workflow,
    parse_workflow,
};
use nunchi_core::{
    Answer, ApprovalSubject, BoxFuture, CallContext, LimitKind, Model, ModelError, ModelRequest, NanoUsd,
    PermissionRule, Reply, RunStatus, StepKind, Verdict, verify_steps,
};
use nunchi_testkit::{ScriptedModel, ScriptedReply};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model whose reply depends on what it is asked alone.
struct Answers(Vec<(&'static str, ScriptedReply)>);

impl Model for Answers {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        let asked: String = request.messages[1..].iter().map(|message| message.plain_text()).collect();
        let found = self.0.iter().find(|(words, _)| asked.contains(words));
        let reply = found.map_or_else(|| says(&format!("unasked: {asked}")), |(_, reply)| reply.clone());
        let model = ScriptedModel::new([reply]);
        Box::pin(async move { model.call(request, context).await })
    }
}

fn workflow(world: &World, text: &str) -> Workflow {
    use nunchi_core::ToolBox;
    let source = WorkflowSource { name: "w.toml", text, prompt: &|name| Err(name.to_owned()) };
    parse_workflow(&source, Some(&world.tools.specs())).unwrap_or_else(|errors| panic!("{errors}"))
}

fn order(world: &World, text: &str, params: Value) -> RunOrder {
    let params = params.as_object().cloned().unwrap_or_default();
    let workflow = WorkflowOrder::new(workflow(world, text), params).expect("the parameters fit");
    let mut order = world.order(&workflow.goal());
    order.workflow = Some(Box::new(workflow));
    order
}

const REVIEW: &str = include_str!("workflows/review.toml");

/// The first draft is bad, the second good.
fn reviewers() -> Arc<Answers> {
    Arc::new(Answers(vec![
        ("Judge from 0 to 10: short", says("{\"score\": 3, \"why\": \"too short\"}")),
        ("Judge from 0 to 10: longer", says("{\"score\": 9, \"why\": \"fine\"}")),
        ("It was judged: too short", says("longer")),
        ("Summarise this:\nthe source", says("short")),
    ]))
}

async fn approve_all(world: &World, process: &crate::support::Process) {
    for question in world.open_questions().await {
        process.agent.answer(question.id, Answer::Approve, "owner").await.expect("in time");
    }
}

#[tokio::test]
async fn a_loop_a_person_and_a_write() {
    let world = World::new();
    world.write("a.md", "the source");
    let process = world.process(reviewers());
    let order = order(&world, REVIEW, json!({"path": "a.md"}));
    let id = process.agent.start(order).await.unwrap();
    let parked = process.agent.wait(id).await.unwrap();
    assert_eq!(parked.status, RunStatus::Parked, "{:?}", parked.outcome);
    let questions = world.open_questions().await;
    let ApprovalSubject::Calls(asked) = &questions[0].subject else { panic!("{questions:?}") };
    assert_eq!(asked[0].arguments, "{\"question\":\"Save this? longer\"}");
    assert_eq!(world.read("summary.md"), "");
    approve_all(&world, &process).await;
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!(record.status, RunStatus::Done, "{:?}", record.outcome);
    assert_eq!(world.read("summary.md"), "longer");
    let state = process.agent.state_of(id).await.unwrap();
    let progress = state.workflow_progress().unwrap();
    let visits: Vec<_> = progress.nodes.iter().map(|node| (node.stage, node.visits)).collect();
    use NodeStage::{Done, Skipped};
    assert_eq!(visits, [(Done, 1), (Done, 2), (Done, 2), (Done, 2), (Done, 1), (Done, 1), (Skipped, 0)]);
    let drawn = nunchi_agent::draw_workflow(
        &state.order().workflow.as_ref().unwrap().workflow,
        Some(progress),
        nunchi_core::Lang::En,
    );
    assert!(drawn.contains("<g id=\"node-save\" class=\"done\">") && drawn.contains("no ×1/2"), "{drawn}");
    assert!(drawn.contains("<g id=\"node-sorry\" class=\"skipped\">"));
    let steps = world.runs.all_steps(id);
    assert_eq!(verify_steps(&steps), Ok(()));
    assert_eq!(steps.iter().filter(|step| step.kind == StepKind::Delegated).count(), 4);
    process.spawn.finish().await;
}

#[tokio::test]
async fn refused_consent_goes_the_other_way_and_the_run_goes_on_from_a_node() {
    let world = World::new();
    world.write("a.md", "the source");
    let process = world.process(reviewers());
    let id = process.agent.start(order(&world, REVIEW, json!({"path": "a.md"}))).await.unwrap();
    process.agent.wait(id).await.unwrap();
    let question = world.open_questions().await.remove(0);
    assert_eq!(question.subject.offered_grant(), None, "a consent is given each time");
    process.agent.answer(question.id, Answer::Deny(Some("not yet".into())), "owner").await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!(record.status, RunStatus::Done);
    assert!(record.outcome.unwrap().text.contains("Not saved: A person said no: not yet"));

    // Later the owner has it asked again: the drafts are not written anew.
    let again = process.agent.resume_at(id, "consent").await.unwrap();
    process.agent.wait(again).await.unwrap();
    approve_all(&world, &process).await;
    let record = process.agent.wait(again).await.unwrap();
    assert_eq!((record.status, world.read("summary.md").as_str()), (RunStatus::Done, "longer"));
    let steps = world.runs.all_steps(again);
    assert_eq!(steps.iter().filter(|step| step.kind == StepKind::Delegated).count(), 0);
    assert!(steps[1].why.contains(&format!("goes on from `consent` of run {id}")));
    for (node, code) in [("gone", "workflow.unknown_node"), ("save", "workflow.not_reached")] {
        use nunchi_core::Explain;
        assert_eq!(process.agent.resume_at(id, node).await.unwrap_err().code(), code);
    }
    process.spawn.finish().await;
}

#[tokio::test]
async fn a_loop_ends_when_its_rounds_are_used_up() {
    let world = World::new();
    world.write("a.md", "the source");
    let process = world.process(Arc::new(Answers(vec![
        ("Judge", says("{\"score\": 1, \"why\": \"bad\"}")),
        ("Summarise", says("draft")),
    ])));
    let id = process.agent.start(order(&world, REVIEW, json!({"path": "a.md"}))).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!(record.status, RunStatus::Parked, "after two more rounds it goes on to the question");
    let state = process.agent.state_of(id).await.unwrap();
    assert_eq!(state.workflow_progress().unwrap().nodes[1].visits, 3);
    process.spawn.finish().await;
}

/// Two branches side by side, one of them with a tool that writes, joined; then a mail.
const ERRAND: &str = r#"
name = "errand"
answer = "{{ nodes.both.text }} / {{ nodes.mail.text }}"
start = ["look", "note"]

[params.to]
default = "kim@example.com"

[nodes.look]
prompt = "Look at a.md"
tools = ["read_file"]
next = "both"

[nodes.note]
tool = "write_file"
args = { path = "note.md", text = "for {{ params.to }}" }
next = "both"

[nodes.both]
merge = "{{ nodes.look.text }} + {{ nodes.note.text }}"
next = "mail"

[nodes.mail]
tool = "send_mail"
args = { to = "{{ params.to }}", body = "{{ nodes.both.text }}" }
"#;

fn may_send() -> PermissionRule {
    PermissionRule {
        name: "mail".into(),
        tool: "send_mail".into(),
        arguments: BTreeMap::new(),
        verdict: Verdict::Allow,
    }
}

fn lookers() -> Arc<TurnModel> {
    TurnModel::new(Vec::new(), vec![calls(&[("read_file", json!({"path": "a.md"}))]), says("seen")])
}

#[tokio::test]
async fn a_kill_at_every_write() {
    let mut kills = 0;
    for after in [false, true] {
        for write in 1.. {
            let world = World::with_rules(vec![may_send()]);
            world.write("a.md", "old");
            let order = order(&world, ERRAND, json!({}));
            let id = order.id;
            let (doomed, runs) = world.doomed(lookers(), write, after);
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
            if !killed {
                break;
            }
            kills += 1;
            let next = world.process(lookers());
            next.agent.recover().await.unwrap();
            if world.runs.all().is_empty() {
                next.agent.start(order).await.unwrap();
            }
            let record = next.agent.wait(id).await.unwrap();
            let outcome = record.outcome.unwrap();
            assert_eq!(record.status, RunStatus::Done, "write {write}, after {after}: {outcome:?}");
            let note = if outcome.text.contains("had happened") { "It had happened." } else { "written" };
            assert!(outcome.text.starts_with("seen + "), "{note}: {}", outcome.text);
            assert_eq!(world.read("note.md"), "for kim@example.com");
            assert_eq!(world.read("outbox").lines().count(), 1, "write {write}, after {after}");
            assert_eq!(verify_steps(&world.runs.all_steps(id)), Ok(()));
            next.spawn.finish().await;
        }
    }
    assert!(kills >= 2 * 10, "{kills}");
}

#[tokio::test]
async fn a_failing_node_stops_is_tried_again_or_is_gone_on_from() {
    let text = |rest: &str| {
        format!(
            "name = \"w\"\n[nodes.read]\ntool = \"read_file\"\nargs = {{ path = \"gone.md\" }}\nnext = \"say\"\n{rest}\n[nodes.say]\nmerge = \"ok={{{{ nodes.read.ok }}}} {{{{ nodes.read.error }}}}\"\n"
        )
    };
    let world = World::new();
    let process = world.process(reviewers());
    let id = process.agent.start(order(&world, &text("retries = 2"), json!({}))).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    let outcome = record.outcome.unwrap();
    assert_eq!((record.status, outcome.code.as_deref()), (RunStatus::Failed, Some("file.not_found")));
    assert!(outcome.text.starts_with("node `read` failed: gone.md does not exist."), "{}", outcome.text);
    let tries = world.runs.all_steps(id).iter().filter(|step| step.kind == StepKind::Tool).count();
    assert_eq!(tries, 3);

    let id = process.agent.start(order(&world, &text("on_error = \"continue\""), json!({}))).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!(record.outcome.unwrap().text, "ok=false file.not_found");

    // What was missing is there now, and the failed run goes on where it failed.
    world.write("gone.md", "here");
    let failed =
        process.agent.start(order(&world, &text("").replace("gone.md", "late.md"), json!({}))).await.unwrap();
    assert_eq!(process.agent.wait(failed).await.unwrap().status, RunStatus::Failed);
    world.write("late.md", "here");
    let again = process.agent.resume_at(failed, "read").await.unwrap();
    assert_eq!(process.agent.wait(again).await.unwrap().outcome.unwrap().text, "ok=true null");
    process.spawn.finish().await;
}

#[tokio::test]
async fn a_limit_asks_and_the_workflow_goes_on() {
    let text = "name = \"w\"\n[nodes.a]\ntool = \"read_file\"\nargs = { path = \"a.md\" }\nnext = \"b\"\n[nodes.b]\ntool = \"read_file\"\nargs = { path = \"a.md\" }\n";
    let world = World::new();
    world.write("a.md", "x");
    let process = world.process(reviewers());
    let mut order = order(&world, text, json!({}));
    order.limits.tool_calls = 1;
    let id = process.agent.start(order).await.unwrap();
    assert_eq!(process.agent.wait(id).await.unwrap().status, RunStatus::Parked);
    let question = world.open_questions().await.remove(0);
    assert!(matches!(question.subject, ApprovalSubject::Limit { limit: LimitKind::ToolCalls, .. }));
    process.agent.answer(question.id, Answer::Approve, "owner").await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!((record.status, record.outcome.unwrap().text), (RunStatus::Done, "x".to_owned()));

    let mut broke = self::order(&world, REVIEW, json!({"path": "a.md"}));
    broke.limits.money = Some(NanoUsd::ZERO);
    let id = process.agent.start(broke).await.unwrap();
    assert_eq!(process.agent.wait(id).await.unwrap().status, RunStatus::Parked);
    let question = world.open_questions().await.remove(0);
    process.agent.answer(question.id, Answer::Deny(None), "owner").await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!(record.outcome.unwrap().code.as_deref(), Some("limit.money"));
    process.spawn.finish().await;
}

#[tokio::test]
async fn what_a_stranger_wrote_chooses_no_recipient() {
    let text = "name = \"w\"\n[nodes.web]\ntool = \"read_file\"\nargs = { path = \"web.html\" }\nnext = \"mail\"\n[nodes.mail]\ntool = \"send_mail\"\nargs = { to = \"{{ nodes.web.text }}\", body = \"x\" }\n";
    let world = World::with_rules(vec![may_send()]);
    world.write("web.html", "eve@example.com");
    let process = world.process(reviewers());
    let id = process.agent.start(order(&world, text, json!({}))).await.unwrap();
    assert_eq!(process.agent.wait(id).await.unwrap().status, RunStatus::Parked);
    assert_eq!(world.read("outbox"), "");
    // The same address written in the file by its owner is the owner's word.
    let owners = text.replace("{{ nodes.web.text }}", "eve@example.com");
    let id = process.agent.start(order(&world, &owners, json!({}))).await.unwrap();
    assert_eq!(process.agent.wait(id).await.unwrap().status, RunStatus::Done);
    assert_eq!(world.read("outbox"), "eve@example.com: x\n");
    process.spawn.finish().await;
}

#[tokio::test]
async fn a_workflow_may_begin_at_a_node_that_needs_nothing_before_it() {
    let world = World::new();
    let params = json!({}).as_object().cloned().unwrap();
    let order = |text: &str| WorkflowOrder::new(workflow(&world, text), params.clone()).unwrap();
    let begun = order(ERRAND).beginning_at("note").unwrap_err();
    assert_eq!(begun.to_string(), "nothing had led to the node `look`");
    let text = "name = \"w\"\n[nodes.a]\nmerge = \"a\"\nnext = \"b\"\n[nodes.b]\nmerge = \"b\"\n";
    let mut run = world.order("x");
    run.workflow = Some(Box::new(order(text).beginning_at("b").unwrap()));
    let process = world.process(reviewers());
    let id = process.agent.start(run).await.unwrap();
    assert_eq!(process.agent.wait(id).await.unwrap().outcome.unwrap().text, "b");
    process.spawn.finish().await;
}

/// What a model does when it is asked to send a file's text to somebody.
fn sender(file: &str, to: &str, text: &str) -> Vec<ScriptedReply> {
    vec![
        calls(&[("read_file", json!({"path": file}))]),
        calls(&[("send_mail", json!({"to": to, "body": text}))]),
        calls(&[("write_file", json!({"path": format!("sent-{file}"), "text": format!("sent to {to}")}))]),
        says(&format!("I have sent {file} to {to}.")),
    ]
}

async fn past(world: &World, goal: &str, script: Vec<ScriptedReply>) -> PastRun {
    let mut order = world.order(goal);
    order.price = Some(price());
    let (record, process) = crate::support::run(world, order, script).await;
    let state = process.agent.state_of(record.id).await.unwrap();
    process.spawn.finish().await;
    assert_eq!(record.status, RunStatus::Done, "{:?}", record.outcome);
    let steps = world.runs.all_steps(record.id);
    PastRun::new(record, steps).with_state(&state)
}

#[tokio::test]
async fn runs_that_did_the_same_become_a_workflow_without_a_model() {
    let world = World::with_rules(vec![may_send()]);
    let mut runs = Vec::new();
    for (file, to, text) in [
        ("a.md", "kim@example.com", "{{ alpha }}"),
        ("b.md", "lee@example.org", "beta"),
        ("c.md", "박@example.net", "가나다"),
    ] {
        world.write(file, text);
        let goal = format!("Send {file} to {to} and note it");
        runs.push(past(&world, &goal, sender(file, to, text)).await);
    }
    let compiled = compile_workflow("send-file", &runs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(compiled.params["path"], [json!("a.md"), json!("b.md"), json!("c.md")]);
    assert!(compiled.text.contains("\"body\" = \"{{ nodes.read_file.text }}\""), "{}", compiled.text);
    assert!(compiled.text.contains("\"text\" = \"sent to {{ params.to }}\""), "{}", compiled.text);
    assert!(
        compiled.text.contains("answer = \"I have sent {{ params.path }} to {{ params.to }}.\""),
        "{}",
        compiled.text
    );
    assert_eq!((compiled.baseline.runs, compiled.baseline.tokens), (3, 380));
    assert!(compiled.baseline.cost > NanoUsd::ZERO);

    world.write("d.md", "delta");
    let model = TurnModel::new(Vec::new(), Vec::new());
    let process = world.process(Arc::clone(&model) as Arc<dyn Model>);
    let run = order(&world, &compiled.text, json!({"path": "d.md", "to": "choi@example.com"}));
    assert_eq!(run.workflow.as_ref().unwrap().workflow.baseline, Some(compiled.baseline));
    let id = process.agent.start(run).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    let outcome = record.outcome.unwrap();
    assert_eq!(
        (record.status, outcome.text.as_str()),
        (RunStatus::Done, "I have sent d.md to choi@example.com.")
    );
    assert!(outcome.unbacked.is_empty(), "the answer is backed by receipts: {:?}", outcome.unbacked);
    assert!(world.read("outbox").ends_with("choi@example.com: delta\n"));
    assert_eq!(world.read("sent-d.md"), "sent to choi@example.com");
    assert_eq!(model.calls.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!((record.totals.usage.total_tokens(), record.totals.cost), (0, NanoUsd::ZERO));
    println!(
        "before: {} tokens, ${} a run; after: 0 tokens, $0",
        compiled.baseline.tokens, compiled.baseline.cost
    );
    process.spawn.finish().await;
}

#[tokio::test]
async fn what_differs_without_a_reason_is_not_compiled() {
    let world = World::with_rules(vec![may_send()]);
    world.write("a.md", "x");
    let one = past(
        &world,
        "Send a.md to kim@example.com",
        sender("a.md", "kim@example.com", "Dear Kim, first words")[..].to_vec(),
    )
    .await;
    std::fs::remove_file(world.folder.path().join("sent-a.md")).unwrap();
    let other = past(
        &world,
        "Send a.md to lee@example.com",
        sender("a.md", "lee@example.com", "Hi Lee, other words"),
    )
    .await;
    let error = |runs: &[PastRun]| compile_workflow("w", runs).unwrap_err();
    assert_eq!(
        error(&[one.clone(), other.clone()]),
        CompileError::Differs { tool: "send_mail".into(), argument: "body".into() }
    );
    assert_eq!(error(std::slice::from_ref(&one)), CompileError::TooFew);
    let short =
        past(&world, "Read a.md", vec![calls(&[("read_file", json!({"path": "a.md"}))]), says("x")]).await;
    assert!(matches!(error(&[one.clone(), short]), CompileError::Shape(..)));
    // The masked record alone does not say to whom the mail went.
    let masked = PastRun::new(other.record, other.steps);
    assert_eq!(error(&[one, masked]), CompileError::Hidden("send_mail".into()));
}

#[tokio::test]
async fn branches_share_the_money_that_is_left() {
    let text = "name = \"w\"\nstart = [\"a\", \"b\"]\n[nodes.a]\nprompt = \"one\"\nnext = \"c\"\n[nodes.b]\nprompt = \"two\"\nnext = \"c\"\n[nodes.c]\nprompt = \"three {{ nodes.a.text }} {{ nodes.b.text }}\"\n";
    let world = World::new();
    let process = world.process(Arc::new(Answers(vec![
        ("three", says("all")),
        ("one", says("1")),
        ("two", says("2")),
    ])));
    let mut order = order(&world, text, json!({}));
    (order.price, order.limits.money) = (Some(price()), Some(NanoUsd(200_000_000)));
    let id = process.agent.start(order).await.unwrap();
    let record = process.agent.wait(id).await.unwrap();
    assert_eq!((record.status, record.outcome.unwrap().text), (RunStatus::Done, "all".to_owned()));
    let costs: Vec<_> = world.runs.all().into_iter().map(|run| run.totals.cost).collect();
    assert!(record.totals.cost > NanoUsd::ZERO && costs.len() == 4, "{costs:?}");
    process.spawn.finish().await;
}
