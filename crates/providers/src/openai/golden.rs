//! Golden requests and recorded replies of chat completions.

use super::OpenAiChat;
use crate::codec::Codec;
use crate::testing::{
    assembled, cut_behind_every_event, decode, decode_whole, golden, rich_request, same_at_every_cut,
};
use bytes::Bytes;
use nunchi_core::{
    Dialect, Media, MediaSource, Message, ModelErrorKind, ModelRequest, NanoUsd, Origin, Part, ReplyEvent,
    ResponseFormat, Role, StopReason, ToolChoice, Usage,
};
use nunchi_testkit::{Dialect as Wire, Endpoint, Split, ToolCall, Turn, wire};
use proptest::prelude::*;
use serde_json::json;

fn tool(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None }
}

#[test]
fn rich_requests() {
    golden("rich", "openai_chat", &OpenAiChat::openai(), &rich_request("gpt-4.1"));
    golden("rich_reasoning", "openai_chat", &OpenAiChat::openai(), &rich_request("gpt-5-mini"));
    golden("rich", "compatible", &OpenAiChat::compatible(), &rich_request("llama"));
    golden("rich", "perplexity", &OpenAiChat::perplexity(), &rich_request("sonar"));
    let plain = ModelRequest { tools: Vec::new(), tool_choice: ToolChoice::Auto, ..rich_request("sonar") };
    golden("rich_without_tools", "perplexity", &OpenAiChat::perplexity(), &plain);
}

#[test]
fn awkward_messages() {
    let media = |media_type: &str, source| {
        Part::Media(Media { media_type: media_type.into(), source, detail: None, name: None })
    };
    let base64 = || MediaSource::Base64(Bytes::from_static(b"AAAA"));
    let result = |id: &str, content| Part::ToolResult { call_id: id.into(), content, is_error: false };
    let message = |role, parts| Message { role, parts, name: None };
    let request = ModelRequest::new(
        "gpt-4.1",
        vec![
            message(
                Role::User,
                vec![
                    media("audio/wav", base64()),
                    media("application/pdf", MediaSource::FileId("file-1".into())),
                ],
            ),
            message(Role::Assistant, vec![tool("a", "f", "{}"), tool("b", "g", "{}")]),
            message(
                Role::Tool,
                vec![result("a", vec![Part::Text("x".into()), media("image/png", base64())])],
            ),
            message(Role::Tool, vec![result("b", vec![])]),
            message(Role::User, vec![Part::Text("one".into()), Part::Text("two".into())]),
            message(Role::Assistant, vec![Part::Refusal("no".into())]),
            message(Role::User, vec![]),
        ],
    );
    golden("awkward", "openai_chat", &OpenAiChat::openai(), &request);
    for (media_type, source) in [
        ("audio/flac", base64()),
        ("audio/wav", MediaSource::Url("https://e/x".into())),
        ("video/mp4", base64()),
        ("application/pdf", MediaSource::Url("https://e/x".into())),
        ("image/png", MediaSource::FileId("f".into())),
    ] {
        let request = ModelRequest::new("m", vec![message(Role::User, vec![media(media_type, source)])]);
        let error = OpenAiChat::openai().encode(&request).unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unsupported, "{media_type}");
    }
}

#[test]
fn what_perplexity_cannot() {
    let ask = || ModelRequest::new("sonar", vec![Message::text(Role::User, "Hi")]);
    for request in [
        ModelRequest { choices: 2, ..ask() },
        ModelRequest { format: ResponseFormat::JsonObject, ..ask() },
        ModelRequest { tools: rich_request("m").tools, ..ask() },
    ] {
        let error = OpenAiChat::perplexity().encode(&request).unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unsupported);
    }
    let silent = ModelRequest { tools: rich_request("m").tools, tool_choice: ToolChoice::None, ..ask() };
    assert!(OpenAiChat::perplexity().encode(&silent).is_ok());
}

