//! Helpers of these tests: an SSE reader and a small HTTP client.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Reads SSE text with `\n` or `\r\n` line ends: name and data of each event that a blank line ends.
pub(crate) fn sse(text: &str) -> Vec<(Option<String>, String)> {
    let text = text.replace("\r\n", "\n");
    let mut events = Vec::new();
    for block in text.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n")) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        events.push((field("event: "), field("data: ").expect("an event has data")));
    }
    events
}

/// The JSON payloads of an SSE text, `[DONE]` left out.
pub(crate) fn payloads(text: &str) -> Vec<Value> {
    let data = sse(text).into_iter().map(|(_, data)| data).filter(|data| data != "[DONE]");
    data.map(|data| serde_json::from_str(&data).expect("JSON in an event")).collect()
}

/// A response whose body came in these pieces.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) pieces: Vec<Bytes>,
    /// The body broke off.
    pub(crate) broken: bool,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.pieces.concat()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

pub(crate) fn request(method: &str, url: &str, body: &Value) -> http::Request<Full<Bytes>> {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    http::Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("authorization", "Bearer sk-test")
        .body(Full::new(body))
        .expect("a request")
}

pub(crate) async fn send(method: &str, url: &str, body: &Value) -> Got {
    let response = client().request(request(method, url, body)).await.expect("a response");
    let (head, mut body) = response.into_parts();
    let mut got =
        Got { status: head.status.as_u16(), headers: head.headers, pieces: Vec::new(), broken: false };
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => got.pieces.extend(frame.into_data().ok()),
            Err(_) => got.broken = true,
        }
    }
    got
}

pub(crate) async fn post(url: &str, body: &Value) -> Got {
    send("POST", url, body).await
}
