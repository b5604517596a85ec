//! Retries, fail-over, breakers, and failures in the middle of an answer.

use crate::bench::{Bench, hear, request};
use futures_util::StreamExt;
use nunchi_core::{
    BudgetAction, Model, ModelError, ModelErrorKind as Kind, NanoUsd, Outcome, ReplyEvent, Usage,
};
use nunchi_testkit::{ScriptedReply, owner_context};
use std::time::Duration;
use tokio::time::Instant;

fn failure(kind: Kind) -> ScriptedReply {
    ScriptedReply::error(ModelError::new(kind, "scripted"))
}

#[tokio::test(start_paused = true)]
async fn a_failing_candidate_is_tried_three_times_with_growing_pauses_then_the_next_one() {
    let bench = Bench::new();
    bench.cloud.always(failure(Kind::UpstreamFailed));
    let begun = Instant::now();
    let answer = bench.ask("auto:standard", "question").await.unwrap();
    assert_eq!(answer.reply_provider, "spare");
    assert_eq!(bench.cloud.calls(), 3);
    assert_eq!(begun.elapsed().as_secs(), 2 + 4);
    assert!(answer.reason.contains("cloud/m failed: upstream.failed"), "{}", answer.reason);
    let outcomes: Vec<_> = bench.ledger.rows().iter().map(|row| (row.outcome, row.cost.0 > 0)).collect();
    assert_eq!(
        outcomes,
        [(Outcome::Failed, false), (Outcome::Failed, false), (Outcome::Failed, false), (Outcome::Ok, true)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_time_out_stays_booked_as_estimated() {
    let bench = Bench::with(nunchi_testkit::MemoryLedger::new(), |settings| settings.retry.attempts = 1);
    bench.cloud.script([failure(Kind::TimedOut)]);
    assert_eq!(bench.ask("cloud/m", "question").await.unwrap_err().kind, Kind::TimedOut);
    let row = bench.ledger.rows().remove(0);
    assert_eq!(row.outcome, Outcome::TimedOut);
    assert!(row.cost > NanoUsd::ZERO && row.usage_estimated);
}

#[tokio::test(start_paused = true)]
async fn a_short_retry_after_is_waited_for_and_a_long_one_means_the_next_candidate() {
    let bench = Bench::new();
    let limited = |seconds| {
        let error = ModelError::new(Kind::RateLimited, "slow down");
        ScriptedReply::error(ModelError { retry_after: Some(Duration::from_secs(seconds)), ..error })
    };
    bench.cloud.script([limited(5)]);
    let begun = Instant::now();
    assert_eq!(bench.ask("auto:standard", "one").await.unwrap().reply_provider, "cloud");
    assert_eq!(begun.elapsed().as_secs(), 5);
    bench.cloud.script([limited(600)]);
    assert_eq!(bench.ask("auto:standard", "two").await.unwrap().reply_provider, "spare");
    assert_eq!(bench.gateway.health()[0].breaker, "closed", "a rate limit leaves the breaker alone");
    bench.ask("auto:standard", "three").await.unwrap();
    assert_eq!(bench.cloud.calls(), 3, "it is left alone until it may be asked again");
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_mistake_is_not_tried_elsewhere() {
    let bench = Bench::new();
    bench.cloud.script([failure(Kind::InvalidRequest)]);
    assert_eq!(bench.ask("auto:standard", "question").await.unwrap_err().kind, Kind::InvalidRequest);
    assert_eq!((bench.cloud.calls(), bench.spare.calls()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_spares_the_upstream_and_closes_after_a_probe() {
    let bench = Bench::with(nunchi_testkit::MemoryLedger::new(), |settings| {
        settings.retry.attempts = 1;
        settings.breaker.failures = 2;
        settings.cache.enabled = false;
    });
    bench.cloud.script([failure(Kind::UpstreamFailed), failure(Kind::UpstreamFailed)]);
    for _ in 0..4 {
        assert_eq!(bench.ask("auto:standard", "q").await.unwrap().reply_provider, "spare");
    }
    assert_eq!(bench.cloud.calls(), 2);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(bench.ask("auto:standard", "q").await.unwrap().reply_provider, "cloud");
    assert!(bench.gateway.health().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_leaves_does_not_keep_the_breaker_open() {
    let bench = Bench::with(nunchi_testkit::MemoryLedger::new(), |settings| {
        settings.retry.attempts = 1;
        settings.breaker.failures = 1;
        settings.cache.enabled = false;
    });
    bench.cloud.script([failure(Kind::UpstreamFailed), ScriptedReply::hang()]);
    assert!(bench.ask("cloud/m", "q").await.is_err());
    tokio::time::advance(Duration::from_secs(31)).await;
    let probe = bench.gateway.call(request("cloud/m", "q"), owner_context());
    assert!(tokio::time::timeout(Duration::from_secs(3), probe).await.is_err());
    assert_eq!(bench.ask("cloud/m", "q").await.unwrap_err().kind, Kind::NoCandidate);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(bench.ask("cloud/m", "q").await.unwrap().reply_provider, "cloud");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_broke_before_its_first_word_is_booked_and_bought_again_once_at_most() {
    let bench = Bench::new();
    let usage = ReplyEvent::Usage {
        usage: Usage { input: 5_000, ..Usage::default() },
        reported_cost: None,
        service_tier: None,
    };
    let cut = || {
        let error = ModelError::new(Kind::Cut, "the connection broke off");
        ScriptedReply::events([usage.clone()]).fail_after(1, error)
    };
    bench.cloud.script([cut(), cut(), cut()]);
    assert_eq!(bench.ask("cloud/m", "q").await.unwrap_err().kind, Kind::Cut);
    assert_eq!(bench.cloud.calls(), 2);
    for row in bench.ledger.rows() {
        assert_eq!((row.outcome, row.usage.input, row.cost), (Outcome::Failed, 5_000, NanoUsd(5_000_000)));
    }
    // Of an answer in one piece all may have been generated: it stays booked at what was held.
    bench.cloud.script([failure(Kind::Garbage), failure(Kind::Garbage)]);
    let mut whole = request("cloud/m", "another");
    whole.stream = false;
    assert_eq!(bench.gateway.call(whole, owner_context()).await.err().unwrap().kind, Kind::Garbage);
    assert!(bench.ledger.rows()[2].cost >= NanoUsd(100 * 2_000), "{:?}", bench.ledger.rows()[2].cost);
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_a_provider_spares_it() {
    let bench = Bench::new();
    bench.ledger.spare("cloud", BudgetAction::Downgrade);
    assert_eq!(bench.ask("auto:standard", "one").await.unwrap().reply_provider, "spare");
    // Nobody else can answer.
    let answer = bench.ask("cloud/m", "two").await.unwrap();
    assert_eq!(answer.reply_provider, "cloud");
    bench.ledger.spare("cloud", BudgetAction::LocalOnly);
    assert_eq!(bench.ask("cloud/m", "three").await.unwrap_err().kind, Kind::NoCandidate);
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn once_content_is_out_a_failure_is_told_and_settled() {
    let bench = Bench::new();
    bench.cloud.script([
        ScriptedReply::text("one two three").fail_after(3, ModelError::new(Kind::MidStream, "boom"))
    ]);
    let mut reply = bench.gateway.call(request("auto:standard", "q"), owner_context()).await.unwrap();
    let mut items = Vec::new();
    while let Some(item) = reply.stream.next().await {
        items.push(item);
    }
    assert_eq!(items.pop().unwrap().unwrap_err().kind, Kind::MidStream);
    assert!(items.iter().all(Result::is_ok) && !items.is_empty());
    assert_eq!(bench.spare.calls(), 0);
    let row = bench.ledger.rows().remove(0);
    assert_eq!((row.outcome, row.error_code.as_deref()), (Outcome::Cut, Some("upstream.mid_stream")));
    assert!(row.cost > NanoUsd::ZERO);
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_any_content_still_fails_over() {
    let bench = Bench::with(nunchi_testkit::MemoryLedger::new(), |settings| settings.retry.attempts = 1);
    bench
        .cloud
        .script([ScriptedReply::text("one").fail_after(1, ModelError::new(Kind::MidStream, "overloaded"))]);
    assert_eq!(bench.ask("auto:standard", "q").await.unwrap().reply_provider, "spare");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_just_stops_is_cut_not_done() {
    let bench = Bench::new();
    bench.cloud.script([ScriptedReply::text("one two three").end_after(3)]);
    let reply = bench.gateway.call(request("cloud/m", "q"), owner_context()).await.unwrap();
    assert_eq!(hear(reply).await.unwrap_err().kind, Kind::Cut);
    bench.ask("cloud/m", "q").await.unwrap();
    assert_eq!(bench.cloud.calls(), 2, "an incomplete answer is never stored");
}
