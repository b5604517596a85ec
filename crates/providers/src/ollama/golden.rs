//! Golden requests and scripted replies of Ollama.

use super::Ollama;
use crate::codec::Codec;
use crate::testing::{
    assembled, cut_behind_every_event, decode, decode_whole, golden, rich_request, same_at_every_cut,
};
use bytes::Bytes;
use nunchi_core::{
    JsonSchemaFormat, Media, MediaSource, Message, ModelErrorKind, ModelRequest, Part, ReplyBody, ReplyEvent,
    ResponseFormat, Role, Sampling, StopReason, ToolChoice, ToolDefinition, Usage, assemble_reply,
};
use nunchi_testkit::{Dialect as Wire, Endpoint, Stop, Tokens, ToolCall, Turn, UsageShape, wire};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn media(media_type: &str, source: MediaSource) -> Part {
    Part::Media(Media { media_type: media_type.into(), source, detail: None, name: None })
}

fn base64(text: &'static str) -> MediaSource {
    MediaSource::Base64(Bytes::from_static(text.as_bytes()))
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult { call_id: id.into(), content, is_error: false }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None }
}

/// Everything but what Ollama refuses: a forced tool, pictures by URL, documents.
fn possible(model: &str) -> ModelRequest {
    let mut request = ModelRequest { tool_choice: ToolChoice::Auto, ..rich_request(model) };
    request.sampling.stop = vec!["END".into()];
    for message in &mut request.messages {
        let base64_picture = |media: &Media| {
            media.media_type.starts_with("image/") && matches!(media.source, MediaSource::Base64(_))
        };
        message.parts.retain(|part| !matches!(part, Part::Media(media) if !base64_picture(media)));
    }
    request
}

fn body_of(request: &ModelRequest) -> Value {
    serde_json::from_slice(&Ollama.encode(request).unwrap().body).unwrap()
}

fn streamed(turn: &Turn) -> ReplyBody {
    assembled(&decode(&Ollama, &[&wire(Wire::Ollama, Endpoint::Chat, turn, true).concat()]).unwrap())
}

fn whole(turn: &Turn) -> ReplyBody {
    let body = wire(Wire::Ollama, Endpoint::Chat, turn, false).concat();
    assemble_reply(&decode_whole(&Ollama, &body).unwrap())
}

#[test]
fn rich_requests() {
    golden("rich", "ollama", &Ollama, &possible("qwen3:8b"));
    golden("rich_reasoning", "ollama", &Ollama, &possible("gpt-oss:20b"));
    golden("rich_refused", "ollama", &Ollama, &rich_request("qwen3:8b"));
}

#[test]
fn awkward_messages() {
    let text = |text: &str| Part::Text(text.into());
    let request = ModelRequest::new(
        "m",
        vec![
            message(Role::User, vec![text("one"), media("image/png", base64("AAAA")), text("two")]),
            message(Role::Assistant, vec![call("a", "f", " "), call("b", "g", "[1]")]),
            message(Role::Tool, vec![result("a", vec![text("x"), media("image/png", base64("BBBB"))])]),
            message(Role::Tool, vec![result("b", vec![]), result("nobody", vec![text("y")])]),
            message(Role::Assistant, vec![text("a"), text("b"), Part::RedactedThinking("?".into())]),
            message(Role::Assistant, vec![call("a", "later", "{\"n\": 1.0}")]),
            message(Role::User, vec![result("a", vec![text("p"), text("q")]), text("go on")]),
            message(Role::Assistant, vec![Part::Refusal("no".into())]),
            message(Role::User, vec![]),
        ],
    );
    golden("awkward", "ollama", &Ollama, &request);
}

#[test]
fn what_ollama_cannot() {
    let ask = |parts| ModelRequest::new("m", vec![message(Role::User, parts)]);
    let hi = || ask(vec![Part::Text("Hi".into())]);
    let builtin = ToolDefinition {
        name: "search".into(),
        description: None,
        parameters: None,
        strict: None,
        builtin: Some(RawValue::from_string("{}".into()).unwrap()),
    };
    let answer = |part| ModelRequest::new("m", vec![message(Role::Assistant, vec![part])]);
    for (case, request) in [
        ("n", ModelRequest { choices: 2, ..hi() }),
        ("required", ModelRequest { tool_choice: ToolChoice::Required, ..hi() }),
        ("named", ModelRequest { tool_choice: ToolChoice::Named("f".into()), ..hi() }),
        ("builtin", ModelRequest { tools: vec![builtin], ..hi() }),
        ("url", ask(vec![media("image/png", MediaSource::Url("https://e/x".into()))])),
        ("bare url", ask(vec![media("", MediaSource::Url("https://e/x".into()))])),
        ("file", ask(vec![media("image/png", MediaSource::FileId("f".into()))])),
        ("sound", ask(vec![media("audio/wav", base64("AAAA"))])),
        ("document", ask(vec![media("application/pdf", base64("AAAA"))])),
        ("picture in an answer", answer(media("image/png", base64("AAAA")))),
        ("result in an answer", answer(result("a", vec![]))),
    ] {
        assert_eq!(Ollama.encode(&request).unwrap_err().kind, ModelErrorKind::Unsupported, "{case}");
    }
    let error = Ollama.encode(&ModelRequest::new("m", Vec::new())).unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::InvalidRequest);
}

