//! Takes calls of other agents in: begins a run for each, waits for its end, and for a while for the owner where one is asked.

use super::CallOrder;
use crate::driver::{Agent, AgentError};
use crate::order::RunOrder;
use crate::state::RunState;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    Approval, ApprovalSubject, BoxFuture, Clock, ContentHash, EffectClass, Ids, KeyId, Label, Lang, Mode,
    RemoteCall, RemoteCalls, RunDoor, RunFilter, RunId, RunLimits, RunStatus, Spawn, TaskName, ToolError,
    call_hash, canonical_json,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, oneshot};

/// Most versions of things seen that are remembered.
const MOST_SEEN: usize = 8_192;
/// Most calls under way at once.
const MOST_CALLS: usize = 64;
/// Most calls of one key that wait for the owner.
const MOST_WAITING: usize = 64;

/// What the desk works with.
pub struct CallDeskParts {
    /// Carries the runs out.
    pub agent: Arc<Agent>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Background tasks: a call under way outlives a client that leaves.
    pub spawn: Arc<dyn Spawn>,
    /// Limits of one call; its patience is how long the owner may take to answer at all.
    pub limits: RunLimits,
    /// How long a client waits for the owner; an answer that comes later serves its next attempt.
    pub patience: Duration,
}

/// The calls of other agents. Always inside an `Arc`.
pub struct CallDesk {
    parts: CallDeskParts,
    slots: Arc<Semaphore>,
    memory: Mutex<Memory>,
    /// Set once the calls are known again that waited when the process before ended.
    restored: OnceCell<()>,
    me: Weak<CallDesk>,
}

/// Whose call, and which: exactly this one.
type CallKey = (Option<KeyId>, ContentHash);

#[derive(Default)]
struct Memory {
    /// Versions of what a key has seen.
    seen: HashMap<(Option<KeyId>, String), String>,
    /// Calls that wait for the owner, or were refused by one, until then: the same call again hears of the same run.
    waiting: HashMap<CallKey, (RunId, Timestamp)>,
}

