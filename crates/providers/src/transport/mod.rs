//! HTTP to one upstream: kept-alive connections, time-outs where a stream needs them, bounded bodies.

mod body;
mod direct;
mod frames;
mod quota;
mod retry_after;
mod tls;

pub(crate) use body::Body;
pub(crate) use frames::{Event, Frames};
pub(crate) use quota::quota;
pub(crate) use retry_after::retry_after;
pub use tls::Tls;

use crate::config_error::ConfigError;
use body::Open;
use bytes::Bytes;
use direct::Direct;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use nunchi_core::{ModelError, ModelErrorKind, Spawn};
use std::sync::Arc;
use std::time::Duration;
use tls::TlsClient;

/// The slowest sending that is borne, in bytes a second.
const SLOWEST_UPLOAD: u64 = 128 << 10;

/// How long each stage of a call may take. There is no limit on a whole call: a stream may run for hours as long as bytes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// From the request until the head of the reply, besides a second for each 128 KiB that are sent. A reply that is not streamed is generated whole before its head comes.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub between_bytes: Duration,
}

impl Default for Timeouts {
    /// 10 s to connect, 10 min to the head (the limit of the providers' own SDKs), 3 min between pieces.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            between_bytes: Duration::from_secs(180),
        }
    }
}

/// The HTTP side of one provider.
pub(crate) struct Transport {
    route: Route,
    timeouts: Timeouts,
}

enum Route {
    /// HTTP/1.1 in the clear.
    Direct(Direct),
    /// HTTP/1.1 or HTTP/2 over TLS, as the server chooses.
    Tls(Box<TlsClient>),
}

impl Transport {
    /// A transport to the scheme and authority of `base`.
    pub(crate) fn new(
        base: &Uri,
        timeouts: Timeouts,
        tls: &Tls,
        spawn: Arc<dyn Spawn>,
    ) -> Result<Self, ConfigError> {
        let route = if base.scheme() == Some(&Scheme::HTTPS) {
            Route::Tls(Box::new(TlsClient::new(tls.config()?, timeouts.connect, spawn)))
        } else {
            Route::Direct(Direct::new(base, timeouts.connect)?)
        };
        Ok(Self { route, timeouts })
    }

    /// Sends a request and waits for the head of the reply. Dropping the future or the body ends the exchange.
    ///
    /// # Errors
    /// `Unreachable` when nothing was sent, `TimedOut` without a head in time, `UpstreamFailed` when the connection closed without one.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, ModelError> {
        // Batches are hundreds of megabytes long: the time to send them is not the time to wait for an answer.
        let sending = Duration::from_secs(request.body().len() as u64 / SLOWEST_UPLOAD);
        let patience = self.timeouts.first_byte + sending;
        let answer = async {
            match &self.route {
                Route::Direct(direct) => Ok(direct.send(request).await?.map(Open::Direct)),
                Route::Tls(client) => client.send(request).await,
            }
        };
        let answer = tokio::time::timeout(patience, answer).await;
        let response = answer.map_err(|_| timed_out(patience))??;
        Ok(response.map(|open| Body::new(open, self.timeouts.between_bytes)))
    }
}

/// No byte came for this long.
fn timed_out(waited: Duration) -> ModelError {
    ModelError::new(ModelErrorKind::TimedOut, format!("nothing came for {waited:?}"))
}

/// The connection closed before there was a reply.
fn failed(error: impl std::fmt::Display) -> ModelError {
    ModelError::new(
        ModelErrorKind::UpstreamFailed,
        format!("the connection closed before there was an answer: {error}"),
    )
}

/// What came is no HTTP.
fn not_http(error: impl std::fmt::Display) -> ModelError {
    ModelError::new(ModelErrorKind::Garbage, format!("not HTTP: {error}"))
}

/// No connection; nothing was sent.
fn unreachable(what: impl std::fmt::Display) -> ModelError {
    ModelError::new(ModelErrorKind::Unreachable, what.to_string())
}
