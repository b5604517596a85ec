//! Golden requests and recorded replies of responses.

use super::OpenAiResponses;
use crate::codec::Codec;
use crate::openai::OpenAiChat;
use crate::testing::{
    assembled, cut_behind_every_event, decode, decode_whole, golden, rich_request, same_at_every_cut,
};
use bytes::Bytes;
use nunchi_core::{
    Dialect, Media, MediaSource, Message, ModelErrorKind, ModelRequest, Origin, Part, ReplyEvent, Role,
    StopReason, Usage, assemble_reply,
};
use nunchi_testkit::{
    Dialect as Wire, Endpoint, Source, Split, Stop, Tokens, ToolCall, Turn, UsageShape, wire,
};
use proptest::prelude::*;
use serde_json::json;

/// How OpenAI's encrypted reasoning begins.
const PROOF: &str = "gAAAAABproof";

fn recorded(turn: &Turn, stream: bool) -> Vec<Bytes> {
    wire(Wire::OpenAi, Endpoint::Responses, turn, stream)
}

fn tool(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None }
}

#[test]
fn rich_requests() {
    golden("rich", "openai_responses", &OpenAiResponses, &rich_request("gpt-4.1"));
    golden("rich_reasoning", "openai_responses", &OpenAiResponses, &rich_request("gpt-5-mini"));
}

#[test]
fn awkward_messages() {
    let media = |media_type: &str, source, name: Option<&str>| {
        let name = name.map(str::to_owned);
        Part::Media(Media { media_type: media_type.into(), source, detail: None, name })
    };
    let base64 = || MediaSource::Base64(Bytes::from_static(b"AAAA"));
    let message = |role, parts| Message { role, parts, name: None };
    let request = ModelRequest::new(
        "gpt-5",
        vec![
            message(Role::System, vec![Part::Text("one".into())]),
            message(Role::System, vec![Part::Text("two".into())]),
            message(
                Role::User,
                vec![
                    media("application/pdf", MediaSource::Url("https://e/x.pdf".into()), Some("x.pdf")),
                    media("application/pdf", MediaSource::FileId("file-1".into()), None),
                    media("text/plain", base64(), None),
                    media("image/png", MediaSource::FileId("file-2".into()), None),
                ],
            ),
            message(
                Role::Assistant,
                vec![
                    Part::Thinking { text: "hm".into(), signature: Some(PROOF.into()) },
                    Part::Text("before".into()),
                    tool("a", "f", "{}"),
                    Part::Text("after".into()),
                    Part::RedactedThinking(PROOF.into()),
                ],
            ),
            message(
                Role::User,
                vec![
                    Part::ToolResult {
                        call_id: "a".into(),
                        content: vec![Part::Text("see".into()), media("image/png", base64(), None)],
                        is_error: false,
                    },
                    Part::Text("go on".into()),
                ],
            ),
            message(Role::User, vec![]),
        ],
    );
    golden("awkward", "openai_responses", &OpenAiResponses, &request);
}

#[test]
fn what_responses_cannot() {
    let ask = || ModelRequest::new("gpt-5", vec![Message::text(Role::User, "Hi")]);
    let mut stopped = ask();
    stopped.sampling.stop = vec!["END".into()];
    for request in [ModelRequest { choices: 2, ..ask() }, stopped] {
        let error = OpenAiResponses.encode(&request).unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unsupported);
    }
}

#[test]
fn the_same_dialect_is_spliced() {
    let body = r#"{"model":"auto","input":"Hi","x":1.0,"stream":true,"stream_options":{"include_obfuscation":true}}"#;
    let origin = Origin { dialect: Dialect::OpenAiResponses, body: Bytes::from(body) };
    let request = ModelRequest {
        origin: Some(origin),
        max_output_tokens: Some(9),
        ..ModelRequest::new("gpt-5", Vec::new())
    };
    let sent = |request: &ModelRequest| {
        String::from_utf8(OpenAiResponses.encode(request).unwrap().body.to_vec()).unwrap()
    };
    assert_eq!(
        sent(&request),
        r#"{"model":"gpt-5","input":"Hi","x":1.0,"stream":false,"max_output_tokens":9}"#
    );
    let streamed = ModelRequest { stream: true, max_output_tokens: None, ..request };
    assert_eq!(sent(&streamed), body.replace("auto", "gpt-5"));
}

