//! Gemini over a socket: a provider against the scripted server.

use crate::{Provider, ProviderConfig, ProviderDeps, ProviderKind, Secret, Tls};
use futures_util::StreamExt;
use nunchi_core::{
    EmbedRequest, Embedder, Message, Model, ModelError, ModelErrorKind, ModelList, ModelRequest, Part,
    ReplyBody, Role, StopReason, ToolDefinition, assemble_reply,
};
use nunchi_testkit::{Dialect as Wire, TokioClock, TokioSpawn, ToolCall, Turn, Upstream, owner_context};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn provider(upstream: &Upstream) -> Provider {
    let deps = ProviderDeps {
        clock: Arc::new(TokioClock::start()),
        spawn: Arc::new(TokioSpawn::new()),
        tls: Tls::new(),
    };
    let config = ProviderConfig {
        base_url: upstream.base_url(),
        secret: Some(Secret::new("AIza-mine")),
        ..ProviderConfig::new("gemini", ProviderKind::Gemini)
    };
    Provider::new(config, deps).unwrap()
}

fn ask(stream: bool) -> ModelRequest {
    ModelRequest { stream, ..ModelRequest::new("gemini-2.5-flash", vec![Message::text(Role::User, "Hi")]) }
}

/// The reply, or the first failure: of the call or in its stream.
async fn answer(provider: &Provider, request: ModelRequest) -> Result<ReplyBody, ModelError> {
    let mut reply = provider.call(request, owner_context()).await?;
    let mut events = Vec::new();
    while let Some(frame) = reply.stream.next().await {
        events.extend(frame?.events);
    }
    Ok(assemble_reply(&events))
}

#[tokio::test]
async fn a_tool_round_streamed_and_whole() {
    let upstream = Upstream::start(Wire::Gemini).await;
    let model = provider(&upstream);
    let tool =
        ToolDefinition { name: "f".into(), description: None, parameters: None, strict: None, builtin: None };
    for (stream, verb) in [(false, "generateContent"), (true, "streamGenerateContent")] {
        let first =
            Turn::thinking("hm", "p").then_text("안녕").then_tools([ToolCall::new("f", &json!({"x": 1}))]);
        upstream.script([first, Turn::text("done")]);
        let mut request = ModelRequest { tools: vec![tool.clone()], ..ask(stream) };
        let body = answer(&model, request.clone()).await.unwrap();
        assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
        assert_eq!((body.usage.input, body.usage.output, body.model.as_str()), (12, 8, "gemini-2.5-flash"));
        let Some(Part::ToolCall { id, .. }) = body.choices[0].parts.last() else { panic!("a call") };
        let result =
            Part::ToolResult { call_id: id.clone(), content: vec![Part::Text("1".into())], is_error: false };
        let message = |role, parts| Message { role, parts, name: None };
        request.messages.push(message(Role::Assistant, body.choices[0].parts.clone()));
        request.messages.push(message(Role::Tool, vec![result]));
        let body = answer(&model, request).await.unwrap();
        assert_eq!(body.choices[0].parts, [Part::Text("done".into())]);
        let seen = upstream.last_request();
        assert_eq!(seen.path, format!("/v1beta/models/gemini-2.5-flash:{verb}"));
        assert_eq!(seen.header("x-goog-api-key"), Some("AIza-mine"));
        let roles: Vec<_> =
            seen.body["contents"].as_array().unwrap().iter().map(|turn| &turn["role"]).collect();
        assert_eq!(roles, ["user", "model", "user"]);
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn replies_that_fail() {
    use ModelErrorKind as K;
    let upstream = Upstream::start(Wire::Gemini).await;
    let model = provider(&upstream);
    let text = || Turn::text("one two three");
    for (turn, kind) in [
        (text().cut_after(2), K::Cut),
        (text().without_terminator(), K::Cut),
        (text().error_after(2, 500), K::MidStream),
        (text().error_after(0, 500), K::UpstreamFailed),
        (text().garbage_after(1), K::Garbage),
        (Turn::status(400).message("API key not valid. Please pass a valid API key."), K::UpstreamAuth),
        (Turn::status(404), K::UnknownModel),
        (Turn::status(503), K::UpstreamFailed),
        (Turn::html(502), K::UpstreamFailed),
    ] {
        upstream.script([turn.clone()]);
        assert_eq!(answer(&model, ask(true)).await.unwrap_err().kind, kind, "{turn:?}");
    }
    upstream.script([Turn::status(429).retry_after(7)]);
    let error = answer(&model, ask(false)).await.unwrap_err();
    assert_eq!((error.kind, error.retry_after), (K::RateLimited, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn models_and_vectors() {
    let upstream = Upstream::start(Wire::Gemini).await;
    let model = provider(&upstream);
    let cards = model.models().await.unwrap();
    let names: Vec<(&str, bool)> = cards.iter().map(|card| (card.model.as_str(), card.embedding)).collect();
    assert_eq!(
        names,
        [("gemini-2.5-flash", false), ("gemini-2.5-pro", false), ("gemini-embedding-001", true)]
    );
    let inputs = vec!["a".to_owned(), "나".to_owned(), "a".to_owned()];
    let request = EmbedRequest { model: "gemini-embedding-001".into(), inputs, dimensions: Some(16) };
    let reply = model.embed(request, owner_context()).await.unwrap();
    assert_eq!(reply.vectors.len(), 3);
    assert_eq!(reply.vectors[0], reply.vectors[2]);
    assert_ne!(reply.vectors[0], reply.vectors[1]);
    for vector in &reply.vectors {
        let length: f32 = vector.iter().map(|value| value * value).sum();
        assert!(vector.len() == 16 && (length - 1.0).abs() < 1e-3, "{length}");
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}
