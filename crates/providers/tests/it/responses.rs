//! Responses over a socket.

use crate::support::{answer, ask, call, drain, provider};
use nunchi_core::{Dialect, ModelErrorKind, Part, StopReason};
use nunchi_providers::ProviderKind;
use nunchi_testkit::{Dialect as Wire, ToolCall, Turn, Upstream};
use serde_json::json;

#[tokio::test]
async fn whole_and_streamed_say_the_same() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAiResponses, &upstream);
    let turn = Turn::thinking("let me see", "gAAAAABproof")
        .then_text("안녕")
        .then_tools([ToolCall::new("f", &json!({"x": 1}))]);
    for stream in [false, true] {
        upstream.script([turn.clone()]);
        let got = answer(&model, ask("Hi", stream)).await;
        assert_eq!(got.error, None);
        let body = got.body();
        let wanted = [
            Part::Thinking { text: "let me see".into(), signature: Some("gAAAAABproof".into()) },
            Part::Text("안녕".into()),
            Part::ToolCall {
                id: "call_0000".into(),
                name: "f".into(),
                arguments: "{\"x\":1}".into(),
                signature: None,
            },
        ];
        assert_eq!(body.choices[0].parts, wanted);
        assert_eq!(body.choices[0].stop, Some(StopReason::ToolUse));
        let raw = got.frames[0].raw.as_ref().unwrap();
        assert_eq!(raw.dialect, Dialect::OpenAiResponses);
        assert_eq!(raw.event.as_deref(), stream.then_some("response.created"));
        let seen = upstream.last_request();
        assert_eq!((seen.path.as_str(), &seen.body["store"]), ("/v1/responses", &json!(false)));
        assert_eq!(seen.body["include"], json!(["reasoning.encrypted_content"]));
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn streams_that_break() {
    let upstream = Upstream::start(Wire::OpenAi).await;
    let model = provider(ProviderKind::OpenAiResponses, &upstream);
    for (turn, kind) in [
        (Turn::text("one two three").cut_after(6), ModelErrorKind::Cut),
        (Turn::text("one two three").without_terminator(), ModelErrorKind::Cut),
        (Turn::text("one two three").error_after(6, 500), ModelErrorKind::MidStream),
        (Turn::text("one two three").error_after(2, 429), ModelErrorKind::RateLimited),
        (Turn::text("one two three").garbage_after(5), ModelErrorKind::Garbage),
    ] {
        upstream.script([turn.clone()]);
        let got = drain(call(&model, ask("Hi", true)).await.unwrap()).await;
        assert_eq!(got.error.map(|error| error.kind), Some(kind), "{turn:?}");
    }
}
