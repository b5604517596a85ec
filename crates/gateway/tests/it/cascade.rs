//! A cheap model first, a check, the planned model only if the check fails; and a model that names tiers nobody is sure of.

use crate::bench::{Answer, Bench, hear, request};
use nunchi_core::{
    CacheDirective, CallContext, FeedbackSource, FeedbackStore, JsonSchemaFormat, Lang, Model, ModelError,
    ModelErrorKind, NanoUsd, OWN_TASKS, Outcome, Rates, ResponseFormat, Tier, Usage,
};
use nunchi_gateway::{CascadeCheck, Settings};
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};

/// `spare` is cheap and standard, `cloud` dear and complex, `home` free.
fn bench(cascade: CascadeCheck) -> Bench {
    Bench::with(MemoryLedger::new(), |settings: &mut Settings| {
        settings.tiers.complex = vec!["cloud/m".into()];
        settings.tiers.standard = vec!["spare/m".into()];
        settings.cache.enabled = false;
        settings.cascade = cascade;
        let rates = |dollars| Rates {
            input: NanoUsd::from_usd(dollars),
            output: NanoUsd::from_usd(dollars),
            ..Rates::default()
        };
        settings.prices.prices[0].rates = rates(20);
        settings.prices.prices[1].rates = rates(1);
    })
}

fn says(text: &str) -> ScriptedReply {
    ScriptedReply::text_with_usage(text, Usage { input: 100, output: 50, ..Usage::default() })
}

async fn prove(bench: &Bench, format: ResponseFormat) -> Result<Answer, ModelError> {
    let mut asked = request("auto", "Prove that there are infinitely many primes");
    asked.format = format;
    hear(bench.gateway.call(asked, owner_context()).await?).await
}