/// The body that goes out for the caller's body.
fn spliced(codec: OpenAiChat, body: &str, change: impl FnOnce(&mut ModelRequest)) -> String {
    let origin = Origin { dialect: Dialect::OpenAiChat, body: Bytes::copy_from_slice(body.as_bytes()) };
    let mut request = ModelRequest { origin: Some(origin), ..ModelRequest::new("gpt-4.1", Vec::new()) };
    change(&mut request);
    String::from_utf8(codec.encode(&request).unwrap().body.to_vec()).unwrap()
}

#[test]
fn the_same_dialect_is_spliced() {
    let (openai, compatible) = (OpenAiChat::openai(), OpenAiChat::compatible());
    let keep = |_: &mut ModelRequest| {};
    let capped = |r: &mut ModelRequest| r.max_output_tokens = Some(9);
    let streamed = |r: &mut ModelRequest| r.stream = true;
    let same = r#"{"model":"gpt-4.1","x":[1.0,{"model":2}]}"#;
    assert_eq!(spliced(openai, same, keep), same);
    assert_eq!(spliced(openai, r#"{"model":"auto"}"#, keep), r#"{"model":"gpt-4.1"}"#);
    let cap = |name: &str, cap: u64| format!(r#"{{"model":"gpt-4.1","{name}":{cap}}}"#);
    let bare = r#"{"model":"gpt-4.1"}"#;
    assert_eq!(spliced(openai, bare, capped), cap("max_completion_tokens", 9));
    assert_eq!(spliced(compatible, bare, capped), cap("max_tokens", 9));
    assert_eq!(spliced(openai, &cap("max_tokens", 5), capped), cap("max_tokens", 9));
    assert_eq!(spliced(openai, &cap("max_tokens", 9), capped), cap("max_tokens", 9));
    assert_eq!(
        spliced(compatible, &cap("max_completion_tokens", 5), capped),
        cap("max_completion_tokens", 9)
    );
    let reasoning = spliced(openai, &cap("max_tokens", 5), |r| r.model = "gpt-5".into());
    assert_eq!(reasoning, r#"{"model":"gpt-5","max_completion_tokens":5}"#);
    let usage = r#""stream_options":{"include_usage":true}"#;
    assert_eq!(spliced(openai, bare, streamed), format!(r#"{{"model":"gpt-4.1","stream":true,{usage}}}"#));
    let options = r#"{"model":"gpt-4.1","stream":true,"stream_options":{"a":1,"include_usage":false}}"#;
    assert_eq!(
        spliced(openai, options, streamed),
        r#"{"model":"gpt-4.1","stream":true,"stream_options":{"a":1,"include_usage":true}}"#
    );
    assert_eq!(spliced(openai, options, keep), r#"{"model":"gpt-4.1","stream":false}"#);
    let asked = format!(r#"{{"model":"gpt-4.1","stream":true,{usage}}}"#);
    assert_eq!(spliced(openai, &asked, streamed), asked);
    assert_eq!(spliced(OpenAiChat::perplexity(), bare, streamed), r#"{"model":"gpt-4.1","stream":true}"#);
}

/// Instructions and a question, marked behind the instructions, and behind the question as well if it is gone on with.
fn shared_prefix(model: &str, goes_on: bool) -> ModelRequest {
    let mark = || Part::CachePoint(nunchi_core::CacheTtl::FiveMinutes);
    let mut messages = vec![Message::text(Role::System, "Be brief."), Message::text(Role::User, "Why?")];
    messages[0].parts.push(mark());
    if goes_on {
        messages[1].parts.push(mark());
    }
    ModelRequest::new(model, messages)
}

#[test]
fn what_sessions_share_ends_in_a_breakpoint() {
    const MARK: &str = r#""prompt_cache_breakpoint":{"mode":"explicit"}"#;
    let marked = format!(r#""content":[{{"type":"text","text":"Be brief.",{MARK}}}]"#);
    let alone = r#""prompt_cache_options":{"mode":"explicit"}"#;
    let openai = OpenAiChat::openai();
    let encoded = |codec: OpenAiChat, request: &ModelRequest| {
        String::from_utf8(codec.encode(request).unwrap().body.to_vec()).unwrap()
    };
    let written = encoded(openai, &shared_prefix("gpt-6-luna", false));
    assert!(
        written.contains(&marked) && written.contains(alone) && written.contains("\"nunchi-"),
        "{written}"
    );
    let written = encoded(openai, &shared_prefix("gpt-6-luna", true));
    assert!(written.contains(&marked) && !written.contains(alone), "the end is kept by itself: {written}");
    for (codec, model) in [(openai, "gpt-5.5"), (OpenAiChat::compatible(), "gpt-6-luna")] {
        let written = encoded(codec, &shared_prefix(model, false));
        assert!(!written.contains("prompt_cache"), "{written}");
    }
    let of = |body: &str| {
        spliced(openai, body, |r| {
            *r = ModelRequest { origin: r.origin.clone(), ..shared_prefix("gpt-6-luna", false) }
        })
    };
    let body = |system: &str, more: &str| {
        format!(
            r#"{{"model":"gpt-6-luna","x":[1.0],"messages":[{{"role":"system","content":{system}}},{{"role":"user", "content":"Why?"}}]{more}}}"#
        )
    };
    let written = of(&body(r#""Be brief.""#, ""));
    assert!(written.contains(&marked) && written.contains(alone), "{written}");
    assert!(
        written.contains(r#"{"role":"user", "content":"Why?"}"#) && written.contains(r#""x":[1.0]"#),
        "{written}"
    );
    let parts = r#"[{"type":"text","text":"Be"},{"type":"text","text":" brief.","y":1}]"#;
    let written = of(&body(parts, r#","prompt_cache_key":"mine""#));
    let last = format!(r#"{{"type":"text","text":" brief.","y":1,{MARK}}}"#);
    assert!(written.contains(&last) && !written.contains("nunchi-"), "{written}");
    for own in [r#","prompt_cache_options":{"mode":"implicit"}"#, r#","prompt_cache_retention":"24h""#] {
        let body = body(r#""Be brief.""#, own);
        assert_eq!(of(&body), body, "who looks after the cache himself is left alone");
    }
}

#[test]
fn tool_calls_cut_at_every_byte() {
    let turn = Turn::text("볼게")
        .then_tools([
            ToolCall::new("weather", &json!({"city": "서울 \"특별\" 시", "days": [1, 2]})),
            ToolCall::raw("clock", "{}"),
        ])
        .arguments(Split::Characters)
        .interleaved();
    let stream = wire(Wire::OpenAi, Endpoint::Chat, &turn, true);
    let body = same_at_every_cut(&OpenAiChat::openai(), &stream.concat());
    let wanted = [
        Part::Text("볼게".into()),
        tool("call_0000", "weather", r#"{"city":"서울 \"특별\" 시","days":[1,2]}"#),
        tool("call_0001", "clock", "{}"),
    ];
    assert_eq!(body.choices[0].parts, wanted);
    assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
    cut_behind_every_event(&OpenAiChat::openai(), &stream);
}

#[test]
fn perplexity_cut_at_every_byte() {
    let stream =
        wire(Wire::Perplexity, Endpoint::Chat, &Turn::thinking("음…", "").then_text("네 그래요"), true);
    let body = same_at_every_cut(&OpenAiChat::perplexity(), &stream.concat());
    let thought = Part::Thinking { text: "음…".into(), signature: None };
    assert_eq!(body.choices[0].parts, [thought, Part::Text("네 그래요".into())]);
}

/// The reply that chunks with these deltas add up to, `[DONE]` at the end.
fn of_deltas(deltas: &[serde_json::Value]) -> nunchi_core::ReplyBody {
    let mut text = String::new();
    for delta in deltas {
        let chunk = json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta}]});
        text.push_str(&format!("data: {chunk}\n\n"));
    }
    text.push_str("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    assembled(&decode(&OpenAiChat::compatible(), &[text.as_bytes()]).unwrap())
}

#[test]
fn tool_calls_of_compatible_servers() {
    let call = |fields: serde_json::Value| json!({"tool_calls": [fields]});
    let named = |name: &str, arguments: serde_json::Value| json!({"name": name, "arguments": arguments});
    // No index at all; the id only at first.
    let body = of_deltas(&[
        call(json!({"id": "a", "function": named("f", "{\"x\"".into())})),
        call(json!({"function": {"arguments": ":1}"}})),
        call(json!({"id": "b", "function": named("g", "{}".into())})),
    ]);
    assert_eq!(body.choices[0].parts, [tool("a", "f", "{\"x\":1}"), tool("b", "g", "{}")]);
    assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
    // Every parallel call has index 0; arguments are an object; ids are missing or repeated.
    let body = of_deltas(&[
        call(json!({"index": 0, "id": "a", "function": named("f", json!({"x": 1}))})),
        call(json!({"index": 0, "id": "b", "function": named("g", json!(null))})),
        call(json!({"index": 0, "id": "b", "function": {"arguments": "{}"}})),
    ]);
    assert_eq!(body.choices[0].parts, [tool("a", "f", "{\"x\":1}"), tool("b", "g", "{}")]);
    let body = of_deltas(&[call(json!({"index": 0, "id": null, "function": named("f", "{}".into())}))]);
    assert_eq!(body.choices[0].parts, [tool("call_r_0", "f", "{}")]);
    // The name and the id come again with every piece.
    let piece = |text: &str| call(json!({"index": 0, "id": "a", "function": named("f", text.into())}));
    let body = of_deltas(&[piece("{\"x\""), piece(":1}")]);
    assert_eq!(body.choices[0].parts, [tool("a", "f", "{\"x\":1}")]);
    // The name comes after the first arguments; the old form.
    let body = of_deltas(&[
        call(json!({"index": 0, "id": "a", "function": {"arguments": "{"}})),
        call(json!({"index": 0, "function": named("f", "}".into())})),
    ]);
    assert_eq!(body.choices[0].parts, [tool("a", "f", "{}")]);
    let body = of_deltas(&[
        json!({"function_call": named("f", "{".into())}),
        json!({"function_call": {"arguments": "}"}}),
    ]);
    assert_eq!(body.choices[0].parts, [tool("call_r_0", "f", "{}")]);
}

#[test]
fn reasoning_of_compatible_servers() {
    let thought = |text: &str| Part::Thinking { text: text.into(), signature: None };
    let body = of_deltas(&[
        json!({"reasoning_content": "a", "content": null}),
        json!({"reasoning": "b", "content": ""}),
        json!({"content": "c"}),
    ]);
    assert_eq!(body.choices[0].parts, [thought("ab"), Part::Text("c".into())]);
    let mistral = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"type": "text", "text": "b"}]);
    assert_eq!(
        of_deltas(&[json!({"content": mistral})]).choices[0].parts,
        [thought("a"), Part::Text("b".into())]
    );
}

#[test]
fn the_service_tier_that_was_served() {
    use nunchi_core::ServiceTier as T;
    for (word, tier) in [
        ("default", Some(T::Standard)),
        ("flex", Some(T::Flex)),
        ("priority", Some(T::Priority)),
        ("auto", None),
        ("", None),
    ] {
        let turn = Turn::text("Hi").service_tier(word);
        let chat = |stream| wire(Wire::OpenAi, Endpoint::Chat, &turn, stream).concat();
        assert_eq!(assembled(&decode(&OpenAiChat::openai(), &[&chat(true)]).unwrap()).service_tier, tier);
        let events = decode_whole(&OpenAiChat::openai(), &chat(false)).unwrap();
        assert_eq!(nunchi_core::assemble_reply(&events).service_tier, tier, "{word}");
    }
    // Some tell it once, at the head, and some an odd value.
    let head = "data: {\"id\":\"x\",\"service_tier\":\"priority\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let tail = "data: {\"choices\":[],\"service_tier\":null,\"usage\":{\"prompt_tokens\":1}}\n\n";
    let read = |text: &str| assembled(&decode(&OpenAiChat::compatible(), &[text.as_bytes()]).unwrap());
    assert_eq!(read(&format!("{head}{tail}")).service_tier, Some(T::Priority));
    assert_eq!(read(&format!("{}{tail}", head.replace("\"priority\"", "7"))).service_tier, None);
}

#[test]
fn odd_chunks() {
    let read = |text: &str| decode(&OpenAiChat::compatible(), &[text.as_bytes()]);
    let azure = "data: {\"choices\":[],\"id\":\"\",\"prompt_filter_results\":[]}\n\ndata: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"cost\":0.5}}\n\n";
    let body = assembled(&read(azure).unwrap());
    assert_eq!((body.id.as_str(), &body.choices[0].stop), ("x", &Some(StopReason::MaxTokens)));
    assert_eq!(body.usage, Usage { input: 1, output: 2, ..Usage::default() });
    assert_eq!(body.reported_cost, Some(NanoUsd(500_000_000)));
    for (text, kind) in [
        ("data: {\"choices\":[{\"index\":128,\"delta\":{}}]}\n\n", ModelErrorKind::Garbage),
        (
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":4000000000,\"id\":\"a\",\"function\":{\"name\":\"f\"}}]}}]}\n\n",
            ModelErrorKind::Garbage,
        ),
        (
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\"}]},\"finish_reason\":\"stop\"}]}\n\n",
            ModelErrorKind::Garbage,
        ),
        ("data: nonsense\n\n", ModelErrorKind::Garbage),
        ("event: error\ndata: {\"message\":\"x\"}\n\n", ModelErrorKind::UpstreamFailed),
        (
            "data: {\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n",
            ModelErrorKind::MidStream,
        ),
        ("", ModelErrorKind::Cut),
        ("data: {\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", ModelErrorKind::Cut),
    ] {
        assert_eq!(read(text).unwrap_err().kind, kind, "{text}");
    }
}

#[test]
fn whole_answers() {
    let body = r#"{"id":"x","model":"m","choices":[{"message":{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"https://e","title":"E","content":"q"}}]},"finish_reason":"stop","stop_reason":"END"},{"index":1,"message":{"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]},"finish_reason":null}]}"#;
    let events = decode_whole(&OpenAiChat::compatible(), body.as_bytes()).unwrap();
    let reply = nunchi_core::assemble_reply(&events);
    assert_eq!(reply.choices[0].stop, Some(StopReason::StopSequence("END".into())));
    assert_eq!(reply.choices[1].parts, [tool("c", "f", "{\"a\":1}")]);
    assert_eq!(reply.choices[1].stop, Some(StopReason::ToolUse));
    assert_eq!(reply.citations[0].quote.as_deref(), Some("q"));
    assert!(!events.iter().any(|event| matches!(event, ReplyEvent::Usage { .. })));
}

proptest! {
    #[test]
    fn decoders_never_panic(words in prop::collection::vec(prop::sample::select(vec![
        "data: ", "{", "}", "[", "]", "\"choices\":", "\"delta\":", "\"tool_calls\":", "\"index\":", "1", "-1", "\"a\"", ",",
        "\"function\":", "\"arguments\":", "\"usage\":", "\"prompt_tokens\":", "\"finish_reason\":", "null", "\n\n", "[DONE]",
    ]), 0..60)) {
        let text = words.concat();
        let _ = decode(&OpenAiChat::compatible(), &[text.as_bytes()]);
        let _ = decode_whole(&OpenAiChat::perplexity(), text.as_bytes());
    }
}
