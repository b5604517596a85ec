//! Tables and properties of the simulator.

use super::*;
use crate::prefix::PromptBytes;
use crate::sharing::SharingRules;
use jiff::Timestamp;
use nunchi_core::{
    CacheScope, CallContext, CallRecord, CompressMode, Dialect, Message, ModelPrice, ModelRequest, NanoUsd,
    Principal, Rates, RequestId, Role, ServiceTier, Tier, TierRules, ToolDefinition, Usage, plain_cost,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn model(name: &str, dialect: Dialect) -> ReplayModel {
    let usd = NanoUsd::from_usd;
    let rates = Rates {
        input: usd(3),
        cache_read: NanoUsd(300_000_000),
        cache_write_5m: NanoUsd(3_750_000_000),
        cache_write_1h: usd(6),
        output: usd(15),
        reasoning: usd(15),
    };
    let price = ModelPrice {
        provider: "p".into(),
        model: name.into(),
        rates,
        context_tiers: Vec::new(),
        batch: Some(Rates { input: NanoUsd(1_500_000_000), output: NanoUsd(7_500_000_000), ..rates }),
        flex: None,
        priority: None,
        tool_use: NanoUsd::ZERO,
        request: NanoUsd::ZERO,
        context_window: None,
        max_output: None,
    };
    ReplayModel { name: name.into(), dialect, local: false, price }
}

/// A model on the owner's machine.
fn local() -> ReplayModel {
    let mut model = model("embedded/small", Dialect::Embedded);
    model.local = true;
    model.price.rates = Rates::default();
    model.price.batch = None;
    model
}

/// A cheap model.
fn cheap() -> ReplayModel {
    let mut model = model("openai/cheap", Dialect::OpenAiChat);
    for rate in
        [&mut model.price.rates.input, &mut model.price.rates.cache_read, &mut model.price.rates.output]
    {
        rate.0 /= 10;
    }
    model
}

/// Everything on.
fn policy() -> ReplayPolicy {
    let premium = model("anthropic/big", Dialect::Anthropic);
    let tiers = [(Tier::Trivial, local()), (Tier::Standard, cheap()), (Tier::Complex, premium.clone())];
    ReplayPolicy {
        name: "ours".into(),
        tiers: tiers.into_iter().map(|(tier, model)| (tier, vec![model])).collect(),
        named: BTreeMap::from([("gpt".to_owned(), cheap())]),
        keep_named: true,
        tiers_as_labelled: false,
        baseline: premium,
        own_rules: TierRules::default(),
        rules: TierRules::built_in(),
        cache: Some(ReplayCache { ttl: Duration::from_secs(3_600), scope: CacheScope::Key, fold_case: true }),
        sharing: Some(ReplaySharing {
            rules: SharingRules { strict: true, across_languages: false },
            error_rate: 0.01,
        }),
        select_tools: true,
        compress: CompressMode::Auto,
        keep_prefixes: true,
        batch: true,
    }
}

fn context() -> CallContext {
    let id: RequestId = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    CallContext::new(id, Arc::new(Principal::owner()))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn call(seconds: i64, request: ModelRequest) -> ReplayCall {
    ReplayCall {
        at: at(seconds),
        body: ReplayBody::Asked(Box::new((request, context()))),
        output_tokens: 100,
        can_wait: false,
        label: ReplayLabel::default(),
    }
}

fn ask(seconds: i64, text: &str) -> ReplayCall {
    call(seconds, ModelRequest::new("auto", vec![Message::text(Role::User, text)]))
}

/// Four bytes a token are enough for a test.
fn count(request: &ModelRequest) -> u64 {
    PromptBytes::of(request).len() as u64 / 4
}

/// Vectors in which the words of a text are its directions: alike where words are.
fn meanings(calls: &[ReplayCall], policies: &[ReplayPolicy]) -> Meanings {
    let vector = |text: &str| {
        let mut vector = vec![0.01_f32; 512];
        for word in text.split_whitespace() {
            let place = word.bytes().fold(7_usize, |sum, byte| (sum * 31 + usize::from(byte)) % 512);
            vector[place] += 1.0;
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect::<Vec<f32>>()
    };
    texts_to_embed(calls, policies).into_iter().map(|text| (text.clone(), vector(&text))).collect()
}

fn run(calls: &[ReplayCall], policy: &ReplayPolicy) -> ReplayReport {
    let meanings = meanings(calls, std::slice::from_ref(policy));
    replay(&ReplayInput { calls, policy, meanings: &meanings, count: &count }, &mut |_| {})
}

fn verdicts(report: &ReplayReport, verdict: &str) -> u64 {
    report.verdicts.get(verdict).copied().unwrap_or(0)
}

#[test]
fn repeats_are_free_until_they_expire_and_live_questions_never_are() {
    let text = "Explain how rain forms";
    let live = "What is the weather in Seoul?";
    let calls = [ask(0, text), ask(10, text), ask(5_000, text), ask(5_001, live), ask(5_002, live)];
    let report = run(&calls, &policy());
    assert_eq!(
        (verdicts(&report, "exact"), verdicts(&report, "miss"), verdicts(&report, "bypass")),
        (1, 2, 2)
    );
    assert!(report.savings.exact > NanoUsd::ZERO);
    let off = ReplayPolicy { cache: None, ..policy() };
    assert_eq!(verdicts(&run(&calls, &off), "bypass"), 5);
}

#[test]
fn what_is_shared_by_meaning_is_checked_against_the_labels() {
    let label = |name: &str| ReplayLabel { answer: Some(name.into()), ..ReplayLabel::default() };
    let mut calls = Vec::new();
    for (number, name) in ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"].iter().enumerate() {
        let at = i64::try_from(number).unwrap() * 10;
        calls.push(ReplayCall { label: label(name), ..ask(at, &format!("turn on {name} mode")) });
        calls.push(ReplayCall { label: label(name), ..ask(at + 1, &format!("switch on {name} mode")) });
    }
    let report = run(&calls, &policy());
    assert!(verdicts(&report, "semantic") >= 3, "{report:?}");
    assert_eq!(
        (report.quality.semantic.wrong, report.quality.semantic.labelled),
        (0, verdicts(&report, "semantic"))
    );
    for call in &mut calls {
        call.label = label(&format!("{:?}", call.at));
    }
    let quality = run(&calls, &policy()).quality;
    assert!(
        quality.semantic.labelled > 0 && quality.semantic.wrong == quality.semantic.labelled,
        "{quality:?}"
    );
}

#[test]
fn a_prefix_that_is_kept_is_cheap_and_tools_that_are_left_out_cost_nothing() {
    let tool = |number: usize| ToolDefinition {
        name: format!("tool_{number}"),
        description: Some(
            ["weather forecast", "sends mail", "plays songs", "books hotels"][number % 4].repeat(30),
        ),
        parameters: None,
        strict: None,
        builtin: None,
    };
    let make = |seconds: i64, text: &str| {
        let rules = Message::text(Role::System, "Answer with what the tools say.");
        let mut request = ModelRequest::new("auto:complex", vec![rules, Message::text(Role::User, text)]);
        request.tools = (0..12).map(tool).collect();
        call(seconds, request)
    };
    let calls = [make(0, "Will it rain in Busan tomorrow?"), make(60, "Will it rain in Daegu tomorrow?")];
    let whole = ReplayPolicy { select_tools: false, ..policy() };
    let report = run(&calls, &whole);
    assert!(report.tokens.cached > 1_000 && report.tokens.written > 1_000, "{:?}", report.tokens);
    let fewer = run(&calls, &policy());
    assert!(fewer.savings.other.tools > NanoUsd::ZERO && fewer.tokens.sent < report.tokens.sent / 2);
}

#[test]
fn what_can_wait_costs_the_batch_price() {
    let text = "Prove that there are infinitely many primes, and compare three proofs of it in depth.";
    let mut waits = call(0, ModelRequest::new("auto:complex", vec![Message::text(Role::User, text)]));
    waits.can_wait = true;
    let report = run(&[waits], &policy());
    assert_eq!(report.savings.other.batch, report.savings.spent, "half the price");
}

#[test]
fn long_histories_are_shortened_where_that_pays() {
    let mut calls = Vec::new();
    let mut turns = Vec::new();
    for number in 0..120 {
        let told =
            format!("I went to town number {number} and bought {number} apples from Ms. Kim. ").repeat(6);
        turns.push(Message::text(Role::User, told));
        turns.push(Message::text(Role::Assistant, "That sounds like a good day, tell me more about it."));
        if number >= 100 {
            let mut messages = turns.clone();
            messages.push(Message::text(Role::User, format!("How many apples did I buy in town {number}?")));
            calls.push(call(i64::from(number) * 30, ModelRequest::new("auto:complex", messages)));
        }
    }
    let report = run(&calls, &policy());
    assert!(report.compressed > 0 && report.recalls > 0, "{report:?}");
    assert!(report.savings.other.compression > NanoUsd::ZERO);
    assert!(report.tokens.sent < report.tokens.came * 3 / 4, "{:?}", report.tokens);
}

#[test]
fn a_model_without_a_price_is_told_and_counted_nowhere() {
    let calls = [
        call(0, ModelRequest::new("unheard-of", vec![Message::text(Role::User, "hello")])),
        call(1, ModelRequest::new("gpt", vec![Message::text(Role::User, "hello")])),
    ];
    let report = run(&calls, &policy());
    assert_eq!((report.unpriced["unheard-of"], report.savings.calls, report.tiers["named"]), (1, 1, 1));
    let routed = ReplayPolicy { keep_named: false, ..policy() };
    assert_eq!(run(&calls, &routed).savings.calls, 2);
}

#[test]
fn floors_stand_beside_it() {
    let mut calls = vec![
        ask(0, "hi"),
        ask(
            1,
            "Design a distributed ledger, prove that it is consistent, and compare it with three others in depth.",
        ),
    ];
    calls[1].label = ReplayLabel {
        tier: Some(Tier::Complex),
        weak_right: Some(false),
        strong_right: Some(true),
        ..ReplayLabel::default()
    };
    let report = run(&calls, &policy());
    let names: Vec<_> = report.floors.iter().map(|floor| floor.name).collect();
    assert_eq!(
        names,
        ["always premium", "always cheap", "all local", "random", "prompt length", "tiers alone"]
    );
    let [premium, cheap, local, ..] = report.floors.as_slice() else { panic!("{names:?}") };
    assert_eq!(
        (premium.spent, premium.under_routed.wrong, premium.answers.wrong),
        (report.savings.baseline, 0, 0)
    );
    assert_eq!((local.spent, local.under_routed.wrong, local.answers.wrong), (NanoUsd::ZERO, 1, 1));
    assert!(cheap.spent < premium.spent && cheap.spent > NanoUsd::ZERO);
}

#[test]
fn a_router_that_is_never_wrong() {
    let mut easy = ask(
        0,
        "Design a distributed ledger, prove that it is consistent, and compare it with three others in depth.",
    );
    easy.label.tier = Some(Tier::Trivial);
    let oracle = ReplayPolicy { tiers_as_labelled: true, ..policy() };
    let calls = [easy];
    assert_eq!(run(&calls, &policy()).tiers.get("trivial"), None);
    assert_eq!(run(&calls, &oracle).tiers.get("trivial"), Some(&1));
}

#[test]
fn rows_of_the_ledger_keep_what_was_booked() {
    let row = |cache: &str, input: u64, read: u64, baseline: i64| {
        let id = "00000000-0000-0000-0000-000000000001";
        let record: CallRecord = serde_json::from_value(serde_json::json!({
            "id": id, "request": id, "started": "2026-11-21T00:00:00Z", "latency_us": 1, "first_event_us": null,
            "provider": "anthropic", "model": "big", "requested_model": "auto", "tier": "complex", "reason": "",
            "cache": cache, "outcome": "ok", "error_code": null,
            "usage": { "input": input, "cache_read": read, "output": 100 }, "usage_estimated": false, "batch": false,
            "cost": 0, "baseline_cost": baseline, "price_version": "1", "principal": "owner", "key": null, "user": null,
            "session": null, "run": null, "step": null, "phase": null, "task": null, "tags": [], "notes": [],
        })).unwrap();
        ReplayCall {
            at: record.started,
            output_tokens: record.usage.completion_tokens(),
            body: ReplayBody::Booked(Box::new(record)),
            can_wait: false,
            label: ReplayLabel::default(),
        }
    };
    let calls = [row("miss", 1_000, 9_000, 0), row("exact", 0, 0, 77)];
    let report = run(&calls, &policy());
    assert_eq!((report.savings.exact, report.tokens.cached), (NanoUsd(77), 9_000));
    let off = policy().tiers_alone();
    let plain = run(&calls, &off);
    assert_eq!((plain.savings.exact, plain.tokens.cached), (NanoUsd::ZERO, 0));
    assert_eq!(
        plain.savings.spent,
        NanoUsd(77)
            + plain_cost(
                &off.baseline.price,
                &Usage { input: 10_000, output: 100, ..Usage::default() },
                ServiceTier::Standard
            )
    );
}

fn any_call() -> impl Strategy<Value = ReplayCall> {
    let texts = prop::sample::select(vec![
        "hi",
        "Explain how rain forms",
        "turn on dark mode",
        "switch on dark mode",
        "turn off dark mode",
        "오늘 날씨 어때?",
        "파이썬에서 리스트를 정렬하는 방법 알려줘",
        "Prove that sqrt(2) is irrational and generalise the proof.",
    ]);
    let models = prop::sample::select(vec!["auto", "auto:trivial", "auto:complex", "gpt", "unheard-of"]);
    (texts, models, 0..4_000_i64, 0..2_000_u64, 0..3_usize, any::<bool>(), 0..3_000_usize).prop_map(
        |(text, model, seconds, output, tools, can_wait, system)| {
            let messages =
                vec![Message::text(Role::System, "rule ".repeat(system)), Message::text(Role::User, text)];
            let mut request = ModelRequest::new(model, messages);
            request.tools = (0..tools * 6)
                .map(|number| ToolDefinition {
                    name: format!("tool_{number}"),
                    description: Some(format!("does thing {number} ").repeat(20)),
                    parameters: None,
                    strict: None,
                    builtin: None,
                })
                .collect();
            ReplayCall { output_tokens: output, can_wait, ..call(seconds, request) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is replayed under whatever policy: the causes are the whole difference.
    #[test]
    fn causes_add_up(
        calls in prop::collection::vec(any_call(), 0..12),
        (cache, sharing, tools, prefixes, batch, named) in any::<(bool, bool, bool, bool, bool, bool)>(),
        compress in prop::sample::select(vec![CompressMode::Off, CompressMode::Auto]),
    ) {
        let all = policy();
        let policy = ReplayPolicy {
            cache: all.cache.filter(|_| cache),
            sharing: all.sharing.filter(|_| sharing),
            select_tools: tools,
            keep_prefixes: prefixes,
            batch,
            keep_named: named,
            compress,
            ..all
        };
        let report = run(&calls, &policy);
        let saved = report.savings;
        let causes = saved.exact + saved.semantic + saved.tier + saved.other.total();
        prop_assert_eq!(causes, saved.baseline - saved.spent);
        let priced = saved.calls + report.unpriced.values().sum::<u64>();
        prop_assert_eq!(priced, calls.len() as u64);
        prop_assert!(report.tokens.sent <= report.tokens.came || report.recalls > 0);
        prop_assert!(report.tokens.cached + report.tokens.written <= report.tokens.sent);
    }

    /// With everything off a workload costs what its calls cost one by one, in any order.
    #[test]
    fn with_everything_off_it_costs_the_sum(calls in prop::collection::vec(any_call(), 0..12)) {
        let off = policy().tiers_alone();
        let whole = run(&calls, &off);
        let alone: NanoUsd = calls.iter().map(|call| run(std::slice::from_ref(call), &off).savings.spent).sum();
        prop_assert_eq!(whole.savings.spent, alone);
        let tiers_alone = whole.floors.iter().find(|floor| floor.name == "tiers alone").map(|floor| floor.spent);
        if calls.iter().all(|call| matches!(&call.body, ReplayBody::Asked(asked) if asked.0.model == "auto")) {
            prop_assert_eq!(tiers_alone, Some(alone));
        }
        let mut reversed: Vec<ReplayCall> = calls.clone();
        reversed.reverse();
        prop_assert_eq!(run(&reversed, &off).savings, whole.savings);
    }
}
