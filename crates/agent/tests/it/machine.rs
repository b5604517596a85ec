//! The machine, event by event: what each mode does, what limits and late or foreign events do.

use jiff::{SignedDuration, Timestamp};
use nunchi_agent::{
    ChildResult, Effect, EffectId, Event, ModelReply, Notice, RunOrder, RunState, Transition, Work,
    request_for, step,
};
use nunchi_core::{
    Answer, Approval, ApprovalSubject, EffectClass, Expect, Lang, LimitKind, Mode, ModelPrice, NanoUsd, Part,
    Preview, Rates, RunId, RunStatus, StopReason, ToolChoice, ToolOutput, ToolSpec, Usage,
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn text(text: &str) -> ModelReply {
    ModelReply { parts: vec![Part::Text(text.into())], cost: NanoUsd(1_000), ..ModelReply::default() }
}

pub(crate) fn call(name: &str, arguments: &Value) -> ModelReply {
    let part = Part::ToolCall {
        id: "c".into(),
        name: name.into(),
        arguments: arguments.to_string(),
        signature: None,
    };
    ModelReply { parts: vec![part], cost: NanoUsd(1_000), ..ModelReply::default() }
}

pub(crate) fn tool(name: &str, effect: EffectClass) -> ToolSpec {
    let mut spec = ToolSpec::new(name, name, json!({"type": "object"}));
    spec.effect = effect;
    spec
}

fn order(mode: Mode) -> RunOrder {
    let mut order = RunOrder::new(RunId(Uuid::from_u128(1)), "Look at x and write y");
    order.mode = mode;
    order.tools = vec![
        tool("look", EffectClass::ReadOnly),
        tool("write", EffectClass::Reversible),
        tool("cancelable", EffectClass::Compensable),
    ];
    order
}

/// A machine under test: events go in, the effects of the last one can be looked at.
struct Bench {
    state: RunState,
    effects: Vec<Effect>,
    now: Timestamp,
}

impl Bench {
    fn start(order: RunOrder) -> Self {
        let now = Timestamp::from_second(1_767_225_600).unwrap();
        let mut bench = Self { state: RunState::new(order, now), effects: Vec::new(), now };
        bench.feed(Event::Started);
        bench
    }

    fn feed(&mut self, event: Event) -> &mut Self {
        let Transition { state, effects, .. } = step(self.state.clone(), event, self.now);
        (self.state, self.effects) = (state, effects);
        self
    }

    fn only(&self) -> (EffectId, Work) {
        let mut pending = self.state.pending().iter();
        let (id, work) = pending.next().expect("something is under way");
        assert!(pending.next().is_none(), "{:?}", self.state.pending());
        (*id, work.clone())
    }

    fn replies(&mut self, reply: ModelReply) -> &mut Self {
        let (id, work) = self.only();
        assert!(matches!(work, Work::CallModel(_)), "{work:?}");
        self.feed(Event::ModelReplied(id, Box::new(reply)))
    }

    fn asked(&self) -> Approval {
        match self.only() {
            (_, Work::Ask(approval)) => *approval,
            (_, work) => panic!("{work:?}"),
        }
    }

    fn answers(&mut self, answer: Answer) -> &mut Self {
        let (effect, answered) = (self.only().0, self.now);
        self.feed(Event::Answered { effect, answer, by: "test".into(), answered })
    }

    fn last_words(&self) -> String {
        self.state.thread().last().unwrap().plain_text()
    }
}

fn plan(nodes: &Value) -> ModelReply {
    text(&json!({ "nodes": nodes }).to_string())
}

#[test]
fn reflexive_is_one_call() {
    let mut bench = Bench::start(order(Mode::Reflexive));
    assert!(matches!(bench.effects[0], Effect::Tell(Notice::Estimate(_))));
    bench.replies(text("x is 3."));
    assert_eq!(
        (bench.state.status(), bench.state.outcome().unwrap().text.as_str()),
        (RunStatus::Done, "x is 3.")
    );
    assert_eq!(bench.state.record().totals.turns, 1);
}

#[test]
fn deliberate_asks_plans_gets_consent_verifies_repairs_and_reports() {
    let mut bench = Bench::start(order(Mode::Deliberate));
    bench.replies(text("{\"questions\": [\"Which y?\"]}"));
    assert_eq!(bench.asked().subject, ApprovalSubject::Question("Which y?".into()));
    bench.answers(Answer::Reply("the second".into()));
    // One round of questions: a second one is a plan that is not usable.
    bench.replies(text("{\"questions\": [\"Really?\"]}"));
    assert!(bench.last_words().contains("1 to 20 nodes"));
    bench.replies(plan(&json!([
        {"id": "b", "goal": "write", "tools": ["cancelable"], "after": ["a"]},
        {"id": "a", "goal": "look", "tools": ["look"]},
    ])));
    let ApprovalSubject::Plan(planned) = bench.asked().subject else { panic!() };
    let nodes: Vec<_> = planned.nodes.iter().map(|node| (node.id.as_str(), node.effect)).collect();
    assert_eq!(nodes, [("a", EffectClass::ReadOnly), ("b", EffectClass::Compensable)]);
    bench.answers(Answer::Approve).replies(text("I could not."));
    // The model's word is not enough: no receipt shows it.
    let verdict = "{\"goals\": [{\"id\": \"a\", \"met\": true, \"receipts\": [1]}, {\"id\": \"b\", \"met\": false, \"missing\": \"all\"}]}";
    bench.replies(text(verdict));
    assert!(bench.last_words().contains("a: look (no receipt shows it)"));
    bench.replies(call("look", &json!({})));
    let (id, _) = bench.only();
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text("seen")), 5)).replies(text("x is 3."));
    let receipt = bench
        .last_words()
        .lines()
        .find_map(|line| line.strip_prefix("- ")?.strip_suffix(": look")?.parse::<u32>().ok());
    let verdict = json!({"goals": [{"id": "a", "met": true, "receipts": [receipt]}, {"id": "b", "met": true, "receipts": [receipt]}]});
    bench.replies(text(&verdict.to_string()));
    let outcome = bench.state.outcome().unwrap();
    assert_eq!(
        (bench.state.status(), outcome.unmet.as_slice()),
        (RunStatus::Done, &["b: write (no receipt shows it)".to_owned()][..])
    );
    assert!(outcome.text.contains("Not reached"));
}

