//! Which candidates a request gets, and why.

use crate::bench::{Bench, hear, request};
use nunchi_core::{
    BudgetAction, CacheDirective, CallContext, FeedbackSource, FeedbackStore, KeyId, Message, Model,
    ModelError, ModelErrorKind as Kind, ModelRequest, NanoUsd, Part, Principal, Quota, Rates, ReplyInfo,
    Role, Tier, TierRule, TierRules, ToolDefinition, Usage,
};
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn names(bench: &Bench, model: &str, text: &str) -> (Option<Tier>, Vec<String>) {
    let plan = bench.gateway.explain_route(&request(model, text), &owner_context()).unwrap();
    (plan.tier, plan.candidates.iter().map(|candidate| candidate.provider.clone()).collect())
}

#[tokio::test]
async fn auto_follows_the_words() {
    let bench = Bench::new();
    assert_eq!(
        names(&bench, "auto", "hi!"),
        (Some(Tier::Trivial), vec!["home".into(), "cloud".into(), "spare".into()])
    );
    assert_eq!(names(&bench, "auto", "Write a mail to my landlord").0, Some(Tier::Standard));
    assert_eq!(names(&bench, "auto", "Prove that 2 is prime").1[0], "cloud");
    assert_eq!(names(&bench, "auto:complex", "hi!").0, Some(Tier::Complex));
}

#[tokio::test]
async fn named_models() {
    let bench = Bench::new();
    assert_eq!(names(&bench, "spare/m", "hi"), (None, vec!["spare".into()]));
    assert_eq!(names(&bench, "m", "hi").1, ["cloud", "spare", "home"]);
    for model in ["nope", "nope/m", "auto:huge"] {
        let error = bench.gateway.explain_route(&request(model, "hi"), &owner_context()).unwrap_err();
        assert_eq!(error.kind, Kind::UnknownModel, "{model}");
    }
}

#[tokio::test]
async fn budgets_lower_the_tier_or_keep_it_at_home() {
    let bench = Bench::new();
    bench.ledger.ask_for(Some(BudgetAction::Downgrade));
    assert_eq!(names(&bench, "auto", "Write a mail to my landlord").0, Some(Tier::Trivial));
    bench.ledger.ask_for(Some(BudgetAction::LocalOnly));
    assert_eq!(names(&bench, "auto", "Write a mail to my landlord").1, ["home"]);
    let refused = bench.gateway.explain_route(&request("cloud/m", "hi"), &owner_context()).unwrap_err();
    assert!(matches!(refused.kind, Kind::BudgetRefused(_)));
    bench.ledger.ask_for(Some(BudgetAction::Stop));
    assert!(bench.gateway.explain_route(&request("home/m", "hi"), &owner_context()).is_err());
}

#[tokio::test]
async fn a_key_uses_only_its_models() {
    let bench = Bench::new();
    let principal = Principal {
        key: Some(KeyId(Uuid::max())),
        allowed_models: Arc::from(["spare/*".to_owned()]),
        ..Principal::owner()
    };
    let context = CallContext { principal: Arc::new(principal), ..owner_context() };
    let plan = bench.gateway.explain_route(&request("auto", "write"), &context).unwrap();
    assert_eq!(plan.candidates.len(), 1);
    let error = bench.gateway.explain_route(&request("cloud/m", "hi"), &context).unwrap_err();
    assert_eq!(error.kind, Kind::ModelNotAllowed);
}

