//! What is held, what is booked, and that nothing is held for ever.

use crate::bench::{Bench, hear, request};
use futures_util::StreamExt;
use nunchi_core::{EmbedRequest, Embedder, Model, ModelErrorKind, NanoUsd, Outcome, Usage};
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_answer_is_booked_once_at_its_real_cost() {
    let bench = Bench::new();
    let usage = Usage { input: 1_000, output: 500, ..Usage::default() };
    bench.cloud.script([ScriptedReply::text_with_usage("the answer", usage)]);
    let answer = bench.ask("cloud/m", "question").await.unwrap();
    assert_eq!(answer.text, "the answer");
    assert_eq!(answer.summary.cost, NanoUsd(1_000 * 1_000 + 500 * 2_000));
    let rows = bench.ledger.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].cost, rows[0].usage, rows[0].outcome), (answer.summary.cost, usage, Outcome::Ok));
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_pays_for_what_was_streamed() {
    let bench = Bench::new();
    bench.cloud.script([ScriptedReply::text("one two three four").hang_after(3)]);
    let mut reply = bench.gateway.call(request("cloud/m", "count"), owner_context()).await.unwrap();
    assert!(reply.stream.next().await.is_some());
    assert_eq!(bench.ledger.open_holds(), 1);
    drop(reply);
    settle(&bench).await;
    let rows = bench.ledger.rows();
    assert_eq!(rows[0].outcome, Outcome::Aborted);
    assert!(
        rows[0].usage_estimated && rows[0].usage.input > 0 && rows[0].usage.output >= 2,
        "{:?}",
        rows[0].usage
    );
    assert_eq!(bench.cloud.dropped(), 1, "the upstream call was ended");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_before_the_head_pays_for_the_prompt() {
    let bench = Bench::new();
    bench.cloud.script([ScriptedReply::hang()]);
    let call = bench.gateway.call(request("cloud/m", "count"), owner_context());
    assert!(tokio::time::timeout(Duration::from_secs(3), call).await.is_err());
    settle(&bench).await;
    let rows = bench.ledger.rows();
    assert_eq!((rows.len(), rows[0].outcome, rows[0].usage.output), (1, Outcome::Aborted, 0));
    assert!(rows[0].cost > NanoUsd::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_callers_never_exceed_the_limit() {
    // Each call holds at most about 900 tokens' worth and costs 12 + 2 x 8 thousand billionths.
    let limit = NanoUsd(200 * 28_000);
    let bench = Bench::with(MemoryLedger::with_limit(limit), |settings| settings.cache.enabled = false);
    let calls = (0..1_000).map(|n| {
        let bench = &bench;
        async move { bench.ask("cloud/m", &format!("question {n}")).await }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert!(bench.ledger.most_committed() <= limit);
    assert_eq!(bench.ledger.open_holds(), 0);
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().count() > 0);
    for error in refused {
        assert!(matches!(error.kind, ModelErrorKind::BudgetRefused(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_report_is_counted_and_said() {
    let bench = Bench::new();
    let events = nunchi_testkit::ScriptedReply::events([
        nunchi_core::ReplyEvent::Text("four words in here".into()),
        nunchi_core::ReplyEvent::End(nunchi_core::StopReason::EndTurn),
    ]);
    bench.cloud.script([events]);
    let answer = bench.ask("cloud/m", "hello").await.unwrap();
    assert!(answer.summary.usage_estimated);
    assert_eq!(answer.summary.usage.output, 4);
}

#[tokio::test(start_paused = true)]
async fn vectors_are_paid_for_too() {
    let bench = Bench::new();
    let request = EmbedRequest { model: "auto".into(), inputs: vec!["안녕".into()], dimensions: None };
    let reply = bench.gateway.embed(request, owner_context()).await.unwrap();
    assert_eq!(reply.vectors.len(), 1);
    assert_eq!(bench.ledger.rows().len(), 1);
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shortened_answer_fits_what_is_left() {
    let bench = Bench::with(MemoryLedger::with_limit(NanoUsd(3_000_000)), |_| {});
    let mut open_ended = request("cloud/m", "write a long story");
    open_ended.max_output_tokens = None;
    let reply = bench.gateway.call(open_ended, owner_context()).await.unwrap();
    assert!(reply.info.notes.iter().any(|note| note.field == "max_output_tokens"));
    hear(reply).await.unwrap();
    let (sent, _) = bench.cloud.requests().remove(0);
    assert!(sent.max_output_tokens.unwrap() < 2_000);
}

/// Lets the call's task notice that its caller left, and settle.
async fn settle(bench: &Bench) {
    tokio::time::timeout(Duration::from_secs(60), async {
        while bench.ledger.open_holds() > 0 || bench.ledger.rows().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the hold is settled");
}

#[tokio::test(start_paused = true)]
async fn what_a_cheaper_model_saved_is_counted_by_the_baseline() {
    let bench = Bench::new();
    let paid = bench.ask("cloud/m", "hello").await.unwrap();
    assert_eq!(paid.summary.saved, NanoUsd::ZERO);
    let free = bench.ask("home/m", "hello").await.unwrap();
    assert_eq!((free.summary.cost, free.summary.saved), (NanoUsd::ZERO, paid.summary.cost));
}
