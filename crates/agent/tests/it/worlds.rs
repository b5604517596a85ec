//! Random worlds: whatever the model says, in whatever order things end, whenever the process dies and whatever people
//! answer, no effect happens twice, no limit is passed, the record is whole, and the run ends or parks.

use crate::machine::{call, price, text, tool};
use jiff::{SignedDuration, Timestamp};
use nunchi_agent::{
    ChildResult, Effect, EffectId, Event, ModelAsk, ModelFailure, ModelReply, RunOrder, RunState, Transition,
    Work, request_for, step,
};
use nunchi_core::{
    Answer, ApprovalSubject, EffectClass, Mode, NanoUsd, Part, Preview, RunId, RunStatus, ServiceTier,
    StepRecord, ToolError, ToolFate, ToolOutput, Usage, cost, prompt_token_bound, verify_steps,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Where chance comes from; when it is used up, everything goes well.
struct Chance(Vec<u8>, usize);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        let drawn = self.0.get(self.1).copied().unwrap_or(0);
        self.1 += 1;
        usize::from(drawn) % count
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }
}

struct World {
    chance: Chance,
    now: Timestamp,
    /// What is stored.
    state: RunState,
    steps: Vec<StepRecord>,
    /// What is under way in the present process.
    under_way: Vec<(EffectId, Work)>,
    /// How often each call was really made, by key.
    made: BTreeMap<String, usize>,
    past: Vec<Event>,
    crashes: usize,
}

impl World {
    fn new(mode: Mode, chance: Vec<u8>) -> Self {
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        let mut order =
            RunOrder::new(RunId(Uuid::from_u128(7)), "Look at x, write y and send it to kim@example.com");
        order.mode = mode;
        order.price = Some(price());
        order.limits.money = Some(NanoUsd(400_000_000));
        (order.limits.turns, order.limits.tool_calls) = (8, 10);
        let mut write = tool("write", EffectClass::Reversible);
        (write.previews, write.target) = (true, Some("path".into()));
        let mut send = tool("send", EffectClass::Final);
        (send.guarded, send.fee) = (vec!["to".into()], NanoUsd(1_000_000));
        order.tools = vec![tool("look", EffectClass::ReadOnly), write, send];
        let state = RunState::new(order, now);
        Self {
            chance: Chance(chance, 0),
            now,
            state,
            steps: Vec::new(),
            under_way: Vec::new(),
            made: BTreeMap::new(),
            past: Vec::new(),
            crashes: 0,
        }
    }

    fn feed(&mut self, event: Event) {
        self.now += SignedDuration::from_millis(100);
        let version = self.state.record().version;
        let Transition { state, effects, steps } = step(self.state.clone(), event.clone(), self.now);
        assert_eq!(state.record().version, version + 1);
        // What is stored is what is read back.
        let bytes = serde_json::to_vec(&state).unwrap();
        self.state = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(self.state, state);
        self.steps.extend(steps);
        self.past.push(event);
        for effect in effects {
            match effect {
                Effect::Perform(id, work) => {
                    assert!(
                        self.under_way.iter().all(|(other, _)| *other != id),
                        "{id:?} is under way already"
                    );
                    self.under_way.push((id, work));
                }
                Effect::Abort(id) => self.under_way.retain(|(other, _)| *other != id),
                Effect::Tell(_) => {}
            }
        }
        self.check();
    }

    fn check(&self) {
        assert!(self.made.values().all(|times| *times == 1), "{:?}", self.made);
        let (record, limits) = (self.state.record(), self.state.order().limits);
        assert_eq!(self.steps.len(), record.totals.steps as usize);
        // Each approval of a person raises a limit by what it was; none is passed without one.
        let raised = self
            .past
            .iter()
            .filter(|event| matches!(event, Event::Answered { answer: Answer::Approve, .. }))
            .count();
        let raised = u32::try_from(raised).unwrap() + 1;
        assert!(record.totals.turns <= limits.turns * raised);
        assert!(record.totals.tool_calls <= limits.tool_calls * raised);
        let money = NanoUsd(limits.money.unwrap().0 * i64::from(raised));
        assert!(self.state.committed() <= money, "{} of {money}", self.state.committed());
        assert_eq!(record.status.is_final(), record.outcome.is_some());
        assert_eq!(record.status.is_final(), self.state.pending().is_empty());
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.under_way.clear();
        self.past.push(Event::Tick);
        self.feed(Event::Resumed(Vec::new()));
    }

    /// One thing happens.
    fn turn(&mut self) {
        match self.chance.below(16) {
            13 if self.crashes < 6 => return self.crash(),
            14 if !self.past.is_empty() => {
                let again = self.past[self.chance.below(self.past.len())].clone();
                if !matches!(again, Event::Resumed(_) | Event::Cancel(_)) {
                    return self.feed(again);
                }
            }
            15 => {
                if self.chance.one_in(4) {
                    self.now += SignedDuration::from_hours(25);
                }
                return self.feed(Event::Tick);
            }
            _ => {}
        }
        if self.under_way.is_empty() {
            return;
        }
        let at = self.chance.below(self.under_way.len());
        let (id, work) = self.under_way.remove(at);
        if let Some(event) = self.perform(id, work) {
            self.feed(event);
        }
    }

