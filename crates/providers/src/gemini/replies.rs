//! Scripted and odd replies of Gemini.

use super::Gemini;
use crate::codec::Codec;
use crate::testing::{cut_behind_every_event, decode, decode_whole, same_at_every_cut};
use bytes::Bytes;
use nunchi_core::{
    Citation, Message, ModelError, ModelErrorKind, ModelRequest, Part, ReplyBody, ReplyEvent, Role,
    StopReason, Usage, assemble_reply,
};
use nunchi_testkit::{Dialect as Wire, Endpoint, Source, Stop, Tokens, ToolCall, Turn, UsageShape, wire};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A piece of a stream or a whole reply.
fn sse(pieces: &[Value]) -> Vec<u8> {
    pieces.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect::<String>().into_bytes()
}

fn said(parts: &Value, reason: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason}]})
}

/// The events of a turn, streamed and whole.
fn both(turn: &Turn) -> [Result<Vec<ReplyEvent>, ModelError>; 2] {
    let streamed = wire(Wire::Gemini, Endpoint::Chat, turn, true).concat();
    let streamed = decode(&Gemini, &[&streamed]);
    let whole = wire(Wire::Gemini, Endpoint::Chat, turn, false).concat();
    [
        streamed.map(|frames| frames.into_iter().flat_map(|frame| frame.events).collect()),
        decode_whole(&Gemini, &whole),
    ]
}

fn bodies(turn: &Turn) -> [ReplyBody; 2] {
    both(turn).map(|events| assemble_reply(&events.unwrap()))
}

fn rich_turn() -> Turn {
    Turn::thinking("let me think", "proof").then_text("안녕하세요 there").then_tools([
        ToolCall::new("get_weather", &json!({ "city": "서울", "days": [1, 2] })).signature("call proof"),
        ToolCall::new("clock", &json!({})).id("given"),
    ])
}

#[test]
fn a_stream_cut_at_every_byte_is_the_same_reply() {
    let events = wire(Wire::Gemini, Endpoint::Chat, &rich_turn(), true);
    let body = same_at_every_cut(&Gemini, &events.concat());
    let call = |id: &str, name: &str, arguments: &str, signature: Option<&str>| Part::ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: signature.map(str::to_owned),
    };
    let parts = [
        Part::Thinking { text: "let me think".into(), signature: Some("gemini:proof".into()) },
        Part::Text("안녕하세요 there".into()),
        call("call_0", "get_weather", r#"{"city":"서울","days":[1,2]}"#, Some("gemini:call proof")),
        call("given", "clock", "{}", None),
    ];
    assert_eq!(body.choices[0].parts, parts);
    assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
    cut_behind_every_event(&Gemini, &events);
    let [streamed, whole] = bodies(&rich_turn());
    assert_eq!((&streamed, &whole), (&body, &body));
    assert!(!body.model.is_empty() && !body.id.is_empty());
    // What was said goes back as it came, signatures included.
    let answer = Message { role: Role::Assistant, parts: parts.to_vec(), name: None };
    let back = Gemini.encode(&ModelRequest::new("gemini-3-pro-preview", vec![answer])).unwrap();
    let back: Value = serde_json::from_slice(&back.body).unwrap();
    let back = &back["contents"][0]["parts"];
    let signatures: Vec<&Value> =
        back.as_array().unwrap().iter().map(|part| &part["thoughtSignature"]).collect();
    assert_eq!(signatures, [&Value::Null, &json!("proof"), &Value::Null, &json!("call proof"), &Value::Null]);
    assert_eq!(back[4]["functionCall"]["id"], "given");
}

