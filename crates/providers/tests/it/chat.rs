//! Chat completions: what goes out, what comes back.

use crate::support::{answer, ask, call, config, deps, drain, provider};
use bytes::Bytes;
use nunchi_core::{
    Dialect, EmbedRequest, Embedder, ModelErrorKind, ModelList, NanoUsd, Origin, Part, ReplyEvent,
    StopReason, Usage,
};
use nunchi_providers::{Provider, ProviderConfig, ProviderKind, Secret};
use nunchi_testkit::{
    ChunkPlan, Dialect as Wire, Endpoint, LineEnd, Source, Split, Tokens, ToolCall, Turn, Upstream,
    UsageShape, embedding,
};
use serde_json::json;

#[tokio::test]
async fn whole_and_streamed_say_the_same() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    let turn = Turn::thinking("let me see", "").then_text("안녕 there").usage(UsageShape::Reasoning {
        input: 12,
        output: 8,
        reasoning: 30,
    });
    for stream in [false, true] {
        upstream.script([turn.clone()]);
        let reply = call(&model, ask("Hi", stream)).await.unwrap();
        assert_eq!((reply.info.provider.as_str(), reply.info.model.as_str()), ("up", "gpt-5-mini"));
        assert!(reply.info.upstream_id.as_deref().unwrap().starts_with("req_"));
        let got = drain(reply).await;
        assert_eq!(got.error, None);
        let body = got.body();
        assert_eq!(body.model, "gpt-5-mini");
        assert_eq!(
            body.choices[0].parts,
            [Part::Thinking { text: "let me see".into(), signature: None }, Part::Text("안녕 there".into())]
        );
        assert_eq!(body.choices[0].stop, Some(StopReason::EndTurn));
        assert_eq!(body.usage, Usage { input: 12, output: 8, reasoning: 30, ..Usage::default() });
        let seen = upstream.last_request();
        assert_eq!(seen.header("authorization"), Some("Bearer sk-test"));
        assert_eq!(seen.path, "/v1/chat/completions");
        assert!(seen.finished && !seen.aborted);
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn raw_frames_are_the_upstreams_payloads() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    upstream.script([Turn::text("one two"), Turn::text("one two")]);
    let got = answer(&model, ask("Hi", true)).await;
    let raws: Vec<&Bytes> = got.frames.iter().map(|frame| &frame.raw.as_ref().unwrap().data).collect();
    assert_eq!(raws.last().unwrap().as_ref(), b"[DONE]");
    assert!(raws.iter().any(|raw| raw.windows(18).any(|part| part == b"system_fingerprint")));
    let whole = answer(&model, ask("Hi", false)).await;
    assert_eq!(whole.frames.len(), 1);
    let raw = whole.frames[0].raw.as_ref().unwrap();
    assert_eq!(raw.dialect, Dialect::OpenAiChat);
    assert!(
        serde_json::from_slice::<serde_json::Value>(&raw.data).unwrap()["system_fingerprint"].is_string()
    );
}