#[test]
fn a_bad_plan_is_corrected_once_and_then_replaced_by_the_goal() {
    for (bad, complaint) in [
        (json!([]), "1 to 20"),
        (
            json!([{"id": "a", "goal": "g", "after": ["b"]}, {"id": "b", "goal": "g", "after": ["a"]}]),
            "wait for each other",
        ),
        (json!([{"id": "a", "goal": "g", "tools": ["none"]}]), "none"),
        (json!([{"id": "a", "goal": "g", "after": ["z"]}]), "z"),
        (json!([{"id": "a", "goal": "g"}, {"id": "a", "goal": "g"}]), "id of its own"),
        (json!("text"), "invalid type"),
    ] {
        let mut bench = Bench::start(order(Mode::Autonomous));
        bench.replies(plan(&bad));
        assert!(bench.last_words().contains(complaint), "{}", bench.last_words());
        bench.replies(text("no JSON at all"));
        assert!(bench.last_words().contains("Carry out the plan"));
    }
}

#[test]
fn autonomous_parks_and_never_offers_a_question() {
    let mut bench = Bench::start(order(Mode::Autonomous));
    let names = |bench: &Bench| {
        let (_, Work::CallModel(ask)) = bench.only() else { panic!() };
        let request = request_for(&bench.state, &ask);
        assert_eq!(request.tool_choice == ToolChoice::None, !ask.may_call_tools);
        request.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&bench), ["look", "write", "cancelable", "delegate"]);
    bench.replies(plan(&json!([{"id": "a", "goal": "g", "tools": ["cancelable"]}])));
    bench.replies(call("cancelable", &json!({})));
    assert!(matches!(bench.asked().subject, ApprovalSubject::Calls(_)));
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Tell(Notice::Parked { .. }))));
    assert_eq!(bench.state.status(), RunStatus::Parked);
}

#[test]
fn a_delegation_gets_at_most_what_its_parent_may_give() {
    let asked = |model: &str, wish: Value| {
        let mut order = order(Mode::Autonomous);
        (order.model, order.limits.money) = (model.into(), Some(NanoUsd::from_usd(2)));
        let mut bench = Bench::start(order);
        bench.replies(plan(&json!([{"id": "a", "goal": "g"}])));
        bench.replies(call("delegate", &wish));
        match bench.only() {
            (_, Work::Delegate(child)) => *child,
            (_, work) => panic!("{work:?}"),
        }
    };
    let usual = asked("auto", json!({"goal": "g"}));
    assert_eq!((usual.model.as_str(), usual.limits.turns), ("auto", 5));
    let wish = json!({"goal": "g", "tier": "trivial", "turns": 2, "max_usd": 0.25, "tools": ["look"]});
    let small = asked("auto", wish);
    assert_eq!((small.model.as_str(), small.limits.turns, small.tools.len()), ("auto:trivial", 2, 1));
    assert_eq!(small.limits.money, "0.25".parse().ok());
    let greedy = || json!({"goal": "g", "tier": "complex", "max_usd": 100});
    let capped = asked("auto:standard", greedy());
    assert_eq!((capped.model.as_str(), capped.limits.money), ("auto:standard", usual.limits.money));
    assert_eq!(asked("up/small", greedy()).model, "up/small", "the owner's own choice stays");
}