#[test]
fn formats_tools_and_logprobs() {
    let hi = || ModelRequest::new("m", vec![Message::text(Role::User, "Hi")]);
    assert_eq!(
        body_of(&hi()),
        json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "truncate": false, "stream": false})
    );
    let object = body_of(&ModelRequest { format: ResponseFormat::JsonObject, ..hi() });
    assert_eq!(object["format"], "json");
    let raw = RawValue::from_string(r#"{"type":"object","required":["b","a"]}"#.into()).unwrap();
    let schema = JsonSchemaFormat { name: "x".into(), description: None, schema: raw, strict: None };
    let request = ModelRequest { format: ResponseFormat::JsonSchema(schema), ..hi() };
    assert_eq!(body_of(&request)["format"], json!({"type": "object", "required": ["b", "a"]}));
    let none = ModelRequest { tool_choice: ToolChoice::None, tools: rich_request("m").tools, ..hi() };
    assert_eq!(body_of(&none)["tools"], Value::Null);
    assert_eq!(Ollama.encode(&none).unwrap().notes[0].field, "tools");
    let sampling = Sampling { top_logprobs: Some(50), ..Sampling::default() };
    let logprobs = body_of(&ModelRequest { sampling, ..hi() });
    assert_eq!((&logprobs["logprobs"], &logprobs["top_logprobs"]), (&json!(true), &json!(20)));
}

fn rich_turn() -> Turn {
    Turn::thinking("let me think", "proof").then_text("안녕하세요 there").then_tools([
        ToolCall::new("get_weather", &json!({ "city": "서울", "days": [1, 2] })),
        ToolCall::new("clock", &json!({})),
    ])
}

