//! Ollama over a socket: a provider against the scripted server.

use crate::{Provider, ProviderConfig, ProviderDeps, ProviderKind, Secret, Tls};
use futures_util::StreamExt;
use nunchi_core::{
    EmbedRequest, Embedder, Message, Model, ModelErrorKind, ModelList, ModelRequest, Part, ReplyBody, Role,
    StopReason, assemble_reply,
};
use nunchi_testkit::{Dialect as Wire, TokioClock, TokioSpawn, ToolCall, Turn, Upstream, owner_context};
use serde_json::json;
use std::sync::Arc;

fn provider(upstream: &Upstream, key: Option<&str>) -> Provider {
    let deps = ProviderDeps {
        clock: Arc::new(TokioClock::start()),
        spawn: Arc::new(TokioSpawn::new()),
        tls: Tls::new(),
    };
    let config = ProviderConfig {
        base_url: upstream.base_url(),
        secret: key.map(Secret::new),
        ..ProviderConfig::new("ollama", ProviderKind::Ollama)
    };
    Provider::new(config, deps).unwrap()
}

fn ask(stream: bool) -> ModelRequest {
    ModelRequest { stream, ..ModelRequest::new("llama3.2", vec![Message::text(Role::User, "Hi")]) }
}

/// The reply, or the kind of the first failure: of the call or in its stream.
async fn answer(provider: &Provider, stream: bool) -> Result<ReplyBody, ModelErrorKind> {
    let mut reply = provider.call(ask(stream), owner_context()).await.map_err(|error| error.kind)?;
    let mut events = Vec::new();
    while let Some(frame) = reply.stream.next().await {
        events.extend(frame.map_err(|error| error.kind)?.events);
    }
    Ok(assemble_reply(&events))
}

#[tokio::test]
async fn whole_and_streamed_say_the_same() {
    let upstream = Upstream::start(Wire::Ollama).await;
    let model = provider(&upstream, None);
    let turn = Turn::thinking("hm", "").then_text("안녕").then_tools([ToolCall::new("f", &json!({"x": 1}))]);
    for stream in [false, true] {
        upstream.script([turn.clone()]);
        let body = answer(&model, stream).await.unwrap();
        let call = Part::ToolCall {
            id: "call_0".into(),
            name: "f".into(),
            arguments: "{\"x\":1}".into(),
            signature: None,
        };
        let thought = Part::Thinking { text: "hm".into(), signature: None };
        assert_eq!(body.choices[0].parts, [thought, Part::Text("안녕".into()), call]);
        assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
        assert_eq!((body.usage.input, body.usage.output), (12, 8));
        let seen = upstream.last_request();
        assert_eq!((seen.path.as_str(), &seen.body["stream"]), ("/api/chat", &json!(stream)));
        assert_eq!(seen.header("authorization"), None);
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_is_sent_where_there_is_one() {
    let upstream = Upstream::start(Wire::Ollama).await;
    upstream.script([Turn::text("hi")]);
    answer(&provider(&upstream, Some("sk-mine")), true).await.unwrap();
    assert_eq!(upstream.last_request().header("authorization"), Some("Bearer sk-mine"));
}

#[tokio::test]
async fn replies_that_fail() {
    use ModelErrorKind as K;
    let upstream = Upstream::start(Wire::Ollama).await;
    let model = provider(&upstream, None);
    let text = || Turn::text("one two three");
    for (turn, kind) in [
        (text().cut_after(2), K::Cut),
        (text().without_terminator(), K::Cut),
        (text().error_after(2, 500), K::MidStream),
        (text().error_after(0, 500), K::UpstreamFailed),
        (text().garbage_after(1), K::Garbage),
        (Turn::status(404).message("model 'llama3.2' not found"), K::UnknownModel),
        (Turn::status(400).message("llama3.2 does not support tools"), K::Unsupported),
        (Turn::status(503), K::UpstreamFailed),
    ] {
        upstream.script([turn.clone()]);
        assert_eq!(answer(&model, true).await.unwrap_err(), kind, "{turn:?}");
    }
}

#[tokio::test]
async fn models_and_vectors() {
    let upstream = Upstream::start(Wire::Ollama).await;
    let model = provider(&upstream, None);
    let cards = model.models().await.unwrap();
    let listed: Vec<_> = cards.iter().map(|card| (card.model.as_str(), card.local, card.embedding)).collect();
    assert_eq!(listed, [("llama3.2:latest", true, false), ("nomic-embed-text:latest", true, true)]);
    let inputs = vec!["a".into(), "나".into()];
    let request = EmbedRequest { model: "nomic-embed-text".into(), inputs, dimensions: Some(16) };
    let reply = model.embed(request, owner_context()).await.unwrap();
    assert_eq!(reply.vectors.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16]);
    assert!(reply.usage.input > 0);
}