#[test]
fn reasons_to_stop() {
    use StopReason as S;
    let word = |word: &str| Stop::Other(word.into());
    for (stop, wanted) in [
        (Stop::EndTurn, S::EndTurn),
        (Stop::StopSequence("END".into()), S::EndTurn),
        (Stop::MaxTokens, S::MaxTokens),
        (Stop::ContentFilter, S::ContentFilter),
        (word("RECITATION"), S::ContentFilter),
        (word("BLOCKLIST"), S::ContentFilter),
        (word("PROHIBITED_CONTENT"), S::ContentFilter),
        (word("SPII"), S::ContentFilter),
        (word("LANGUAGE"), S::Other("LANGUAGE".into())),
        (word("OTHER"), S::Other("OTHER".into())),
    ] {
        let turn = Turn::text("hi").stop(stop);
        for body in bodies(&turn) {
            assert_eq!(body.choices[0].stop, Some(wanted.clone()), "{turn:?}");
        }
    }
    use ModelErrorKind as K;
    for (turn, streamed, whole) in [
        (Turn::text("hi there").stop(word("MALFORMED_FUNCTION_CALL")), K::MidStream, K::MidStream),
        (Turn::empty().stop(word("MALFORMED_FUNCTION_CALL")), K::UpstreamFailed, K::UpstreamFailed),
        (Turn::empty().stop(word("UNEXPECTED_TOOL_CALL")), K::UpstreamFailed, K::UpstreamFailed),
        (Turn::text("hi").stop(word("FINISH_REASON_UNSPECIFIED")), K::Cut, K::Cut),
    ] {
        assert_eq!(both(&turn).map(|got| got.unwrap_err().kind), [streamed, whole], "{turn:?}");
    }
    let cut_call = Turn::tool_calls([ToolCall::new("f", &json!({}))]).stop(Stop::MaxTokens);
    assert_eq!(
        bodies(&cut_call).map(|body| body.choices[0].stop.clone()),
        [Some(S::MaxTokens), Some(S::MaxTokens)]
    );
}

#[test]
fn blocked_prompts() {
    for events in both(&Turn::refusal("no")) {
        let body = assemble_reply(&events.unwrap());
        assert_eq!(
            (body.choices[0].stop.as_ref(), body.choices[0].parts.len()),
            (Some(&StopReason::ContentFilter), 0)
        );
        assert_eq!(body.usage.input, 12);
    }
}

#[test]
fn alternatives_and_sources() {
    let turn = Turn::text("one two").alternatives(["other"]).citations([
        Source::new("https://e/1", "One"),
        Source::new("https://e/2", "Two"),
        Source::new("https://e/1", "One"),
    ]);
    let cited = |url: &str, title: &str| Citation {
        url: url.into(),
        title: Some(title.into()),
        ..Citation::default()
    };
    for body in bodies(&turn) {
        let choices: Vec<_> =
            body.choices.iter().map(|choice| (choice.parts.clone(), choice.stop.clone())).collect();
        let end = || Some(StopReason::EndTurn);
        assert_eq!(
            choices,
            [(vec![Part::Text("one two".into())], end()), (vec![Part::Text("other".into())], end())]
        );
        assert_eq!(body.citations, [cited("https://e/1", "One"), cited("https://e/2", "Two")]);
        assert_eq!(body.usage.tool_uses, 1);
    }
    cut_behind_every_event(&Gemini, &wire(Wire::Gemini, Endpoint::Chat, &turn, true));
    let mut other = said(&json!([{"text": "a"}]), Some("STOP"));
    other["candidates"][0]["citationMetadata"] = json!({"citationSources": [{"uri": "https://e/3"}, {}]});
    other["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["a", "b"], "groundingChunks": [
        {"retrievedContext": {"uri": "gs://x", "title": "X", "text": "passage"}}, {"maps": {"uri": "https://m"}}, {"image": {}},
    ]});
    other["usageMetadata"] = json!({"promptTokenCount": 1, "candidatesTokenCount": 1});
    let mut decoder = Gemini.decoder(&ModelRequest::new("gemini-3-flash-preview", Vec::new()));
    let body = assemble_reply(&decoder.whole(Bytes::from(other.to_string())).unwrap().events);
    let urls: Vec<_> = body.citations.iter().map(|one| (one.url.as_str(), one.quote.as_deref())).collect();
    assert_eq!(urls, [("gs://x", Some("passage")), ("https://m", None), ("https://e/3", None)]);
    assert_eq!(body.usage.tool_uses, 2);
}

