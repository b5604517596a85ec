//! A world for runs: a folder with files and an outbox, tools that work on it, models that follow a script, a process that
//! can be killed.

use nunchi_agent::{Agent, AgentParts, RunOrder};
use nunchi_core::{
    Approval, ApprovalStore, BoxFuture, CallContext, Clock, ContentHash, Deed, EffectClass, Expect, Ids,
    Label, Model, ModelError, ModelRequest, OriginalStore, Preview, Principal, Reach, Reply, ReplyEvent,
    Role, RunChange, RunFilter, RunId, RunRecord, RunStore, StepRecord, StopReason, StorageError, Tool,
    ToolBox, ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec, Touched, UndoCall, Undone, Usage,
};
use nunchi_testkit::{
    ManualClock, MemoryApprovals, MemoryOriginals, MemoryRuns, ScriptedModel, ScriptedReply, SequentialIds,
    TokioSpawn,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::sync::Notify;

/// A reply of text.
pub(crate) fn says(text: &str) -> ScriptedReply {
    ScriptedReply::text(text)
}

/// A reply that calls tools.
pub(crate) fn calls(wanted: &[(&str, Value)]) -> ScriptedReply {
    let mut events = vec![ReplyEvent::Start { id: "r".into(), model: "scripted-1".into() }];
    for (index, (name, arguments)) in (0_u32..).zip(wanted) {
        let id = format!("call-{index}");
        events.push(ReplyEvent::ToolCall { index, id, name: (*name).to_owned() });
        events.push(ReplyEvent::ToolArguments { index, delta: arguments.to_string() });
    }
    let usage = Usage { input: 100, output: 20, ..Usage::default() };
    events.push(ReplyEvent::Usage { usage, reported_cost: None, service_tier: None });
    events.push(ReplyEvent::End(StopReason::ToolUse));
    ScriptedReply::events(events)
}

/// A model whose reply depends on the conversation alone: the n-th turn of a conversation gets the n-th reply, also when a
/// killed process asks again. Sub-agents have a script of their own.
pub(crate) struct TurnModel {
    turns: Vec<ScriptedReply>,
    sub_agent: Vec<ScriptedReply>,
    pub(crate) calls: AtomicUsize,
}

impl TurnModel {
    pub(crate) fn new(turns: Vec<ScriptedReply>, sub_agent: Vec<ScriptedReply>) -> Arc<Self> {
        Arc::new(Self { turns, sub_agent, calls: AtomicUsize::new(0) })
    }
}

impl Model for TurnModel {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let turn = request.messages.iter().filter(|message| message.role == Role::Assistant).count();
        let below = request.messages[0].plain_text().starts_with("You are a sub-agent");
        let script = if below { &self.sub_agent } else { &self.turns };
        let reply = script.get(turn).cloned().unwrap_or_else(|| says("I have nothing more to say."));
        let model = ScriptedModel::new([reply]);
        Box::pin(async move { model.call(request, context).await })
    }
}

/// What a tool of these tests does.
type Act = Box<dyn Fn(&Path, &ToolCall) -> Result<ToolOutput, ToolError> + Send + Sync>;
type Look = Box<dyn Fn(&Path, &ToolCall) -> Result<Preview, ToolError> + Send + Sync>;

/// A tool on the world's folder.
pub(crate) struct FolderTool {
    pub(crate) spec: ToolSpec,
    folder: PathBuf,
    act: Act,
    look: Option<Look>,
    /// Whether its calls can be found again by their key in the outbox.
    known: bool,
    hangs: bool,
}

impl Tool for FolderTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.hangs {
                std::future::pending::<()>().await;
            }
            (self.act)(&self.folder, &call)
        })
    }

    fn preview(&self, call: ToolCall) -> BoxFuture<'_, Result<Preview, ToolError>> {
        let seen =
            self.look.as_ref().map_or_else(|| Ok(Preview::default()), |look| look(&self.folder, &call));
        Box::pin(std::future::ready(seen))
    }

    /// Puts a file back to what its record says, unless somebody has changed it since.
    fn undo(&self, order: UndoCall) -> BoxFuture<'_, Result<Undone, ToolError>> {
        let (before, after) = (order.record["before"].as_str(), order.record["after"].as_str());
        let name = order.record["path"].as_str().expect("a record of write_file");
        let path = self.folder.join(name);
        let now = std::fs::read_to_string(&path).ok();
        // What the latest of those that are taken back first would leave there.
        let earlier = order.taken_back.iter().rev().find(|record| record["path"] == name);
        let now = earlier.map_or(now.as_deref(), |record| record["before"].as_str());
        let undone = if now != after {
            Undone { conflicts: vec![format!("{name} was changed since")], ..Undone::default() }
        } else {
            if !order.dry_run {
                match before {
                    Some(text) => std::fs::write(&path, text).expect("the folder can be written"),
                    None => std::fs::remove_file(&path).expect("it is there"),
                }
            }
            let redo = json!({ "path": name, "before": after, "after": before });
            Undone { summary: format!("{name} is as before"), redo: Some(redo), ..Undone::default() }
        };
        Box::pin(std::future::ready(Ok(undone)))
    }

    fn fate(&self, call: ToolCall) -> BoxFuture<'_, ToolFate> {
        let journal = std::fs::read_to_string(self.folder.join("journal")).unwrap_or_default();
        let happened = journal.lines().any(|line| line == call.key);
        let fate = match (self.known, happened) {
            (false, _) => ToolFate::Unknown,
            (true, true) => ToolFate::Happened(ToolOutput::text("It had happened.")),
            (true, false) => ToolFate::DidNot,
        };
        Box::pin(std::future::ready(fate))
    }
}