#[test]
fn waves_keep_their_order_and_their_width() {
    let mut order = order(Mode::Ultrawork);
    order.limits.parallel = 2;
    let mut bench = Bench::start(order);
    bench.replies(plan(&json!([
        {"id": "a", "goal": "a"}, {"id": "b", "goal": "b"}, {"id": "c", "goal": "c"},
        {"id": "d", "goal": "d", "after": ["a", "b"]}, {"id": "e", "goal": "e", "after": ["c"]},
    ])));
    let mut begun = Vec::new();
    let mut retried = false;
    while let Some((id, Work::Delegate(child))) =
        bench.state.pending().iter().next().map(|(id, work)| (*id, work.clone()))
    {
        assert!(bench.state.pending().len() <= 2);
        assert_eq!((child.limits.turns, child.parent), (5, Some(RunId(Uuid::from_u128(1)))));
        if child.goal == "d" {
            let done = &child.brief.as_ref().unwrap().done;
            assert!(done.contains("a: ok a") && done.contains("b: ok b"));
        }
        begun.push(child.goal.clone());
        // c fails twice, so e cannot be reached.
        let ok = child.goal != "c";
        retried |= !ok;
        let result = ChildResult { ok, text: format!("ok {}", child.goal), ..ChildResult::default() };
        bench.feed(Event::ChildEnded(id, Box::new(result)));
    }
    assert!(retried);
    begun.sort();
    assert_eq!(begun, ["a", "b", "c", "c", "d"]);
    bench.replies(text("Merged."));
    let outcome = bench.state.outcome().unwrap();
    assert_eq!(outcome.unmet, ["c: c (ok c)", "e: e (c is missing)"]);
}

/// A run in which one part has succeeded, before its merge.
fn merging() -> Bench {
    let mut bench = Bench::start(order(Mode::Ultrawork));
    bench.replies(plan(&json!([{"id": "a", "goal": "a"}])));
    let (id, _) = bench.only();
    bench.feed(Event::ChildEnded(
        id,
        Box::new(ChildResult { ok: true, text: "a".into(), ..ChildResult::default() }),
    ));
    bench
}

#[test]
fn a_merge_is_checked_like_every_answer() {
    for (bad, told) in [
        (text(" "), "it was empty"),
        (ModelReply { stop: Some(StopReason::MaxTokens), ..text("Half of") }, "cut at the output cap"),
        (text("I sent the mail to kim@example.com."), "I sent the mail"),
    ] {
        let mut bench = merging();
        bench.replies(bad);
        assert!(bench.last_words().contains(told), "{}", bench.last_words());
        bench.replies(text("Merged."));
        assert_eq!(bench.state.outcome().unwrap().text, "Merged.");
    }
    let mut bench = merging();
    bench.replies(ModelReply { stop: Some(StopReason::Refusal), ..text("No.") });
    assert_eq!(bench.state.outcome().unwrap().code.as_deref(), Some("model.refused"));
}

#[test]
fn what_a_person_was_shown_is_what_a_call_may_find() {
    let mut change = tool("change", EffectClass::Compensable);
    change.previews = true;
    let mut order = order(Mode::Reflexive);
    order.tools = vec![change];
    let mut bench = Bench::start(order);
    bench.replies(call("change", &json!({})));
    let (id, _) = bench.only();
    let shown = Preview { current: Some("v1".into()), diff: "~ a row".into() };
    bench.feed(Event::Previewed(id, Ok(shown)));
    assert!(matches!(bench.asked().subject, ApprovalSubject::Calls(_)));
    // Another process takes the answer.
    bench.state = serde_json::from_slice(&serde_json::to_vec(&bench.state).unwrap()).unwrap();
    bench.answers(Answer::Approve);
    let (_, Work::RunTool(made)) = bench.only() else { panic!("{:?}", bench.state.pending()) };
    assert_eq!(made.expect, Some(Expect::Version("v1".into())));
}