#[test]
fn usage_shapes() {
    let none = Usage::default();
    let tokens =
        Tokens { input: 1, cache_read: 2, output: 3, reasoning: 4, tool_prompt: 5, ..Tokens::default() };
    let text = || Turn::text("hi there");
    for (turn, wanted) in [
        (
            text().usage(UsageShape::Plain { input: 10, output: 5 }),
            Some(Usage { input: 10, output: 5, ..none }),
        ),
        (
            text().usage(UsageShape::Cached { input: 10, cached: 20, output: 5 }),
            Some(Usage { input: 10, cache_read: 20, output: 5, ..none }),
        ),
        (
            text().usage(UsageShape::Reasoning { input: 10, output: 5, reasoning: 7 }),
            Some(Usage { input: 10, output: 5, reasoning: 7, ..none }),
        ),
        (
            text().usage(UsageShape::Counted(tokens)),
            Some(Usage { input: 6, cache_read: 2, output: 3, reasoning: 4, ..none }),
        ),
        (text().usage(UsageShape::Missing), None),
        // An answer or a prompt without tokens; nothing was answered, so zero is what was counted.
        (text().usage(UsageShape::Custom(json!({}))), None),
        (text().usage(UsageShape::Custom(json!({"promptTokenCount": 10}))), None),
        (text().usage(UsageShape::Custom(json!({"candidatesTokenCount": 5}))), None),
        (
            text().usage(UsageShape::Custom(json!({"promptTokenCount": 10, "totalTokenCount": 15}))),
            Some(Usage { input: 10, output: 5, ..none }),
        ),
        (
            Turn::empty().usage(UsageShape::Custom(json!({"promptTokenCount": 10}))),
            Some(Usage { input: 10, ..none }),
        ),
    ] {
        for events in both(&turn) {
            let events = events.unwrap();
            let told = events.iter().rev().find_map(|event| match event {
                ReplyEvent::Usage { usage, reported_cost: None, service_tier: None } => Some(*usage),
                _ => None,
            });
            assert_eq!(told, wanted, "{turn:?}");
        }
    }
}

