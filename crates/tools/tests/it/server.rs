//! `/mcp` from outside: its door, its sessions, its limits; and the same over standard input and output.

use crate::support::{Fixture, Hub, http, stdio};
use http::StatusCode;
use nunchi_tools::{McpEra, McpSecret, McpServerConfig, bridge_stdio};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

fn client() -> Client {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

fn post(url: &str, body: &Value) -> RequestBuilder {
    client()
        .post(url)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .body(body.to_string())
}

async fn status(request: RequestBuilder) -> StatusCode {
    let response: Response = request.send().await.unwrap();
    StatusCode::from_u16(response.status().as_u16()).unwrap()
}

#[tokio::test]
async fn without_a_key_the_door_says_where_to_get_one() {
    let fixture = Fixture::start();
    let response = post(&fixture.url, &initialize()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let metadata = challenge.split('"').nth(1).unwrap();
    assert!(metadata.ends_with("/.well-known/oauth-protected-resource/mcp"), "{challenge}");
    let document = client().get(metadata).send().await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["resource"], fixture.url.as_str());
    assert_eq!(document["bearer_methods_supported"], json!(["header"]));
    let wrong = post(&fixture.url, &initialize()).bearer_auth("nk-wrong").send().await.unwrap();
    assert_eq!(wrong.status().as_u16(), 401);
    assert!(wrong.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}

#[tokio::test]
async fn other_origins_other_names_and_large_bodies_are_refused() {
    let fixture = Fixture::start();
    let good = || post(&fixture.url, &initialize()).bearer_auth("nk-fixture");
    assert_eq!(status(good()).await, StatusCode::OK);
    assert_eq!(status(good().header("origin", "http://localhost:3000")).await, StatusCode::OK);
    assert_eq!(status(good().header("origin", "https://evil.example")).await, StatusCode::FORBIDDEN);
    assert_eq!(status(good().header("host", "evil.example")).await, StatusCode::FORBIDDEN);
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "x".repeat(2_000_000)}});
    assert_eq!(
        status(post(&fixture.url, &large).bearer_auth("nk-fixture")).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for body in ["{", "[]", "null", "{\"jsonrpc\": \"2.0\"}"] {
        let request = good().body(body.to_owned());
        assert!(status(request).await.is_client_error(), "{body}");
    }
}

#[tokio::test]
async fn a_session_that_was_never_begun_is_nobodys() {
    let fixture = Fixture::start();
    let begun = post(&fixture.url, &initialize()).bearer_auth("nk-fixture").send().await.unwrap();
    let session = begun.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let ping = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    let with =
        |session: &str| post(&fixture.url, &ping).bearer_auth("nk-fixture").header("mcp-session-id", session);
    assert_eq!(status(with(&session)).await, StatusCode::OK);
    assert_eq!(status(with("guessed")).await, StatusCode::NOT_FOUND);
    let ended = client().delete(&fixture.url).bearer_auth("nk-fixture").header("mcp-session-id", &session);
    assert!(status(ended).await.is_success());
    assert_eq!(status(with(&session)).await, StatusCode::NOT_FOUND);
}

/// Talks with the fixture over a bridge, which has to end when the talk does.
async fn over_a_bridge(talk: impl AsyncFnOnce(tokio::io::DuplexStream)) {
    let fixture = Fixture::start();
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(far);
    let key = McpSecret::new("nk-fixture");
    let bridge = bridge_stdio((&fixture.url, None), &key, input, output);
    let (bridged, ()) = tokio::join!(bridge, talk(near));
    bridged.unwrap();
}

#[tokio::test]
async fn standard_input_and_output_reach_a_server_over_a_bridge() {
    over_a_bridge(async |near| {
        let (reading, mut writing) = tokio::io::split(near);
        let mut lines = BufReader::new(reading).lines();
        let messages = [
            initialize(),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
                "params": {"name": "add", "arguments": {"a": 20, "b": 22}}}),
        ];
        for message in messages {
            writing.write_all(format!("{message}\n").as_bytes()).await.unwrap();
            if message.get("id").is_none() {
                continue;
            }
            let answer: Value = loop {
                let line: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
                if line["id"] == message["id"] {
                    break line;
                }
            };
            if message["id"] == 2 {
                assert_eq!(answer["result"]["content"][0]["text"], "42", "{answer}");
            }
        }
        writing.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_bridge_ends_with_its_input_though_the_session_was_never_opened_whole() {
    over_a_bridge(async |near| {
        let (reading, mut writing) = tokio::io::split(near);
        writing.write_all(format!("{}\n", initialize()).as_bytes()).await.unwrap();
        let answer = BufReader::new(reading).lines().next_line().await.unwrap().unwrap();
        assert!(answer.contains("serverInfo"), "{answer}");
        writing.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn both_eras_over_standard_input_and_output() {
    for era in [McpEra::Handshake, McpEra::Stateless, McpEra::Auto] {
        let hub = Hub::new(vec![McpServerConfig { era, ..stdio("fix") }]);
        hub.hub.accept("fix").await.unwrap();
        let sum = hub.hub.call("fix", "add", json!({"a": 1.5, "b": 2})).await.unwrap();
        assert_eq!(sum.text, "3.5", "{era:?}");
        hub.hub.close().await;
    }
}

#[tokio::test]
async fn many_calls_at_once() {
    let fixture = Fixture::start();
    let hub = Hub::new(vec![http("fix", &fixture.url)]);
    hub.hub.accept("fix").await.unwrap();
    let calls = (0..100).map(|number| {
        let hub = hub.hub.clone();
        async move { hub.call("fix", "add", json!({"a": number, "b": 1})).await.unwrap().text }
    });
    let sums = futures_util::future::join_all(calls).await;
    let expected: Vec<_> = (1..=100).map(|sum| sum.to_string()).collect();
    assert_eq!(sums, expected);
}