#[test]
fn what_both_of_openais_dialects_say_is_kept() {
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let ask = |dialect, rest: &[(&str, &str)]| ModelRequest {
        origin: Some(Origin { dialect, body: Bytes::from_static(b"{}") }),
        rest: rest.iter().map(|(name, text)| ((*name).to_owned(), raw(text))).collect(),
        ..ModelRequest::new("gpt-5", vec![Message::text(Role::User, "Hi")])
    };
    let sent = |codec: &dyn Codec, request: &ModelRequest| {
        let encoded = codec.encode(request).unwrap();
        let notes: Vec<String> = encoded.notes.into_iter().map(|note| note.field).collect();
        (serde_json::from_slice::<serde_json::Value>(&encoded.body).unwrap(), notes)
    };
    let request = ask(
        Dialect::OpenAiChat,
        &[("service_tier", "\"flex\""), ("verbosity", "\"low\""), ("logit_bias", "{}")],
    );
    let (body, notes) = sent(&OpenAiResponses, &request);
    assert_eq!((&body["service_tier"], &body["text"]), (&json!("flex"), &json!({"verbosity": "low"})));
    assert_eq!(notes, ["logit_bias"]);
    let request =
        ask(Dialect::OpenAiResponses, &[("text.verbosity", "\"low\""), ("prompt_cache_key", "\"k\"")]);
    let (body, notes) = sent(&OpenAiChat::openai(), &request);
    assert_eq!((&body["verbosity"], &body["prompt_cache_key"]), (&json!("low"), &json!("k")));
    assert_eq!(notes, Vec::<String>::new());
    let request = ask(Dialect::Anthropic, &[("service_tier", "\"standard_only\"")]);
    let (body, notes) = sent(&OpenAiResponses, &request);
    assert_eq!((body.get("service_tier"), notes), (None, vec!["service_tier".to_owned()]));
    assert_eq!(sent(&OpenAiChat::compatible(), &request).1, ["service_tier"]);
}

#[test]
fn the_service_tier_that_was_served() {
    use nunchi_core::ServiceTier as T;
    for (word, tier) in [("default", Some(T::Standard)), ("priority", Some(T::Priority)), ("auto", None)] {
        let turn = Turn::text("Hi").service_tier(word);
        let stream = recorded(&turn, true).concat();
        assert_eq!(assembled(&decode(&OpenAiResponses, &[&stream]).unwrap()).service_tier, tier, "{word}");
        let events = decode_whole(&OpenAiResponses, &recorded(&turn, false).concat()).unwrap();
        assert_eq!(assemble_reply(&events).service_tier, tier, "{word}");
    }
}

#[test]
fn everything_cut_at_every_byte() {
    let turn = Turn::thinking("음… let me see", PROOF)
        .then_text("볼게")
        .then_tools([ToolCall::new("weather", &json!({"city": "서울"})), ToolCall::raw("clock", "{}")])
        .then_redacted_thinking(PROOF)
        .arguments(Split::Characters)
        .citations([Source::new("https://example.com/one", "One")]);
    let stream = recorded(&turn, true);
    let body = same_at_every_cut(&OpenAiResponses, &stream.concat());
    let wanted = [
        Part::Thinking { text: "음… let me see".into(), signature: Some(PROOF.into()) },
        Part::Text("볼게".into()),
        tool("call_0000", "weather", r#"{"city":"서울"}"#),
        tool("call_0001", "clock", "{}"),
        Part::RedactedThinking(PROOF.into()),
    ];
    assert_eq!(body.choices[0].parts, wanted);
    assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
    assert_eq!(body.citations.len(), 1);
    cut_behind_every_event(&OpenAiResponses, &stream);
    let whole = decode_whole(&OpenAiResponses, &recorded(&turn, false).concat()).unwrap();
    let whole = assemble_reply(&whole);
    assert_eq!((whole.choices, whole.citations, whole.usage), (body.choices, body.citations, body.usage));
}

#[test]
fn usage_and_ends() {
    let tokens = Tokens {
        input: 10,
        cache_read: 20,
        cache_write_5m: 30,
        output: 5,
        reasoning: 7,
        ..Tokens::default()
    };
    let usage =
        Usage { input: 10, cache_read: 20, cache_write_5m: 30, output: 5, reasoning: 7, ..Usage::default() };
    for (turn, usage, stop) in [
        (Turn::text("a").usage(UsageShape::Counted(tokens)), usage, StopReason::EndTurn),
        (Turn::text("a").usage(UsageShape::Missing), Usage::default(), StopReason::EndTurn),
        (
            Turn::text("a").stop(Stop::MaxTokens),
            Usage { input: 12, output: 8, ..Usage::default() },
            StopReason::MaxTokens,
        ),
        (Turn::refusal("no").usage(UsageShape::Missing), Usage::default(), StopReason::Refusal),
    ] {
        let streamed = assembled(&decode(&OpenAiResponses, &[&recorded(&turn, true).concat()]).unwrap());
        let whole = decode_whole(&OpenAiResponses, &recorded(&turn, false).concat()).unwrap();
        for body in [streamed, assemble_reply(&whole)] {
            assert_eq!((body.usage, body.choices[0].stop.as_ref()), (usage, Some(&stop)), "{turn:?}");
        }
    }
}

#[test]
fn servers_that_skip_deltas() {
    let events = [
        json!({"type": "response.created", "response": {"id": "r", "model": "m"}}),
        json!({"type": "response.web_search_call.completed", "output_index": 0}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "web_search_call", "status": "completed"}}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}]}}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": {"type": "message", "content": [{"type": "output_text", "text": "hi", "annotations": [{"type": "url_citation", "url": "https://e", "title": "E"}, {"type": "file_citation"}]}]}}),
        json!({"type": "response.output_item.done", "output_index": 3, "item": {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "free text"}}),
        json!({"type": "response.completed", "response": {"id": "r", "model": "m", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 2}}}),
    ];
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let body = assembled(&decode(&OpenAiResponses, &[text.as_bytes()]).unwrap());
    let thought = Part::Thinking { text: "a\n\nb".into(), signature: None };
    assert_eq!(body.choices[0].parts, [thought, Part::Text("hi".into()), tool("c", "f", "free text")]);
    assert_eq!(body.citations.len(), 1);
    assert_eq!(body.usage, Usage { input: 1, output: 2, tool_uses: 1, ..Usage::default() });
}

