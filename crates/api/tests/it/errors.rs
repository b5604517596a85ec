//! Failures in the dialect of the endpoint: status, type, code, headers.

use crate::rendering::ask;
use crate::support::{World, post, reply, start};
use bytes::Bytes;
use http::HeaderValue;
use jiff::Timestamp;
use nunchi_core::{
    Amount, BudgetId, BudgetState, BudgetWindow, Dialect, Frame, ModelError, ModelErrorKind as Kind, NanoUsd,
    Refusal, ReplyEvent,
};
use std::time::Duration;
use uuid::Uuid;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

fn refusal(busy: bool) -> Kind {
    let state = BudgetState {
        id: BudgetId(Uuid::from_u128(3)),
        name: "daily".into(),
        window: BudgetWindow::Day,
        limit: Amount::Money(NanoUsd::from_usd(5)),
        spent: NanoUsd::from_usd(4).0,
        held: 0,
        resets: Some(Timestamp::from_second(1_763_769_600).unwrap()),
    };
    Kind::BudgetRefused(Box::new(Refusal { state, needed: NanoUsd::from_usd(2).0, busy }))
}

fn all_kinds() -> Vec<Kind> {
    vec![
        Kind::InvalidRequest,
        Kind::Unsupported,
        Kind::ContextTooLong,
        Kind::UnknownModel,
        Kind::ModelNotAllowed,
        Kind::UpstreamAuth,
        Kind::RateLimited,
        Kind::UpstreamFailed,
        Kind::Unreachable,
        Kind::TimedOut,
        Kind::Cut,
        Kind::Garbage,
        Kind::MidStream,
        Kind::LimitExceeded,
        refusal(false),
        refusal(true),
        Kind::NotCached,
        Kind::NoCandidate,
        Kind::NoPrice,
        Kind::LocalBusy,
        Kind::LocalUnavailable,
        Kind::Storage,
        Kind::ShuttingDown,
        Kind::ClientGone,
    ]
}

/// Status, code, OpenAI's type, Anthropic's type, Retry-After and x-should-retry of every kind.
#[tokio::test]
async fn every_kind() {
    let mut table = String::new();
    for kind in all_kinds() {
        let world = World::failing(ModelError::new(kind, ""));
        let chat = world.post(CHAT, ask(CHAT, false)).await;
        let message = world.post(MESSAGES, ask(MESSAGES, true)).await;
        assert_eq!(chat.status, message.status);
        let (open, anthropic) = (chat.json()["error"].clone(), message.json());
        assert_eq!(anthropic["type"], "error");
        assert_eq!(anthropic["error"]["code"], open["code"]);
        table += &format!(
            "{} {} | {} | {} | {} | {}\n",
            chat.status.as_u16(),
            open["code"].as_str().unwrap(),
            open["type"].as_str().unwrap(),
            anthropic["error"]["type"].as_str().unwrap(),
            chat.header("retry-after"),
            chat.header("x-should-retry"),
        );
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn whole_bodies_in_both_languages() {
    let world = World::failing(ModelError::new(refusal(false), ""));
    let mut shown = String::new();
    for (path, language) in
        [(CHAT, "en-US,en"), (RESPONSES, "ko-KR,ko;q=0.9"), (MESSAGES, "en"), (MESSAGES, "ko")]
    {
        let mut request = post(path, ask(path, false));
        request.headers_mut().insert("accept-language", HeaderValue::from_static(language));
        let got = world.send(request).await;
        shown += &format!("{path} {language}\n{}\n", serde_json::to_string_pretty(&got.json()).unwrap());
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn an_upstreams_own_words_go_to_callers_of_its_dialect() {
    let mut error = ModelError::new(Kind::RateLimited, "slow down").from_provider("openai");
    error.retry_after = Some(Duration::from_millis(1_200));
    error.body = Some((Dialect::OpenAiChat, Bytes::from_static(b"{\"error\":{\"message\":\"slow\"}}")));
    let world = World::failing(error.clone());
    let got = world.post(CHAT, ask(CHAT, false)).await;
    assert_eq!(got.header("retry-after"), "2");
    assert_eq!(got.json()["error"]["upstream"]["error"]["message"], "slow");
    assert!(world.post(MESSAGES, ask(MESSAGES, false)).await.json()["error"]["upstream"].is_null());
    // Refused credentials may be quoted in the body: it stays here.
    error.kind = Kind::UpstreamAuth;
    let got = World::failing(error).post(CHAT, ask(CHAT, false)).await;
    assert!(got.json()["error"]["upstream"].is_null());
}

/// What each dialect says when the answer breaks off after it began.
#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let world = World::new(|| {
        let frames = vec![
            Ok(Frame::of(vec![start()])),
            Ok(Frame::of(vec![ReplyEvent::Text("Hel".into())])),
            Err(ModelError::new(Kind::Cut, "connection reset").from_provider("openai")),
        ];
        Ok(reply(frames))
    });
    let mut shown = String::new();
    for path in [CHAT, RESPONSES, MESSAGES] {
        let got = world.post(path, ask(path, true)).await;
        assert_eq!(got.status, 200);
        let (_, end) = got.text().split_once("Hel").unwrap();
        let (_, end) = end.split_once("\n\n").unwrap();
        shown += &format!("{path}\n{end}");
        // Collected, the same is a plain failure.
        assert_eq!(world.post(path, ask(path, false)).await.status, 502);
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn an_end_without_a_reason_is_a_cut() {
    for path in [CHAT, RESPONSES, MESSAGES] {
        let world = World::frames(vec![Frame::of(vec![start(), ReplyEvent::Text("x".into())])]);
        let got = world.post(path, ask(path, false)).await;
        assert_eq!((got.status.as_u16(), got.json()["error"]["code"].as_str()), (502, Some("upstream.cut")));
        assert!(world.post(path, ask(path, true)).await.text().contains("upstream.cut"));
    }
}
