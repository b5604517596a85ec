//! Calls of other agents: each is a run of its own, judged, asked about, stored before it acts, recorded and undone like any other.

use crate::support::{Process, TurnModel, World};
use nunchi_agent::{CallDesk, CallDeskParts};
use nunchi_core::{
    Answer, ApprovalStore, Clock, Ids, PermissionRule, Principal, RemoteCall, RemoteCalls, RunDoor,
    RunLimits, RunOrigin, RunRecord, RunStatus, Spawn, StepKind, StepStatus, TaskName, ToolBox, UndoOrder,
    UndoRuns, UndoStatus, Verdict, verify_steps,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A process with its desk.
struct Door {
    process: Process,
    desk: Arc<CallDesk>,
}

impl Door {
    fn open(world: &World, patience: Duration) -> Self {
        Self::of(world, world.process(TurnModel::new(Vec::new(), Vec::new())), patience)
    }

    fn of(world: &World, process: Process, patience: Duration) -> Self {
        let desk = CallDesk::new(CallDeskParts {
            agent: Arc::clone(&process.agent),
            clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&world.ids) as Arc<dyn Ids>,
            spawn: Arc::clone(&process.spawn) as Arc<dyn Spawn>,
            limits: RunLimits::default(),
            patience,
        });
        Self { process, desk }
    }

    async fn call(&self, world: &World, tool: &str, arguments: Value) -> Result<String, String> {
        let spec = world.tools.find(tool).expect("a tool of the world").spec();
        let origin = RunOrigin { door: RunDoor::Mcp, client: Some("pal".into()) };
        let principal = Arc::new(Principal::owner());
        self.desk.call(RemoteCall { principal, origin, spec, arguments }).await
    }
}

fn mail(to: &str) -> Value {
    json!({"to": to, "body": "hi"})
}

fn rule(name: &str, tool: &str, verdict: Verdict) -> PermissionRule {
    PermissionRule { name: name.into(), tool: tool.into(), arguments: BTreeMap::new(), verdict }
}