#[test]
fn failures() {
    let read = |text: &str| decode(&OpenAiResponses, &[text.as_bytes()]).unwrap_err();
    let started = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n";
    let said = "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"x\"}\n\n";
    let error = "data: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"slow down\"}\n\n";
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"id\":\"r\",\"error\":{\"code\":\"server_error\",\"message\":\"boom\"}}}\n\n";
    for (text, kind, detail) in [
        (format!("{started}{error}"), ModelErrorKind::RateLimited, "slow down"),
        (format!("{started}{said}{error}"), ModelErrorKind::MidStream, "slow down"),
        (format!("{started}{failed}"), ModelErrorKind::UpstreamFailed, "boom"),
        (format!("{started}{said}{failed}"), ModelErrorKind::MidStream, "boom"),
    ] {
        let error = read(&text);
        assert_eq!((error.kind, error.detail.as_str()), (kind, detail));
    }
    for text in [
        "data: {}\n\n",
        "data: [1]\n\n",
        "data: {\"type\":\"response.completed\"}\n\n",
        "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"x\"}\n\n",
    ] {
        assert_eq!(read(text).kind, ModelErrorKind::Garbage, "{text}");
    }
    let body =
        br#"{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"x"},"output":[]}"#;
    assert_eq!(decode_whole(&OpenAiResponses, body).unwrap_err().kind, ModelErrorKind::RateLimited);
    assert_eq!(decode_whole(&OpenAiResponses, b"{}").unwrap_err().kind, ModelErrorKind::Garbage);
}

#[test]
fn tool_calls_are_bounded() {
    let call = |at: usize| {
        let item = json!({"type": "function_call", "call_id": "c", "name": "f"});
        format!(
            "data: {}\n\n",
            json!({"type": "response.output_item.added", "output_index": at, "item": item})
        )
    };
    let text: String = (0..129).map(call).collect();
    assert_eq!(decode(&OpenAiResponses, &[text.as_bytes()]).unwrap_err().kind, ModelErrorKind::Garbage);
}

proptest! {
    #[test]
    fn decoders_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "data: ", "{", "}", "[", "]", "\"type\":", "\"response.output_item.done\"", "\"response.completed\"", "\"item\":", "\"a\"", ",",
        "\"response\":", "\"output\":", "\"output_index\":", "1", "\"usage\":", "\"delta\":", "null", "\n\n", "\"function_call\"",
    ]), 0..60)) {
        let text = words.concat();
        let _ = decode(&OpenAiResponses, &[text.as_bytes()]);
        if let Ok(events) = decode_whole(&OpenAiResponses, text.as_bytes()) {
            prop_assert!(matches!(events.last(), Some(ReplyEvent::End(_))));
        }
    }
}
