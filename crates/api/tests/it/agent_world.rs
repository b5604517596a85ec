//! A world with a real agent behind the HTTP surface: a folder, tools that work on it, a model that follows a script.

use crate::support::{Cards, Got, Keys};
use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use nunchi_agent::{Agent, AgentParts, DeskParts, Judge, JudgeParts, Offer, OrderDesk};
use nunchi_api::{
    AgentServices, ApiParts, ApiSettings, ApiState, ConsoleParts, Currency, router, with_console,
};
use nunchi_core::{
    ApprovalStore, BoxFuture, Budget, BudgetId, BudgetNotice, BudgetState, BudgetStore, CallFilter,
    CallRecord, Dialect, EffectClass, Grouping, Lang, LedgerReader, Model, ModelPrice, NanoUsd, Preview,
    Principal, Rates, Reach, ReplyEvent, RunId, RunLimits, RunStore, Savings, StopReason, StorageError, Tool,
    ToolBox, ToolCall, ToolError, ToolOutput, ToolSpec, Total, UndoCall, UndoOrder, UndoRefused, UndoReport,
    UndoRuns, UndoStatus, Undone, UndoneStep, Usage,
};
use nunchi_gateway::{Gateway, Parts, PriceCatalog, ProviderEntry, Settings, TierModels};
use nunchi_testkit::{
    ManualClock, MemoryApprovals, MemoryCache, MemoryFeedback, MemoryKeys, MemoryLedger, MemoryRuns,
    MemoryScores, ScriptedModel, ScriptedReply, SequentialIds, TokioSpawn,
};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

/// What one scripted call costs.
pub(crate) const COST: NanoUsd = NanoUsd(1_500_000);

fn end(stop: StopReason) -> [ReplyEvent; 2] {
    let usage = Usage { input: 100, output: 20, ..Usage::default() };
    [ReplyEvent::Usage { usage, reported_cost: Some(COST), service_tier: None }, ReplyEvent::End(stop)]
}

/// A reply of text, a word at a time.
pub(crate) fn says(text: &str) -> ScriptedReply {
    let start = ReplyEvent::Start { id: "r".into(), model: "scripted-1".into() };
    let words = text.split_inclusive(' ').map(|word| ReplyEvent::Text(word.to_owned()));
    ScriptedReply::events([start].into_iter().chain(words).chain(end(StopReason::EndTurn)))
}

/// A reply that says something and calls tools.
pub(crate) fn calls(text: &str, wanted: &[(&str, Value)]) -> ScriptedReply {
    let mut events = vec![ReplyEvent::Start { id: "r".into(), model: "scripted-1".into() }];
    if !text.is_empty() {
        events.push(ReplyEvent::Text(text.to_owned()));
    }
    for (index, (name, arguments)) in (0_u32..).zip(wanted) {
        let id = format!("call-{index}");
        events.push(ReplyEvent::ToolCall { index, id, name: (*name).to_owned() });
        events.push(ReplyEvent::ToolArguments { index, delta: arguments.to_string() });
    }
    ScriptedReply::events(events.into_iter().chain(end(StopReason::ToolUse)))
}

/// A plan of one goal for each of these tools.
pub(crate) fn plan(tools: &[&str]) -> ScriptedReply {
    let node = |(at, tool): (usize, &&str)| {
        let after: Vec<String> = (at > 0).then(|| format!("g{}", at - 1)).into_iter().collect();
        json!({"id": format!("g{at}"), "goal": format!("use {tool}"), "done_when": "it is done",
            "tools": [tool], "after": after})
    };
    let nodes: Vec<Value> = tools.iter().enumerate().map(node).collect();
    says(&json!({"questions": [], "nodes": nodes}).to_string())
}

/// A tool that writes files, and one that appends to an outbox.
enum FolderTool {
    Write(PathBuf),
    Mail(PathBuf),
}

fn text<'a>(call: &'a ToolCall, name: &str) -> &'a str {
    call.arguments[name].as_str().expect("checked by the schema")
}