    fn perform(&mut self, id: EffectId, work: Work) -> Option<Event> {
        Some(match work {
            Work::CallModel(ask) => self.call_model(id, &ask),
            Work::Preview(_) => Event::Previewed(id, Ok(Preview { current: None, diff: "+ y".into() })),
            Work::RunTool(made) => {
                let traces = made.tool != "look";
                if self.chance.one_in(8) {
                    return Some(Event::ToolEnded(id, Err(ToolError::new("x.failed", "It failed.")), 1));
                }
                if traces {
                    *self.made.entry(made.key.clone()).or_default() += 1;
                }
                match self.chance.below(6) {
                    // The effect is there, but the process dies before anybody hears of it.
                    4 if self.crashes < 6 => {
                        self.crash();
                        return None;
                    }
                    5 => Event::ToolEnded(id, Err(ToolError::new("x.cut", "Cut.").uncertain()), 1),
                    _ => Event::ToolEnded(id, Ok(ToolOutput::text(self.past.len().to_string())), 1),
                }
            }
            Work::CheckFate(made) => Event::FateKnown(
                id,
                match self.made.contains_key(&made.key) {
                    _ if self.chance.one_in(4) => ToolFate::Unknown,
                    true => ToolFate::Happened(ToolOutput::text("it had happened")),
                    false => ToolFate::DidNot,
                },
            ),
            // Nobody answers for now.
            Work::Ask(_) if self.chance.one_in(5) => return None,
            Work::Ask(question) => {
                let (answer, answered) = (self.answer(&question.subject), self.now);
                Event::Answered { effect: id, answer, by: "test".into(), answered }
            }
            Work::Delegate(order) => {
                let ok = self.chance.below(3) != 2;
                let cost = NanoUsd(order.limits.money.unwrap().0 / 2);
                Event::ChildEnded(
                    id,
                    Box::new(ChildResult { ok, text: "part".into(), cost, ..ChildResult::default() }),
                )
            }
        })
    }

    fn call_model(&mut self, id: EffectId, ask: &ModelAsk) -> Event {
        if self.chance.one_in(12) {
            if self.chance.one_in(2) {
                return Event::BudgetBreached(id, "day".into());
            }
            let failure = ModelFailure { code: "upstream.cut".into(), message: "cut".into(), charged: true };
            return Event::ModelFailed(id, failure);
        }
        let prompt = prompt_token_bound(&request_for(&self.state, ask)) / 3;
        let usage = Usage { input: prompt, output: ask.max_output_tokens / 5, ..Usage::default() };
        let cost = cost(&price(), &usage, ServiceTier::Standard);
        assert!(cost <= ask.bound);
        Event::ModelReplied(id, Box::new(ModelReply { usage, cost, ..self.reply() }))
    }

    /// Whatever a person says, nothing is made twice.
    fn answer(&mut self, subject: &ApprovalSubject) -> Answer {
        match (subject, self.chance.below(4) != 3) {
            (_, false) => Answer::Deny(None),
            (ApprovalSubject::Question(_), true) => Answer::Reply("Do as you think.".into()),
            (ApprovalSubject::Calls(calls), true) if calls.len() > 1 => {
                Answer::ApproveSome(vec![calls[0].hash])
            }
            _ => Answer::Approve,
        }
    }

    fn reply(&mut self) -> ModelReply {
        let n = self.chance.below(3);
        match self.chance.below(9) {
            0 => text(
                "{\"nodes\": [{\"id\": \"a\", \"goal\": \"look\", \"tools\": [\"look\"]}, {\"id\": \"b\", \"goal\": \"write\", \"tools\": [\"write\"], \"after\": [\"a\"]}], \"goals\": []}",
            ),
            1 => call("look", &json!({ "n": n })),
            2 => call("write", &json!({ "path": format!("y{n}"), "text": "y" })),
            3 => call("send", &json!({ "to": "kim@example.com", "n": n })),
            4 => call("ask_user", &json!({ "question": "Which?" })),
            5 => call("delegate", &json!({ "goal": "a part" })),
            6 => {
                let mut parts = Vec::new();
                for (at, name) in ["send", "look", "write", "send", "unknown"].iter().enumerate() {
                    let arguments = json!({ "path": format!("z{at}"), "to": "eve", "n": at + n }).to_string();
                    parts.push(Part::ToolCall {
                        id: at.to_string(),
                        name: (*name).into(),
                        arguments,
                        signature: None,
                    });
                }
                ModelReply { parts, ..ModelReply::default() }
            }
            7 => text("I have sent it. {\"questions\": [\"Which?\"]}"),
            _ => ModelReply::default(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn nothing_happens_twice_and_every_run_ends_or_parks(
        mode in prop::sample::select(vec![Mode::Reflexive, Mode::Deliberate, Mode::Autonomous, Mode::Ultrawork]),
        chance in prop::collection::vec(any::<u8>(), 0..240),
    ) {
        let mut world = World::new(mode, chance);
        world.feed(Event::Started);
        let mut turns = 0;
        while !world.state.status().is_final() {
            if world.under_way.is_empty() {
                // Nothing moves: either people are waited for, or something was lost, which may not be.
                prop_assert_eq!(world.state.status(), RunStatus::Parked);
                world.now += SignedDuration::from_hours(25);
                world.feed(Event::Tick);
            }
            world.turn();
            turns += 1;
            prop_assert!(turns < 4_000, "it does not end");
        }
        world.feed(Event::Resumed(Vec::new()));
        prop_assert!(world.under_way.is_empty());
        prop_assert_eq!(verify_steps(&world.steps), Ok(()));
    }
}
