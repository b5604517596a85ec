//! Talks to the HTTP surface: over a socket where a server owns the home folder, else to the same router in this process.

use crate::failure::Failure;
use crate::home::ServerNote;
use crate::tls::pinned_client;
use axum::Router;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nunchi_core::Lang;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::pin::Pin;
use tower::ServiceExt;
use zeroize::Zeroizing;

type Body = axum::body::Body;

/// Pieces of a streamed body.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, Failure>> + Send>>;

enum Door {
    Remote { pool: Box<Pool<HttpsConnector<HttpConnector>, Full<Bytes>>>, base: String },
    Here(Router),
}

/// A client of the HTTP surface.
pub(crate) struct Client {
    door: Door,
    key: Zeroizing<String>,
    lang: Lang,
}

impl Client {
    /// A client of a running server.
    pub(crate) fn remote(server: &ServerNote, key: Zeroizing<String>, lang: Lang) -> Result<Self, Failure> {
        // A server without TLS has no certificate, and its address says so.
        let tls = server.tls()?.map_or_else(|| pinned_client(Vec::new()), Ok)?;
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let pool = Box::new(Pool::builder(TokioExecutor::new()).build(connector));
        Ok(Self { door: Door::Remote { pool, base: server.base() }, key, lang })
    }

    /// A client of a router in this process.
    pub(crate) fn here(router: Router, key: Zeroizing<String>, lang: Lang) -> Self {
        Self { door: Door::Here(router), key, lang }
    }

    /// Whether a server answers.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.door, Door::Remote { .. })
    }

    /// `GET`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::GET, path, &Value::Null).await
    }

    /// `DELETE`.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::DELETE, path, &Value::Null).await
    }

    /// A request with a JSON body.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let (_, pieces) = self.send(method, path, body, &[]).await?;
        let whole = collect(pieces).await?;
        serde_json::from_slice(&whole).map_err(|error| Failure::system("the server's answer", error))
    }

    /// A request whose answer is streamed; fails on any status but success.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        headers: &[(&'static str, String)],
    ) -> Result<(http::HeaderMap, Pieces), Failure> {
        let bytes = if method == Method::GET || method == Method::DELETE {
            Bytes::new()
        } else {
            Bytes::from(serde_json::to_vec(body).map_err(|error| Failure::system("the request", error))?)
        };
        let (status, headers, pieces) =
            self.exchange(method, path, (bytes, "application/json"), headers).await?;
        if status.is_success() {
            return Ok((headers, pieces));
        }
        let body = collect(pieces).await.unwrap_or_default();
        Err(refusal(status, &body))
    }

    /// Uploads a file for batches.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<T, Failure> {
        // Longer than any line could end by chance; a file that held it would be refused as broken, not misread.
        const BOUNDARY: &str = "nunchi-7f3c0c8f5f0e4d0c9f2f6f1b5a3e9d21";
        let mut body = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{BOUNDARY}\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: application/jsonl\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let (status, _, pieces) = self.exchange(Method::POST, path, (body.into(), &kind), &[]).await?;
        let whole = collect(pieces).await?;
        if !status.is_success() {
            return Err(refusal(status, &whole));
        }
        serde_json::from_slice(&whole).map_err(|error| Failure::system("the server's answer", error))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        (body, kind): (Bytes, &str),
        headers: &[(&'static str, String)],
    ) -> Result<(StatusCode, http::HeaderMap, Pieces), Failure> {
        let base = match &self.door {
            Door::Remote { base, .. } => base.as_str(),
            Door::Here(_) => "",
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key.as_str()))
            .header(header::CONTENT_TYPE, kind)
            .header(header::ACCEPT_LANGUAGE, self.lang.pick("en", "ko"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let bad = |error: http::Error| Failure::system("the request", error);
        match &self.door {
            Door::Remote { pool, .. } => {
                let request = request.body(Full::new(body)).map_err(bad)?;
                let reply = pool.request(request).await.map_err(unreachable)?;
                let (head, body) = reply.into_parts();
                let pieces = body
                    .into_data_stream()
                    .map(|piece| piece.map_err(|error| Failure::system("the answer", error)));
                Ok((head.status, head.headers, Box::pin(pieces)))
            }
            Door::Here(router) => {
                let request = request.body(Body::from(body)).map_err(bad)?;
                let Ok(reply) = router.clone().oneshot(request).await;
                let (head, body) = reply.into_parts();
                let pieces = body
                    .into_data_stream()
                    .map(|piece| piece.map_err(|error| Failure::system("the answer", error)));
                Ok((head.status, head.headers, Box::pin(pieces)))
            }
        }
    }
}

fn unreachable(error: hyper_util::client::legacy::Error) -> Failure {
    let text = error.to_string();
    Failure::plain(
        "server.unreachable",
        format!("the server does not answer: {text}"),
        format!("서버가 응답하지 않습니다: {text}"),
    )
    .with_hint("Start it with `nunchi up`.", "`nunchi up`으로 시작하세요.")
}

/// All of a streamed body.
pub(crate) async fn collect(mut pieces: Pieces) -> Result<Vec<u8>, Failure> {
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole)
}

/// The error in an answer's body.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| value["error"][name].as_str().map(str::to_owned);
    Failure::Remote {
        code: text("code").unwrap_or_else(|| format!("http.{}", status.as_u16())),
        message: text("message").unwrap_or_else(|| status.to_string()),
        hint: text("hint"),
    }
}