impl Tool for FolderTool {
    fn spec(&self) -> ToolSpec {
        let strings = |names: [&str; 2]| {
            let properties: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
            json!({"type": "object", "properties": properties, "required": names})
        };
        match self {
            Self::Write(_) => {
                let mut spec = ToolSpec::new("write_file", "Writes a file.", strings(["path", "text"]));
                (spec.effect, spec.guarded) = (EffectClass::Reversible, vec!["path".into()]);
                spec
            }
            Self::Mail(_) => {
                let mut spec = ToolSpec::new("send_mail", "Sends a mail.", strings(["to", "body"]));
                (spec.effect, spec.reach, spec.previews) = (EffectClass::Final, Reach::Outside, true);
                spec.guarded = vec!["to".into()];
                spec
            }
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            match self {
                Self::Write(folder) => {
                    let path = folder.join(text(&call, "path"));
                    let before = std::fs::read_to_string(&path).ok();
                    std::fs::write(&path, text(&call, "text")).expect("the folder can be written");
                    let undo = json!({"path": text(&call, "path"), "before": before});
                    Ok(ToolOutput { undo: Some(undo), ..ToolOutput::text("written") })
                }
                Self::Mail(folder) => {
                    let line = format!("{}: {}\n", text(&call, "to"), text(&call, "body"));
                    let path = folder.join("outbox");
                    let sent = std::fs::read_to_string(&path).unwrap_or_default();
                    std::fs::write(path, sent + &line).expect("the folder can be written");
                    Ok(ToolOutput::text("sent"))
                }
            }
        })
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        let diff = format!("+ To: {}\n+ {}", text(&call, "to"), text(&call, "body"));
        Box::pin(std::future::ready(Ok(Preview { current: None, diff })))
    }

    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        let Self::Write(folder) = self else { unreachable!("mails have no undo record") };
        let path = folder.join(order.record["path"].as_str().expect("a path"));
        let summary = format!("{} as it was", order.record["path"]);
        if !order.dry_run {
            match order.record["before"].as_str() {
                Some(before) => std::fs::write(path, before).expect("writable"),
                None => std::fs::remove_file(path).expect("it was written"),
            }
        }
        Box::pin(std::future::ready(Ok(Undone { summary, ..Undone::default() })))
    }
}

struct Tools(Vec<Arc<FolderTool>>);

impl ToolBox for Tools {
    fn specs(&self) -> Vec<ToolSpec> {
        self.0.iter().map(|tool| tool.spec()).collect()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.0.iter().find(|tool| tool.spec().name == name).map(|tool| Arc::clone(tool) as Arc<dyn Tool>)
    }
}

/// Takes back what tools recorded, the last step first.
struct Undo {
    runs: Arc<MemoryRuns>,
    tools: Arc<Tools>,
}

impl UndoRuns for Undo {
    fn undo(&self, order: UndoOrder) -> BoxFuture<'_, Result<UndoReport, UndoRefused>> {
        Box::pin(async move {
            let mut steps = Vec::new();
            for step in self.runs.all_steps(order.run).into_iter().rev() {
                let wanted = order.step.is_none_or(|number| number == step.number);
                let (Some(record), Some(tool), true) = (step.undo, step.tool, wanted) else { continue };
                let found = self.tools.find(&tool).expect("it was called");
                let call = UndoCall {
                    run: order.run,
                    key: step.id.to_string(),
                    record,
                    dry_run: order.dry_run,
                    taken_back: Vec::new(),
                };
                let undone = found.undo(call).await.map_err(|error| Box::new(error) as UndoRefused)?;
                let number = step.number;
                let (status, summary, conflicts) = (UndoStatus::Undone, undone.summary, undone.conflicts);
                steps.push(UndoneStep { number, tool, status, summary, conflicts });
            }
            Ok(UndoReport { dry_run: order.dry_run, steps })
        })
    }
}