#[test]
fn streams_that_break() {
    use ModelErrorKind as K;
    let hi = || said(&json!([{"text": "hi"}]), None);
    let end = || said(&json!([]), Some("STOP"));
    let error = |code: u16, status: &str| json!({"error": {"code": code, "message": "x", "status": status}});
    let second = json!({"candidates": [{"index": 1, "finishReason": "STOP"}]});
    let call = |call: &Value| said(&json!([{"functionCall": call}]), Some("STOP"));
    let picture = said(&json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]), Some("STOP"));
    for (pieces, kind) in [
        (vec![], Some(K::Cut)),
        (vec![hi()], Some(K::Cut)),
        (vec![hi(), end()], None),
        // A reason with every piece, as earlier generations give it.
        (vec![end(), hi(), end()], None),
        (vec![second.clone()], Some(K::Cut)),
        (vec![hi(), second.clone()], Some(K::Cut)),
        (vec![hi(), second, end()], None),
        (vec![hi(), error(503, "UNAVAILABLE")], Some(K::MidStream)),
        (vec![error(503, "UNAVAILABLE")], Some(K::UpstreamFailed)),
        (vec![error(429, "RESOURCE_EXHAUSTED")], Some(K::RateLimited)),
        (vec![error(429, "")], Some(K::RateLimited)),
        (
            vec![json!({"usageMetadata": {"promptTokenCount": 1}}), json!({"error": "x"})],
            Some(K::UpstreamFailed),
        ),
        (vec![json!({})], Some(K::Garbage)),
        (vec![json!([])], Some(K::Garbage)),
        (vec![json!({"candidates": {}})], Some(K::Garbage)),
        (vec![json!({"candidates": [7]})], Some(K::Garbage)),
        (vec![json!({"candidates": [{"index": 4_000_000}]})], Some(K::Garbage)),
        (vec![call(&json!({"args": {}}))], Some(K::Garbage)),
        (vec![call(&json!({"name": ""}))], Some(K::Garbage)),
        (vec![call(&json!({"name": "f", "args": [1]}))], Some(K::Garbage)),
        (vec![call(&json!({"name": "f", "args": null}))], None),
        (vec![picture], Some(K::Unsupported)),
        (vec![said(&json!([{"text": null, "executableCode": {}}]), Some("STOP"))], None),
        (vec![json!({"promptFeedback": {"blockReason": "SAFETY"}})], None),
        (vec![json!({"promptFeedback": {}}), hi(), end()], None),
    ] {
        let got = decode(&Gemini, &[&sse(&pieces)]);
        assert_eq!(got.err().map(|error| error.kind), kind, "{pieces:?}");
    }
    for (body, kind) in [
        (hi().to_string(), K::Cut),
        (json!({"usageMetadata": {}}).to_string(), K::Cut),
        (error(500, "INTERNAL").to_string(), K::UpstreamFailed),
        ("{}".into(), K::Garbage),
        ("[]".into(), K::Garbage),
        ("oops".into(), K::Garbage),
    ] {
        assert_eq!(decode_whole(&Gemini, body.as_bytes()).unwrap_err().kind, kind, "{body}");
    }
}

#[test]
fn ids_of_tool_calls() {
    let call = |id: &str| Part::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: String::new(),
        signature: None,
    };
    let earlier = Message { role: Role::Assistant, parts: vec![call("call_0"), call("call_3")], name: None };
    let mut decoder = Gemini.decoder(&ModelRequest::new("m", vec![earlier]));
    let calls = json!([
        {"functionCall": {"name": "a"}},
        {"functionCall": {"id": "given", "name": "b", "args": {"x": 1.0}}},
        {"functionCall": {"id": "given", "name": "c"}},
        {"functionCall": {"id": null, "name": "d"}},
    ]);
    let body = said(&calls, Some("STOP")).to_string();
    let reply = assemble_reply(&decoder.whole(Bytes::from(body)).unwrap().events);
    let ids: Vec<(&str, &str)> = reply.choices[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolCall { id, arguments, .. } => Some((id.as_str(), arguments.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(ids, [("call_2", "{}"), ("given", "{\"x\":1.0}"), ("call_4", "{}"), ("call_5", "{}")]);
    let flood = said(&json!(vec![json!({"functionCall": {"name": "a"}}); 129]), Some("STOP"));
    let error = decode_whole(&Gemini, flood.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Garbage);
}

fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["", "STOP", "SAFETY", "a", "가"]).prop_map(Value::from),
    ];
    let names = vec![
        "candidates",
        "content",
        "parts",
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "name",
        "id",
        "args",
        "finishReason",
        "index",
        "error",
        "usageMetadata",
        "promptTokenCount",
        "promptFeedback",
        "blockReason",
        "groundingMetadata",
        "groundingChunks",
        "web",
        "uri",
        "details",
        "code",
    ];
    leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names.clone()), inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn odd_replies_never_panic(pieces in prop::collection::vec(odd(), 0..4)) {
        let _ = decode(&Gemini, &[&sse(&pieces)]);
        for piece in &pieces {
            let text = piece.to_string();
            let _ = decode_whole(&Gemini, text.as_bytes());
            let _ = Gemini.error(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), text.as_bytes());
            let _ = Gemini.decode_models(text.as_bytes());
            let _ = Gemini.decode_embed(text.as_bytes());
        }
    }
}
