//! Connections: accepted until a signal comes, with TLS where a certificate is configured.

use crate::runtime::Signals;
use crate::wiring::Service;
use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
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
use tower::ServiceExt;

/// A reader that takes nothing for so long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may take until its connection is encrypted.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

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
) -> GracefulShutdown {
    let open = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .pipeline_flush(true);
    let (builder, mut secure) = (Arc::new(builder), None);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = signals.next() => return open,
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
        let stream = WriteTimeout::new(stream, WRITE_PATIENCE);
        let (router, watcher) = (service.router.clone(), open.watcher());
        let connection: BoxFuture<'static, ()> = match &tls {
            None => Box::pin(serve(&builder, stream, router, watcher)),
            Some(acceptor) => {
                let router = secure.get_or_insert_with(|| told_of_tls(router)).clone();
                Box::pin(serve_tls(Arc::clone(&builder), (stream, acceptor.clone()), router, watcher))
            }
        };
        service.tasks.spawn(TaskName::HttpServer, connection);
    }
}

/// Serves one connection. Not an `async fn`: that would keep room for the connection twice.
fn serve<IO>(
    builder: &Builder<TokioExecutor>,
    io: IO,
    router: Router,
    watcher: Watcher,
) -> impl Future<Output = ()> + Send + 'static
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(io), TowerToHyperService::new(router));
    watcher.watch(connection.into_owned()).map(|ended| {
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection broke off");
        }
    })
}

/// Agrees on keys, then serves.
async fn serve_tls(
    builder: Arc<Builder<TokioExecutor>>,
    (stream, acceptor): (WriteTimeout<TcpStream>, TlsAcceptor),
    router: Router,
    watcher: Watcher,
) {
    match tokio::time::timeout(HANDSHAKE_PATIENCE, shake_hands(stream, acceptor)).await {
        Ok(Ok(stream)) => Box::pin(serve(&builder, stream, router, watcher)).await,
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