/// A gateway with the scripted model behind it.
fn gateway(model: &ScriptedModel, clock: &Arc<ManualClock>, spawn: &Arc<TokioSpawn>) -> Arc<Gateway> {
    let rates = Rates { input: NanoUsd::from_usd(5), output: NanoUsd::from_usd(25), ..Rates::default() };
    let price = ModelPrice {
        provider: "cloud".into(),
        model: "m".into(),
        rates,
        context_tiers: Vec::new(),
        batch: None,
        flex: None,
        priority: None,
        tool_use: NanoUsd::ZERO,
        request: NanoUsd::ZERO,
        context_window: None,
        max_output: None,
    };
    let provider = ProviderEntry {
        name: "cloud".into(),
        dialect: Dialect::OpenAiChat,
        price_from: "cloud".into(),
        local: false,
        models: vec!["m".into()],
        model: Arc::new(model.clone()),
        embedder: None,
        list: None,
        batch: None,
    };
    let parts = Parts {
        providers: vec![provider],
        ledger: Arc::new(MemoryLedger::new()),
        cache: Arc::new(MemoryCache::new()),
        originals: None,
        semantic: None,
        batch: None,
        keys: Arc::new(MemoryKeys::new()),
        feedback: Arc::new(MemoryFeedback::new()),
        clock: clock.clone(),
        ids: Arc::new(SequentialIds::new()),
        spawn: spawn.clone(),
    };
    let tier = || vec!["cloud/m".to_owned()];
    let settings = Settings {
        tiers: TierModels { trivial: tier(), standard: tier(), complex: tier() },
        prices: PriceCatalog { version: "test".into(), prices: vec![price] },
        ..Settings::default()
    };
    Gateway::new(parts, settings)
}

/// What the gateway booked, as its feed remembers it.
struct Rows(Arc<Gateway>);

impl LedgerReader for Rows {
    fn calls(&self, filter: CallFilter) -> BoxFuture<'_, Result<Vec<CallRecord>, StorageError>> {
        let most = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let rows = self.0.feed().recent(most).iter().map(|row| (**row).clone()).collect();
        Box::pin(std::future::ready(Ok(rows)))
    }

    fn totals(&self, _: CallFilter, _: Grouping) -> BoxFuture<'_, Result<Vec<Total>, StorageError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn savings(&self, _: CallFilter) -> BoxFuture<'_, Result<Savings, StorageError>> {
        Box::pin(std::future::ready(Err(StorageError::Closed)))
    }

    fn notices(&self, _: u32) -> BoxFuture<'_, Result<Vec<BudgetNotice>, StorageError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// Nobody limits anything.
struct NoBudgets;

impl BudgetStore for NoBudgets {
    fn budgets(&self, _: jiff::Timestamp) -> BoxFuture<'_, Result<Vec<(Budget, BudgetState)>, StorageError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn put_budget(&self, _: Budget) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(std::future::ready(Err(StorageError::Closed)))
    }

    fn remove_budget(&self, _: BudgetId) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(std::future::ready(Err(StorageError::Closed)))
    }
}

/// The world.
pub(crate) struct AgentWorld {
    pub(crate) folder: TempDir,
    pub(crate) router: Router,
    pub(crate) services: AgentServices,
    /// The gateway between the agent and the model, in a world with a console.
    pub(crate) gateway: Option<Arc<Gateway>>,
    pub(crate) model: ScriptedModel,
    pub(crate) runs: Arc<MemoryRuns>,
    pub(crate) agent: Arc<Agent>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) spawn: Arc<TokioSpawn>,
}

impl AgentWorld {
    pub(crate) fn new(script: impl IntoIterator<Item = ScriptedReply>) -> Self {
        Self::build(script, false)
    }

    /// A world whose agent calls its models through a real gateway, and whose pages look into both.
    pub(crate) fn with_console(script: impl IntoIterator<Item = ScriptedReply>) -> Self {
        let mut world = Self::build(script, true);
        let gateway = world.gateway.clone().expect("it was built with one");
        let parts = ConsoleParts {
            gateway: gateway.clone(),
            ledger: Arc::new(Rows(gateway)),
            budgets: Arc::new(NoBudgets),
            agents: Some(world.services.clone()),
            memory: None,
            skills: None,
            clock: world.clock.clone(),
            ids: Arc::new(SequentialIds::new()),
            time_zone: jiff::tz::TimeZone::UTC,
            currency: Currency { code: "KRW".into(), milli_units_per_usd: 1_390_000 },
            lang: Lang::En,
            stopping: Arc::new(|| Box::pin(std::future::pending())),
        };
        world.router = with_console(world.router.clone(), parts);
        world
    }

