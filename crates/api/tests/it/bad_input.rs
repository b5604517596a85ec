//! Requests that are wrong in some way: each a clear error, and the model is never asked.

use crate::rendering::ask;
use crate::support::{World, hello, post};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http_body::Frame as BodyFrame;
use http_body_util::StreamBody;
use nunchi_api::ApiSettings;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";
const EMBEDDINGS: &str = "/v1/embeddings";

/// One row: status, code, param, message.
async fn row(world: &World, path: &str, body: impl Into<Body>) -> String {
    let got = world.post(path, body).await;
    let error = got.json()["error"].clone();
    let word = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
    format!("{} {} | {} | {}\n", got.status.as_u16(), word("code"), word("param"), word("message"))
}

fn with(path: &str, more: Value) -> String {
    let mut body: Value = match path {
        EMBEDDINGS => json!({"model": "auto", "input": "x"}),
        path => serde_json::from_str(&ask(path, false)).unwrap(),
    };
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn malformed_bodies() {
    let world = World::frames(hello());
    let deep = format!("{{\"model\":\"m\",\"messages\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_content = format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":{}1{}}}]}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    let bodies: Vec<Bytes> = vec![
        "".into(),
        "   ".into(),
        "{".into(),
        "{\"model\": \"m\",\n \"messages\": [}".into(),
        "[]".into(),
        "\"x\"".into(),
        "null".into(),
        "{\"model\":\"m\",\"messages\":[]} trailing".into(),
        "{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}".into(),
        Bytes::from_static(b"{\"model\":\"\xff\"}"),
        "{\"model\":\"\\ud800\",\"messages\":[]}".into(),
        "{\"model\":\"m\",\"seed\":1e999,\"messages\":[]}".into(),
        deep.into(),
        deep_content.into(),
    ];
    let mut table = String::new();
    for body in bodies {
        let start: String = String::from_utf8_lossy(&body).chars().take(40).collect();
        table += &format!("{start:?}: {}", row(&world, CHAT, body).await);
    }
    insta::assert_snapshot!(table);
    assert!(world.model.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn wrong_values() {
    let world = World::frames(hello());
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let cases = [
        (CHAT, json!({"model": 5})),
        (CHAT, json!({"model": null})),
        (CHAT, json!({"model": ""})),
        (CHAT, json!({"messages": []})),
        (CHAT, json!({"messages": null})),
        (CHAT, json!({"messages": {"role": "user"}})),
        (CHAT, json!({"messages": [{"role": "user", "content": 5}]})),
        (CHAT, json!({"messages": [{"role": "user"}]})),
        (CHAT, json!({"messages": [{"content": "x"}]})),
        (CHAT, json!({"messages": [{"role": "king", "content": "x"}]})),
        (CHAT, json!({"messages": [{"role": "tool", "content": "x"}]})),
        (CHAT, json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]})),
        (CHAT, user(json!([{"text": "x"}]))),
        (CHAT, user(json!([{"type": "text"}]))),
        (CHAT, user(json!([{"type": "image_url", "image_url": {}}]))),
        (CHAT, user(json!([{"type": "input_audio", "input_audio": {"data": "x"}}]))),
        (
            CHAT,
            user(json!([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "2h"}}])),
        ),
        (CHAT, json!({"tools": [{"type": "function"}]})),
        (CHAT, json!({"tools": [{"type": "function", "function": {"name": 5}}]})),
        (CHAT, json!({"tool_choice": "maybe"})),
        (CHAT, json!({"response_format": {"type": "json_schema"}})),
        (CHAT, json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}})),
        (CHAT, json!({"temperature": "hot"})),
        (CHAT, json!({"max_tokens": -1})),
        (CHAT, json!({"max_tokens": 0})),
        (CHAT, json!({"max_tokens": 1, "max_completion_tokens": 2})),
        (CHAT, json!({"n": 0})),
        (CHAT, json!({"n": 1000})),
        (CHAT, json!({"stop": ["a", ""]})),
        (CHAT, json!({"stop": [1]})),
        (CHAT, json!({"top_logprobs": 3})),
        (CHAT, json!({"stream": "yes"})),
        (RESPONSES, json!({"input": null})),
        (RESPONSES, json!({"input": []})),
        (RESPONSES, json!({"input": [{"type": "function_call", "call_id": "a"}]})),
        (RESPONSES, json!({"input": [{"content": "x"}]})),
        (RESPONSES, json!({"input": [{"type": "item_reference", "id": "x"}]})),
        (RESPONSES, json!({"background": true})),
        (RESPONSES, json!({"conversation": "conv_1"})),
        (RESPONSES, json!({"prompt": {"id": "p"}})),
        (RESPONSES, json!({"max_output_tokens": 0})),
        (RESPONSES, json!({"tools": [{"type": "function"}]})),
        (RESPONSES, json!({"tool_choice": {}})),
        (RESPONSES, json!({"text": {"format": {}}})),
        (MESSAGES, json!({"max_tokens": 0})),
        (MESSAGES, json!({"max_tokens": 1.5})),
        (MESSAGES, json!({"messages": [{"role": "tool", "content": "x"}]})),
        (MESSAGES, user(json!([{"type": "tool_result"}]))),
        (MESSAGES, user(json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}]))),
        (MESSAGES, user(json!([{"type": "tool_result", "tool_use_id": "a", "content": 5}]))),
        (MESSAGES, user(json!([{"type": "image", "source": {"type": "base64"}}]))),
        (MESSAGES, user(json!([{"type": "image", "source": {"type": "floppy"}}]))),
        (MESSAGES, json!({"system": 5})),
        (MESSAGES, json!({"thinking": {"type": "enabled"}})),
        (MESSAGES, json!({"thinking": {"type": "maybe"}})),
        (MESSAGES, json!({"tool_choice": {"type": "tool"}})),
        (MESSAGES, json!({"tools": [{"name": "x"}]})),
        (MESSAGES, json!({"output_format": {"type": "xml"}})),
        (EMBEDDINGS, json!({"input": null})),
        (EMBEDDINGS, json!({"input": []})),
        (EMBEDDINGS, json!({"input": ["a", ""]})),
        (EMBEDDINGS, json!({"input": [1, 2, 3]})),
        (EMBEDDINGS, json!({"input": [[1, 2], [3]]})),
        (EMBEDDINGS, json!({"input": vec!["x"; 2049]})),
        (EMBEDDINGS, json!({"encoding_format": "hex"})),
        (EMBEDDINGS, json!({"dimensions": 0})),
    ];
    let mut table = String::new();
    for (path, more) in cases {
        let shown: String = more.to_string().chars().take(90).collect();
        table += &format!("{path} {shown}\n    {}", row(&world, path, with(path, more)).await);
    }
    insta::assert_snapshot!(table);
    assert!(world.model.asked.lock().unwrap().is_empty() && world.model.embedded.lock().unwrap().is_empty());
}

