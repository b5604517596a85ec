//! The driver: performs the machine's effects through ports. One run is one named task; a run that waits for people is none.

mod drive;
mod error;
mod keeping;
mod perform;
mod rules;

pub(crate) use drive::change;
pub use error::AgentError;

use crate::effect::{ChildResult, Event, Notice};
use crate::order::RunOrder;
use crate::state::RunState;
use drive::Drive;
use nunchi_core::{
    Answer, Approval, ApprovalId, ApprovalState, ApprovalStore, Clock, Ids, Model, OriginalStore, Principal,
    RunFilter, RunId, RunRecord, RunStatus, RunStore, Spawn, StepRecord, StorageError, TaskName, ToolBox,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{broadcast, mpsc};

/// Events that one run may have waiting; senders are told when there are more.
const MAILBOX: usize = 64;
/// Events that a slow watcher may lag behind.
const FEED: usize = 1_024;

/// What an agent is made of. The model is the only thing that can spend.
pub struct AgentParts {
    /// Answers, and holds budgets: the gateway.
    pub model: Arc<dyn Model>,
    /// The tools.
    pub tools: Arc<dyn ToolBox>,
    /// Where runs live.
    pub runs: Arc<dyn RunStore>,
    /// Where questions to people live.
    pub approvals: Arc<dyn ApprovalStore>,
    /// Where results are kept whole that a model is shown shortened; `None`: what is left out is lost.
    pub originals: Option<Arc<dyn OriginalStore>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Tasks.
    pub spawn: Arc<dyn Spawn>,
    /// On whose behalf models are called where the order names nobody.
    pub principal: Arc<Principal>,
}

/// What whoever watches is told of a run. Nothing of it is needed to take the run up again.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// More of the answer.
    Text(String),
    /// A step was recorded.
    Step(Arc<StepRecord>),
    /// A person is asked.
    Asked(Arc<Approval>),
    /// Estimate, plan, parking, end.
    Notice(Arc<Notice>),
    /// The run cannot be stored, so it stopped as it was; [`Agent::recover`] takes it up again.
    Stopped(Arc<AgentError>),
}

/// Runs orders. Always inside an `Arc`.
pub struct Agent {
    parts: AgentParts,
    live: Mutex<BTreeMap<RunId, mpsc::Sender<Event>>>,
    feed: broadcast::Sender<(RunId, RunEvent)>,
    /// Runs that ended or parked.
    stops: broadcast::Sender<RunId>,
    /// Counts changes of the rules in force.
    rules_version: AtomicU64,
    me: Weak<Agent>,
}