/// The tools of a world.
#[derive(Default)]
pub(crate) struct Tools(pub(crate) Vec<Arc<FolderTool>>);

impl Tools {
    /// From now on calls of this tool never return, and do nothing.
    pub(crate) fn hang(&mut self, name: &str) {
        for tool in self.0.iter_mut().filter(|tool| tool.spec.name == name) {
            Arc::get_mut(tool).expect("nobody uses it yet").hangs = true;
        }
    }
}

impl ToolBox for Tools {
    fn specs(&self) -> Vec<ToolSpec> {
        self.0.iter().map(|tool| tool.spec()).collect()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.0.iter().find(|tool| tool.spec.name == name).map(|tool| Arc::clone(tool) as Arc<dyn Tool>)
    }
}

fn text_argument<'a>(call: &'a ToolCall, name: &str) -> &'a str {
    call.arguments[name].as_str().expect("checked by the schema")
}

fn append(path: PathBuf, line: &str) {
    use std::io::Write;
    let mut file =
        std::fs::File::options().append(true).create(true).open(path).expect("the folder can be written");
    writeln!(file, "{line}").expect("the folder can be written");
}

fn strings(names: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string", "minLength": 1}))).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

fn version(path: &Path) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| ContentHash::of(bytes).to_string())
}

/// Reads a file; `web.html` was written by a stranger.
fn read_file(folder: &Path) -> FolderTool {
    let mut spec = ToolSpec::new("read_file", "Reads a file.", strings(&["path"]));
    spec.deeds = vec![Deed::Read];
    let act: Act = Box::new(|folder, call| {
        let path = text_argument(call, "path");
        let text = std::fs::read_to_string(folder.join(path))
            .map_err(|_| ToolError::new("file.not_found", format!("{path} does not exist.")))?;
        let touched = vec![Touched { target: path.to_owned(), version: version(&folder.join(path)) }];
        let label = path.starts_with("web").then_some(Label::Stranger);
        Ok(ToolOutput { label, touched, ..ToolOutput::text(text) })
    });
    FolderTool { spec, folder: folder.to_owned(), act, look: None, known: true, hangs: false }
}

/// Writes a file if it is still as it was read.
fn write_file(folder: &Path) -> FolderTool {
    let mut spec = ToolSpec::new("write_file", "Writes a file.", strings(&["path", "text"]));
    (spec.effect, spec.target, spec.previews) = (EffectClass::Reversible, Some("path".into()), true);
    (spec.guarded, spec.deeds) = (vec!["path".into()], vec![Deed::Write]);
    let act: Act = Box::new(|folder, call| {
        let path = folder.join(text_argument(call, "path"));
        let expected = match call.expect.as_ref().expect("it has a target") {
            Expect::Absent => None,
            Expect::Version(version) => Some(version.clone()),
        };
        let before = std::fs::read_to_string(&path).ok();
        if version(&path) != expected {
            return Err(ToolError::new("tool.changed", "It has changed."));
        }
        std::fs::write(&path, text_argument(call, "text")).expect("the folder can be written");
        append(folder.join("journal"), &call.key);
        let touched =
            vec![Touched { target: text_argument(call, "path").to_owned(), version: version(&path) }];
        Ok(ToolOutput {
            touched,
            undo: Some(json!({
                "path": text_argument(call, "path"), "before": before, "after": text_argument(call, "text"),
            })),
            ..ToolOutput::text("written")
        })
    });
    let look: Look = Box::new(|folder, call| {
        let diff = format!("+ {}", text_argument(call, "text"));
        Ok(Preview { current: version(&folder.join(text_argument(call, "path"))), diff })
    });
    FolderTool { spec, folder: folder.to_owned(), act, look: Some(look), known: true, hangs: false }
}

/// Sends a mail: a line in the outbox that nothing takes back.
fn send_mail(folder: &Path) -> FolderTool {
    let mut spec = ToolSpec::new("send_mail", "Sends a mail.", strings(&["to", "body"]));
    (spec.effect, spec.reach) = (EffectClass::Final, Reach::Outside);
    (spec.guarded, spec.deeds) = (vec!["to".into()], vec![Deed::Send]);
    let act: Act = Box::new(|folder, call| {
        append(
            folder.join("outbox"),
            &format!("{}: {}", text_argument(call, "to"), text_argument(call, "body")),
        );
        append(folder.join("journal"), &call.key);
        Ok(ToolOutput::text("sent"))
    });
    FolderTool { spec, folder: folder.to_owned(), act, look: None, known: true, hangs: false }
}