#[test]
fn a_sub_agent_that_left_something_behind_is_not_sent_again() {
    let mut bench = Bench::start(order(Mode::Ultrawork));
    bench.replies(plan(&json!([{"id": "a", "goal": "a"}])));
    let (id, _) = bench.only();
    let result =
        ChildResult { uncertain: vec!["write {}".into()], text: "lost".into(), ..ChildResult::default() };
    bench.feed(Event::ChildEnded(id, Box::new(result)));
    assert_eq!(bench.state.status(), RunStatus::Failed);
    assert_eq!(bench.state.outcome().unwrap().uncertain, ["write {}"]);
}

fn sub_agent(schema: &Value) -> RunOrder {
    let mut order = order(Mode::Reflexive);
    (order.parent, order.depth) = (Some(RunId(Uuid::from_u128(9))), 1);
    order.limits = nunchi_core::RunLimits::of_sub_agent();
    order.output_schema = Some(schema.clone());
    order
}

#[test]
fn a_sub_agents_answer_fits_its_schema_or_is_corrected_once() {
    let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let mut bench = Bench::start(sub_agent(&schema));
    bench.replies(text("n is three"));
    assert!(bench.last_words().contains("holds no JSON"));
    bench.replies(text("```json\n{\"n\": 3}\n```"));
    assert_eq!(bench.state.outcome().unwrap().output, Some(json!({"n": 3})));

    let mut bench = Bench::start(sub_agent(&schema));
    bench.replies(text("{}")).replies(text("{}"));
    assert_eq!(
        (bench.state.status(), bench.state.outcome().unwrap().code.as_deref()),
        (RunStatus::Failed, Some("model.unusable"))
    );
}

#[test]
fn a_sub_agents_last_turn_is_for_the_answer() {
    let mut bench = Bench::start(sub_agent(&json!({})));
    for turn in 1..=5 {
        let (_, Work::CallModel(ask)) = bench.only() else { panic!() };
        assert_eq!(ask.may_call_tools, turn < 5);
        bench.replies(call("look", &json!({ "turn": turn })));
        let (id, _) = bench.only();
        bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text(turn.to_string())), 1));
    }
    // It called a tool all the same, and has no turn left for an answer.
    assert_eq!(bench.state.outcome().unwrap().code.as_deref(), Some("limit.turns"));
}

#[test]
fn a_limit_parks_and_asks_and_goes_on_where_it_stopped() {
    let mut order = order(Mode::Reflexive);
    order.limits.turns = 1;
    let mut bench = Bench::start(order.clone());
    bench.replies(call("look", &json!({})));
    let (id, _) = bench.only();
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text("1")), 1));
    assert!(matches!(bench.asked().subject, ApprovalSubject::Limit { limit: LimitKind::Turns, .. }));
    bench.answers(Answer::Approve).replies(text("x is 1."));
    assert_eq!(bench.state.status(), RunStatus::Done);

    let mut bench = Bench::start(order);
    bench.replies(call("look", &json!({})));
    let (id, _) = bench.only();
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text("1")), 1)).answers(Answer::Deny(None));
    assert_eq!(bench.state.outcome().unwrap().code.as_deref(), Some("limit.turns"));
}

#[test]
fn a_korean_run_tells_limits_and_refusals_in_korean() {
    let mut order = order(Mode::Reflexive);
    (order.lang, order.limits.turns) = (Lang::Ko, 1);
    let mut bench = Bench::start(order);
    bench.replies(call("look", &json!({})));
    let (id, _) = bench.only();
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text("1")), 1));
    let ApprovalSubject::Limit { used, .. } = bench.asked().subject else { panic!() };
    assert_eq!(used, "모델 호출 1번 중 1번");
    bench.answers(Answer::Deny(None));
    assert_eq!(bench.state.outcome().unwrap().text, "모델 호출 1번 중 1번");

    let planned = plan(&json!([{"id": "a", "goal": "a", "tools": ["cancelable"]}]));
    let mut order = self::order(Mode::Deliberate);
    order.lang = Lang::Ko;
    let mut bench = Bench::start(order.clone());
    bench.replies(planned.clone()).answers(Answer::Deny(None));
    assert_eq!(bench.state.outcome().unwrap().text, "계획이 거부되었습니다");
    let mut late = Bench::start(order);
    late.replies(planned);
    late.now = late.asked().expires;
    late.feed(Event::Tick);
    assert_eq!(late.state.outcome().unwrap().text, "제때 답한 사람이 없습니다");
}

