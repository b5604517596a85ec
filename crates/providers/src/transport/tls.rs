//! HTTPS: rustls with ring, HTTP/2 where the server offers it.

use super::body::Open;
use super::{failed, not_http, unreachable};
use crate::config_error::ConfigError;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::rt::Executor;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioTimer;
use nunchi_core::{ModelError, Spawn, TaskName};
use rustls::ClientConfig;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long an idle connection is kept.
const IDLE_FOR: Duration = Duration::from_secs(90);

/// Idle connections kept for one host.
const IDLE_LIMIT: usize = 256;

/// How often an HTTP/2 connection in use is asked whether it still lives, and how long it may think about it.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// The certificates that are trusted, read once and shared by all providers: the machine's, else a built-in set.
#[derive(Clone, Default)]
pub struct Tls(Arc<OnceLock<ClientConfig>>);

impl Tls {
    /// Reads nothing until the first `https` provider is built.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts exactly these certificates (a company's own authority).
    ///
    /// # Errors
    /// When the cipher provider does not start.
    pub fn with_roots(roots: rustls::RootCertStore) -> Result<Self, ConfigError> {
        let config = builder()?.with_root_certificates(roots).with_no_client_auth();
        let tls = Self::new();
        // The cell is new, so that this always sets it.
        let _ = tls.0.set(config);
        Ok(tls)
    }

    pub(super) fn config(&self) -> Result<ClientConfig, ConfigError> {
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        let trusting = match builder()?.with_native_roots() {
            Ok(trusting) => trusting,
            Err(_none_found) => builder()?.with_webpki_roots(),
        };
        Ok(self.0.get_or_init(|| trusting.with_no_client_auth()).clone())
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, ConfigError> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls(error.to_string()))
}

/// A client of one host over TLS.
pub(super) struct TlsClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl TlsClient {
    pub(super) fn new(config: ClientConfig, connect: Duration, spawn: Arc<dyn Spawn>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect));
        tcp.set_keepalive(Some(IDLE_FOR));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(Named(spawn))
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_LIMIT)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING.0)
            .http2_keep_alive_timeout(PING.1)
            .build(connector);
        Self(client)
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Open>, ModelError> {
        let response = self.0.request(request.map(Full::new)).await.map_err(|error| {
            if error.is_connect() {
                return unreachable(chain(&error));
            }
            match std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<hyper::Error>()) {
                Some(cause) if cause.is_canceled() => unreachable(chain(&error)),
                Some(cause) if cause.is_parse() => not_http(cause),
                Some(cause) => failed(cause),
                None => unreachable(chain(&error)),
            }
        })?;
        Ok(response.map(Open::Shared))
    }
}

/// An error with its causes: "client error (Connect)" alone tells nobody anything.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Runs the connections of the client as named tasks.
#[derive(Clone)]
struct Named(Arc<dyn Spawn>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Named {
    fn execute(&self, future: F) {
        self.0.spawn(TaskName::UpstreamConnection, Box::pin(future));
    }
}
