//! The turn machine: `step(state, event, time)` gives the next state, the effects to perform and the steps to record.
//!
//! It does not wait, read a clock, draw lots or touch the outside. Its ideas are one file each: `thinking` (model turns),
//! `calls` (tool calls), `remote` (one call of somebody else's agent), `planning`, `verifying`, `waves` (sub-agents), `people` (questions and limits), `ending`.

use crate::effect::{Effect, EffectId, Event, Notice, Work};
use crate::modes::choose_mode;
use crate::record::Draft;
use crate::state::{Phase, RunState};
use jiff::Timestamp;
use nunchi_core::{Mode, PermissionRule, RunStatus, StepKind, StepRecord};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// What one event leads to. State and steps are stored together, before any of the effects is performed.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The state now.
    pub state: RunState,
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// New steps of the record.
    pub steps: Vec<StepRecord>,
}

/// Takes one event at a time of day. An event that no longer concerns the run changes nothing but its version.
pub fn step(state: RunState, event: Event, at: Timestamp) -> Transition {
    // A clock that was set back must not make time at work negative or steps unordered.
    let at = at.max(state.updated);
    let mut machine = Machine::at(state, at);
    if !machine.state.status.is_final() {
        machine.take(event);
        machine.settle();
    }
    machine.state.version += 1;
    machine.state.updated = at;
    Transition { state: machine.state, effects: machine.effects, steps: machine.steps }
}

/// A state that is being changed, and what comes of it.
pub(crate) struct Machine {
    pub(crate) state: RunState,
    pub(crate) at: Timestamp,
    pub(crate) effects: Vec<Effect>,
    pub(crate) steps: Vec<StepRecord>,
    /// Whether the nodes of a workflow are just being begun, one after the other.
    pub(crate) walking: bool,
}