pub(crate) fn price() -> ModelPrice {
    let rates = Rates { input: NanoUsd::from_usd(3), output: NanoUsd::from_usd(15), ..Rates::default() };
    ModelPrice {
        provider: "p".into(),
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
    }
}

#[test]
fn money_is_held_before_a_call_and_a_smaller_answer_is_taken_for_less() {
    let mut order = order(Mode::Reflexive);
    order.price = Some(price());
    order.limits.money = Some(NanoUsd(30_000_000));
    let bench = Bench::start(order.clone());
    let (_, Work::CallModel(ask)) = bench.only() else { panic!() };
    assert!(
        ask.max_output_tokens < 4_096
            && bench.state.committed() == ask.bound
            && ask.bound <= NanoUsd(30_000_000)
    );
    order.limits.money = Some(NanoUsd(1_000));
    let mut bench = Bench::start(order);
    let ApprovalSubject::Limit { limit: LimitKind::Money, raise: Some(raise), .. } = bench.asked().subject
    else {
        panic!()
    };
    bench.answers(Answer::Approve);
    assert!(matches!(bench.only().1, Work::CallModel(_)));
    assert!(raise > NanoUsd(1_000));
}

#[test]
fn an_owners_budget_parks_too() {
    let mut bench = Bench::start(order(Mode::Reflexive));
    let (id, _) = bench.only();
    bench.feed(Event::BudgetBreached(id, "budget \"day\" is used up".into()));
    let ApprovalSubject::Limit { limit: LimitKind::Budget, used, .. } = bench.asked().subject else {
        panic!()
    };
    assert_eq!(used, "budget \"day\" is used up");
    bench.answers(Answer::Approve).replies(text("x is 3."));
    assert_eq!(bench.state.status(), RunStatus::Done);
}

#[test]
fn time_parked_is_not_time_at_work() {
    let mut order = order(Mode::Reflexive);
    order.limits.seconds = 60;
    let mut bench = Bench::start(order);
    bench.replies(call("cancelable", &json!({})));
    bench.now += SignedDuration::from_hours(5);
    bench.answers(Answer::Approve);
    let (id, _) = bench.only();
    bench.now += SignedDuration::from_secs(59);
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text("1")), 1));
    assert!(matches!(bench.only().1, Work::CallModel(_)));
    bench.now += SignedDuration::from_secs(2);
    bench.replies(call("look", &json!({})));
    let (id, _) = bench.only();
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::text("1")), 1));
    assert!(matches!(bench.asked().subject, ApprovalSubject::Limit { limit: LimitKind::Time, .. }));
}

#[test]
fn foreign_events_change_nothing() {
    let mut bench = Bench::start(order(Mode::Reflexive));
    bench.replies(call("write", &json!({})));
    let (id, _) = bench.only();
    let before = (bench.state.pending().clone(), bench.state.thread().to_vec());
    let foreign = EffectId(id.0 + 7);
    for event in [
        Event::Started,
        Event::ModelReplied(id, Box::new(text("x"))),
        Event::ToolEnded(foreign, Ok(ToolOutput::default()), 1),
        Event::ChildEnded(id, Box::default()),
        Event::Answered { effect: id, answer: Answer::Approve, by: "x".into(), answered: bench.now },
        Event::Tick,
    ] {
        bench.feed(event);
        assert_eq!((bench.state.pending().clone(), bench.state.thread().to_vec()), before);
        assert_eq!(bench.effects, []);
    }
    bench.feed(Event::Cancel("me".into()));
    let outcome = bench.state.outcome().unwrap();
    assert_eq!(
        (bench.state.status(), outcome.uncertain.as_slice()),
        (RunStatus::Cancelled, &["write {}".to_owned()][..])
    );
    bench.feed(Event::ToolEnded(id, Ok(ToolOutput::default()), 1));
    assert_eq!(bench.effects, []);
}

#[test]
fn secrets_do_not_reach_the_record() {
    let mut bench = Bench::start(order(Mode::Reflexive));
    bench.replies(call("look", &json!({"key": "sk-proj-abcdefghijklmnop1234"})));
    let (id, _) = bench.only();
    let output = Ok(ToolOutput::text("password for kim@example.com: sk-proj-abcdefghijklmnop1234"));
    let Transition { steps, .. } = step(bench.state.clone(), Event::ToolEnded(id, output, 1), bench.now);
    let written = serde_json::to_string(&steps).unwrap();
    assert!(
        !written.contains("abcdefghijklmnop") && written.contains("[key]") && written.contains("[email]"),
        "{written}"
    );
    assert_eq!(steps[0].usage, Usage::default());
}