impl CallDesk {
    /// A desk without calls.
    pub fn new(parts: CallDeskParts) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            parts,
            slots: Arc::new(Semaphore::new(MOST_CALLS)),
            memory: Mutex::default(),
            restored: OnceCell::new(),
            me: Weak::clone(me),
        })
    }

    fn memory<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn made(&self, call: RemoteCall) -> Result<Result<String, String>, AgentError> {
        self.restored.get_or_try_init(|| self.restore()).await?;
        let key = (call.principal.key, call_hash(&call.spec.name, &call.arguments));
        let now = self.parts.clock.now();
        let waits = self.memory(|memory| {
            memory.waiting.retain(|_, (_, until)| now < *until);
            memory.waiting.get(&key).map(|(run, _)| *run)
        });
        let run = match waits {
            Some(run) => run,
            None => match self.begin(call, key).await? {
                Ok(run) => run,
                Err(error) => return Ok(Err(error.to_string())),
            },
        };
        self.heard(run, key).await
    }

    /// Begins the run of a call; returns once it has ended or waits for the owner.
    async fn begin(&self, call: RemoteCall, key: CallKey) -> Result<Result<RunId, ToolError>, AgentError> {
        let waiting =
            self.memory(|memory| memory.waiting.keys().filter(|(owner, _)| *owner == key.0).count());
        if waiting >= MOST_WAITING {
            let error =
                ToolError::new("mcp.waiting", "Too many calls of this key wait for the owner already.");
            return Ok(Err(error.hint("Wait until they are answered.")));
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Ok(Err(
                ToolError::new("mcp.busy", "Too many calls are under way.").hint("Try again later.")
            ));
        };
        let order = self.order(call);
        let (tell, hear) = oneshot::channel();
        let desk = self.me.clone();
        let work = async move {
            let Some(desk) = desk.upgrade() else { return };
            let begun = desk.run(order, key).await;
            drop(slot);
            // A client that has left does not hear it.
            let _left = tell.send(begun);
        };
        self.parts.spawn.spawn(TaskName::McpCall, Box::pin(work));
        match hear.await {
            Ok(begun) => begun.map(Ok),
            Err(_) => Ok(Err(ToolError::new("tool.stopped", "The server is stopping.").uncertain())),
        }
    }

    async fn run(&self, order: RunOrder, key: CallKey) -> Result<RunId, AgentError> {
        let run = self.parts.agent.start(order).await?;
        if self.parts.agent.wait(run).await?.status == RunStatus::Parked {
            self.remember_waiting(key, run);
        }
        Ok(run)
    }

    /// The order of a call. What a client sends is the word of a tool that the owner let in, not of the owner: nothing in it counts
    /// as written by the owner, and what reaches outside or cannot be undone asks.
    fn order(&self, call: RemoteCall) -> RunOrder {
        let (name, key) = (call.spec.name.clone(), call.principal.key);
        let goal = format!("{name} {}", canonical_json(&call.arguments));
        let target = call.spec.target.as_ref().filter(|_| call.spec.effect > EffectClass::ReadOnly);
        let target = target.and_then(|argument| call.arguments.get(argument)?.as_str());
        let version = |target: &str| {
            let version = self.memory(|memory| memory.seen.get(&(key, target.to_owned())).cloned())?;
            Some((target.to_owned(), version))
        };
        let seen = target.and_then(version).into_iter().collect();
        let mut order = RunOrder::new(RunId(self.parts.ids.new_id()), goal);
        order.call = Some(Box::new(CallOrder { tool: name, arguments: call.arguments, seen }));
        order.tools = vec![call.spec];
        order.mode = Mode::Reflexive;
        order.asked_by = Label::Tool;
        order.principal = Some(call.principal);
        order.origin = call.origin;
        order.limits = self.parts.limits;
        order
    }

    fn remember_waiting(&self, key: CallKey, run: RunId) {
        let patience = SignedDuration::from_secs(i64::from(self.parts.limits.patience_seconds));
        let until = self.parts.clock.now().checked_add(patience).unwrap_or(Timestamp::MAX);
        self.memory(|memory| {
            memory.waiting.insert(key, (run, until));
        });
    }

    /// What came of a run, or what it waits for once the client's patience is over.
    async fn heard(&self, run: RunId, key: CallKey) -> Result<Result<String, String>, AgentError> {
        let agent = &self.parts.agent;
        let mut state = agent.state_of(run).await?;
        if !state.status().is_final() {
            match tokio::time::timeout(self.parts.patience, agent.wait_for_end(run)).await {
                Ok(record) => record.map(drop)?,
                Err(_) => return Ok(Err(self.pending(run).await?)),
            }
            state = agent.state_of(run).await?;
        }
        let refused = state.outcome().and_then(|outcome| outcome.code.as_deref()) == Some("approval.denied");
        if !refused {
            self.memory(|memory| {
                memory.waiting.remove(&key);
            });
        }
        self.remember_seen(key.0, &state);
        let nothing = || Err("The run ended without a word.".to_owned());
        Ok(state.call_result().unwrap_or_else(nothing))
    }

    fn remember_seen(&self, key: Option<KeyId>, state: &RunState) {
        let before = state.order().call.iter().flat_map(|call| call.seen.keys());
        self.memory(|memory| {
            before.for_each(|target| drop(memory.seen.remove(&(key, target.clone()))));
            if memory.seen.len() + state.seen.len() > MOST_SEEN {
                memory.seen.clear();
            }
            let seen = state.seen.iter();
            memory.seen.extend(seen.map(|(target, version)| ((key, target.clone()), version.clone())));
        });
    }

    /// What a run waits for, for the client's model.
    async fn pending(&self, run: RunId) -> Result<String, AgentError> {
        let open = self.parts.agent.parts().approvals.approvals(Some(run), true).await?;
        let Some(question) = open.first() else {
            let error = ToolError::new("approval.pending", "The call is just being made.");
            return Ok(error.hint("Make exactly the same call again to hear what came of it.").to_string());
        };
        let error = ToolError::new("approval.pending", waiting_for(question));
        let hint = "Once the owner has approved it, it is made; make exactly the same call again to hear what came of it.";
        Ok(error.hint(hint).to_string())
    }

    /// Learns which calls waited when the process before ended.
    async fn restore(&self) -> Result<(), AgentError> {
        let filter =
            |status| RunFilter { status: Some(status), door: Some(RunDoor::Mcp), ..RunFilter::default() };
        let agent = &self.parts.agent;
        for run in agent.parts().runs.runs(filter(RunStatus::Parked)).await? {
            let state = agent.state_of(run.id).await?;
            if let Some(call) = &state.order().call {
                self.remember_waiting((run.owner, call.hash()), run.id);
            }
        }
        Ok(())
    }
}

fn waiting_for(question: &Approval) -> String {
    let id = question.id;
    match &question.subject {
        ApprovalSubject::Calls(calls) => {
            let why = calls.first().map(|call| call.decision.explain(Lang::En)).unwrap_or_default();
            format!("The call {why}. The question waits for the owner as {id}; nothing was done.")
        }
        ApprovalSubject::Fate(_) => {
            format!("Nobody knows whether the call happened. The owner is asked as {id}.")
        }
        _ => format!("The call waits for the owner as {id}; nothing was done."),
    }
}

impl RemoteCalls for CallDesk {
    fn call(&self, call: RemoteCall) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async move {
            self.made(call).await.unwrap_or_else(|error| {
                let told =
                    ToolError::new("run.store", format!("The call cannot be put on the record: {error}"));
                Err(told.to_string())
            })
        })
    }
}
