//! What is shortened, that it stays so, and what is never touched.

use crate::bench::{Bench, hear, price};
use crate::talk::{agent_bench, context, log, request, result, results, say, session, short_segments};
use nunchi_core::{
    CacheTtl, CallContext, CompressMode, ContextProposal, Model, ModelError, ModelErrorKind, ModelRequest,
    NanoUsd, Part, Role,
};
use nunchi_gateway::{OnLimit, PriceCatalog, Settings};
use nunchi_testkit::{MemoryLedger, ScriptedReply};

fn with_prices(change: impl FnOnce(&mut nunchi_core::ModelPrice)) -> impl FnOnce(&mut Settings) {
    move |settings| {
        short_segments(settings);
        let mut own = price("cloud-list");
        change(&mut own);
        settings.prices = PriceCatalog { version: "test".into(), prices: vec![own, price("spare-list")] };
    }
}

async fn sent(bench: &Bench, asked: ModelRequest, context: CallContext) -> (ModelRequest, String) {
    let reply = bench.gateway.call(asked, context).await.unwrap();
    let notes: Vec<_> =
        reply.info.notes.iter().map(|note| format!("{}: {}", note.field, note.what)).collect();
    hear(reply).await.unwrap();
    (bench.cloud.requests().pop().unwrap().0, notes.join("; "))
}