impl Machine {
    /// A machine that has done nothing yet.
    pub(crate) fn at(state: RunState, at: Timestamp) -> Self {
        Self { state, at, effects: Vec::new(), steps: Vec::new(), walking: false }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started => self.begin(),
            Event::Resumed(rules) => self.resume(rules),
            Event::RulesChanged(rules) => self.state.order.rules = rules,
            Event::Tick => self.expire_questions(),
            Event::Cancel(by) => self.cancel(&by),
            Event::ModelReplied(id, reply) => self.on_model(id, |machine| machine.replied(*reply)),
            Event::ModelFailed(id, failure) => {
                let held = self.state.held.get(&id).copied().filter(|_| failure.charged);
                self.on_model(id, |machine| {
                    machine.state.held.extend(held.map(|held| (id, held)));
                    machine.model_failed(failure.code, failure.message);
                });
            }
            Event::BudgetBreached(id, sentence) => {
                self.on_model(id, |machine| machine.budget_breached(sentence))
            }
            Event::Previewed(id, result) => {
                if let Some(Work::Preview(_)) = self.claim(id, |work| matches!(work, Work::Preview(_))) {
                    self.previewed(id, result);
                }
            }
            Event::ToolEnded(id, result, latency_us) => {
                if let Some(Work::RunTool(call)) = self.claim(id, |work| matches!(work, Work::RunTool(_))) {
                    self.tool_ended(id, call, result, latency_us);
                }
            }
            Event::FateKnown(id, fate) => {
                if let Some(Work::CheckFate(call)) = self.claim(id, |work| matches!(work, Work::CheckFate(_)))
                {
                    self.fate_known(id, call, fate);
                }
            }
            Event::Answered { effect, answer, by, answered } => self.answered(effect, answer, &by, answered),
            Event::ChildEnded(id, result) => {
                if let Some(Work::Delegate(order)) = self.claim(id, |work| matches!(work, Work::Delegate(_)))
                {
                    self.child_ended(id, &order, *result);
                }
            }
        }
    }

    fn on_model(&mut self, id: EffectId, then: impl FnOnce(&mut Self)) {
        if self.claim(id, |work| matches!(work, Work::CallModel(_))).is_some() {
            then(self);
        }
    }

    /// Takes an effect off the list of what is under way, if it is there and of that kind.
    pub(crate) fn claim(&mut self, id: EffectId, kind: impl Fn(&Work) -> bool) -> Option<Work> {
        if !self.state.pending.get(&id).is_some_and(kind) {
            return None;
        }
        self.state.held.remove(&id);
        self.state.pending.remove(&id)
    }

    /// Has something done.
    pub(crate) fn perform(&mut self, work: Work) -> EffectId {
        let id = EffectId(self.state.next_effect);
        self.state.next_effect += 1;
        self.perform_as(id, work);
        id
    }

    fn perform_as(&mut self, id: EffectId, work: Work) {
        self.state.pending.insert(id, work.clone());
        self.effects.push(Effect::Perform(id, work));
    }

    pub(crate) fn tell(&mut self, notice: Notice) {
        self.effects.push(Effect::Tell(notice));
    }

    /// An id that is the same whenever this run makes it for the same purpose.
    pub(crate) fn derived_id(&self, purpose: &str) -> Uuid {
        let digest = Sha256::digest(format!("{} {purpose}", self.state.order.id));
        let mut low = [0; 10];
        low.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(self.at.as_millisecond()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &low).into_uuid()
    }

    fn begin(&mut self) {
        if self.state.phase != Phase::New {
            return;
        }
        let workflow = self.state.order.workflow.clone();
        let call = self.state.order.call.clone();
        let decided = workflow.is_some() || call.is_some();
        self.state.mode = if decided { Mode::Reflexive } else { choose_mode(&self.state.order) };
        if let Some(call) = call {
            return self.begin_order_call(*call);
        }
        let goal = self.state.order.goal.clone();
        self.record(Draft::new(StepKind::Message, "asked").input(goal));
        if let Some(workflow) = workflow {
            return self.begin_flow(&workflow);
        }
        self.begin_thread();
        let estimate = self.estimate();
        self.tell(Notice::Estimate(estimate));
        if self.policy().plans {
            self.ask_for_plan();
        } else {
            self.state.phase = Phase::Act;
            self.call_model();
        }
    }

    /// Takes up what was under way when the process ended. Nothing that may have left a trace in the world is done again:
    /// its tool is asked what became of it.
    fn resume(&mut self, rules: Vec<PermissionRule>) {
        self.state.order.rules = rules;
        // Nobody was at work between the last change and now.
        self.state.worked_ms = self.state.at_work_ms(self.state.updated);
        self.state.working_since = self.state.working_since.map(|_| self.at);
        if self.state.phase == Phase::New {
            return self.begin();
        }
        for (id, work) in std::mem::take(&mut self.state.pending) {
            if self.state.status.is_final() {
                return;
            }
            match work {
                // The lost answer may have been paid for, so its hold stays; the new call gets its own.
                Work::CallModel(_) => self.call_model(),
                Work::RunTool(call) if self.leaves_traces(&call.tool) => {
                    self.mark_orphan(id);
                    self.perform_as(id, Work::CheckFate(call));
                }
                work => self.perform_as(id, work),
            }
        }
    }

    /// Parks a run in which nothing but people is waited for, and takes it up again otherwise.
    fn settle(&mut self) {
        if self.state.status.is_final() {
            return;
        }
        debug_assert!(!self.state.pending.is_empty(), "a run that has not ended waits for something");
        if self.state.pending.is_empty() {
            return self.fail("agent.stuck", "the run has nothing left to do and no answer".into());
        }
        let waits = self.state.pending.values().all(|work| matches!(work, Work::Ask(_)));
        match (self.state.status, waits) {
            (RunStatus::Running, true) => {
                self.state.worked_ms = self.state.at_work_ms(self.at);
                self.state.working_since = None;
                self.state.status = RunStatus::Parked;
                let reason = self.waiting_for();
                self.state.reason = Some(reason.clone());
                self.tell(Notice::Parked { reason, until: self.state.wake_at() });
            }
            (RunStatus::Parked, false) => {
                self.state.working_since = Some(self.at);
                self.state.status = RunStatus::Running;
                self.state.reason = None;
            }
            _ => {}
        }
    }
}
