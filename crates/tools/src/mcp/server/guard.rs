//! Our tools for the agents of others: every call passes the owner's rules, and what they ask about waits for the owner.

use super::offer::{McpAnswer, McpCaller, McpFault, McpLink, OfferTools, OfferedCall, OfferedTool};
use nunchi_core::{
    Answer, Approval, ApprovalId, ApprovalState, ApprovalStore, ApprovalSubject, BoxFuture, CallToApprove,
    Clock, ContentHash, EffectClass, Expect, Ids, KeyId, Lang, PermissionDecision, PermissionRule, Preview,
    Reach, RunId, Spawn, StorageError, TaskName, Tool, ToolBox, ToolCall, ToolError, ToolOutput, ToolSpec,
    Verdict, call_hash, canonical_json, decide_permission, mask_secrets, never_allowed, offer_grant,
};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between two looks for the owner's answer.
const PACE: Duration = Duration::from_millis(250);
/// Most versions of things seen that are remembered.
const MOST_SEEN: usize = 8_192;
/// Most calls under way at once.
const MOST_CALLS: usize = 64;

/// The tools for callers that named these intents; without any: all there are.
pub type ToolsFor = Arc<dyn Fn(&[String]) -> Arc<dyn ToolBox> + Send + Sync>;

/// What the guard needs.
#[derive(Clone)]
pub struct GuardParts {
    /// The tools.
    pub tools: ToolsFor,
    /// Where the owner is asked, and where the rules are; `None`: nobody can be asked, and there are no rules.
    pub approvals: Option<Arc<dyn ApprovalStore>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Background tasks: a call under way outlives a client that leaves.
    pub spawn: Arc<dyn Spawn>,
    /// How long a call waits for the owner's answer; an answer that comes later serves the client's next attempt.
    pub patience: Duration,
    /// How long the owner may take at all.
    pub expires: Duration,
}

/// The tools behind the owner's rules.
pub struct GuardedTools {
    parts: GuardParts,
    /// Stands for this server in the queue of approvals. A new one at every start: what was approved before it is not
    /// used again.
    run: RunId,
    slots: Arc<tokio::sync::Semaphore>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Approvals that have been used up: each is good for one call.
    used: HashSet<ApprovalId>,
    /// Versions of what a key has seen.
    seen: HashMap<(Option<KeyId>, String), String>,
}

/// What the owner said.
enum Word {
    Yes,
    No(Option<String>),
    Silence(ApprovalId),
}

impl GuardedTools {
    /// Guards these tools.
    pub fn new(parts: GuardParts) -> Self {
        let run = RunId(parts.ids.new_id());
        let slots = Arc::new(tokio::sync::Semaphore::new(MOST_CALLS));
        Self { parts, run, slots, memory: Mutex::default() }
    }

    async fn rules(&self) -> Result<Vec<PermissionRule>, StorageError> {
        match &self.parts.approvals {
            Some(store) => store.rules().await,
            None => Ok(Vec::new()),
        }
    }

    fn memory<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn judged(&self, call: OfferedCall, caller: &McpCaller) -> Result<ToolOutput, ToolError> {
        let tools = (self.parts.tools)(&caller.intents);
        let Some(tool) = tools.find(&call.tool) else {
            return Err(ToolError::new("tool.unknown", format!("There is no tool `{}`.", call.tool)));
        };
        let spec = tool.spec();
        check_arguments(&spec, &call)?;
        let rules = self.rules().await.map_err(|error| unstored(&error))?;
        // What a client sends is the word of a tool that the owner let in, not of the owner: nothing in it counts as written
        // by the owner, and what reaches outside or cannot be undone asks.
        let decision = decide_permission(&rules, &spec, &call.arguments, &[], false);
        let mut made = ToolCall {
            run: self.run,
            key: format!("mcp.{}", self.parts.ids.new_id()),
            tool: spec.name.clone(),
            expect: self.expect(&spec, &call, caller.principal.key),
            arguments: call.arguments,
        };
        let diff = self.preview(&*tool, &spec, &made).await?;
        match decision.verdict {
            Verdict::Allow => {}
            Verdict::Deny => return Err(denied(&decision)),
            Verdict::Ask => self.ask(&spec, &made, decision, diff, caller).await?,
        }
        // The owner may have taken hours: what was seen before counts as it was then.
        made.key = format!("mcp.{}", self.parts.ids.new_id());
        let output = self.run(tool, &spec, made).await?;
        self.remember(&output, caller.principal.key);
        Ok(output)
    }