/// Content inside content inside content: refused long before the stack would end.
#[tokio::test]
async fn nested_results() {
    let nested = |levels: usize| {
        let open = "[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":".repeat(levels);
        let body = format!(
            "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":{open}\"x\"{}}}]}}",
            "}]".repeat(levels)
        );
        Bytes::from(body)
    };
    let world = World::frames(hello());
    assert_eq!(world.post(MESSAGES, nested(2)).await.status, 200);
    let got = world.post(MESSAGES, nested(100_000)).await;
    assert_eq!(
        (got.status.as_u16(), got.json()["error"]["code"].as_str()),
        (400, Some("request.invalid_value"))
    );
}

#[tokio::test]
async fn ten_thousand_messages() {
    let turns: Vec<Value> = (0..10_000)
        .map(|n| json!({"role": if n % 2 == 0 { "user" } else { "assistant" }, "content": format!("turn {n}")}))
        .collect();
    let world = World::frames(hello());
    for path in [CHAT, MESSAGES] {
        assert_eq!(world.post(path, with(path, json!({"messages": turns}))).await.status, 200);
        assert_eq!(world.asked().0.messages.len(), 10_000);
    }
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let settings = ApiSettings { max_body_bytes: 1_000, ..ApiSettings::default() };
    let world = World::with(settings, || Ok(crate::support::reply(hello().into_iter().map(Ok).collect())));
    let pieces = || (0..100).map(|_| Ok::<_, Infallible>(BodyFrame::data(Bytes::from_static(&[b' '; 100]))));
    for path in [CHAT, RESPONSES, MESSAGES, EMBEDDINGS, "/v1/messages/count_tokens"] {
        let announced = world.post(path, vec![b' '; 1_001]).await;
        let chunked = world.post(path, Body::new(StreamBody::new(stream::iter(pieces())))).await;
        for got in [announced, chunked] {
            assert_eq!(
                (got.status.as_u16(), got.json()["error"]["code"].as_str()),
                (413, Some("request.too_large"))
            );
            let kind = got.json()["error"]["type"].as_str().unwrap().to_owned();
            assert_eq!(kind == "request_too_large", path.starts_with("/v1/messages"));
        }
    }
    let fits = with(CHAT, json!({"messages": [{"role": "user", "content": "x".repeat(800)}]}));
    assert_eq!(world.post(CHAT, fits).await.status, 200);
}

#[tokio::test]
async fn a_body_in_pieces_is_whole() {
    let world = World::frames(hello());
    let text = ask(CHAT, false);
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(7)
        .map(|piece| Ok::<_, Infallible>(BodyFrame::data(Bytes::copy_from_slice(piece))))
        .collect();
    assert_eq!(world.post(CHAT, Body::new(StreamBody::new(stream::iter(pieces)))).await.status, 200);
    assert_eq!(world.asked().0.origin.unwrap().body, text);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends() {
    let silent = stream::pending::<Result<BodyFrame<Bytes>, Infallible>>();
    let settings = ApiSettings { body_patience: Duration::from_secs(3), ..ApiSettings::default() };
    let world = World::with(settings, || Ok(crate::support::reply(vec![])));
    let got = world.post(CHAT, Body::new(StreamBody::new(silent))).await;
    assert_eq!((got.status.as_u16(), got.json()["error"]["code"].as_str()), (408, Some("request.too_slow")));
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let mut request = post(CHAT, ask(CHAT, false));
    request.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    let got = World::frames(hello()).send(request).await;
    assert_eq!(
        (got.status.as_u16(), got.json()["error"]["code"].as_str()),
        (415, Some("request.unsupported_encoding"))
    );
}
