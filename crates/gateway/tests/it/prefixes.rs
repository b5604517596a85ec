//! What is marked for the providers' prompt caches, by how calls follow each other.

use crate::bench::{Bench, hear, price};
use nunchi_core::{CacheTtl, CallContext, Dialect, Message, Model, ModelRequest, NanoUsd, Part, Role, Usage};
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};
use std::time::Duration;

/// A bench whose models keep prefixes at Anthropic's prices.
fn bench() -> Bench {
    Bench::speaking(Dialect::Anthropic, MemoryLedger::new(), |settings| {
        let mut price = price("cloud-list");
        price.rates.cache_read = NanoUsd(100_000_000);
        price.rates.cache_write_5m = NanoUsd(1_250_000_000);
        price.rates.cache_write_1h = NanoUsd(2_000_000_000);
        settings.prices.prices = vec![price];
    })
}

/// Asks something new in a session of its own; returns the marks of instructions and question as they were sent.
async fn asked(bench: &Bench, number: usize) -> [Option<CacheTtl>; 2] {
    let rules = "Follow the rules of the house, whatever is asked of you. ".repeat(120);
    let question = Message::text(Role::User, format!("question {number}"));
    let request = ModelRequest::new("cloud/m", vec![Message::text(Role::System, rules), question]);
    let session = Some(format!("s{number}").into());
    let context = CallContext { session, ..owner_context() };
    hear(bench.gateway.call(request, context).await.unwrap()).await.unwrap();
    let sent = bench.cloud.requests().pop().unwrap().0;
    [0, 1].map(|at: usize| match sent.messages[at].parts.last() {
        Some(Part::CachePoint(ttl)) => Some(*ttl),
        _ => None,
    })
}

/// The marks after so many sessions, this far apart.
async fn settled(apart: Duration) -> [Option<CacheTtl>; 2] {
    let bench = bench();
    let usage = Usage { cache_read: 1_500, ..Usage::default() };
    bench.cloud.always(ScriptedReply::text_with_usage("noted", usage));
    let mut marks = [None; 2];
    for number in 0..12 {
        marks = asked(&bench, number).await;
        tokio::time::advance(apart).await;
    }
    marks
}

#[tokio::test(start_paused = true)]
async fn a_shared_prefix_is_kept_for_as_long_as_sessions_are_apart() {
    assert_eq!(settled(Duration::from_secs(30)).await, [Some(CacheTtl::FiveMinutes), None]);
    assert_eq!(settled(Duration::from_secs(20 * 60)).await, [Some(CacheTtl::OneHour), None]);
    assert_eq!(settled(Duration::from_secs(3 * 60 * 60)).await, [None, None], "nobody would read it");
}
