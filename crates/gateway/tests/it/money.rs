//! What is held, what is booked, and that nothing is held for ever.

use crate::bench::{Bench, hear, request};
use futures_util::StreamExt;
use nunchi_core::{
    CallRecord, EmbedRequest, Embedder, Media, MediaSource, Model, ModelErrorKind, ModelRequest, NanoUsd,
    Outcome, Part, ReplyEvent, ToolDefinition, Usage,
};
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
async fn an_answer_in_one_piece_is_read_to_its_end_though_its_caller_left() {
    let bench = Bench::new();
    let usage = Usage { input: 1_000, output: 500, ..Usage::default() };
    let slow = ScriptedReply::text_with_usage("the answer", usage).after(Duration::from_secs(40));
    bench.cloud.script([slow]);
    let whole = || nunchi_core::ModelRequest { stream: false, ..request("cloud/m", "a long question") };
    let call = bench.gateway.call(whole(), owner_context());
    assert!(tokio::time::timeout(Duration::from_secs(30), call).await.is_err());
    // The provider generates it to the end and bills it; who asks again hears it.
    let again = hear(bench.gateway.call(whole(), owner_context()).await.unwrap()).await.unwrap();
    assert_eq!((again.text.as_str(), bench.cloud.calls()), ("the answer", 1));
    settle(&bench).await;
    let rows = bench.ledger.rows();
    let paid = rows.iter().find(|row| row.cost > NanoUsd::ZERO).unwrap();
    assert_eq!((paid.outcome, paid.usage), (Outcome::Ok, usage));
}

#[tokio::test(start_paused = true)]
async fn near_a_limit_a_document_is_held_at_what_it_can_be() {
    // Two dollars are left; a model with a window of 200,000 tokens reads it for 0.2 at most.
    let bench = Bench::with(MemoryLedger::with_limit(NanoUsd::from_usd(2)), |settings| {
        settings.prices.prices[0].context_window = Some(200_000);
    });
    let mut asked = request("cloud/m", "what does it say?");
    let source = MediaSource::Base64("A".repeat(3_000_000).into());
    let document = Media { media_type: "application/pdf".into(), source, detail: None, name: None };
    asked.messages[0].parts.push(Part::Media(document));
    bench.cloud.script([ScriptedReply::hang()]);
    let call = bench.gateway.call(asked, owner_context());
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    assert!(bench.ledger.most_committed() >= NanoUsd(200_000 * 1_000), "{:?}", bench.ledger.most_committed());
}

#[tokio::test(start_paused = true)]
async fn searches_at_the_provider_are_held() {
    let fee = NanoUsd(10_000_000);
    let bench = Bench::with(MemoryLedger::new(), |settings| settings.prices.prices[0].tool_use = fee);
    let mut asked = request("cloud/m", "what is new?");
    let builtin = serde_json::value::RawValue::from_string(r#"{"type":"web_search","max_uses":3}"#.into());
    asked.tools.push(ToolDefinition {
        name: "web_search".into(),
        description: None,
        parameters: None,
        strict: None,
        builtin: builtin.ok(),
    });
    let usage = Usage { input: 40_000, output: 100, tool_uses: 3, ..Usage::default() };
    bench.cloud.script([ScriptedReply::text_with_usage("much", usage)]);
    let answer = hear(bench.gateway.call(asked, owner_context()).await.unwrap()).await.unwrap();
    assert_eq!(answer.summary.cost, NanoUsd(40_000 * 1_000 + 100 * 2_000) + fee + fee + fee);
    assert!(bench.ledger.most_committed() >= answer.summary.cost, "{:?}", bench.ledger.most_committed());
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

/// A stream about a document of which only the provider knows how long it is.
fn about_a_document() -> ModelRequest {
    let mut request = request("cloud/m", "what does it say");
    request.messages[0].parts.push(Part::Media(Media {
        media_type: "application/pdf".into(),
        source: MediaSource::FileId("file-1".into()),
        detail: None,
        name: None,
    }));
    request
}

/// The only row of a call whose caller leaves after the first words.
async fn row_of_one_who_leaves(reply: ScriptedReply) -> (CallRecord, usize) {
    let bench = Bench::new();
    bench.cloud.script([reply]);
    let mut answer = bench.gateway.call(about_a_document(), owner_context()).await.unwrap();
    assert!(answer.stream.next().await.is_some());
    drop(answer);
    tokio::time::sleep(Duration::from_secs(30)).await;
    settle(&bench).await;
    (bench.ledger.rows().remove(0), bench.cloud.dropped())
}

#[tokio::test(start_paused = true)]
async fn a_document_is_paid_for_by_whoever_leaves() {
    let usage = Usage { input: 50_000, output: 4, ..Usage::default() };
    let slow = ScriptedReply::text_with_usage("one two three four", usage).between(Duration::from_secs(1));
    // What a document costs is told at the end: cheaper to hear than to guess.
    let (row, dropped) = row_of_one_who_leaves(slow.clone()).await;
    assert_eq!((row.outcome, row.usage, dropped), (Outcome::Ok, usage, 0));
    // Told at the beginning, nothing more is to be learnt.
    let told = ReplyEvent::Usage { usage, reported_cost: None, service_tier: None };
    let words = ["one ", "two ", "three "].map(|word| ReplyEvent::Text(word.into()));
    let early = ScriptedReply::events([told].into_iter().chain(words)).hang_after(3);
    let (row, dropped) = row_of_one_who_leaves(early).await;
    assert_eq!((row.outcome, row.usage.input, dropped), (Outcome::Aborted, 50_000, 1));
    // Never told: all that it can be, and no more than was held.
    let (row, _) = row_of_one_who_leaves(slow.end_after(3)).await;
    assert!(row.usage_estimated && row.usage.input > 800_000, "{:?} {:?}", row.outcome, row.usage);
    assert_eq!(row.outcome, Outcome::Cut);
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
