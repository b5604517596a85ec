//! Connections: accepted until a signal comes, with TLS where a certificate is configured.

use crate::runtime::Signals;
use crate::wiring::Service;
use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Request};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nunchi_api::WriteTimeout;
use nunchi_core::{BoxFuture, Spawn, TaskName};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A reader that takes nothing for so long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may take until its connection is encrypted.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take until its first request has come.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// How a connection begins that speaks HTTP/2 without having agreed on it in a handshake; no method of HTTP/1 begins so.
const PRIOR_KNOWLEDGE: &[u8; 3] = b"PRI";

/// HTTP/2's name in a handshake.
const H2: &[u8] = b"h2";

/// The first byte of every TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// How routes learn that a request came over TLS.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a client hears that speaks HTTP where HTTPS is spoken; it ends with the connection.
const SPEAK_TLS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
    {\"error\":{\"code\":\"server.https_only\",\"message\":\"this port speaks HTTPS\",\"hint\":\"Write https:// before the address.\"}}\n";

/// Accepts connections until a signal comes; the port is free again when this returns.
pub(crate) async fn accept(
    service: &Service,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    signals: &mut Signals,
) {
    let (protocols, mut secure) = (Arc::new(Protocols::new()), None);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = signals.next() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: others must end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _slower = stream.set_nodelay(true);
        let (protocols, stopping) = (Arc::clone(&protocols), service.tasks.stopping());
        let connection: BoxFuture<'static, ()> = match &tls {
            None => Box::pin(serve_plain(protocols, stream, service.router.clone(), stopping)),
            Some(acceptor) => {
                let router = secure.get_or_insert_with(|| told_of_tls(service.router.clone())).clone();
                let stream = WriteTimeout::new(stream, WRITE_PATIENCE);
                Box::pin(serve_tls(protocols, (stream, acceptor.clone()), router, stopping))
            }
        };
        service.tasks.spawn(TaskName::HttpServer, connection);
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Http1,
    Http2,
}

/// How either protocol is served. Which one it is is known before any byte is taken from the socket: bytes that were taken and put
/// back cost every connection twice the buffer.
struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Protocols {
    fn new() -> Self {
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).pipeline_flush(true);
        Self { http1, http2: http2::Builder::new(TokioExecutor::new()) }
    }

    /// Serves one connection until it ends, or until what is under way has ended once the process stops.
    async fn serve<IO>(&self, spoken: Spoken, io: IO, router: Router, stopping: CancellationToken)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, service) = (TokioIo::new(io), TowerToHyperService::new(router));
        // Boxed first: a future keeps room twice for what it is given.
        let ended = match spoken {
            Spoken::Http1 => {
                let mut connection = Box::pin(self.http1.serve_connection(io, service).with_upgrades());
                tokio::select! {
                    ended = &mut connection => ended,
                    () = stopping.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
            Spoken::Http2 => {
                let mut connection = Box::pin(self.http2.serve_connection(io, service));
                tokio::select! {
                    ended = &mut connection => ended,
                    () = stopping.cancelled() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// Waits for the first words of a connection, then serves it.
async fn serve_plain(
    protocols: Arc<Protocols>,
    stream: TcpStream,
    router: Router,
    stopping: CancellationToken,
) {
    let spoken = tokio::select! {
        spoken = tokio::time::timeout(HEAD_PATIENCE, spoken_on(&stream)) => spoken,
        () = stopping.cancelled() => return,
    };
    match spoken {
        Ok(Ok(spoken)) => {
            protocols.serve(spoken, WriteTimeout::new(stream, WRITE_PATIENCE), router, stopping).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke off"),
        Err(_) => tracing::debug!("a connection said nothing"),
    }
}

/// What a connection speaks, by how it begins.
async fn spoken_on(stream: &TcpStream) -> io::Result<Spoken> {
    let mut begun = [0; PRIOR_KNOWLEDGE.len()];
    loop {
        let seen = stream.peek(&mut begun).await?;
        if begun[..seen] != PRIOR_KNOWLEDGE[..seen] || seen == 0 {
            return Ok(Spoken::Http1);
        }
        if seen == begun.len() {
            return Ok(Spoken::Http2);
        }
        // Readiness is no news while what was seen stays in the socket.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Agrees on keys, then serves.
async fn serve_tls(
    protocols: Arc<Protocols>,
    (stream, acceptor): (WriteTimeout<TcpStream>, TlsAcceptor),
    router: Router,
    stopping: CancellationToken,
) {
    match tokio::time::timeout(HANDSHAKE_PATIENCE, shake_hands(stream, acceptor)).await {
        Ok(Ok(stream)) => {
            let agreed = stream.get_ref().1.alpn_protocol();
            let spoken = if agreed == Some(H2) { Spoken::Http2 } else { Spoken::Http1 };
            protocols.serve(spoken, stream, router, stopping).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a connection could not be encrypted"),
        Err(_) => tracing::debug!("a connection took too long to be encrypted"),
    }
}

/// Makes TLS of a connection; one that speaks plain HTTP is told so.
async fn shake_hands(
    mut stream: WriteTimeout<TcpStream>,
    acceptor: TlsAcceptor,
) -> io::Result<TlsStream<WriteTimeout<TcpStream>>> {
    let mut first = [HANDSHAKE];
    stream.get_ref().peek(&mut first).await?;
    if first[0] != HANDSHAKE {
        stream.write_all(SPEAK_TLS.as_bytes()).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("it does not speak TLS"));
    }
    acceptor.accept(stream).await
}

/// The same routes for requests over TLS: they hear of it as they would from a proxy in front that adds it.
fn told_of_tls(router: Router) -> Router {
    Router::new().fallback_service(router.map_request(|mut request: Request<Body>| {
        request.headers_mut().insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        request
    }))
}
