//! Times of runs on the real store: what a durable step costs, many runs at the same time, a plan in parallel waves.
//!
//! `cargo run --release -p nunchi --example agent_speed [-- FOLDER]`; the store lives in the folder, else in the temporary one. The
//! model is scripted and answers at once, so that what is timed is ours. Prints rows of Markdown.

use nunchi_agent::{Agent, AgentParts, RunOrder};
use nunchi_core::{
    ApprovalStore, BoxFuture, CallContext, Clock, Ids, Mode, Model, ModelError, ModelRequest, Principal,
    Reply, ReplyEvent, Role, RunChange, RunFilter, RunId, RunLimits, RunRecord, RunStatus, RunStore,
    StepRecord, StopReason, StorageError, Tool, ToolBox, ToolCall, ToolError, ToolOutput, ToolSpec, Usage,
};
use nunchi_store::{LedgerOptions, SqliteLedger};
use nunchi_testkit::{ScriptedModel, ScriptedReply, TokioClock, TokioSpawn};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Tool calls of one run.
const CALLS: usize = 20;
/// Runs one after the other.
const IN_TURN: usize = 50;
/// Runs at the same time.
const AT_ONCE: usize = 200;

/// Ids as the product makes them.
struct Uuids;

impl Ids for Uuids {
    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

/// A tool that answers at once, or after a second.
struct Look {
    takes: Duration,
}

impl Tool for Look {
    fn spec(&self) -> ToolSpec {
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        ToolSpec::new("look", "Looks something up.", schema)
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            Ok(ToolOutput::text(format!("result {}", call.arguments["n"])))
        })
    }
}

/// One tool.
struct OneTool(Arc<Look>);

impl ToolBox for OneTool {
    fn specs(&self) -> Vec<ToolSpec> {
        vec![self.0.spec()]
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Tool>> {
        (name == "look").then(|| Arc::clone(&self.0) as Arc<dyn Tool>)
    }
}

/// A model whose reply depends on the conversation alone.
struct TurnModel(fn(usize, bool) -> ScriptedReply);

impl Model for TurnModel {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        let turn = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
        let below = request.messages.first().is_some_and(|first| first.plain_text().contains("sub-agent"));
        let model = ScriptedModel::new([(self.0)(turn, below)]);
        Box::pin(async move { model.call(request, context).await })
    }
}

fn calls_look(number: usize) -> ScriptedReply {
    ScriptedReply::events([
        ReplyEvent::Start { id: "r".into(), model: "scripted-1".into() },
        ReplyEvent::ToolCall { index: 0, id: format!("c{number}"), name: "look".into() },
        ReplyEvent::ToolArguments { index: 0, delta: json!({ "n": number }).to_string() },
        ReplyEvent::Usage {
            usage: Usage { input: 100, output: 20, ..Usage::default() },
            reported_cost: None,
            service_tier: None,
        },
        ReplyEvent::End(StopReason::ToolUse),
    ])
}

fn looks(turn: usize, _: bool) -> ScriptedReply {
    if turn < CALLS { calls_look(turn) } else { ScriptedReply::text("Looked it all up.") }
}

/// A plan of ten parts; each part looks once.
fn ten_parts(turn: usize, below: bool) -> ScriptedReply {
    match (below, turn) {
        (true, 0) => calls_look(0),
        (true, _) => ScriptedReply::text("Part done."),
        (false, 0) => {
            let node = |n: usize| json!({"id": format!("p{n}"), "goal": format!("look at part {n}"), "done_when": "seen", "tools": ["look"], "after": []});
            ScriptedReply::text(
                &json!({"questions": [], "nodes": (0..10).map(node).collect::<Vec<Value>>()}).to_string(),
            )
        }
        (false, _) => ScriptedReply::text("All ten parts together."),
    }
}

/// The real store, with the time of each write.
struct TimedRuns {
    store: SqliteLedger,
    took: Mutex<Vec<Duration>>,
}

