//! Tools that the gateway answers itself: what the model gets, what the caller hears, and that the money adds up.

use crate::bench::{Answer, Bench, hear};
use crate::talk::{agent_bench, calls, context, log, request, results, say, session, short_segments, tool};
use nunchi_core::{
    CallContext, CompressMode, KeyId, Model, ModelErrorKind, ModelRequest, NanoUsd, Part, Principal, Role,
    StopReason, ToolChoice, Usage,
};
use nunchi_testkit::{MemoryLedger, ScriptedReply, owner_context};
use std::sync::Arc;
use uuid::Uuid;

const FIRST: Usage = Usage { input: 5_000, output: 20, ..ZERO };
const SECOND: Usage = Usage { input: 5_600, output: 30, ..ZERO };
const ZERO: Usage = Usage {
    input: 0,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 0,
    reasoning: 0,
    tool_uses: 0,
};

async fn ask(bench: &Bench, asked: ModelRequest, context: CallContext) -> Answer {
    hear(bench.gateway.call(asked, context).await.unwrap()).await.unwrap()
}

/// The id under which the first log of a session is kept.
fn first_id() -> String {
    nunchi_saving::content_id(&log(0))
}

#[tokio::test(start_paused = true)]
async fn a_recall_is_answered_and_the_caller_hears_one_answer() {
    let bench = agent_bench();
    let wanted = format!(r#"{{"id":"{}","query":"how long did request 17 take"}}"#, first_id());
    bench.cloud.script([
        calls(&[("recall", &wanted)], FIRST),
        ScriptedReply::text_with_usage("It took 7700 ms.", SECOND),
    ]);
    let answer = ask(&bench, request(session(10)), context(CompressMode::Results)).await;
    assert_eq!(answer.text, "It took 7700 ms.");
    assert_eq!(answer.body.choices[0].parts.len(), 1, "no call is shown: {:?}", answer.body.choices);
    assert_eq!(answer.body.choices[0].stop, Some(StopReason::EndTurn));
    let all = Usage { input: 10_600, output: 50, ..ZERO };
    assert_eq!((answer.body.usage, answer.summary.usage), (all, all));
    let sent = bench.cloud.requests();
    assert!(!results(&sent[0].0)[0].1.contains("7700"), "it was left out");
    let (id, told) = results(&sent[1].0).pop().unwrap();
    assert!(id == "h0" && told.contains("served in 7700 ms"), "{told}");
    assert_eq!(sent[1].0.messages[..sent[0].0.messages.len()], sent[0].0.messages, "the prefix stays");
    let rows = bench.ledger.rows();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].request, rows[1].request);
    assert_eq!(rows[0].cost + rows[1].cost, answer.summary.cost);
    assert_eq!(bench.ledger.open_holds(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_round_costs_is_taken_from_what_was_saved() {
    let bench = agent_bench();
    bench.cloud.script([
        calls(&[("recall", r#"{"id":"history"}"#)], FIRST),
        ScriptedReply::text_with_usage("So.", SECOND),
    ]);
    ask(&bench, request(session(10)), context(CompressMode::Results)).await;
    let rows = bench.ledger.rows();
    for row in &rows {
        assert_eq!(
            row.baseline_cost,
            row.cost + row.saved.total(),
            "on the baseline's own model nothing is left over"
        );
    }
    // Without shortening: one prompt, longer by what was left out, and the final answer.
    let spared = rows[0].saved.compression + NanoUsd(20 * 2_000);
    let baseline = rows[0].baseline_cost + rows[1].baseline_cost;
    assert_eq!(baseline, NanoUsd(5_000 * 1_000) + spared + NanoUsd(30 * 2_000));
    assert_eq!(
        rows[1].saved.compression,
        NanoUsd(-5_600 * 1_000),
        "its whole prompt was read only for the recall"
    );
}

#[tokio::test(start_paused = true)]
async fn a_search_for_tools_brings_them() {
    let bench = Bench::with(MemoryLedger::new(), |settings| settings.select_tools = true);
    let names =
        ["weather", "email", "currency", "music", "hotel", "papers", "chess", "recipes", "jobs", "gardening"];
    let mut asked = request(vec![say(Role::User, "Do the gardening for weather.")]);
    asked.tools = names.iter().map(|name| tool(name)).collect();
    bench
        .cloud
        .script([calls(&[("find_tools", r#"{"query":"chess"}"#)], FIRST), calls(&[("chess", "{}")], SECOND)]);
    let answer = ask(&bench, asked.clone(), owner_context()).await;
    let Part::ToolCall { name, .. } = &answer.body.choices[0].parts[0] else { panic!("{:?}", answer.body) };
    assert_eq!((name.as_str(), answer.body.choices[0].stop.clone()), ("chess", Some(StopReason::ToolUse)));
    let sent = bench.cloud.requests();
    let tools = |at: usize| sent[at].0.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
    assert!(tools(0)[0] == "find_tools" && !tools(0).contains(&"chess".into()), "{:?}", tools(0));
    assert!(tools(1).starts_with(&tools(0)) && tools(1).contains(&"chess".into()), "{:?}", tools(1));
    assert!(results(&sent[1].0)[0].1.contains("chess: Does chess."));
    // It stays, also where the next question is about something else.
    ask(
        &bench,
        ModelRequest { ..asked },
        CallContext { cache: nunchi_core::CacheDirective::NoStore, ..owner_context() },
    )
    .await;
    let last = bench.cloud.requests().pop().unwrap().0;
    assert!(last.tools.iter().any(|tool| tool.name == "chess"));
    let first = &bench.ledger.rows()[0];
    assert_eq!(first.baseline_cost, first.cost + first.saved.total());
}

#[tokio::test(start_paused = true)]
async fn rounds_end() {
    for own_tools in [true, false] {
        let bench = agent_bench();
        bench.cloud.always(calls(&[("recall", r#"{"id":"history","query":"request"}"#)], FIRST));
        let mut asked = request(session(10));
        asked.max_output_tokens = Some(1_000);
        if !own_tools {
            asked.tools.clear();
        }
        let answer = ask(&bench, asked, context(CompressMode::Results)).await;
        let sent = bench.cloud.requests();
        assert_eq!((sent.len(), bench.ledger.rows().len(), bench.ledger.open_holds()), (4, 4, 0));
        let last = &sent[3].0;
        let offered = last.tools.iter().any(|tool| tool.name == "recall");
        assert!(if own_tools { !offered } else { last.tool_choice == ToolChoice::None });
        assert_eq!(answer.summary.usage.input, 4 * FIRST.input);
        assert_eq!(
            sent.iter().map(|(sent, _)| sent.max_output_tokens.unwrap()).collect::<Vec<_>>(),
            [1_000, 980, 960, 940]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_and_the_budget_hold_for_all_rounds() {
    let bench = agent_bench();
    bench.cloud.always(calls(&[("recall", r#"{"id":"history"}"#)], Usage { output: 490, ..FIRST }));
    let answer = ask(&bench, request(session(10)), context(CompressMode::Results)).await;
    assert_eq!((bench.cloud.calls(), answer.body.choices[0].stop.clone()), (1, Some(StopReason::MaxTokens)));
    // Enough for one attempt, not for two.
    let held = NanoUsd(81_000 * 1_000);
    let bench = Bench::with(MemoryLedger::with_limit(held), short_segments);
    let dear = Usage { input: 80_000, output: 20, ..ZERO };
    bench.cloud.always(calls(&[("recall", r#"{"id":"history"}"#)], dear));
    let mut asked = request(session(10));
    asked.max_output_tokens = Some(60);
    let reply = bench.gateway.call(asked, context(CompressMode::Results)).await.unwrap();
    let error = hear(reply).await.unwrap_err();
    assert!(matches!(error.kind, ModelErrorKind::BudgetRefused(_)), "{error}");
    assert_eq!((bench.cloud.calls(), bench.ledger.open_holds()), (1, 0));
    assert!(bench.ledger.most_committed() <= held);
}

fn as_key(number: u128) -> CallContext {
    let principal = Principal { key: Some(KeyId(Uuid::from_u128(number))), ..Principal::owner() };
    CallContext { principal: Arc::new(principal), ..context(CompressMode::Results) }
}

#[tokio::test(start_paused = true)]
async fn nobody_recalls_what_another_key_sent() {
    let bench = agent_bench();
    ask(&bench, request(session(10)), as_key(1)).await;
    assert!(bench.originals.count() > 0);
    let wanted = format!(r#"{{"id":"{}","query":"request 17"}}"#, first_id());
    // Another conversation, long enough to be shortened itself, which does not hold the first log.
    let elsewhere = || {
        let mut messages = session(10);
        messages.drain(1..5);
        request(messages)
    };
    for (key, found) in [(2, false), (1, true)] {
        bench.cloud.script([calls(&[("recall", &wanted)], FIRST), ScriptedReply::text("so")]);
        ask(&bench, elsewhere(), as_key(key)).await;
        let (_, told) = results(&bench.cloud.requests().pop().unwrap().0).pop().unwrap();
        assert_eq!(told.contains("7700 ms"), found, "{told}");
        assert_eq!(told.contains("Nothing is kept"), !found, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beside_the_callers_own_are_answered_when_the_conversation_comes_back() {
    let bench = agent_bench();
    let wanted = format!(r#"{{"id":"{}","query":"request 17"}}"#, first_id());
    bench.cloud.script([calls(&[("recall", &wanted), ("read_log", r#"{"job":11}"#)], FIRST)]);
    let answer = ask(&bench, request(session(10)), context(CompressMode::Results)).await;
    let parts = &answer.body.choices[0].parts;
    let own = Part::ToolCall {
        id: "h1".into(),
        name: "read_log".into(),
        arguments: r#"{"job":11}"#.into(),
        signature: None,
    };
    assert_eq!(parts.as_slice(), std::slice::from_ref(&own), "only the caller's own call");
    assert_eq!(answer.body.choices[0].stop, Some(StopReason::ToolUse));
    let mut back = session(10);
    back.push(nunchi_core::Message { role: Role::Assistant, parts: vec![own], name: None });
    back.push(crate::talk::result("h1", "nothing"));
    ask(&bench, request(back.clone()), context(CompressMode::Results)).await;
    let sent = bench.cloud.requests().pop().unwrap().0;
    let told = results(&sent);
    let at = told.iter().position(|(id, _)| id == "h0").unwrap();
    assert!(told[at].1.contains("7700 ms") && told[at + 1] == ("h1".into(), "nothing".into()), "{told:?}");
    // A process that never saw it leaves it out.
    let other = agent_bench();
    ask(&other, request(back), context(CompressMode::Results)).await;
    assert!(!results(&other.cloud.requests().pop().unwrap().0).iter().any(|(id, _)| id == "h0"));
}

#[tokio::test(start_paused = true)]
async fn the_cache_keeps_the_final_answer_only() {
    let bench = agent_bench();
    bench.cloud.script([
        calls(&[("recall", r#"{"id":"history"}"#)], FIRST),
        ScriptedReply::text_with_usage("the end", SECOND),
    ]);
    let first = ask(&bench, request(session(10)), context(CompressMode::Results)).await;
    let again = ask(&bench, request(session(10)), context(CompressMode::Results)).await;
    assert_eq!((again.cache, again.text, again.body.choices), ("exact", first.text, first.body.choices));
    assert_eq!(bench.cloud.calls(), 2);
}