impl Agent {
    /// An agent without runs; call [`Agent::recover`] once after a start.
    pub fn new(parts: AgentParts) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            parts,
            live: Mutex::default(),
            feed: broadcast::channel(FEED).0,
            stops: broadcast::channel(FEED).0,
            rules_version: AtomicU64::new(0),
            me: Weak::clone(me),
        })
    }

    /// What happens in all runs from now on.
    pub fn watch(&self) -> broadcast::Receiver<(RunId, RunEvent)> {
        self.feed.subscribe()
    }

    /// Begins a run. It is stored when this returns, and will end or park whatever happens. Its rules are those in force.
    ///
    /// # Errors
    /// When rules cannot be read, or a run of this id exists.
    pub async fn start(&self, mut order: RunOrder) -> Result<RunId, AgentError> {
        let id = order.id;
        let in_force = self.rules_in_force().await?;
        order.rules = in_force.rules;
        let state = RunState::new(order, self.parts.clock.now());
        self.parts.runs.save(drive::change(&state, Vec::new())?).await?;
        self.spawn_run(state, in_force.version, [Event::Started]);
        Ok(id)
    }

    /// Takes up every run that has not ended; tells how many. Parked ones, too: the process may have ended before their
    /// questions were put in the queue, or before an answer reached them. Those that still wait park again.
    ///
    /// # Errors
    /// When runs cannot be read.
    pub async fn recover(&self) -> Result<usize, AgentError> {
        let mut count = 0;
        for status in [RunStatus::Running, RunStatus::Parked] {
            let filter = RunFilter { status: Some(status), ..RunFilter::default() };
            for run in self.parts.runs.runs(filter).await? {
                self.wake(run.id, None).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Tells the time to parked runs whose questions have expired; tells how many.
    ///
    /// # Errors
    /// When runs cannot be read.
    pub async fn tick(&self) -> Result<usize, AgentError> {
        let filter = RunFilter { wake_by: Some(self.parts.clock.now()), ..RunFilter::default() };
        let runs = self.parts.runs.runs(filter).await?;
        for run in &runs {
            self.wake(run.id, Some(Event::Tick)).await?;
        }
        Ok(runs.len())
    }

    /// Answers a question, from wherever; the run goes on at the very step that waits. The same answer twice is one.
    ///
    /// # Errors
    /// When it is too late, does not fit, or another answer was given; then nothing happens.
    pub async fn answer(&self, id: ApprovalId, answer: Answer, by: &str) -> Result<Approval, AgentError> {
        let now = self.parts.clock.now();
        let grants = matches!(answer, Answer::ApproveAndGrant(_));
        let question = self.parts.approvals.answer(id, answer, by.to_owned(), now).await??;
        if grants {
            self.rules_changed();
        }
        // The run finds the stored answer when it is taken up; a run that is at work is told to look.
        self.wake(question.run, Some(Event::Tick)).await?;
        Ok(question)
    }

    /// Stops a run and its sub-agents. A run that has ended stays as it is.
    ///
    /// # Errors
    /// When the run cannot be read.
    pub async fn cancel(&self, run: RunId, by: &str) -> Result<(), AgentError> {
        self.wake(run, Some(Event::Cancel(by.to_owned()))).await
    }

    /// Takes up a run that nobody drives: it stopped as it was, or something it waits for may have changed. A run that is at
    /// work is told to look; one that has ended stays as it is.
    ///
    /// # Errors
    /// When the run cannot be read.
    pub async fn resume(&self, run: RunId) -> Result<(), AgentError> {
        self.wake(run, Some(Event::Tick)).await
    }

    /// A run as it is stored: as lists show it, and its state.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn stored(&self, run: RunId) -> Result<Option<(RunRecord, RunState)>, AgentError> {
        let Some((record, bytes)) = self.parts.runs.load(run).await? else { return Ok(None) };
        Ok(Some((record, state_of(run, &bytes)?)))
    }

    /// Goes on with an ended run's workflow at a node, as a new run; the ended one stays as it is.
    ///
    /// # Errors
    /// When the run cannot be read, is no workflow, has not ended, or never came to that node.
    pub async fn resume_at(&self, run: RunId, node: &str) -> Result<RunId, AgentError> {
        let state = self.state_of(run).await?;
        let order = state.resumed_at(RunId(self.parts.ids.new_id()), node)?;
        self.start(order).await
    }

    /// The last stored state of a run.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn state_of(&self, run: RunId) -> Result<RunState, AgentError> {
        match self.stored(run).await? {
            Some((_, state)) => Ok(state),
            None => Err(StorageError::NotFound(format!("run {run}")).into()),
        }
    }

    /// Waits until a run has ended or waits for people.
    ///
    /// # Errors
    /// When the run cannot be read.
    pub async fn wait(&self, run: RunId) -> Result<RunRecord, AgentError> {
        self.wait_for(run, RunStatus::Parked).await
    }

    /// Waits for the end of a run, however long people take.
    pub(crate) async fn wait_for_end(&self, run: RunId) -> Result<RunRecord, AgentError> {
        self.wait_for(run, RunStatus::Done).await
    }

    /// Waits for the end of a run, or for its parking if that is asked for.
    async fn wait_for(&self, run: RunId, or: RunStatus) -> Result<RunRecord, AgentError> {
        let mut stops = self.stops.subscribe();
        let mut stopped = false;
        loop {
            let at_work = self.live().contains_key(&run);
            let stored = self.parts.runs.load(run).await?.map(|(record, _)| record);
            // A parked run that has a task was just answered, and goes on.
            let parked = |record: &RunRecord| record.status == RunStatus::Parked && or == record.status;
            match stored {
                Some(record) if record.status.is_final() || (parked(&record) && !at_work) => {
                    return Ok(record);
                }
                Some(record) if record.status == RunStatus::Parked => {}
                _ if stopped && !at_work => return Err(AgentError::Stopped(run)),
                _ => {}
            }
            stopped = loop {
                match stops.recv().await {
                    Ok(other) if other != run => {}
                    Ok(_) => break true,
                    // Having missed some is a reason to look again, nothing more.
                    Err(_) => break false,
                }
            };
        }
    }

    /// Hands an event to a run's task; a run without one is taken up from its stored state first.
    async fn wake(&self, run: RunId, event: Option<Event>) -> Result<(), AgentError> {
        while !self.post(run, &event)? {
            let Some((record, bytes)) = self.parts.runs.load(run).await? else {
                return Err(StorageError::NotFound(format!("run {run}")).into());
            };
            if record.status.is_final() {
                return Ok(());
            }
            let state = state_of(run, &bytes)?;
            let in_force = self.rules_in_force().await?;
            let events = [Event::Resumed(in_force.rules)].into_iter().chain(event.clone());
            if self.spawn_run(state, in_force.version, events) {
                return Ok(());
            }
            // Somebody else has taken it up meanwhile; the event goes to them.
        }
        Ok(())
    }

    /// Whether the run has a task, which then has the event.
    fn post(&self, run: RunId, event: &Option<Event>) -> Result<bool, AgentError> {
        let live = self.live();
        let Some(mailbox) = live.get(&run) else { return Ok(false) };
        match event.clone().map(|event| mailbox.try_send(event)) {
            None | Some(Ok(())) => Ok(true),
            Some(Err(_)) => Err(AgentError::Busy(run)),
        }
    }

    /// Starts the task of a run; not if it has one.
    fn spawn_run(
        &self,
        state: RunState,
        rules_version: u64,
        events: impl IntoIterator<Item = Event>,
    ) -> bool {
        let Some(agent) = self.me.upgrade() else { return false };
        let run = state.order().id;
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        match self.live().entry(run) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(place) => drop(place.insert(sender)),
        }
        let drive = Drive::new(agent, (state, rules_version), events.into_iter().collect(), mailbox);
        self.parts.spawn.spawn(TaskName::AgentRun, Box::pin(drive.run()));
        true
    }

    pub(crate) fn parts(&self) -> &AgentParts {
        &self.parts
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<RunId, mpsc::Sender<Event>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, run: RunId, event: RunEvent) {
        // Nobody may be watching.
        drop(self.feed.send((run, event)));
    }

    /// Starts a sub-agent, or finds the one that was started before; waits for its end.
    async fn delegate(&self, order: RunOrder) -> Result<ChildResult, AgentError> {
        let id = order.id;
        match self.parts.runs.load(id).await? {
            None => drop(self.start(order).await?),
            // A parked one waits for a person and is taken up by the answer.
            Some((record, _)) if record.status == RunStatus::Running => self.wake(id, None).await?,
            Some(_) => {}
        }
        let record = self.wait_for(id, RunStatus::Done).await?;
        let state = self
            .parts
            .runs
            .load(id)
            .await?
            .and_then(|(_, bytes)| serde_json::from_slice::<RunState>(&bytes).ok());
        let outcome = record.outcome.unwrap_or_default();
        Ok(ChildResult {
            ok: record.status == RunStatus::Done,
            text: outcome.text,
            output: outcome.output,
            receipts: outcome.receipts,
            sources: outcome.sources,
            code: outcome.code,
            uncertain: outcome.uncertain,
            cost: state.as_ref().map_or(record.totals.cost, RunState::committed),
            stranger: state.is_none_or(|state| state.has_stranger()),
        })
    }

    /// The answers that were given to a run's questions and that it may not have heard of.
    async fn answers(&self, questions: Vec<(crate::EffectId, Approval)>) -> Result<Vec<Event>, AgentError> {
        let mut events = Vec::new();
        for (effect, question) in questions {
            let stored = self.parts.approvals.ask(question).await?;
            if let ApprovalState::Answered { answer, by, at } = stored.state {
                events.push(Event::Answered { effect, answer, by, answered: at });
            }
        }
        Ok(events)
    }
}

fn state_of(run: RunId, bytes: &[u8]) -> Result<RunState, AgentError> {
    let damaged = |error| StorageError::Damaged(format!("state of run {run}: {error}"));
    Ok(serde_json::from_slice(bytes).map_err(damaged)?)
}