fn number() -> ResponseFormat {
    let schema = r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}"#;
    ResponseFormat::JsonSchema(JsonSchemaFormat {
        name: "number".into(),
        description: None,
        schema: serde_json::value::RawValue::from_string(schema.into()).unwrap(),
        strict: Some(true),
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_fits_its_schema_stands() {
    let bench = bench(CascadeCheck::Schema);
    bench.spare.always(says(r#"{"n": 4}"#));
    let answer = prove(&bench, number()).await.unwrap();
    assert_eq!((answer.reply_provider.as_str(), answer.text.as_str()), ("spare", r#"{"n": 4}"#));
    assert!(answer.reason.contains("every check was passed"), "{}", answer.reason);
    assert_eq!(bench.cloud.calls(), 0);
    // Without a schema there is nothing to check, so the planned model answers.
    assert_eq!(prove(&bench, ResponseFormat::Text).await.unwrap().reply_provider, "cloud");
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_is_paid_for_and_not_given() {
    let bench = bench(CascadeCheck::Schema);
    bench.spare.always(says("n is four"));
    bench.cloud.always(says(r#"{"n": 4}"#));
    let answer = prove(&bench, number()).await.unwrap();
    assert_eq!((answer.reply_provider.as_str(), answer.text.as_str()), ("cloud", r#"{"n": 4}"#));
    assert!(answer.reason.contains("the answer breaks the schema"), "{}", answer.reason);
    let rows = bench.ledger.rows();
    let [rejected, given] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(
        (rejected.provider.as_str(), rejected.tier, rejected.outcome),
        ("spare", Some(Tier::Standard), Outcome::Ok)
    );
    assert_eq!(rejected.task.as_deref(), Some(format!("{OWN_TASKS}cascade").as_str()));
    assert_eq!(
        (rejected.cost, rejected.baseline_cost),
        (NanoUsd(150_000), NanoUsd::ZERO),
        "what it cost to save"
    );
    assert_eq!(
        (given.provider.as_str(), given.tier, given.cost),
        ("cloud", Some(Tier::Complex), NanoUsd(3_000_000))
    );
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_check_finds_is_kept_for_the_next_training() {
    let bench = bench(CascadeCheck::Schema);
    let kept = async || -> Vec<_> {
        let all = bench.feedback.feedback(10).await.unwrap();
        all.into_iter().map(|found| (found.source, found.answered_by, found.tier())).collect()
    };
    bench.spare.always(says(r#"{"n": 4}"#));
    prove(&bench, number()).await.unwrap();
    assert_eq!(
        kept().await,
        [(FeedbackSource::Check, Tier::Standard, Some(Tier::Standard))],
        "it was enough"
    );
    bench.spare.always(says("n is four"));
    bench.cloud.always(says(r#"{"n": 4}"#));
    prove(&bench, number()).await.unwrap();
    assert_eq!(kept().await[0], (FeedbackSource::Check, Tier::Standard, Some(Tier::Complex)), "it was not");
    let mut asked = request("auto", "Prove that there are infinitely many primes");
    asked.format = number();
    let quiet = CallContext { cache: CacheDirective::NoStore, ..owner_context() };
    hear(bench.gateway.call(asked, quiet).await.unwrap()).await.unwrap();
    assert_eq!(kept().await.len(), 2, "who wants nothing stored is not learned from");
}

#[tokio::test(start_paused = true)]
async fn a_judge_decides() {
    let bench = bench(CascadeCheck::Judge("home/m".into()));
    bench.spare.always(says("Suppose there were finitely many."));
    bench.cloud.always(says("Let p be the last prime."));
    for (said, expected) in [("9", "spare"), ("Score: 2", "cloud"), ("I like it", "cloud")] {
        bench.home.script([ScriptedReply::text(said)]);
        let answer = prove(&bench, ResponseFormat::Text).await.unwrap();
        assert_eq!(answer.reply_provider, expected, "{said}: {}", answer.reason);
    }
    let (judged, context) = bench.home.requests().remove(0);
    assert!(judged.messages[1].plain_text().contains("Suppose there were finitely many."), "{judged:?}");
    assert_eq!(context.task.as_deref(), Some(format!("{OWN_TASKS}judge").as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_cheap_model_that_fails_costs_nothing_but_time() {
    let bench = bench(CascadeCheck::Schema);
    bench.spare.always(says(r#"{"n": 4}"#).fail_after(2, ModelError::new(ModelErrorKind::Cut, "gone")));
    bench.cloud.always(says(r#"{"n": 4}"#));
    assert_eq!(prove(&bench, number()).await.unwrap().reply_provider, "cloud");
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_first_that_would_not_pay() {
    let bench = Bench::with(MemoryLedger::new(), |settings| {
        settings.cascade = CascadeCheck::Agreement;
        settings.tiers.complex = vec!["cloud/m".into()];
        settings.tiers.standard = vec!["spare/m".into()];
    });
    // Two answers of a model that costs as much as the planned one.
    assert_eq!(prove(&bench, ResponseFormat::Text).await.unwrap().reply_provider, "cloud");
    assert_eq!(bench.spare.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_model_names_the_tier_nobody_is_sure_of() {
    let bench = Bench::with(MemoryLedger::new(), |settings| settings.tier_model = Some("home/m".into()));
    let tier_of = async |said: ScriptedReply, text: &str| {
        bench.home.script([said]);
        let report = bench.gateway.explain_route_of(text, Lang::En).await.unwrap();
        (report.plan.tier.unwrap(), report.plan.reason)
    };
    let text = "The thing with the other thing, you know";
    assert_eq!(
        tier_of(ScriptedReply::text("Complex."), text).await,
        (Tier::Complex, "home/m says so".into())
    );
    for (said, text) in [("I am not sure", "That other matter"), ("trivial or standard", "The matter before")]
    {
        let (tier, reason) = tier_of(ScriptedReply::text(said), text).await;
        assert_eq!((tier, reason.as_str()), (Tier::Standard, "no rule matched"), "{said}");
    }
    let began = tokio::time::Instant::now();
    let (tier, _) = tier_of(ScriptedReply::hang(), "One more matter").await;
    assert_eq!((tier, began.elapsed().as_secs()), (Tier::Standard, 10), "it is not waited for longer");
    let asked = bench.home.calls();
    let report = bench.gateway.explain_route_of("Prove that it holds", Lang::Ko).await.unwrap();
    assert_eq!(bench.home.calls(), asked, "where a rule is sure nobody is asked");
    let told: Vec<_> = report.stages.iter().map(|stage| (stage.stage, stage.title)).collect();
    let korean = [("your rules", "내 규칙"), ("classifier", "분류기"), ("built-in rules", "내장 규칙")];
    assert_eq!(told, korean, "programs read one language, people theirs");
    assert_eq!(report.stages[0].reason, "맞는 규칙이 없습니다");
}
