//! Service tiers: what is held for the one that is asked for, what is booked for the one that is served.

use crate::bench::{Answer, Bench, hear, request};
use bytes::Bytes;
use nunchi_core::{
    Dialect, Model, ModelError, ModelErrorKind, ModelRequest, NanoUsd, Origin, Rates, ServiceTier, Usage,
};
use nunchi_gateway::Settings;
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};
use std::time::Duration;

const USAGE: Usage = Usage {
    input: 1_000,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 100,
    reasoning: 0,
    tool_uses: 0,
};
/// 1,000 tokens at a dollar a million, 100 at two.
const STANDARD: NanoUsd = NanoUsd(1_200_000);

fn rates(cents: i64) -> Rates {
    let input = NanoUsd(cents * 10_000_000);
    Rates { input, output: input + input, reasoning: input + input, ..Rates::default() }
}

/// Half the price in flex, two and a half times in priority; the spare provider has neither.
fn tiered(settings: &mut Settings) {
    settings.prices.prices[0].flex = Some(rates(50));
    settings.prices.prices[0].priority = Some(rates(250));
}

fn bench() -> Bench {
    Bench::with(MemoryLedger::new(), tiered)
}

fn asking(model: &str, tier: &str, from: Dialect) -> ModelRequest {
    let mut request = request(model, "question");
    let field = serde_json::value::to_raw_value(tier).unwrap();
    request.rest.push(("service_tier".into(), field));
    request.origin = Some(Origin { dialect: from, body: Bytes::from_static(b"{}") });
    request
}

async fn ask(bench: &Bench, request: ModelRequest) -> Result<Answer, ModelError> {
    hear(bench.gateway.call(request, owner_context()).await?).await
}

/// What a call is booked at that asks for a tier and is served in another, if the provider says in which.
async fn booked(asked: &str, served: Option<ServiceTier>) -> NanoUsd {
    let bench = bench();
    let reply = ScriptedReply::text_with_usage("the answer", USAGE);
    bench.cloud.script([served.into_iter().fold(reply, ScriptedReply::service_tier)]);
    let answer = ask(&bench, asking("cloud/m", asked, Dialect::OpenAiChat)).await.unwrap();
    assert_eq!(answer.body.service_tier, served);
    let row = bench.ledger.rows().remove(0);
    assert_eq!(row.baseline_cost - row.cost, row.saved.total(), "what was saved adds up: {row:?}");
    assert_eq!(row.cost, answer.summary.cost);
    row.cost
}

#[tokio::test(start_paused = true)]
async fn a_call_is_booked_in_the_tier_that_was_served() {
    use ServiceTier as T;
    let (flex, priority) = (NanoUsd(STANDARD.0 / 2), NanoUsd(STANDARD.0 * 5 / 2));
    for (asked, served, cost) in [
        ("flex", Some(T::Flex), flex),
        ("flex", None, flex),
        ("flex", Some(T::Standard), STANDARD),
        ("priority", Some(T::Priority), priority),
        ("priority", None, priority),
        ("priority", Some(T::Standard), STANDARD),
        ("auto", None, STANDARD),
        ("default", Some(T::Standard), STANDARD),
        // The project's own setting.
        ("auto", Some(T::Priority), priority),
    ] {
        assert_eq!(booked(asked, served).await, cost, "{asked} {served:?}");
    }
}

/// What is held while a call is under way.
async fn held(request: ModelRequest) -> NanoUsd {
    let bench = bench();
    bench.cloud.script([ScriptedReply::hang()]);
    let call = bench.gateway.call(request, owner_context());
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    bench.ledger.most_committed()
}

#[tokio::test(start_paused = true)]
async fn priority_is_held_at_its_own_rates() {
    // Words of the same length: the bytes of fields count as well.
    let auto = held(asking("cloud/m", "auto", Dialect::OpenAiChat)).await;
    assert_eq!(held(asking("cloud/m", "flex", Dialect::OpenAiChat)).await, auto);
    let standard = held(asking("cloud/m", "standard", Dialect::OpenAiChat)).await;
    assert!(standard > NanoUsd::ZERO);
    for from in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        assert_eq!(held(asking("cloud/m", "priority", from)).await.0, standard.0 * 5 / 2);
    }
    // The field of another dialect is not passed on.
    assert_eq!(held(asking("cloud/m", "priority", Dialect::Anthropic)).await, standard);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_pays_for_the_tier_that_was_asked_for() {
    let mut costs = Vec::new();
    for tier in ["auto", "priority"] {
        let bench = bench();
        bench.cloud.script([ScriptedReply::hang()]);
        let call = bench.gateway.call(asking("cloud/m", tier, Dialect::OpenAiChat), owner_context());
        assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        costs.push(bench.ledger.rows()[0].cost.0);
    }
    assert!(costs[0] > 0 && costs[1] == costs[0] * 5 / 2, "{costs:?}");
}

#[tokio::test(start_paused = true)]
async fn priority_without_a_price_is_refused_before_anything_is_sent() {
    let bench = bench();
    let refused = ask(&bench, asking("spare/m", "priority", Dialect::OpenAiChat)).await.unwrap_err();
    assert_eq!(refused.kind, ModelErrorKind::NoPrice);
    assert!(refused.detail.contains("leave `service_tier` out"), "{}", refused.detail);
    assert_eq!((bench.spare.calls(), bench.ledger.rows().len(), bench.ledger.open_holds()), (0, 0, 0));
    // Flex falls back to the standard rates, and this machine costs nothing in any tier.
    for model in ["spare/m", "home/m"] {
        let tier = if model == "home/m" { "priority" } else { "flex" };
        assert!(ask(&bench, asking(model, tier, Dialect::OpenAiChat)).await.is_ok(), "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn priority_does_not_fit_into_a_budget_that_standard_fits_into() {
    // The standard price holds at most 0.0008 dollars for the prompt and 0.0002 for the answer.
    let bench = Bench::with(MemoryLedger::with_limit(NanoUsd(1_500_000)), tiered);
    let refused = ask(&bench, asking("cloud/m", "priority", Dialect::OpenAiChat)).await.unwrap_err();
    assert!(matches!(refused.kind, ModelErrorKind::BudgetRefused(_)), "{refused:?}");
    assert_eq!(bench.cloud.calls(), 0);
    assert!(ask(&bench, asking("cloud/m", "flex", Dialect::OpenAiChat)).await.is_ok());
}