    fn build(script: impl IntoIterator<Item = ScriptedReply>, through_gateway: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = || folder.path().to_owned();
        let tools =
            Arc::new(Tools(vec![Arc::new(FolderTool::Write(path())), Arc::new(FolderTool::Mail(path()))]));
        let (model, runs) = (ScriptedModel::new(script), Arc::new(MemoryRuns::new()));
        let approvals = Arc::new(MemoryApprovals::new(Vec::new()));
        let (clock, ids) = (Arc::new(ManualClock::new()), Arc::new(SequentialIds::new()));
        let spawn = Arc::new(TokioSpawn::new());
        let gateway = through_gateway.then(|| gateway(&model, &clock, &spawn));
        let called: Arc<dyn Model> = match &gateway {
            Some(gateway) => gateway.clone(),
            None => Arc::new(model.clone()),
        };
        let agent = Agent::new(AgentParts {
            model: called,
            tools: Arc::clone(&tools) as Arc<dyn ToolBox>,
            runs: Arc::clone(&runs) as Arc<dyn RunStore>,
            approvals: Arc::clone(&approvals) as Arc<dyn ApprovalStore>,
            originals: None,
            clock: clock.clone(),
            ids: ids.clone(),
            spawn: spawn.clone(),
            principal: Arc::new(Principal::owner()),
        });
        let desk = Arc::new(OrderDesk::new(DeskParts {
            tools: Arc::clone(&tools) as Arc<dyn ToolBox>,
            offered: {
                let tools = Arc::clone(&tools);
                Arc::new(move |_| Offer { tools: tools.specs(), ..Offer::default() })
            },
            context: Vec::new(),
            session: None,
            ids: ids.clone(),
            price_of: Arc::new(|_| None),
            model: "auto".into(),
            limits: RunLimits::default(),
            max_output_tokens: 4_096,
        }));
        let undo = Arc::new(Undo { runs: runs.clone(), tools });
        let messages = Arc::new(nunchi_testkit::MemoryMessages::new());
        let scores = Arc::new(MemoryScores::default());
        let judge = Arc::new(Judge::new(JudgeParts {
            model: Arc::new(model.clone()),
            usual: "auto:standard".into(),
            scores: scores.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
        }));
        let services = AgentServices {
            agent: agent.clone(),
            desk,
            runs: runs.clone(),
            approvals,
            messages,
            judge,
            scores,
            undo,
        };
        let state = ApiState::new(ApiParts {
            model: Arc::new(model.clone()),
            embedder: Arc::new(model.clone()),
            keys: Arc::new(Keys),
            catalog: Arc::new(Cards),
            ids,
            clock: clock.clone(),
            admin: None,
            batches: None,
            agents: Some(services.clone()),
            metrics: Arc::new(String::new),
            ready: Arc::new(|| Box::pin(async { Vec::new() })),
            settings: ApiSettings::default(),
        });
        Self { folder, router: router(state), services, gateway, model, runs, agent, clock, spawn }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Got { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Got {
        self.send(Request::get(path).header("x-api-key", key).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.get_as("nk-good", path).await
    }

    pub(crate) async fn post_as(&self, key: &str, path: &str, body: Value) -> Got {
        let request = Request::post(path).header("x-api-key", key).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn delete_as(&self, key: &str, path: &str) -> Got {
        self.send(Request::delete(path).header("x-api-key", key).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Got {
        self.post_as("nk-good", path, body).await
    }

    /// Begins a run and waits until it stops; its id and what was answered.
    pub(crate) async fn run(&self, goal: &str) -> (RunId, Value) {
        let body = json!({"goal": goal, "mode": "reflexive", "wait": true});
        let got = self.post("/api/runs", body).await;
        assert_eq!(got.status, 201, "{}", got.text());
        let json = got.json();
        (json["run_id"].as_str().unwrap().parse().unwrap(), json)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}