/// A request with a tool, after so many rounds of it.
fn looping(model: &str, question: &str, rounds: usize) -> ModelRequest {
    let mut request = request(model, question);
    let name = String::from("read");
    request.tools.push(ToolDefinition {
        name: name.clone(),
        description: None,
        parameters: None,
        strict: None,
        builtin: None,
    });
    for round in 0..rounds {
        let (id, name) = (format!("c{round}"), name.clone());
        let call = Part::ToolCall { id: id.clone(), name, arguments: "{}".into(), signature: None };
        let result = Part::ToolResult { call_id: id, content: Vec::new(), is_error: false };
        let message = |role, part| Message { role, parts: vec![part], name: None };
        request.messages.extend([message(Role::Assistant, call), message(Role::Tool, result)]);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn a_tool_loop_stays_with_the_model_that_began_it() {
    let bench = Bench::new();
    let ask = async |request: ModelRequest| {
        hear(bench.gateway.call(request, owner_context()).await.unwrap()).await.unwrap()
    };
    let letter = |rounds| looping("auto", "write a letter to the landlord", rounds);
    bench.cloud.script([ScriptedReply::error(ModelError::new(Kind::Unreachable, "away"))]);
    assert_eq!(ask(letter(0)).await.reply_provider, "spare", "the first candidate was away");
    for rounds in 1..4 {
        let next = ask(letter(rounds)).await;
        assert_eq!(next.reply_provider, "spare", "the loop goes on where it began");
        assert!(next.reason.contains("tool loop"), "{}", next.reason);
    }
    tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(ask(letter(4)).await.reply_provider, "spare", "an approval may take hours");
    let mut more = letter(4);
    more.messages.push(Message::text(Role::User, "and now another one"));
    assert_eq!(ask(more).await.reply_provider, "spare", "the other model would save nothing");
}

#[tokio::test(start_paused = true)]
async fn loops_side_by_side_keep_their_own_models() {
    let bench = Bench::new();
    let session = CallContext { session: Some("s".into()), ..owner_context() };
    let ask = async |question: &str, rounds: usize, context: &CallContext| {
        let request = looping("auto", question, rounds);
        hear(bench.gateway.call(request, context.clone()).await.unwrap()).await.unwrap().reply_provider
    };
    let (one, other) = ("write the first chapter", "write the second chapter");
    assert_eq!(ask(one, 0, &session).await, "cloud");
    bench.cloud.script([ScriptedReply::error(ModelError::new(Kind::Unreachable, "away"))]);
    assert_eq!(ask(other, 0, &session).await, "spare");
    for rounds in 1..4 {
        assert_eq!(ask(one, rounds, &session).await, "cloud");
        assert_eq!(ask(other, rounds, &session).await, "spare");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_a_named_model_stays_as_well() {
    let spent = || {
        let quota = Quota { requests: Some(0), tokens: None, resets_in: Some(Duration::from_secs(20)) };
        ScriptedReply::text("done").info(ReplyInfo { quota: Some(quota), ..ReplyInfo::default() })
    };
    for model in ["m", "auto:standard"] {
        let bench = Bench::new();
        let ask = async |model: &str, rounds: usize| {
            let request = looping(model, "write a letter", rounds);
            hear(bench.gateway.call(request, owner_context()).await.unwrap()).await.unwrap().reply_provider
        };
        bench.cloud.script([spent()]);
        assert_eq!(ask(model, 0).await, "cloud");
        assert_eq!(ask(model, 1).await, "cloud", "{model}: a loop is not moved for a limit that may be over");
        assert_eq!(ask("spare/m", 2).await, "spare", "who names another one gets it");
        tokio::time::advance(Duration::from_secs(21)).await;
        assert_eq!(ask("auto:trivial", 3).await, "home");
        assert_eq!(ask("auto:complex", 4).await, "cloud", "who names another tier gets it");
    }
}

fn rule(pattern: &str, tier: Tier) -> TierRule {
    TierRule { pattern: regex::Regex::new(pattern).unwrap(), tier, name: pattern.into() }
}

/// A conversation that has come so far, with what is asked next.
fn conversation(turns: usize, next: &str) -> ModelRequest {
    let mut asked = request("auto", "write a letter to the landlord");
    for turn in 0..turns {
        asked.messages.push(Message::text(Role::Assistant, format!("answer {turn}")));
        asked.messages.push(Message::text(Role::User, format!("write it anew, take {turn}")));
    }
    if let Some(last) = asked.messages.last_mut() {
        *last = Message::text(Role::User, next);
    }
    asked
}

#[tokio::test(start_paused = true)]
async fn a_session_gives_up_a_warm_cache_only_for_more() {
    // The dear model answers the hard first question of a long session; `spare` is a little cheaper, `home` is free.
    let bench = Bench::with(MemoryLedger::new(), |settings| {
        settings.tiers.complex = vec!["cloud/m".into()];
        settings.tiers.standard = vec!["spare/m".into()];
        let prices = &mut settings.prices.prices;
        let rates = |dollars: i64, cached: i64| Rates {
            input: NanoUsd::from_usd(dollars),
            cache_read: NanoUsd(cached * 100_000_000),
            output: NanoUsd::from_usd(dollars),
            ..Rates::default()
        };
        prices[0].rates = rates(10, 10);
        prices[1].rates = rates(9, 90);
        settings.own_rules = TierRules {
            rules: vec![
                rule("(?i)prove", Tier::Complex),
                rule("(?i)^write", Tier::Standard),
                rule("(?i)^hi", Tier::Trivial),
            ],
        };
    });
    let long = Usage { input: 60_000, output: 200, ..Usage::default() };
    bench.cloud.always(ScriptedReply::text_with_usage("so it is", long));
    bench.spare.always(ScriptedReply::text_with_usage("so it is", long));
    let session = CallContext { session: Some("s".into()), ..owner_context() };
    let ask = async |turns: usize, next: &str| {
        let reply = bench.gateway.call(conversation(turns, next), session.clone()).await.unwrap();
        let answer = hear(reply).await.unwrap();
        (answer.reply_provider, answer.reason)
    };
    assert_eq!(ask(1, "prove that it holds").await.0, "cloud");
    let (provider, reason) = ask(2, "write it down").await;
    assert_eq!(provider, "cloud", "its 60,000 tokens are still warm: {reason}");
    assert!(reason.contains("cache is worth more"), "{reason}");
    let (provider, reason) = ask(3, "hi, thanks").await;
    assert_eq!(provider, "home", "what is free is worth more than any cache: {reason}");
    assert!(reason.contains("changing saves"), "{reason}");
    let (provider, reason) = ask(4, "prove the rest").await;
    assert_eq!((provider.as_str(), reason.contains("needs a higher tier")), ("cloud", true), "{reason}");
    tokio::time::advance(Duration::from_secs(301)).await;
    let (provider, reason) = ask(5, "write it down again").await;
    assert_eq!(provider, "cloud", "the cache is cold, but a tenth is too little to change for: {reason}");
    tokio::time::advance(Duration::from_secs(3 * 3_600)).await;
    assert_eq!(ask(6, "write it down again").await.0, "spare", "after hours it is a new conversation");
}

#[tokio::test(start_paused = true)]
async fn asking_again_and_complaining_tell_of_the_answer_before() {
    let bench = Bench::new();
    let session = CallContext { session: Some("s".into()), ..owner_context() };
    let fresh = CallContext { cache: CacheDirective::NoCache, ..session.clone() };
    let ask = async |turns: usize, next: &str, context: &CallContext| {
        let context = CallContext { request: owner_context().request, ..context.clone() };
        hear(bench.gateway.call(conversation(turns, next), context).await.unwrap()).await.unwrap();
    };
    let kept = async || -> Vec<(String, Option<Tier>)> {
        let all = bench.feedback.feedback(10).await.unwrap();
        assert!(all.iter().all(|found| found.source == FeedbackSource::Retry));
        all.into_iter().map(|found| (found.text.clone(), found.tier())).collect()
    };
    ask(0, "Write a mail to my landlord", &session).await;
    ask(1, "Make it shorter", &session).await;
    ask(2, "Thank you, now write a mail to my bank", &session).await;
    assert_eq!(kept().await, [], "to go on is no complaint");
    ask(3, "No, that's not what I asked", &session).await;
    let bank = ("Thank you, now write a mail to my bank".to_owned(), Some(Tier::Complex));
    assert_eq!(kept().await, std::slice::from_ref(&bank));
    ask(4, "Write a poem", &session).await;
    ask(4, "Write a poem", &fresh).await;
    let poem = ("Write a poem".to_owned(), Some(Tier::Complex));
    assert_eq!(kept().await, [poem.clone(), bank.clone()], "another answer was wanted");
    // Two who begin alike without a session are two.
    let fresh = CallContext { session: None, ..session.clone() };
    for _ in 0..2 {
        ask(0, "Write a mail to my landlord, please", &fresh).await;
    }
    assert_eq!(kept().await, [poem, bank]);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_leaves_with_its_rate_limit_and_rejoins() {
    let bench = Bench::new();
    let says = |requests: Option<u64>, tokens: Option<u64>| {
        let quota = Quota { requests, tokens, resets_in: Some(Duration::from_secs(20)) };
        ScriptedReply::text("done").info(ReplyInfo { quota: Some(quota), ..ReplyInfo::default() })
    };
    let ask = async |text: &str| bench.ask("auto:standard", text).await.unwrap();
    // One request is left after this one, then none; the tokens would do.
    bench.cloud.script([says(Some(1), Some(90_000))]);
    assert_eq!(ask("Write the first letter").await.reply_provider, "cloud");
    assert_eq!(ask("Write the second letter").await.reply_provider, "cloud");
    let third = ask("Write the third letter").await;
    assert_eq!(third.reply_provider, "spare", "nobody waits for a refusal that is known to come");
    assert!(third.reason.contains("cloud/m has used up its rate limit"), "{}", third.reason);
    assert_eq!(
        bench.ask("cloud/m", "Write, whoever you are").await.unwrap().reply_provider,
        "cloud",
        "it was named"
    );
    tokio::time::advance(Duration::from_secs(21)).await;
    bench.cloud.script([says(Some(500), Some(40))]);
    assert_eq!(ask("Write the fourth letter").await.reply_provider, "cloud", "its limit was reset");
    let long = "Write the fifth letter, and make it a long one. ".repeat(20);
    assert_eq!(ask(&long).await.reply_provider, "spare", "40 tokens are too few");
}