    /// A write changes only what this key has seen as it is.
    fn expect(&self, spec: &ToolSpec, call: &OfferedCall, key: Option<KeyId>) -> Option<Expect> {
        let argument = spec.target.as_ref().filter(|_| spec.effect > EffectClass::ReadOnly)?;
        let target = call.arguments.get(argument)?.as_str()?.to_owned();
        let seen = self.memory(|memory| memory.seen.get(&(key, target)).cloned());
        Some(seen.map_or(Expect::Absent, Expect::Version))
    }

    fn remember(&self, output: &ToolOutput, key: Option<KeyId>) {
        self.memory(|memory| {
            if memory.seen.len() + output.touched.len() > MOST_SEEN {
                memory.seen.clear();
            }
            for touched in &output.touched {
                let place = (key, touched.target.clone());
                match &touched.version {
                    Some(version) => drop(memory.seen.insert(place, version.clone())),
                    None => drop(memory.seen.remove(&place)),
                }
            }
        });
    }

    /// What a call would change, for the owner; refuses what would overwrite the unseen.
    async fn preview(
        &self,
        tool: &dyn Tool,
        spec: &ToolSpec,
        made: &ToolCall,
    ) -> Result<Option<String>, ToolError> {
        if !spec.previews {
            return Ok(None);
        }
        let Preview { current, diff } = tool.preview(made.clone()).await?;
        match (&made.expect, &current) {
            (Some(Expect::Absent), Some(_)) => Err(ToolError::new(
                "tool.unread",
                "It exists and was not read with this key, so it is not overwritten.",
            )
            .hint("Read it first.")),
            (Some(Expect::Version(seen)), current) if Some(seen) != current.as_ref() => {
                Err(ToolError::new("tool.changed", "It has changed since it was read.")
                    .hint("Read it again."))
            }
            _ => Ok(Some(diff).filter(|diff| !diff.is_empty())),
        }
    }

    async fn ask(
        &self,
        spec: &ToolSpec,
        made: &ToolCall,
        decision: PermissionDecision,
        diff: Option<String>,
        caller: &McpCaller,
    ) -> Result<(), ToolError> {
        let why = decision.explain(Lang::En);
        let Some(store) = &self.parts.approvals else {
            return Err(ToolError::new(
                "permission.ask",
                format!("Not allowed: {why}, and nobody can be asked here."),
            )
            .hint("The owner can allow such calls by a rule."));
        };
        let call = CallToApprove {
            hash: call_hash(&spec.name, &made.arguments),
            tool: spec.name.clone(),
            arguments: canonical_json(&made.arguments),
            diff,
            effect: spec.effect,
            grant: offer_grant(spec, &made.arguments),
            decision,
        };
        let word = self.word(&**store, call, caller).await.map_err(|error| unstored(&error))?;
        match word {
            Word::Yes => Ok(()),
            Word::No(reason) => {
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                Err(ToolError::new("approval.denied", format!("The owner has refused this call{reason}."))
                    .hint("Do not ask again; go another way."))
            }
            Word::Silence(id) => Err(ToolError::new(
                "approval.pending",
                format!("The call {why}. The question waits for the owner as {}; nothing was done.", id.0),
            )
            .hint("Once the owner has approved it, make exactly the same call again.")),
        }
    }

