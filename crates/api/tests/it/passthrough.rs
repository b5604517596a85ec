//! An upstream that speaks the caller's dialect is heard in its own bytes.

use crate::rendering::ask;
use crate::support::{World, raw, reply, settled, start, usage};
use nunchi_core::{Dialect, Frame, ModelError, ModelErrorKind, ReplyEvent, StopReason};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

fn chat_frames() -> Vec<Frame> {
    let chunk = |data, events| raw(Dialect::OpenAiChat, None, data, events);
    vec![
        chunk(
            r#"{"id":"c1","choices":[{"index":0,"delta":{"role":"assistant"},"x_odd":1}],"usage":null}"#,
            vec![start()],
        ),
        chunk(
            r#"{"id":"c1","choices":[{"index":0,"delta":{"content":"Hi","x":[1]}}]}"#,
            vec![ReplyEvent::Text("Hi".into())],
        ),
        chunk(
            r#"{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            vec![ReplyEvent::End(StopReason::EndTurn)],
        ),
        chunk(r#"{"id":"c1","choices":[],"usage":{"prompt_tokens":18,"odd":2}}"#, vec![usage()]),
        chunk("[DONE]", vec![]),
        Frame::of(vec![settled()]),
    ]
}

#[tokio::test]
async fn chat_chunks_are_forwarded() {
    let world = World::frames(chat_frames());
    let got = world.post(CHAT, ask(CHAT, true)).await;
    insta::assert_snapshot!(got.text());
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "x"}]});
    let got = world.post(CHAT, body.to_string()).await;
    assert_eq!(got.text().matches("\"odd\":2").count(), 1);
    assert_eq!(got.text().matches("[DONE]").count(), 1);
}

#[tokio::test]
async fn missing_counts_are_added_for_those_who_ask() {
    let mut frames = chat_frames();
    frames.remove(3);
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "x"}]});
    let last = World::frames(frames).post(CHAT, body.to_string()).await.events().pop().unwrap();
    assert_eq!((last["usage"]["total_tokens"].as_u64(), last["id"].as_str()), (Some(28), Some("up-1")));
}

#[tokio::test]
async fn perplexity_chunks_keep_everything() {
    let data = r#"{"id":"p","object":"chat.completion.chunk","citations":["https://a"],"usage":{"cost":{}},"choices":[{"index":0,"message":{"content":"Hi"},"delta":{"content":"Hi"}}]}"#;
    let events = vec![start(), ReplyEvent::Text("Hi".into()), usage(), ReplyEvent::End(StopReason::EndTurn)];
    let got =
        World::frames(vec![raw(Dialect::OpenAiChat, None, data, events)]).post(CHAT, ask(CHAT, true)).await;
    assert_eq!(got.text(), format!("data: {data}\n\ndata: [DONE]\n\n"));
}

#[tokio::test]
async fn anthropic_events_are_forwarded() {
    let event = |name: Option<&str>, data: &str, events| raw(Dialect::Anthropic, name, data, events);
    let frames = vec![
        event(Some("message_start"), r#"{"type":"message_start","message":{"odd":1}}"#, vec![start()]),
        event(None, r#"{"type":"ping"}"#, vec![]),
        event(
            Some("message_delta"),
            "{\"type\":\"message_delta\",\n\"odd\":2}",
            vec![ReplyEvent::End(StopReason::EndTurn)],
        ),
        event(Some("message_stop"), r#"{"type":"message_stop"}"#, vec![]),
        Frame::of(vec![settled()]),
    ];
    let got = World::frames(frames).post(MESSAGES, ask(MESSAGES, true)).await;
    insta::assert_snapshot!(got.text());
}

#[tokio::test]
async fn response_events_are_forwarded() {
    let event = |data: &str, events| raw(Dialect::OpenAiResponses, None, data, events);
    let frames = vec![
        event(r#"{"type":"response.created","odd":1}"#, vec![start()]),
        event(
            r#"{"type":"response.completed","odd":2}"#,
            vec![ReplyEvent::End(StopReason::EndTurn), usage()],
        ),
        Frame::of(vec![settled()]),
    ];
    let got = World::frames(frames).post(RESPONSES, ask(RESPONSES, true)).await;
    assert_eq!(
        got.text(),
        "event: response.created\ndata: {\"type\":\"response.created\",\"odd\":1}\n\n\
         event: response.completed\ndata: {\"type\":\"response.completed\",\"odd\":2}\n\n"
    );
}

fn whole(dialect: Dialect, data: &str) -> Vec<Frame> {
    let events = vec![start(), ReplyEvent::Text("Hi".into()), usage(), ReplyEvent::End(StopReason::EndTurn)];
    vec![raw(dialect, None, data, events), Frame::of(vec![settled()])]
}

#[tokio::test]
async fn whole_bodies_are_forwarded_byte_by_byte() {
    for (path, dialect, body) in [
        (CHAT, Dialect::OpenAiChat, "{ \"object\":\"chat.completion\", \"odd\": 1.50 }"),
        (RESPONSES, Dialect::OpenAiResponses, "{ \"object\":\"response\", \"odd\": 1.50 }"),
        (MESSAGES, Dialect::Anthropic, "{ \"type\":\"message\", \"odd\": 1.50 }"),
    ] {
        let got = World::frames(whole(dialect, body)).post(path, ask(path, false)).await;
        assert_eq!((got.text(), got.header("x-nunchi-cost-usd")), (body, "0.001234500"));
        // Stored whole, wanted as a stream: told anew in pieces.
        let got = World::frames(whole(dialect, body)).post(path, ask(path, true)).await;
        assert!(got.text().contains("Hi") && !got.text().contains("odd"), "{}", got.text());
        // Another dialect's bytes are translated.
        for other in [CHAT, RESPONSES, MESSAGES].into_iter().filter(|other| *other != path) {
            let got = World::frames(whole(dialect, body)).post(other, ask(other, false)).await;
            assert!(got.text().contains("Hi") && !got.text().contains("odd"), "{}", got.text());
        }
    }
}

#[tokio::test]
async fn a_stored_stream_is_told_whole() {
    let got = World::frames(chat_frames()).post(CHAT, ask(CHAT, false)).await.json();
    assert_eq!(got["choices"][0]["message"]["content"], "Hi");
    assert_eq!(got["object"], "chat.completion");
}

#[tokio::test]
async fn an_error_after_forwarded_chunks_is_told() {
    let world = World::new(|| {
        let mut frames: Vec<_> = chat_frames().into_iter().take(2).map(Ok).collect();
        frames.push(Err(ModelError::new(ModelErrorKind::MidStream, "overloaded").from_provider("openai")));
        Ok(reply(frames))
    });
    let got = world.post(CHAT, ask(CHAT, true)).await;
    let last = got.events().pop().unwrap();
    assert_eq!(last["error"]["code"], "upstream.mid_stream");
    assert!(!got.text().contains("[DONE]"));
}