#[test]
fn a_stream_cut_at_every_byte_is_the_same_reply() {
    let events = wire(Wire::Ollama, Endpoint::Chat, &rich_turn(), true);
    let body = same_at_every_cut(&Ollama, &events.concat());
    assert_eq!(
        body.choices[0].parts,
        [
            Part::Thinking { text: "let me think".into(), signature: None },
            Part::Text("안녕하세요 there".into()),
            call("call_0", "get_weather", r#"{"city":"서울","days":[1,2]}"#),
            call("call_1", "clock", "{}"),
        ]
    );
    assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
    cut_behind_every_event(&Ollama, &events);
    assert_eq!(whole(&rich_turn()), body);
}

#[test]
fn reasons_to_stop() {
    for (stop, wanted) in [
        (Stop::EndTurn, StopReason::EndTurn),
        (Stop::StopSequence("END".into()), StopReason::EndTurn),
        (Stop::MaxTokens, StopReason::MaxTokens),
        (Stop::Other("load".into()), StopReason::Other("load".into())),
        (Stop::Other("unload".into()), StopReason::Other("unload".into())),
        (Stop::Other(String::new()), StopReason::EndTurn),
    ] {
        let turn = Turn::text("hi").stop(stop);
        assert_eq!(streamed(&turn).choices[0].stop, Some(wanted.clone()), "{turn:?}");
        assert_eq!(whole(&turn).choices[0].stop, Some(wanted), "{turn:?}");
    }
    let cut_call = Turn::tool_calls([ToolCall::new("f", &json!({}))]).stop(Stop::MaxTokens);
    assert_eq!(whole(&cut_call).choices[0].stop, Some(StopReason::MaxTokens));
}

#[test]
fn usage_shapes() {
    let known = |input, output| Some(Usage { input, output, ..Usage::default() });
    let tokens =
        Tokens { input: 1, cache_read: 2, output: 3, reasoning: 4, tool_prompt: 5, ..Tokens::default() };
    let hi = || Turn::text("hi");
    for (turn, wanted) in [
        (hi().usage(UsageShape::Plain { input: 10, output: 5 }), known(10, 5)),
        // Tokens that the server kept are counted among the others, and so are those of reasoning.
        (hi().usage(UsageShape::Cached { input: 10, cached: 20, output: 5 }), known(30, 5)),
        (hi().usage(UsageShape::Reasoning { input: 10, output: 5, reasoning: 7 }), known(10, 12)),
        (hi().usage(UsageShape::Counted(tokens)), known(8, 7)),
        (hi().usage(UsageShape::Missing), None),
        // A whole prompt kept by an older server; an answer whose count is missing.
        (hi().usage(UsageShape::Custom(json!({"eval_count": 5}))), None),
        (hi().usage(UsageShape::Custom(json!({"prompt_eval_count": 0, "eval_count": 5}))), None),
        (hi().usage(UsageShape::Custom(json!({"prompt_eval_count": 10}))), None),
        (hi().usage(UsageShape::Custom(json!({"prompt_eval_count": "?", "eval_count": null}))), None),
        // Nothing was answered, so zero is what was counted.
        (Turn::empty().usage(UsageShape::Custom(json!({"prompt_eval_count": 10}))), known(10, 0)),
    ] {
        for stream in [true, false] {
            let body = wire(Wire::Ollama, Endpoint::Chat, &turn, stream).concat();
            let events = if stream {
                decode(&Ollama, &[&body]).unwrap().into_iter().flat_map(|frame| frame.events).collect()
            } else {
                decode_whole(&Ollama, &body).unwrap()
            };
            let told = events.iter().find_map(|event| match event {
                ReplyEvent::Usage { usage, reported_cost: None, service_tier: None } => Some(*usage),
                _ => None,
            });
            assert_eq!(told, wanted, "{turn:?}, streamed: {stream}");
        }
    }
}

#[test]
fn streams_that_break() {
    use ModelErrorKind as K;
    let said = r#"{"model":"m","message":{"role":"assistant","content":"hi"},"done":false}"#;
    let silent = r#"{"model":"m","message":{"role":"assistant","content":""},"done":false}"#;
    let error = r#"{"error":"model 'm' not found"}"#;
    for (lines, kind) in [
        (vec![], K::Cut),
        (vec![said], K::Cut),
        (vec![said, error], K::MidStream),
        (vec![error], K::UnknownModel),
        (vec![silent, error], K::UnknownModel),
        (vec![said, "{}"], K::Garbage),
        (vec![said, "[]"], K::Garbage),
        (vec![said, "oops"], K::Garbage),
        (vec![r#"{"message":{"tool_calls":[{}]},"done":false}"#], K::Garbage),
    ] {
        let body = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(decode(&Ollama, &[body.as_bytes()]).unwrap_err().kind, kind, "{body}");
    }
    for (body, kind) in [(said, K::Cut), (error, K::UnknownModel), ("{}", K::Garbage), ("[]", K::Garbage)] {
        assert_eq!(decode_whole(&Ollama, body.as_bytes()).unwrap_err().kind, kind, "{body}");
    }
    let without_end = wire(Wire::Ollama, Endpoint::Chat, &Turn::text("one two").without_terminator(), true);
    assert_eq!(decode(&Ollama, &[&without_end.concat()]).unwrap_err().kind, K::Cut);
    let without_line_end =
        wire(Wire::Ollama, Endpoint::Chat, &Turn::text("a b").without_last_blank_line(), true);
    assert!(decode(&Ollama, &[&without_line_end.concat()]).is_ok());
}

#[test]
fn ids_and_arguments_of_tool_calls() {
    let earlier = vec![
        message(Role::User, vec![Part::Text("Hi".into())]),
        message(Role::Assistant, vec![call("call_0", "f", "{}"), call("call_3", "f", "{}")]),
    ];
    let mut decoder = Ollama.decoder(&ModelRequest::new("m", earlier));
    let body = json!({"model": "m", "done": true, "done_reason": "stop", "message": {"tool_calls": [
        {"function": {"name": "a", "arguments": {"x": 1}}},
        {"function": {"name": "b", "arguments": "{\"y\":2}"}},
        {"id": "call_given", "function": {"name": "c", "arguments": null}},
        {"id": "call_given", "function": {"name": "d"}},
        {"id": null, "function": {"index": 9, "name": "e", "arguments": ""}},
    ]}});
    let events = decoder.whole(Bytes::from(body.to_string())).unwrap().events;
    let wanted = [
        call("call_2", "a", "{\"x\":1}"),
        call("call_4", "b", "{\"y\":2}"),
        call("call_given", "c", "{}"),
        call("call_5", "d", "{}"),
        call("call_6", "e", "{}"),
    ];
    assert_eq!(assemble_reply(&events).choices[0].parts, wanted);
    let flood =
        json!({"done": true, "message": {"tool_calls": vec![json!({"function": {"name": "a"}}); 129]}});
    assert_eq!(
        decode_whole(&Ollama, flood.to_string().as_bytes()).unwrap_err().kind,
        ModelErrorKind::Garbage
    );
}