#[tokio::test]
async fn chunks_line_ends_and_missing_last_lines_do_not_matter() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    for plan in [ChunkPlan::EveryByte, ChunkPlan::Whole, ChunkPlan::InsideCharacters, ChunkPlan::Sized(7)] {
        for end in [LineEnd::Lf, LineEnd::CrLf, LineEnd::Cr] {
            let turn =
                Turn::text("가나다 라마바").deltas(Split::Characters).chunks(plan.clone()).line_ends(end);
            upstream.script([turn.clone(), turn.without_last_blank_line()]);
            for _ in 0..2 {
                let got = answer(&model, ask("Hi", true)).await;
                assert_eq!((got.text().as_str(), &got.error), ("가나다 라마바", &None), "{plan:?} {end:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_callers_own_body_goes_out_with_our_changes_only() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    let body = r#"{ "model":"auto", "metadata":{"x":1.0}, "messages":[{"role":"user","content":"Hi"}], "stream":true, "temperature":1.0 }"#;
    let origin = Origin { dialect: Dialect::OpenAiChat, body: Bytes::from(body) };
    let request =
        nunchi_core::ModelRequest { origin: Some(origin), max_output_tokens: Some(500), ..ask("Hi", true) };
    assert_eq!(answer(&model, request).await.text(), "Hello from the scripted upstream.");
    let sent = String::from_utf8(upstream.last_request().raw.to_vec()).unwrap();
    assert_eq!(
        sent,
        r#"{ "model":"gpt-5-mini", "metadata":{"x":1.0}, "messages":[{"role":"user","content":"Hi"}], "stream":true, "temperature":1.0,"max_completion_tokens":500,"stream_options":{"include_usage":true} }"#
    );
}

#[tokio::test]
async fn tool_calls_alternatives_and_refusals() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    let calls = || [ToolCall::new("f", &json!({"city": "서울"})), ToolCall::raw("g", "{}").id("mine")];
    for stream in [false, true] {
        upstream.script([
            Turn::tool_calls(calls()).interleaved(),
            Turn::text("a").alternatives(["b", "c"]),
            Turn::refusal("no"),
        ]);
        let body = answer(&model, ask("Hi", stream)).await.body();
        let call = |id: &str, name: &str, arguments: &str| Part::ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            signature: None,
        };
        let wanted = [call("call_0000", "f", r#"{"city":"서울"}"#), call("mine", "g", "{}")];
        assert_eq!(body.choices[0].parts, wanted);
        assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
        let body = answer(&model, ask("Hi", stream)).await.body();
        let texts: Vec<_> = body.choices.iter().map(|choice| choice.parts.clone()).collect();
        assert_eq!(
            texts,
            [vec![Part::Text("a".into())], vec![Part::Text("b".into())], vec![Part::Text("c".into())]]
        );
        assert!(body.choices.iter().all(|choice| choice.stop == Some(StopReason::EndTurn)));
        let body = answer(&model, ask("Hi", stream)).await.body();
        assert_eq!(body.choices[0].parts, [Part::Refusal("no".into())]);
        assert_eq!(body.choices[0].stop, Some(StopReason::Refusal));
    }
}

#[tokio::test]
async fn perplexity_keeps_sources_cost_and_reasoning() {
    let upstream = Upstream::start(Wire::Perplexity).await;
    let model = provider(ProviderKind::Perplexity, &upstream);
    let source = Source::new("https://example.com/one", "One");
    let tokens =
        Tokens { input: 20, output: 8, reasoning: 4, tool_prompt: 7, searches: 2, ..Tokens::default() };
    for stream in [false, true] {
        upstream.script([Turn::thinking("let me see", "")
            .then_text("Yes [1].")
            .citations([source.clone()])
            .usage(UsageShape::Counted(tokens))]);
        let got = answer(&model, ask("Hi", stream)).await;
        let body = got.body();
        assert_eq!(
            body.choices[0].parts,
            [Part::Thinking { text: "let me see".into(), signature: None }, Part::Text("Yes [1].".into())]
        );
        assert_eq!(body.citations.len(), 1);
        assert_eq!(body.citations[0].title.as_deref(), Some("One"));
        assert_eq!(body.citations[0].date.as_deref(), Some("2026-01-15"));
        let usage = Usage { input: 27, output: 8, reasoning: 4, tool_uses: 2, ..Usage::default() };
        assert_eq!(body.usage, usage);
        // 39 tokens at 1 USD a million and two searches at half a cent.
        assert_eq!(body.reported_cost, Some(NanoUsd(10_039_000)));
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn models_and_vectors() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAi, &upstream);
    let cards = model.models().await.unwrap();
    let names: Vec<_> = cards.iter().map(|card| (card.model.as_str(), card.embedding)).collect();
    assert_eq!(names, [("gpt-5-mini", false), ("gpt-5", false), ("text-embedding-3-small", true)]);
    assert!(
        cards.iter().all(|card| card.provider == "up" && card.dialect == Dialect::OpenAiChat && !card.local)
    );
    let request = EmbedRequest {
        model: "text-embedding-3-small".into(),
        inputs: vec!["one".into(), "둘".into()],
        dimensions: Some(16),
    };
    let reply = model.embed(request, nunchi_testkit::owner_context()).await.unwrap();
    assert_eq!(reply.vectors, [embedding("one", 16), embedding("둘", 16)]);
    assert_eq!(reply.usage, Usage { input: 12, ..Usage::default() });
    assert_eq!(upstream.violations(), Vec::<String>::new());
    let refused = provider(ProviderKind::Perplexity, &upstream)
        .embed(
            EmbedRequest { model: "sonar".into(), inputs: vec!["x".into()], dimensions: None },
            nunchi_testkit::owner_context(),
        )
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ModelErrorKind::Unsupported);
}

#[tokio::test]
async fn extra_headers_and_keys_go_out_and_do_not_print() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    upstream.require_key("sk-other");
    let config = ProviderConfig {
        secret: Some(Secret::new("sk-other")),
        extra_headers: vec![("x-team".into(), Secret::new("blue-hidden"))],
        ..config(ProviderKind::Compatible, upstream.base_url())
    };
    assert!(!format!("{config:?}").contains("sk-other") && !format!("{config:?}").contains("hidden"));
    let model = Provider::new(config, deps()).unwrap();
    assert!(!format!("{model:?}").contains("sk-other"));
    assert_eq!(answer(&model, ask("Hi", false)).await.text(), "Hello from the scripted upstream.");
    assert_eq!(upstream.last_request().header("x-team"), Some("blue-hidden"));
}

#[tokio::test]
async fn a_stream_that_was_not_asked_for_is_read_all_the_same() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::Compatible, &upstream);
    let streamed =
        nunchi_testkit::wire(Wire::OpenAi, Endpoint::Chat, &Turn::text("as a stream"), true).concat();
    let whole = nunchi_testkit::wire(Wire::OpenAi, Endpoint::Chat, &Turn::text("as a whole"), false).concat();
    upstream
        .script([Turn::raw(200, "text/event-stream", streamed), Turn::raw(200, "application/json", whole)]);
    assert_eq!(answer(&model, ask("Hi", false)).await.text(), "as a stream");
    let got = answer(&model, ask("Hi", true)).await;
    assert_eq!(got.text(), "as a whole");
    assert!(matches!(got.events()[0], ReplyEvent::Start { .. }));
}