/// As `send_mail`, but nobody can tell afterwards whether a call happened.
fn fire(folder: &Path) -> FolderTool {
    let mut tool = send_mail(folder);
    tool.spec.name = "fire".into();
    tool.spec.guarded = Vec::new();
    tool.known = false;
    tool
}

/// A run store that, at its n-th write, stops the world: before the write or right after it.
pub(crate) struct KillingRuns {
    inner: Arc<MemoryRuns>,
    left: AtomicUsize,
    after: bool,
    pub(crate) killed: Notify,
}

impl RunStore for KillingRuns {
    fn save(&self, change: RunChange) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
                return self.inner.save(change).await;
            }
            if self.after {
                self.inner.save(change).await?;
            }
            self.killed.notify_one();
            std::future::pending().await
        })
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<(RunRecord, bytes::Bytes)>, StorageError>> {
        self.inner.load(run)
    }

    fn steps(
        &self,
        run: RunId,
        after: u32,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StepRecord>, StorageError>> {
        self.inner.steps(run, after, limit)
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRecord>, StorageError>> {
        self.inner.runs(filter)
    }
}

/// Everything that outlives a process.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) runs: Arc<MemoryRuns>,
    pub(crate) approvals: Arc<MemoryApprovals>,
    pub(crate) originals: Arc<MemoryOriginals>,
    /// The tools of its processes, where they have others than the world's own.
    pub(crate) extra: Option<Arc<dyn ToolBox>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: Arc<SequentialIds>,
    pub(crate) tools: Arc<Tools>,
}

/// A process.
pub(crate) struct Process {
    pub(crate) agent: Arc<Agent>,
    pub(crate) spawn: Arc<TokioSpawn>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_rules(Vec::new())
    }

    pub(crate) fn with_rules(rules: Vec<nunchi_core::PermissionRule>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path();
        let tools = [read_file(path), write_file(path), send_mail(path), fire(path)];
        let tools = Arc::new(Tools(tools.into_iter().map(Arc::new).collect()));
        Self {
            folder,
            runs: Arc::new(MemoryRuns::new()),
            approvals: Arc::new(MemoryApprovals::new(rules)),
            originals: Arc::new(MemoryOriginals::new()),
            extra: None,
            clock: Arc::new(ManualClock::new()),
            ids: Arc::new(SequentialIds::new()),
            tools,
        }
    }

    pub(crate) fn order(&self, goal: &str) -> RunOrder {
        let mut order = RunOrder::new(RunId(self.ids.new_id()), goal);
        order.mode = nunchi_core::Mode::Reflexive;
        order.tools = self.tools.specs();
        order
    }

    pub(crate) fn process(&self, model: Arc<dyn Model>) -> Process {
        self.process_on(model, Arc::clone(&self.runs) as Arc<dyn RunStore>)
    }

    /// A process that stops at its n-th write of a run.
    pub(crate) fn doomed(
        &self,
        model: Arc<dyn Model>,
        write: usize,
        after: bool,
    ) -> (Process, Arc<KillingRuns>) {
        let runs = Arc::new(KillingRuns {
            inner: Arc::clone(&self.runs),
            left: AtomicUsize::new(write),
            after,
            killed: Notify::new(),
        });
        (self.process_on(model, Arc::clone(&runs) as Arc<dyn RunStore>), runs)
    }

    fn process_on(&self, model: Arc<dyn Model>, runs: Arc<dyn RunStore>) -> Process {
        let spawn = Arc::new(TokioSpawn::new());
        let agent = Agent::new(AgentParts {
            model,
            tools: self.extra.clone().unwrap_or_else(|| Arc::clone(&self.tools) as Arc<dyn ToolBox>),
            runs,
            approvals: Arc::clone(&self.approvals) as Arc<dyn ApprovalStore>,
            originals: Some(Arc::clone(&self.originals) as Arc<dyn OriginalStore>),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&self.ids) as Arc<dyn Ids>,
            spawn: Arc::clone(&spawn) as Arc<dyn nunchi_core::Spawn>,
            principal: Arc::new(Principal::owner()),
        });
        Process { agent, spawn }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("the folder can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The questions that nobody has answered.
    pub(crate) async fn open_questions(&self) -> Vec<Approval> {
        self.approvals.approvals(None, true).await.expect("memory")
    }
}

/// Runs an order with a script, in one process without any trouble.
pub(crate) async fn run(world: &World, order: RunOrder, script: Vec<ScriptedReply>) -> (RunRecord, Process) {
    let process = world.process(TurnModel::new(script, Vec::new()));
    let id = process.agent.start(order).await.expect("it starts");
    let record = process.agent.wait(id).await.expect("it stops");
    (record, process)
}