#[tokio::test(start_paused = true)]
async fn a_session_of_ten_turns_stays_byte_for_byte() {
    let bench = agent_bench();
    let mut before: Vec<(String, String)> = Vec::new();
    let mut ever_short = 0;
    for turns in 1..=10 {
        let messages = session(turns);
        let (sent, notes) = sent(&bench, request(messages.clone()), context(CompressMode::Results)).await;
        let now = results(&sent);
        let fresh = &results(&request(messages))[turns - 1];
        assert_eq!(now.last(), Some(fresh), "the newest result is untouched");
        for (then, now) in before.iter().zip(&now) {
            let was_short = then.1.contains("recall id");
            assert!(!was_short || then == now, "what was shortened stays so");
        }
        let short = now.iter().filter(|(_, text)| text.contains("recall id")).count();
        assert!(short >= ever_short && short < turns, "{short}");
        assert_eq!(short > 0, notes.contains("tool results shortened"), "{notes}");
        assert_eq!(short > 0, sent.tools.iter().any(|tool| tool.name == "recall"));
        assert!(sent.tools.iter().any(|tool| tool.name == "read_log"));
        (before, ever_short) = (now, short);
    }
    assert!(ever_short >= 7, "{ever_short}");
    // Another process, which knows nothing of the session, sends the same.
    let (anew, _) = sent(&agent_bench(), request(session(10)), context(CompressMode::Results)).await;
    assert_eq!(results(&anew), before);
    assert!(bench.originals.count() >= 7);
    let row = bench.ledger.rows().pop().unwrap();
    assert!(row.saved.compression > NanoUsd::ZERO);
    assert_eq!(
        row.baseline_cost,
        row.cost + row.saved.total(),
        "the parts add up on the baseline's own model"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shortened_unless_somebody_wants_it() {
    let bench = agent_bench();
    for context in [context(CompressMode::Off), nunchi_testkit::owner_context()] {
        let (sent, notes) = sent(&bench, request(session(10)), context).await;
        assert_eq!((sent.messages, notes), (session(10), String::new()));
        assert!(sent.changes.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn older_turns_are_shortened_and_the_last_question_stays() {
    let bench = agent_bench();
    let asked = || request(session(10));
    let (auto, _) = sent(&agent_bench(), asked(), context(CompressMode::Auto)).await;
    let (sent, notes) = sent(&bench, asked(), context(CompressMode::History)).await;
    let all = session(10);
    assert!(notes.contains("older messages"), "{notes}");
    assert_eq!((&sent.messages[0], sent.messages.last()), (&all[0], all.last()));
    assert!(sent.messages.len() < all.len());
    let changes = sent.changes.unwrap();
    assert_eq!(changes.apply(&all), sent.messages, "the changes say what was done");
    assert!(auto.messages != all);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_touched_is_not() {
    let mut marked = session(10);
    marked.last_mut().unwrap().parts.push(Part::CachePoint(CacheTtl::FiveMinutes));
    let (sent_marked, _) = sent(&agent_bench(), request(marked.clone()), context(CompressMode::Auto)).await;
    assert_eq!(sent_marked.messages, marked);
    let mut signed = session(10);
    let thought = Part::Thinking { text: "hm".into(), signature: Some("proof".into()) };
    signed[2].parts.insert(0, thought);
    let (sent_signed, _) =
        sent(&agent_bench(), request(signed.clone()), context(CompressMode::History)).await;
    assert_eq!(sent_signed.messages.len(), signed.len(), "no turn is replaced");
    assert_eq!(sent_signed.messages[2], signed[2]);
    // Without a way to recall, nothing is left out.
    let mut bound = request(session(10));
    bound.tool_choice = nunchi_core::ToolChoice::Named("read_log".into());
    let (sent_bound, _) = sent(&agent_bench(), bound, context(CompressMode::Auto)).await;
    assert_eq!(sent_bound.messages, session(10));
}

#[tokio::test(start_paused = true)]
async fn what_would_cost_more_is_refused_and_said() {
    let bench = Bench::with(
        MemoryLedger::new(),
        with_prices(|price| {
            price.rates.cache_read = NanoUsd(100_000_000);
            price.rates.cache_write_5m = NanoUsd(1_250_000_000);
        }),
    );
    let mut messages = session(0);
    messages.push(crate::talk::called("c0", "read_log"));
    messages.push(result("c0", &log(0)));
    let (first, _) = sent(&bench, request(messages.clone()), context(CompressMode::Results)).await;
    assert_eq!(first.messages, messages, "all of it is fresh");
    messages.push(say(Role::Assistant, "It is fine."));
    messages.push(say(Role::User, &"And what of all the other jobs? ".repeat(100)));
    let (second, notes) = sent(&bench, request(messages.clone()), context(CompressMode::Results)).await;
    assert_eq!(second.messages, messages);
    assert!(notes.contains("not shortened further") && notes.contains("USD"), "{notes}");
    // Once the provider has let go of the prompt, there is nothing left to lose.
    tokio::time::advance(std::time::Duration::from_secs(301)).await;
    messages.push(say(Role::Assistant, "Fine."));
    messages.push(say(Role::User, "Sure?"));
    let (third, _) = sent(&bench, request(messages.clone()), context(CompressMode::Results)).await;
    assert!(third.messages != messages);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_gets_the_request_as_it_came() {
    let bench = agent_bench();
    let refusal = ModelError::new(ModelErrorKind::Unsupported, "no tools here");
    bench.cloud.script([ScriptedReply::error(refusal)]);
    let (sent, notes) = sent(&bench, request(session(10)), context(CompressMode::Results)).await;
    assert_eq!(sent.messages, session(10));
    assert!(notes.contains("sent as it came"), "{notes}");
    assert_eq!(bench.cloud.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cheap_model_may_summarise_once() {
    let bench = Bench::with(MemoryLedger::new(), |settings| {
        short_segments(settings);
        settings.compress.summarise = Some("spare/m".into());
    });
    bench.spare.always(ScriptedReply::text("The jobs were fine; job 3 was slow."));
    let (first, notes) = sent(&bench, request(session(6)), context(CompressMode::History)).await;
    let text: String = first.messages.iter().map(nunchi_core::Message::plain_text).collect();
    assert!(text.contains("job 3 was slow") && text.contains("[Summary of earlier turns"), "{notes}");
    assert!(notes.contains("summarised by a model"), "{notes}");
    let made = bench.spare.calls();
    assert!(made >= 1);
    let mut longer = session(6);
    longer.push(say(Role::Assistant, "Fine."));
    longer.push(say(Role::User, "Sure?"));
    let (second, _) = sent(&bench, request(longer), context(CompressMode::History)).await;
    assert_eq!(bench.spare.calls(), made, "a summary is made once");
    assert_eq!(second.messages[..3], first.messages[..3]);
    let rows = bench.ledger.rows();
    let overhead: Vec<_> =
        rows.iter().filter(|row| row.task.as_deref() == Some("nunchi/summarise")).collect();
    assert_eq!(overhead.len(), made);
    assert!(overhead.iter().all(|row| row.phase.as_deref() == Some("summarise") && row.cost > NanoUsd::ZERO));
}

async fn near_limit(
    window: u64,
    on_limit: OnLimit,
) -> (ModelRequest, Option<nunchi_core::ContextUse>, String) {
    let bench = Bench::with(MemoryLedger::new(), |settings| {
        with_prices(|price| price.context_window = Some(window))(settings);
        settings.compress.on_limit = on_limit;
    });
    let mut asked = request(session(6));
    asked.max_output_tokens = Some(100);
    let reply = bench.gateway.call(asked, nunchi_testkit::owner_context()).await.unwrap();
    let (used, notes) = (reply.info.context, format!("{:?}", reply.info.notes));
    hear(reply).await.unwrap();
    (bench.cloud.requests().pop().unwrap().0, used, notes)
}

#[tokio::test(start_paused = true)]
async fn a_nearly_full_window_is_told_before_anything_is_cut() {
    let tokens = agent_bench().gateway.count_tokens(&request(session(6)));
    let (_, used, _) = near_limit(tokens * 2, OnLimit::Trim).await;
    assert_eq!(used, None);
    let (sent, used, notes) = near_limit(tokens + 100 + tokens / 10, OnLimit::Trim).await;
    let used = used.unwrap();
    assert_eq!((used.proposal, sent.messages), (ContextProposal::Summarise, session(6)));
    assert!(
        (85..=95).contains(&used.percent) && notes.contains("summarise the conversation soon"),
        "{notes}"
    );
    let (sent, used, notes) = near_limit(tokens / 2, OnLimit::Refuse).await;
    assert_eq!((used.unwrap().proposal, sent.messages), (ContextProposal::TooLong, session(6)), "{notes}");
    let (sent, used, notes) = near_limit(tokens / 2, OnLimit::Trim).await;
    assert_eq!(used.unwrap().proposal, ContextProposal::Trimmed, "{notes}");
    assert!(sent.messages.len() < session(6).len() && notes.contains("were left out"), "{notes}");
    assert_eq!((sent.messages.first(), sent.messages.last()), (session(6).first(), session(6).last()));
    assert!(sent.tools.iter().any(|tool| tool.name == "recall"), "what was left out can be had back");
    let (sent, used, notes) = near_limit(tokens / 2, OnLimit::Summarise).await;
    assert_eq!(used.unwrap().proposal, ContextProposal::Summarised, "{notes}");
    assert!(sent.messages != session(6));
}