    /// Asks the owner, unless this very call was asked about before, and waits a while for the answer.
    async fn word(
        &self,
        store: &dyn ApprovalStore,
        call: CallToApprove,
        caller: &McpCaller,
    ) -> Result<Word, StorageError> {
        let hash = call.hash;
        let id = match self.asked(store, hash).await? {
            Some(approval) => approval.id,
            None => store.ask(self.question(call, caller)).await?.id,
        };
        let began = self.parts.clock.monotonic();
        loop {
            let found = store.approvals(Some(self.run), false).await?;
            let state = found.into_iter().find(|approval| approval.id == id).map(|approval| approval.state);
            if let Some(ApprovalState::Answered { answer, .. }) = state {
                let yes = match &answer {
                    Answer::Approve | Answer::ApproveAndGrant(_) => true,
                    Answer::ApproveSome(hashes) => hashes.contains(&hash),
                    Answer::Deny(_) | Answer::Reply(_) => false,
                };
                return Ok(match answer {
                    // Of two that wait for one answer, one call is made and the other asks anew.
                    _ if yes && self.memory(|memory| memory.used.insert(id)) => Word::Yes,
                    _ if yes => Word::Silence(id),
                    Answer::Deny(reason) => Word::No(reason),
                    _ => Word::No(None),
                });
            }
            if self.parts.clock.monotonic().saturating_sub(began) >= self.parts.patience {
                return Ok(Word::Silence(id));
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// The question about exactly this call that is open, or answered and not used up.
    async fn asked(
        &self,
        store: &dyn ApprovalStore,
        hash: ContentHash,
    ) -> Result<Option<Approval>, StorageError> {
        let now = self.parts.clock.now();
        let found = store.approvals(Some(self.run), false).await?;
        Ok(found.into_iter().find(|approval| {
            let same = match &approval.subject {
                ApprovalSubject::Calls(calls) => calls.iter().any(|call| call.hash == hash),
                _ => false,
            };
            same && now < approval.expires && !self.memory(|memory| memory.used.contains(&approval.id))
        }))
    }

    fn question(&self, call: CallToApprove, caller: &McpCaller) -> Approval {
        let asked = self.parts.clock.now();
        Approval {
            id: ApprovalId(self.parts.ids.new_id()),
            run: self.run,
            session: Some(format!("mcp:{}", caller.principal.name)),
            batch: format!("mcp {} {}", caller.principal.name, call.tool),
            subject: ApprovalSubject::Calls(vec![call]),
            asked,
            expires: asked.checked_add(self.parts.expires).unwrap_or(asked),
            state: ApprovalState::Open,
        }
    }

    /// Runs a tool in a task of its own: a client that leaves must not stop a write half-way.
    async fn run(
        &self,
        tool: Arc<dyn Tool>,
        spec: &ToolSpec,
        made: ToolCall,
    ) -> Result<ToolOutput, ToolError> {
        let busy = || ToolError::new("mcp.busy", "Too many calls are under way.").hint("Try again later.");
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| busy())?;
        let (tell, hear) = oneshot::channel();
        let limit = Duration::from_millis(spec.timeout_ms);
        let work = async move {
            let result = tokio::time::timeout(limit, tool.run(made)).await.unwrap_or_else(|_| {
                Err(ToolError::new("tool.timed_out", "The tool did not end in time.").uncertain())
            });
            drop(slot);
            // A client that has left does not hear it.
            let _left = tell.send(result);
        };
        self.parts.spawn.spawn(TaskName::McpCall, Box::pin(work));
        let ended = || ToolError::new("tool.stopped", "The server is stopping.").uncertain();
        hear.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn check_arguments(spec: &ToolSpec, call: &OfferedCall) -> Result<(), ToolError> {
    let broken = |detail: String| {
        ToolError::new("tool.arguments", format!("The arguments do not fit the schema: {detail}."))
            .hint("Correct them and call again.")
    };
    let validator = jsonschema::validator_for(&spec.parameters).map_err(|error| broken(error.to_string()))?;
    match validator.iter_errors(&call.arguments).next() {
        None => Ok(()),
        Some(error) => Err(broken(format!("{} {error}", error.instance_path()).trim_start().to_owned())),
    }
}

fn denied(decision: &PermissionDecision) -> ToolError {
    ToolError::new("permission.denied", format!("Not allowed: {}.", decision.explain(Lang::En)))
}

fn unstored(error: &StorageError) -> ToolError {
    ToolError::new("approval.store", format!("The owner's rules cannot be read: {error}"))
}

impl OfferTools for GuardedTools {
    fn tools<'a>(&'a self, caller: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedTool>> {
        Box::pin(async move {
            let rules = self.rules().await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "the owner's rules cannot be read; all tools are listed");
                Vec::new()
            });
            let specs = (self.parts.tools)(&caller.intents).specs();
            let allowed = specs.into_iter().filter(|spec| !never_allowed(&rules, &spec.name));
            allowed.map(offered).collect()
        })
    }

    fn call<'a>(
        &'a self,
        call: OfferedCall,
        caller: &'a McpCaller,
        _: &'a dyn McpLink,
    ) -> BoxFuture<'a, Result<McpAnswer, McpFault>> {
        Box::pin(async move {
            if (self.parts.tools)(&caller.intents).find(&call.tool).is_none() {
                return Err(McpFault::Unknown(format!("tool \"{}\"", call.tool)));
            }
            Ok(match self.judged(call, caller).await {
                Ok(output) => McpAnswer::text(mask_secrets(&output.text)),
                Err(error) => McpAnswer::failure(mask_secrets(&error.to_string())),
            })
        })
    }
}

fn offered(spec: ToolSpec) -> OfferedTool {
    OfferedTool {
        read_only: spec.effect == EffectClass::ReadOnly,
        destructive: spec.effect > EffectClass::Reversible,
        open_world: spec.reach == Reach::Outside,
        name: spec.name,
        description: spec.description,
        parameters: spec.parameters,
    }
}