/// The only run there is.
fn only_run(world: &World) -> RunRecord {
    let mut all = world.runs.all();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn answer(world: &World, door: &Door, answer: Answer) {
    let open = world.open_questions().await;
    assert_eq!(open.len(), 1, "{open:?}");
    door.process.agent.answer(open[0].id, answer, "test").await.unwrap();
    door.process.agent.wait(open[0].run).await.unwrap();
}

#[tokio::test]
async fn a_call_is_a_run_with_a_chain_and_an_undo() {
    let world = World::new();
    let door = Door::open(&world, Duration::ZERO);
    let told = door.call(&world, "write_file", json!({"path": "a.md", "text": "one"})).await;
    assert_eq!((told.as_deref(), world.read("a.md").as_str()), (Ok("written"), "one"));
    let run = only_run(&world);
    assert_eq!((run.status, run.totals.tool_calls, run.totals.turns), (RunStatus::Done, 1, 0));
    assert_eq!(run.origin, RunOrigin { door: RunDoor::Mcp, client: Some("pal".into()) });
    assert_eq!(run.user_input, r#"write_file {"path":"a.md","text":"one"}"#);
    let steps = world.runs.all_steps(run.id);
    assert_eq!((steps.len(), steps[0].kind, steps[0].why.as_str()), (1, StepKind::Tool, "mcp: pal"));
    let order = UndoOrder { run: run.id, step: None, dry_run: false, redo: false, by: "owner".into() };
    let report = door.process.agent.undo(order).await.map_err(|error| error.code()).unwrap();
    assert_eq!(report.steps[0].status, UndoStatus::Undone);
    assert_eq!(world.read("a.md"), "");
    assert_eq!(verify_steps(&world.runs.all_steps(run.id)), Ok(()));
    assert_eq!(door.process.spawn.started(TaskName::McpCall), 1);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_recorded() {
    let world = World::with_rules(vec![rule("no", "write_file", Verdict::Deny)]);
    let door = Door::open(&world, Duration::ZERO);
    for arguments in [json!({}), json!({"path": 1}), json!({"path": "a", "more": 1})] {
        let told = door.call(&world, "read_file", arguments).await.unwrap_err();
        assert!(told.contains("tool.arguments"), "{told}");
    }
    let told = door.call(&world, "write_file", json!({"path": "a", "text": "x"})).await.unwrap_err();
    assert!(told.contains("permission.denied") && told.contains("\"no\""), "{told}");
    let codes: Vec<_> = world.runs.all().iter().filter_map(|run| run.outcome.clone()?.code).collect();
    assert_eq!(codes, ["tool.arguments", "tool.arguments", "tool.arguments", "permission.denied"]);
}

#[tokio::test]
async fn what_a_key_has_not_seen_it_does_not_overwrite() {
    let world = World::new();
    let door = Door::open(&world, Duration::ZERO);
    world.write("mine", "old");
    let write = json!({"path": "mine", "text": "new"});
    let told = door.call(&world, "write_file", write.clone()).await.unwrap_err();
    assert!(told.contains("tool.unread"), "{told}");
    let read = json!({"path": "mine"});
    door.call(&world, "read_file", read.clone()).await.unwrap();
    world.write("mine", "edited meanwhile");
    let told = door.call(&world, "write_file", write.clone()).await.unwrap_err();
    assert!(told.contains("tool.changed"), "{told}");
    door.call(&world, "read_file", read).await.unwrap();
    door.call(&world, "write_file", write).await.unwrap();
    // What it wrote it has seen.
    door.call(&world, "write_file", json!({"path": "mine", "text": "newer"})).await.unwrap();
    assert_eq!(world.read("mine"), "newer");
}

#[tokio::test]
async fn what_reaches_outside_waits_for_the_owner_and_is_made_once() {
    let world = World::new();
    let door = Door::open(&world, Duration::ZERO);
    let told = door.call(&world, "send_mail", mail("kim")).await.unwrap_err();
    assert!(told.contains("approval.pending") && told.contains("nothing was done"), "{told}");
    // Asking again makes no second question, and no second run.
    door.call(&world, "send_mail", mail("kim")).await.unwrap_err();
    let run = only_run(&world);
    assert_eq!((run.status, run.reason.as_deref()), (RunStatus::Parked, Some("approval.calls")));
    answer(&world, &door, Answer::Approve).await;
    assert_eq!(world.read("outbox"), "kim: hi\n", "it is made once it is approved");
    // The client hears of it once; a third attempt is a new call.
    assert_eq!(door.call(&world, "send_mail", mail("kim")).await.as_deref(), Ok("sent"));
    let told = door.call(&world, "send_mail", mail("kim")).await.unwrap_err();
    assert!(told.contains("approval.pending"), "one approval is good for one call: {told}");
    answer(&world, &door, Answer::Deny(Some("who is that?".into()))).await;
    for _ in 0..2 {
        let told = door.call(&world, "send_mail", mail("kim")).await.unwrap_err();
        assert!(told.contains("who is that?"), "nobody is asked again: {told}");
    }
    assert_eq!((world.runs.all().len(), world.read("outbox").as_str()), (2, "kim: hi\n"));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_an_answer_that_comes_soon() {
    let world = World::new();
    let door = Door::open(&world, Duration::from_secs(30));
    let answering = async {
        while world.open_questions().await.is_empty() {
            tokio::task::yield_now().await;
        }
        answer(&world, &door, Answer::Approve).await;
    };
    let (told, ()) = tokio::join!(door.call(&world, "send_mail", mail("kim")), answering);
    assert_eq!(told.as_deref(), Ok("sent"));
}

#[tokio::test]
async fn a_waiting_call_outlives_the_process() {
    let world = World::new();
    let door = Door::open(&world, Duration::ZERO);
    door.call(&world, "send_mail", mail("kim")).await.unwrap_err();
    door.process.spawn.finish().await;
    let door = Door::open(&world, Duration::ZERO);
    door.process.agent.recover().await.unwrap();
    door.call(&world, "send_mail", mail("kim")).await.unwrap_err();
    assert_eq!(only_run(&world).status, RunStatus::Parked);
    answer(&world, &door, Answer::Approve).await;
    assert_eq!(door.call(&world, "send_mail", mail("kim")).await.as_deref(), Ok("sent"));
    assert_eq!(world.read("outbox"), "kim: hi\n");
}

/// The process ends before or right after each write of the run: nothing is lost, nothing is done twice.
#[tokio::test]
async fn killed_anywhere_it_happens_once() {
    for after in [false, true] {
        for write in 1.. {
            let world = World::with_rules(vec![rule("let it", "send_mail", Verdict::Allow)]);
            let (process, runs) = world.doomed(TurnModel::new(Vec::new(), Vec::new()), write, after);
            let door = Door::of(&world, process, Duration::ZERO);
            let survived = tokio::select! {
                biased;
                () = runs.killed.notified() => false,
                told = door.call(&world, "send_mail", mail("kim")) => { told.unwrap(); true }
            };
            if survived {
                assert!(
                    write > 3,
                    "a call is stored at least before it begins, before it acts and when it has ended"
                );
                break;
            }
            drop(door);
            let next = world.process(TurnModel::new(Vec::new(), Vec::new()));
            next.agent.recover().await.unwrap();
            next.spawn.finish().await;
            // Before the first write there is no run, and nothing happened.
            let begun = !world.runs.all().is_empty();
            assert_eq!(begun, after || write > 1);
            assert_eq!(world.read("outbox").lines().count(), usize::from(begun), "{write} {after}");
            for run in world.runs.all() {
                assert_eq!(run.status, RunStatus::Done);
                let steps = world.runs.all_steps(run.id);
                assert_eq!((steps.len(), steps[0].status), (1, StepStatus::Ok));
                assert_eq!(verify_steps(&steps), Ok(()));
            }
        }
    }
}

#[tokio::test]
async fn a_key_cannot_flood_the_owner() {
    let world = World::new();
    let door = Door::open(&world, Duration::ZERO);
    for number in 0..64 {
        door.call(&world, "send_mail", mail(&format!("kim{number}"))).await.unwrap_err();
    }
    let told = door.call(&world, "send_mail", mail("lee")).await.unwrap_err();
    assert!(told.contains("mcp.waiting"), "{told}");
    assert_eq!(world.approvals.approvals(None, true).await.unwrap().len(), 64);
}