impl RunStore for TimedRuns {
    fn save(&self, change: RunChange) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let begun = Instant::now();
            let saved = self.store.save(change).await;
            self.took.lock().unwrap_or_else(PoisonError::into_inner).push(begun.elapsed());
            saved
        })
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<(RunRecord, bytes::Bytes)>, StorageError>> {
        self.store.load(run)
    }

    fn steps(
        &self,
        run: RunId,
        after: u32,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StepRecord>, StorageError>> {
        self.store.steps(run, after, limit)
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRecord>, StorageError>> {
        self.store.runs(filter)
    }
}

/// An agent on the real store.
struct Bench {
    agent: Arc<Agent>,
    runs: Arc<TimedRuns>,
}

impl Bench {
    fn new(store: &SqliteLedger, script: fn(usize, bool) -> ScriptedReply, takes: Duration) -> Self {
        let runs = Arc::new(TimedRuns { store: store.clone(), took: Mutex::default() });
        let agent = Agent::new(AgentParts {
            model: Arc::new(TurnModel(script)),
            tools: Arc::new(OneTool(Arc::new(Look { takes }))),
            runs: Arc::clone(&runs) as Arc<dyn RunStore>,
            approvals: Arc::new(store.clone()) as Arc<dyn ApprovalStore>,
            originals: None,
            clock: Arc::new(TokioClock::start()) as Arc<dyn Clock>,
            ids: Arc::new(Uuids),
            spawn: Arc::new(TokioSpawn::new()),
            principal: Arc::new(Principal::owner()),
        });
        Self { agent, runs }
    }

    async fn run(&self, mode: Mode) -> Outcome<RunRecord> {
        let look = Look { takes: Duration::ZERO };
        let mut order = RunOrder::new(RunId(uuid::Uuid::now_v7()), "Look at everything.");
        (order.mode, order.tools) = (mode, vec![look.spec()]);
        order.limits = RunLimits { turns: 100, tool_calls: 1_000, ..RunLimits::default() };
        let id = self.agent.start(order).await?;
        let record = self.agent.wait(id).await?;
        if record.status != RunStatus::Done {
            return Err(format!("the run ended {:?}: {:?}", record.status, record.outcome).into());
        }
        Ok(record)
    }

    fn writes(&self) -> Vec<Duration> {
        let mut took = std::mem::take(&mut *self.runs.took.lock().unwrap_or_else(PoisonError::into_inner));
        took.sort_unstable();
        took
    }
}

fn main() -> Outcome<()> {
    let folder = match std::env::args().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("| what | found | goal |\n|---|---|---|");
    runtime.block_on(async {
        let options = LedgerOptions {
            time_zone: jiff::tz::TimeZone::UTC,
            clock: Arc::new(TokioClock::start()),
            spawn: Arc::new(TokioSpawn::new()),
            encryption_key: None,
        };
        let (store, _) = SqliteLedger::open(&folder.path().join("bench.db"), options)?;
        in_turn(&store).await?;
        at_once(&store).await?;
        waves(&store).await?;
        store.close().await;
        Ok(())
    })
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

/// One run at a time: what an event costs to be stored, and a whole step with the machine's work.
async fn in_turn(store: &SqliteLedger) -> Outcome<()> {
    let bench = Bench::new(store, looks, Duration::ZERO);
    let (begun, mut steps) = (Instant::now(), 0);
    for _ in 0..IN_TURN {
        steps += bench.run(Mode::Reflexive).await?.totals.steps;
    }
    let whole = begun.elapsed();
    let writes = bench.writes();
    println!("| an event stored, on the disk (p50) | {} | 2 ms |", ms(at(&writes, 50)));
    println!("| an event stored, on the disk (p99) | {} | - |", ms(at(&writes, 99)));
    println!(
        "| a whole step, mean ({} steps, {} writes) | {} | 2 ms |",
        steps,
        writes.len(),
        ms(whole / steps)
    );
    Ok(())
}

/// Many runs at the same time: their writes share waits for the disk.
async fn at_once(store: &SqliteLedger) -> Outcome<()> {
    let bench = Bench::new(store, looks, Duration::ZERO);
    let begun = Instant::now();
    let runs = (0..AT_ONCE).map(|_| bench.run(Mode::Reflexive));
    let records = futures_util::future::try_join_all(runs).await?;
    let (whole, writes) = (begun.elapsed(), bench.writes());
    let steps: u32 = records.iter().map(|record| record.totals.steps).sum();
    let rate = f64::from(steps) / whole.as_secs_f64();
    println!(
        "| {AT_ONCE} runs at once, all done ({steps} steps) | {:.2} s, {rate:.0} steps a second | done |",
        whole.as_secs_f64()
    );
    println!(
        "| an event stored among them (p50, p99) | {}, {} | - |",
        ms(at(&writes, 50)),
        ms(at(&writes, 99))
    );
    Ok(())
}

/// Ten tasks of a second each, side by side.
async fn waves(store: &SqliteLedger) -> Outcome<()> {
    let bench = Bench::new(store, ten_parts, Duration::from_secs(1));
    let begun = Instant::now();
    bench.run(Mode::Ultrawork).await?;
    println!("| ultrawork: ten tasks of one second | {:.2} s | 1.5 s |", begun.elapsed().as_secs_f64());
    Ok(())
}
