//! Keys, headers in, headers out.

use crate::rendering::ask;
use crate::support::{Got, World, hello, info, post};
use axum::body::Body;
use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use nunchi_core::{
    Amount, BudgetId, BudgetState, BudgetWindow, CacheDirective, CacheVerdict, NanoUsd, Note, ReplyInfo,
    RequestId, Served, Tier,
};
use std::sync::Arc;
use uuid::Uuid;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

async fn with_header(world: &World, name: &'static str, value: &str) -> Got {
    let mut request = post(CHAT, ask(CHAT, false));
    request
        .headers_mut()
        .append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    world.send(request).await
}

#[tokio::test]
async fn keys() {
    let world = World::frames(hello());
    let mut table = String::new();
    for (header, value) in [
        ("authorization", "Bearer nk-good"),
        ("authorization", "bearer  nk-good"),
        ("x-api-key", "nk-good"),
        ("authorization", "Basic nk-good"),
        ("accept", "*/*"),
        ("x-api-key", "nk-nobody"),
        ("x-api-key", "nk-revoked"),
        ("x-api-key", "nk-expired"),
        ("x-api-key", "nk-broken"),
    ] {
        for path in [CHAT, MESSAGES, "/v1/embeddings", "/v1/models", "/v1/messages/count_tokens"] {
            let build = if path.ends_with("models") { Request::get(path) } else { Request::post(path) };
            let body = if path.ends_with("embeddings") {
                "{\"model\":\"m\",\"input\":\"x\"}".into()
            } else {
                ask(path, false)
            };
            let got = world.send(build.header(header, value).body(Body::from(body)).unwrap()).await;
            if got.status != 200 {
                let error = got.json()["error"].clone();
                let challenge = got.header("www-authenticate");
                table += &format!(
                    "{header}: {value} {path} -> {} {} {} {challenge}\n",
                    got.status.as_u16(),
                    error["type"].as_str().unwrap(),
                    error["code"].as_str().unwrap()
                );
            }
        }
    }
    insta::assert_snapshot!(table);
}

/// A stranger cannot make us read: the key is looked at before the body.
#[tokio::test]
async fn strangers_are_not_read() {
    let world = World::frames(hello());
    let endless = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>,
    >());
    let request = Request::post(CHAT).header("x-api-key", "nk-nobody").body(Body::new(endless)).unwrap();
    assert_eq!(world.send(request).await.status, 401);
}

#[tokio::test]
async fn headers_make_the_context() {
    let world = World::frames(hello());
    let mut request = post(CHAT, ask(CHAT, false));
    for (name, value) in [
        ("x-nunchi-session", "대화 1"),
        ("x-nunchi-phase", "plan"),
        ("x-nunchi-task", "t-1"),
        ("x-nunchi-agent", "coder"),
        ("x-nunchi-context", "abc123"),
        ("x-nunchi-tag", "a, b,,a"),
        ("x-nunchi-tag", "c"),
        ("x-nunchi-cache", "No-Cache"),
        ("x-nunchi-cache-ttl", "60"),
        ("x-nunchi-deadline", "2026-11-21T18:00:00+09:00"),
    ] {
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    assert_eq!(world.send(request).await.status, 200);
    let (_, context) = world.asked();
    assert_eq!(context.session.as_deref(), Some("대화 1"));
    assert_eq!((context.phase.as_deref(), context.task.as_deref()), (Some("plan"), Some("t-1")));
    assert_eq!(
        (context.agent.as_deref(), context.context_digest.as_deref()),
        (Some("coder"), Some("abc123"))
    );
    assert_eq!(&*context.tags, ["a", "b", "c"]);
    assert_eq!((context.cache, context.cache_ttl_seconds), (CacheDirective::NoCache, Some(60)));
    assert_eq!(context.deadline, Some("2026-11-21T09:00:00Z".parse::<Timestamp>().unwrap()));
    assert_eq!(context.request, RequestId(Uuid::from_u128(1)));
    assert!(context.principal.key.is_some());
}

#[tokio::test]
async fn headers_that_make_no_sense() {
    let world = World::frames(hello());
    let long = "x".repeat(257);
    let many = (0..33).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let mut table = String::new();
    for (name, value) in [
        ("x-nunchi-session", long.as_str()),
        ("x-nunchi-session", "a\tb"),
        ("x-nunchi-tag", many.as_str()),
        ("x-nunchi-cache", "maybe"),
        ("x-nunchi-cache-ttl", "0"),
        ("x-nunchi-cache-ttl", "1h"),
        ("x-nunchi-cache-ttl", "99999999999"),
        ("x-nunchi-deadline", "tomorrow"),
    ] {
        let got = with_header(&world, name, value).await;
        let error = got.json()["error"].clone();
        table += &format!(
            "{} {} {} | {}\n",
            got.status.as_u16(),
            error["code"].as_str().unwrap(),
            error["param"].as_str().unwrap(),
            error["message"].as_str().unwrap()
        );
    }
    insta::assert_snapshot!(table);
    let mut request = post(CHAT, ask(CHAT, false));
    request.headers_mut().insert("x-nunchi-task", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert_eq!(world.send(request).await.json()["error"]["code"], "request.invalid_header");
    assert!(world.model.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn request_ids() {
    let world = World::frames(hello());
    let got = with_header(&world, "x-request-id", "mine-1").await;
    assert_eq!(got.header("x-request-id"), "mine-1");
    assert_eq!(got.header("x-nunchi-request-id"), "00000000000000000000000000000001");
    let got = world.post(MESSAGES, ask(MESSAGES, false)).await;
    assert_eq!(got.header("x-request-id"), got.header("x-nunchi-request-id"));
    assert_eq!(got.header("request-id"), format!("req_{}", got.header("x-nunchi-request-id")));
    let got = world.get("/nowhere").await;
    assert_eq!(got.header("x-nunchi-request-id"), "00000000000000000000000000000003");
}

fn served(limit: Amount, spent: i64) -> ReplyInfo {
    let budget = BudgetState {
        id: BudgetId(Uuid::from_u128(3)),
        name: "하루".into(),
        window: BudgetWindow::Day,
        limit,
        spent,
        held: 1,
        resets: Some(Timestamp::from_second(1_763_769_600).unwrap()),
    };
    let served = Served {
        request: RequestId(Uuid::from_u128(1)),
        cache: CacheVerdict::Miss,
        reason: "rule \"code\" → complex".into(),
        budgets: vec![budget],
    };
    let notes = vec![
        Note { field: "top_k".into(), what: "left out".into() },
        Note { field: "seed".into(), what: "left out".into() },
    ];
    ReplyInfo { tier: Some(Tier::Complex), notes, served: Some(Arc::new(served)), ..info() }
}

#[tokio::test]
async fn answers_say_what_happened() {
    let mut shown = String::new();
    for (limit, spent) in [(Amount::Money(NanoUsd::from_usd(5)), 1_250_000_000), (Amount::Tokens(1_000), 990)]
    {
        for stream in [false, true] {
            let world = World::new(move || {
                let mut reply = crate::support::reply(hello().into_iter().map(Ok).collect());
                reply.info = served(limit, spent);
                Ok(reply)
            });
            let got = world.post(CHAT, ask(CHAT, stream)).await;
            let mut lines: Vec<String> = got
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            shown += &format!("stream {stream}\n{}\n\n", lines.join("\n"));
        }
    }
    insta::assert_snapshot!(shown);
}
