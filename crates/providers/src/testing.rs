//! What the dialects' tests share: decoding of bytes cut anywhere, one rich request, golden files.

use crate::codec::Codec;
use crate::transport::Frames;
use bytes::Bytes;
use nunchi_core::{
    CacheTtl, Frame, ImageDetail, Json, JsonSchemaFormat, Media, MediaSource, Message, ModelError,
    ModelErrorKind, ModelRequest, Part, ReasoningEffort, ReasoningRequest, ReplyBody, ReplyEvent,
    ResponseFormat, Role, Sampling, ToolChoice, ToolDefinition, assemble_reply,
};

/// Reads a streamed body that comes in these chunks, as the provider does.
pub(crate) fn decode(codec: &dyn Codec, chunks: &[&[u8]]) -> Result<Vec<Frame>, ModelError> {
    let mut decoder = codec.decoder(&ModelRequest::new("m", Vec::new()));
    let mut frames = Frames::new(codec.framing());
    let mut out = Vec::new();
    for chunk in chunks {
        frames.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = frames.next_event()? {
            let name = event.name.as_deref().map(|name| std::str::from_utf8(name).unwrap());
            out.push(decoder.event(name, event.data)?);
        }
    }
    if let Some(event) = frames.finish()? {
        out.push(decoder.event(None, event.data)?);
    }
    if !decoder.done() {
        out.push(decoder.finish()?);
    }
    Ok(out)
}

/// The whole reply that frames add up to.
pub(crate) fn assembled(frames: &[Frame]) -> ReplyBody {
    assemble_reply(frames.iter().flat_map(|frame| &frame.events))
}

/// Reads a body that was not streamed.
pub(crate) fn decode_whole(codec: &dyn Codec, body: &[u8]) -> Result<Vec<ReplyEvent>, ModelError> {
    let mut decoder = codec.decoder(&ModelRequest::new("m", Vec::new()));
    Ok(decoder.whole(Bytes::copy_from_slice(body))?.events)
}

/// Checks that a recorded stream gives the same reply however it is cut in two, and byte by byte.
pub(crate) fn same_at_every_cut(codec: &dyn Codec, stream: &[u8]) -> ReplyBody {
    let whole = assembled(&decode(codec, &[stream]).unwrap());
    for cut in 1..stream.len() {
        let halves = decode(codec, &[&stream[..cut], &stream[cut..]]).unwrap();
        assert_eq!(assembled(&halves), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(assembled(&decode(codec, &bytes).unwrap()), whole);
    whole
}

/// Checks that a stream that lacks its end is never taken for a whole reply: cut behind any event but the last, it is an error.
pub(crate) fn cut_behind_every_event(codec: &dyn Codec, events: &[Bytes]) {
    for count in 0..events.len() - 1 {
        let error = decode(codec, &[&events[..count].concat()]).unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Cut, "after {count} events");
    }
    assert!(decode(codec, &[&events.concat()]).is_ok());
}

fn json(text: &str) -> Json {
    serde_json::value::RawValue::from_string(text.to_owned()).unwrap()
}

/// Everything a conversation can hold that most dialects can say.
pub(crate) fn rich_request(model: &str) -> ModelRequest {
    let image = |source| {
        Part::Media(Media {
            media_type: "image/png".into(),
            source,
            detail: Some(ImageDetail::High),
            name: None,
        })
    };
    let messages = vec![
        Message {
            role: Role::System,
            parts: vec![Part::Text("Be brief.".into()), Part::CachePoint(CacheTtl::OneHour)],
            name: None,
        },
        Message::text(Role::Developer, "Answer in Korean."),
        Message {
            role: Role::User,
            parts: vec![
                Part::Text("이것은 뭐야?".into()),
                image(MediaSource::Url("https://example.com/a.png".into())),
                image(MediaSource::Base64(Bytes::from_static(b"aGVsbG8="))),
                Part::Media(Media {
                    media_type: "application/pdf".into(),
                    source: MediaSource::Base64(Bytes::from_static(b"JVBERi0=")),
                    detail: None,
                    name: Some("plan.pdf".into()),
                }),
            ],
            name: None,
        },
        Message {
            role: Role::Assistant,
            parts: vec![
                Part::Thinking { text: "Look it up.".into(), signature: Some("foreign".into()) },
                Part::Text("I will look.".into()),
                call("call_1", "weather", r#"{"city":"서울"}"#),
                call("call_2", "clock", ""),
            ],
            name: None,
        },
        Message {
            role: Role::Tool,
            parts: vec![
                result("call_1", vec![Part::Text("맑음".into())], false),
                result("call_2", vec![Part::Text("broken \"clock\"".into())], true),
            ],
            name: None,
        },
        Message::text(Role::User, "And tomorrow?"),
    ];
    ModelRequest { tools: tools(), ..settings(ModelRequest::new(model, messages)) }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None }
}

fn result(call_id: &str, content: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult { call_id: call_id.into(), content, is_error }
}

fn tools() -> Vec<ToolDefinition> {
    let tool = |name: &str, description: Option<&str>, parameters: &str, strict| ToolDefinition {
        name: name.into(),
        description: description.map(str::to_owned),
        parameters: Some(json(parameters)),
        strict,
        builtin: None,
    };
    vec![
        tool(
            "weather",
            Some("The weather of a city."),
            r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"#,
            Some(true),
        ),
        tool("clock", None, r#"{"type":"object","properties":{}}"#, None),
    ]
}

fn settings(request: ModelRequest) -> ModelRequest {
    ModelRequest {
        tool_choice: ToolChoice::Named("weather".into()),
        parallel_tool_calls: Some(false),
        format: ResponseFormat::JsonSchema(JsonSchemaFormat {
            name: "forecast".into(),
            description: Some("A forecast.".into()),
            schema: json(r#"{"type":"object","properties":{"sky":{"type":"string"}},"required":["sky"]}"#),
            strict: Some(true),
        }),
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(40),
            seed: Some(7),
            presence_penalty: Some(0.1),
            frequency_penalty: Some(-0.1),
            stop: Vec::new(),
            top_logprobs: Some(2),
        },
        max_output_tokens: Some(1_000),
        reasoning: Some(ReasoningRequest {
            effort: Some(ReasoningEffort::Low),
            budget_tokens: None,
            summary: Some("auto".into()),
        }),
        stream: true,
        end_user: Some("user-1".into()),
        rest: vec![("metadata".into(), json("{}"))],
        ..request
    }
}

/// Compares what a dialect makes of a request with `tests/golden/<case>.<dialect>.snap`: path, notes, headers and body.
pub(crate) fn golden(case: &str, dialect: &str, codec: &dyn Codec, request: &ModelRequest) {
    let text = match codec.encode(request) {
        Ok(encoded) => {
            let body: serde_json::Value = serde_json::from_slice(&encoded.body).unwrap();
            let notes: String =
                encoded.notes.iter().map(|n| format!("note {}: {}\n", n.field, n.what)).collect();
            let headers: String =
                encoded.headers.iter().map(|(k, v)| format!("{k}: {}\n", v.to_str().unwrap())).collect();
            format!(
                "POST {}\n{headers}{notes}\n{}",
                encoded.path,
                serde_json::to_string_pretty(&body).unwrap()
            )
        }
        Err(error) => format!("{error}"),
    };
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("{case}.{dialect}"), text));
}
