//! The task of one run: take an event, step, store, perform. What is stored is never behind what is done.

use super::{Agent, AgentError, RunEvent};
use crate::effect::{Effect, EffectId, Event, Work};
use crate::machine::{Transition, step};
use crate::state::RunState;
use bytes::Bytes;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use nunchi_core::{BoxFuture, RunChange, RunStatus, StepRecord, StorageError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// An effect under way; it may end without anything to tell (a question that nobody has answered).
type UnderWay = Abortable<BoxFuture<'static, Result<Option<Event>, AgentError>>>;

/// What is stored of a state and the steps that led to it.
pub(crate) fn change(state: &RunState, steps: Vec<StepRecord>) -> Result<RunChange, AgentError> {
    let bytes = serde_json::to_vec(state)
        .map_err(|error| StorageError::Other(format!("the state has no JSON form: {error}")))?;
    Ok(RunChange { record: state.record(), state: Bytes::from(bytes), steps })
}

/// A run that is being driven.
pub(super) struct Drive {
    agent: Arc<Agent>,
    state: RunState,
    /// Which rules the run knows.
    rules_version: u64,
    events: VecDeque<Event>,
    mailbox: mpsc::Receiver<Event>,
    under_way: FuturesUnordered<UnderWay>,
    handles: BTreeMap<EffectId, (AbortHandle, Work)>,
}

impl Drive {
    pub(super) fn new(
        agent: Arc<Agent>,
        (state, rules_version): (RunState, u64),
        events: VecDeque<Event>,
        mailbox: mpsc::Receiver<Event>,
    ) -> Self {
        let (under_way, handles) = (FuturesUnordered::new(), BTreeMap::new());
        Self { agent, state, rules_version, events, mailbox, under_way, handles }
    }

    /// Drives the run until it ends, parks, or cannot be stored.
    pub(super) async fn run(mut self) {
        let run = self.state.order().id;
        let result = self.until_stop().await;
        if let Err(error) = result {
            self.agent.live().remove(&run);
            tracing::warn!(%run, %error, "a run stopped as it was");
            self.agent.tell(run, RunEvent::Stopped(Arc::new(error)));
        }
        drop(self.agent.stops.send(run));
    }

    async fn until_stop(&mut self) -> Result<(), AgentError> {
        loop {
            if self.state.status().is_final() {
                self.agent.live().remove(&self.state.order().id);
                return Ok(());
            }
            if self.may_leave() {
                return Ok(());
            }
            let Some(event) = self.next_event().await? else { return Ok(()) };
            if matches!(event, Event::Tick) {
                self.hear_answers().await?;
            }
            self.step(event).await?;
        }
    }

    /// Whether nothing but people is waited for and no letter has come: the task ends, and a letter that comes later starts
    /// the next one. The lock makes sure that no letter falls between.
    fn may_leave(&mut self) -> bool {
        if self.state.status() != RunStatus::Parked || !self.under_way.is_empty() || !self.events.is_empty() {
            return false;
        }
        let run = self.state.order().id;
        let mut live = self.agent.live();
        match self.mailbox.try_recv() {
            Ok(event) => {
                self.events.push_back(event);
                false
            }
            Err(_) => {
                live.remove(&run);
                true
            }
        }
    }

    async fn next_event(&mut self) -> Result<Option<Event>, AgentError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            tokio::select! {
                biased;
                letter = self.mailbox.recv() => return Ok(letter),
                Some(ended) = self.under_way.next(), if !self.under_way.is_empty() => {
                    if let Ok(result) = ended {
                        self.events.extend(result?);
                    }
                }
            }
            if self.events.is_empty() && self.may_leave() {
                return Ok(None);
            }
        }
    }

    /// Before time is told to a run, it hears what people have answered in time.
    async fn hear_answers(&mut self) -> Result<(), AgentError> {
        let question = |(id, work): (&EffectId, &Work)| match work {
            Work::Ask(approval) => Some((*id, (**approval).clone())),
            _ => None,
        };
        let questions: Vec<_> = self.state.pending().iter().filter_map(question).collect();
        for event in self.agent.answers(questions).await? {
            self.step(event).await?;
        }
        Ok(())
    }

    /// Takes an event by the rules that are in force when it comes.
    async fn step(&mut self, event: Event) -> Result<(), AgentError> {
        if let Some(changed) = self.agent.rules_since(self.rules_version).await? {
            self.rules_version = changed.version;
            self.take(Event::RulesChanged(changed.rules)).await?;
        }
        self.take(event).await
    }

    async fn take(&mut self, event: Event) -> Result<(), AgentError> {
        let now = self.agent.parts.clock.now();
        let Transition { state, effects, steps } = step(self.state.clone(), event, now);
        self.agent.parts.runs.save(change(&state, steps.clone())?).await?;
        self.state = state;
        let run = self.state.order().id;
        for record in steps {
            self.agent.tell(run, RunEvent::Step(Arc::new(record)));
        }
        for effect in effects {
            match effect {
                Effect::Perform(id, work) => self.begin(id, work),
                Effect::Abort(id) => self.abort(id).await,
                Effect::Tell(notice) => self.agent.tell(run, RunEvent::Notice(Arc::new(notice))),
            }
        }
        Ok(())
    }

    fn begin(&mut self, id: EffectId, work: Work) {
        let (handle, registration) = AbortHandle::new_pair();
        let future = Arc::clone(&self.agent).perform(&self.state, id, work.clone());
        self.under_way.push(Abortable::new(future, registration));
        self.handles.insert(id, (handle, work));
    }

    async fn abort(&mut self, id: EffectId) {
        let Some((handle, work)) = self.handles.remove(&id) else { return };
        handle.abort();
        if let Work::Delegate(order) = work
            && let Err(error) = Box::pin(self.agent.cancel(order.id, "the run above")).await
        {
            tracing::warn!(run = %order.id, %error, "a sub-agent could not be cancelled");
        }
    }
}
