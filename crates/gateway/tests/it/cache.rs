//! The exact cache: what is served again, what is not, and one call for many who ask at once.

use crate::bench::{Bench, hear, request};
use nunchi_core::{
    CacheDirective, CacheFilter, CacheScope, CallContext, KeyId, Model, ModelError, ModelErrorKind, NanoUsd,
    Principal,
};
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn directed(cache: CacheDirective) -> CallContext {
    CallContext { cache, ..owner_context() }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_use_the_model_does_not_join_its_answer() {
    let bench = Bench::with(MemoryLedger::new(), |settings| settings.cache.scope = CacheScope::Everyone);
    bench.cloud.script([ScriptedReply::text("hello there").after(Duration::from_secs(5))]);
    let mut limited = owner_context();
    let only: Arc<[String]> = Arc::from(["spare/*".to_owned()]);
    let principal = Principal { allowed_models: only, ..Principal::owner() };
    limited.principal = Arc::new(principal);
    let (first, second) =
        tokio::join!(bench.ask("auto:standard", "q"), bench.ask_as("auto:standard", "q", limited));
    assert_eq!(first.unwrap().reply_provider, "cloud");
    assert_eq!(second.unwrap().reply_provider, "spare");
}

#[tokio::test(start_paused = true)]
async fn everyone_who_joined_an_answer_that_failed_has_a_row() {
    let bench = Bench::new();
    let broken = ModelError::new(ModelErrorKind::MidStream, "boom");
    let wait = Duration::from_secs(1);
    bench.cloud.script([ScriptedReply::text("one two three").between(wait).fail_after(3, broken)]);
    let answers = futures_util::future::join_all((0..5).map(|_| bench.ask("cloud/m", "q"))).await;
    assert!(answers.iter().all(Result::is_err));
    tokio::time::sleep(wait).await;
    let rows = bench.ledger.rows();
    assert_eq!((rows.len(), bench.cloud.calls()), (5, 1));
    assert_eq!(rows.iter().filter(|row| row.cost > NanoUsd::ZERO).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_who_leaves_before_asking_leaves_nobody_waiting() {
    let bench = Bench::with(MemoryLedger::new(), |settings| {
        settings.tier_model = Some("home/m".into());
    });
    bench.home.script([ScriptedReply::hang()]);
    let text = "Say something about it";
    let leader = bench.ask("auto", text);
    let follower = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        bench.ask("auto", text).await
    };
    let (left, heard) = tokio::join!(tokio::time::timeout(Duration::from_secs(1), leader), follower);
    assert!(left.is_err());
    assert_eq!(heard.unwrap().text, "hello there");
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_answered_once_and_replayed_as_a_stream() {
    let bench = Bench::new();
    let first = bench.ask("cloud/m", "What is a monad?").await.unwrap();
    let again = bench.ask("cloud/m", " what is a  monad? ").await.unwrap();
    assert_eq!((first.cache, again.cache), ("miss", "exact"));
    assert_eq!((again.text, again.pieces), (first.text, first.pieces));
    assert_eq!(again.body.usage, first.body.usage, "the caller sees the tokens of the answer");
    assert_eq!((again.summary.cost, again.summary.saved), (NanoUsd::ZERO, first.summary.cost));
    assert_eq!(bench.cloud.calls(), 1);
    let row = bench.ledger.rows().remove(1);
    assert_eq!(row.usage.total_tokens(), 0, "a hit uses no tokens");
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_replayed_in_pieces_and_a_stream_as_a_whole() {
    let bench = Bench::new();
    bench.cloud.always(ScriptedReply::text(
        "a rather long answer whose replay should come in more than a single piece",
    ));
    let mut whole = request("cloud/m", "long");
    whole.stream = false;
    let first = hear(bench.gateway.call(whole, owner_context()).await.unwrap()).await.unwrap();
    let again = bench.ask("cloud/m", "long").await.unwrap();
    assert_eq!((again.cache, again.text), ("exact", first.text));
    assert!(again.pieces > 1);
}

#[tokio::test(start_paused = true)]
async fn directives() {
    let bench = Bench::new();
    let missing = bench.ask_as("cloud/m", "q", directed(CacheDirective::OnlyIfCached)).await.unwrap_err();
    assert_eq!(missing.kind, ModelErrorKind::NotCached);
    bench.ask_as("cloud/m", "q", directed(CacheDirective::NoStore)).await.unwrap();
    bench.ask_as("cloud/m", "q", directed(CacheDirective::OnlyIfCached)).await.unwrap_err();
    bench.ask_as("cloud/m", "q", directed(CacheDirective::NoCache)).await.unwrap();
    let stored = bench.ask_as("cloud/m", "q", directed(CacheDirective::OnlyIfCached)).await.unwrap();
    assert_eq!((stored.cache, bench.cloud.calls()), ("exact", 2));
}

#[tokio::test(start_paused = true)]
async fn a_live_question_is_neither_served_nor_stored() {
    let bench = Bench::new();
    for _ in 0..2 {
        let answer = bench.ask("cloud/m", "오늘 서울 날씨 어때?").await.unwrap();
        assert_eq!(answer.cache, "bypass");
        assert!(answer.reason.contains("live question"), "{}", answer.reason);
    }
    assert_eq!(bench.cloud.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn answers_expire() {
    let bench = Bench::new();
    let context = || CallContext { cache_ttl_seconds: Some(60), ..owner_context() };
    bench.ask_as("cloud/m", "q", context()).await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(bench.ask_as("cloud/m", "q", context()).await.unwrap().cache, "exact");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(bench.ask_as("cloud/m", "q", context()).await.unwrap().cache, "miss");
}

#[tokio::test(start_paused = true)]
async fn another_key_does_not_see_the_answer() {
    let bench = Bench::new();
    bench.ask("cloud/m", "q").await.unwrap();
    let principal = Principal { key: Some(KeyId(Uuid::max())), ..Principal::owner() };
    let other = CallContext { principal: Arc::new(principal), ..owner_context() };
    assert_eq!(bench.ask_as("cloud/m", "q", other).await.unwrap().cache, "miss");
}

#[tokio::test(start_paused = true)]
async fn concurrent_identical_questions_make_one_call() {
    let bench = Bench::new();
    bench.cloud.always(
        ScriptedReply::text("one two three").after(Duration::from_secs(1)).between(Duration::from_secs(1)),
    );
    let answers = futures_util::future::join_all((0..50).map(|_| bench.ask("cloud/m", "q"))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(bench.cloud.calls(), 1);
    assert!(answers.iter().all(|answer| answer.text == "one two three"));
    assert_eq!(answers.iter().filter(|answer| answer.cache == "miss").count(), 1);
    assert_eq!(
        answers.iter().map(|answer| answer.summary.cost).sum::<NanoUsd>(),
        bench.ledger.rows()[0].cost
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_lives_while_anyone_listens() {
    let bench = Bench::new();
    bench.cloud.always(ScriptedReply::text("one two three").between(Duration::from_secs(1)));
    let leader = bench.gateway.call(request("cloud/m", "q"), owner_context()).await.unwrap();
    let follower = bench.gateway.call(request("cloud/m", "q"), owner_context()).await.unwrap();
    drop(leader);
    assert_eq!(hear(follower).await.unwrap().text, "one two three");
    assert_eq!(bench.cloud.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn entries_can_be_listed_and_removed() {
    let bench = Bench::new();
    bench.ask("cloud/m", "call me at 010-1234-5678").await.unwrap();
    let cache = bench.gateway.cache();
    let listed = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            let listed = cache.list(CacheFilter::default()).await.unwrap();
            if !listed.is_empty() {
                return listed;
            }
            tokio::task::yield_now().await;
        }
    });
    let (key, entry) = listed.await.unwrap().remove(0);
    assert_eq!(entry.preview, "call me at [phone]");
    assert!(cache.remove(key).await.unwrap());
    assert_eq!(bench.ask("cloud/m", "call me at 010-1234-5678").await.unwrap().cache, "miss");
    let figures = cache.stats().await.unwrap();
    assert_eq!((figures.lookups, figures.hits), (2, 0));
    let _kept_alive = (&bench.cache, &bench.spawn);
}
