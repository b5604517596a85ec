//! Every kind of event, written in every dialect, streamed and whole: whole responses as snapshots.

use crate::support::{World, everything, hello, start, usage};
use nunchi_core::{Frame, ReplyEvent, StopReason};
use serde_json::{Value, json};

/// A minimal request of each dialect.
pub(crate) fn ask(path: &str, stream: bool) -> String {
    let mut body = match path {
        "/v1/responses" => json!({"model": "auto", "input": "hi"}),
        "/v1/messages" => {
            json!({"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]})
        }
        _ => json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}),
    };
    body["stream"] = stream.into();
    body.to_string()
}

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

async fn streamed(path: &str) -> String {
    let got = World::frames(everything()).post(path, ask(path, true)).await;
    assert_eq!(got.header("content-type"), "text/event-stream; charset=utf-8");
    got.text().to_owned()
}

async fn whole(path: &str) -> String {
    let got = World::frames(everything()).post(path, ask(path, false)).await;
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("x-nunchi-cost-usd"), "0.001234500");
    serde_json::to_string_pretty(&got.json()).unwrap()
}

#[tokio::test]
async fn the_service_tier_is_told_where_the_upstream_said_it() {
    let served = ReplyEvent::Usage {
        usage: nunchi_core::Usage::default(),
        reported_cost: None,
        service_tier: Some(nunchi_core::ServiceTier::Priority),
    };
    for path in [CHAT, RESPONSES] {
        for stream in [false, true] {
            let mut body: Value = serde_json::from_str(&ask(path, stream)).unwrap();
            if stream && path == CHAT {
                body["stream_options"] = json!({"include_usage": true});
            }
            let mut frames = hello();
            frames[3] = Frame::of(vec![ReplyEvent::End(StopReason::EndTurn), served.clone()]);
            let got = World::frames(frames).post(path, body.to_string()).await;
            assert!(got.text().contains("\"service_tier\":\"priority\""), "{path} {stream}: {}", got.text());
        }
    }
}

#[tokio::test]
async fn chat_stream() {
    insta::assert_snapshot!(streamed(CHAT).await);
}

#[tokio::test]
async fn chat_whole() {
    insta::assert_snapshot!(whole(CHAT).await);
}

#[tokio::test]
async fn responses_stream() {
    insta::assert_snapshot!(streamed(RESPONSES).await);
}

#[tokio::test]
async fn responses_whole() {
    insta::assert_snapshot!(whole(RESPONSES).await);
}

#[tokio::test]
async fn messages_stream() {
    insta::assert_snapshot!(streamed(MESSAGES).await);
}

#[tokio::test]
async fn messages_whole() {
    insta::assert_snapshot!(whole(MESSAGES).await);
}

#[tokio::test]
async fn a_response_repeats_its_request() {
    let body = json!({
        "model": "auto", "input": "hi", "instructions": "Be kind.", "temperature": 0.5, "top_p": 0.9,
        "max_output_tokens": 50, "metadata": {"a": "b"}, "store": true, "truncation": "auto",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "f"}, "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}},
    });
    let got = World::frames(hello()).post(RESPONSES, body.to_string()).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&got.json()).unwrap());
}

/// What each dialect calls each reason to stop: OpenAI's finish reason, the response's status, Anthropic's stop reason.
#[tokio::test]
async fn stop_reasons() {
    let mut table = String::new();
    for stop in [
        StopReason::EndTurn,
        StopReason::MaxTokens,
        StopReason::StopSequence("END".into()),
        StopReason::ToolUse,
        StopReason::ContentFilter,
        StopReason::Refusal,
        StopReason::Pause,
        StopReason::Other("MALFORMED".into()),
    ] {
        let frames =
            vec![Frame::of(vec![start(), ReplyEvent::Text("x".into()), ReplyEvent::End(stop.clone())])];
        let world = World::frames(frames);
        let mut row = vec![format!("{stop:?}")];
        for stream in [false, true] {
            let chat = world.post(CHAT, ask(CHAT, stream)).await;
            let response = world.post(RESPONSES, ask(RESPONSES, stream)).await;
            let message = world.post(MESSAGES, ask(MESSAGES, stream)).await;
            let seen = if stream {
                last_words(&[chat.events(), response.events(), message.events()])
            } else {
                [
                    chat.json()["choices"][0]["finish_reason"].clone(),
                    response.json()["status"].clone(),
                    message.json()["stop_reason"].clone(),
                ]
            };
            row.extend(seen.iter().map(|word| word.as_str().unwrap_or("-").to_owned()));
        }
        table += &(row.join(" | ") + "\n");
    }
    insta::assert_snapshot!(table);
}

fn last_words(streams: &[Vec<Value>; 3]) -> [Value; 3] {
    let chat = streams[0].last().unwrap()["choices"][0]["finish_reason"].clone();
    let response = streams[1].last().unwrap()["response"]["status"].clone();
    let message = streams[2].iter().find(|event| event["type"] == "message_delta").unwrap();
    [chat, response, message["delta"]["stop_reason"].clone()]
}

#[tokio::test]
async fn alternatives_keep_their_index() {
    let frames = vec![
        Frame::of(vec![start(), ReplyEvent::Text("a".into())]),
        Frame::of(vec![ReplyEvent::Choice(1), ReplyEvent::Text("b".into())]),
        Frame::of(vec![ReplyEvent::Choice(0), ReplyEvent::End(StopReason::EndTurn)]),
        Frame::of(vec![ReplyEvent::Choice(1), ReplyEvent::End(StopReason::MaxTokens), usage()]),
    ];
    let world = World::frames(frames);
    let whole = world.post(CHAT, ask(CHAT, false)).await.json();
    let told: Vec<_> = whole["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["message"]["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["a", "b"]);
    let chunks = world.post(CHAT, ask(CHAT, true)).await.events();
    let ends: Vec<_> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0])
        .filter(|choice| !choice["finish_reason"].is_null())
        .map(|choice| {
            (choice["index"].as_u64().unwrap(), choice["finish_reason"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(ends, [(0, "stop".to_owned()), (1, "length".to_owned())]);
    // A dialect without alternatives tells the first one only.
    assert_eq!(world.post(MESSAGES, ask(MESSAGES, true)).await.text().matches("text_delta").count(), 1);
}

#[tokio::test]
async fn token_counts_come_to_those_who_ask() {
    let world = World::frames(hello());
    let mut body: Value = serde_json::from_str(&ask(CHAT, true)).unwrap();
    assert!(!world.post(CHAT, body.to_string()).await.text().contains("usage"));
    body["stream_options"] = json!({"include_usage": true});
    let chunks = world.post(CHAT, body.to_string()).await.events();
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 18);
    assert_eq!(last["usage"]["completion_tokens"], 10);
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["usage"].is_null()));
}

#[tokio::test]
async fn arguments_that_are_no_object_are_kept() {
    let frames = vec![Frame::of(vec![
        start(),
        ReplyEvent::ToolCall { index: 0, id: "a".into(), name: "f".into() },
        ReplyEvent::ToolArguments { index: 0, delta: "{\"x\":".into() },
        ReplyEvent::ToolCall { index: 1, id: "b".into(), name: "g".into() },
        ReplyEvent::End(StopReason::ToolUse),
    ])];
    let message = World::frames(frames).post(MESSAGES, ask(MESSAGES, false)).await.json();
    assert_eq!(message["content"][0]["input"], json!({"invalid_arguments": "{\"x\":"}));
    assert_eq!(message["content"][1]["input"], json!({}));
}
