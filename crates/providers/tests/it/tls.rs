//! Providers over TLS: both HTTP versions, trust, and connections that run as named tasks.

use crate::support::{answer, ask, call, config, deps};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use nunchi_core::{ModelErrorKind, TaskName};
use nunchi_providers::{Provider, ProviderDeps, ProviderKind, Tls};
use nunchi_testkit::{Dialect as Wire, Endpoint, TokioSpawn, Turn, wire};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

/// What the server saw of each request: version, authority, key.
type Seen = Arc<Mutex<Vec<(Version, String, String)>>>;

struct Server {
    address: SocketAddr,
    roots: RootCertStore,
    seen: Seen,
    _tasks: JoinSet<()>,
}

/// A server for `localhost` that gives one recorded stream to everybody.
async fn serve(protocols: &[&str]) -> Server {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut tls = builder.with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
    tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let mut tasks = JoinSet::new();
    let log = Arc::clone(&seen);
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let service = service_fn(move |request| reply(Arc::clone(&log), request));
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Server { address, roots, seen, _tasks: tasks }
}

async fn reply(seen: Seen, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let authority = request.uri().authority().map(ToString::to_string).or_else(|| header("host"));
    let key = header("authorization").unwrap_or_default();
    seen.lock().unwrap().push((request.version(), authority.unwrap_or_default(), key));
    let body = wire(Wire::OpenAi, Endpoint::Chat, &Turn::text("비밀 is safe"), true).concat();
    let response = Response::builder().header("content-type", "text/event-stream");
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}

fn provider(server: &Server, tls: Tls, spawn: &Arc<TokioSpawn>) -> Provider {
    let url = format!("https://localhost:{}/v1", server.address.port());
    let deps = ProviderDeps { tls, spawn: Arc::clone(spawn) as _, ..deps() };
    Provider::new(config(ProviderKind::OpenAi, url), deps).unwrap()
}

#[tokio::test]
async fn both_versions_of_http() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let server = serve(protocols).await;
        let spawn = Arc::new(TokioSpawn::new());
        let model = provider(&server, Tls::with_roots(server.roots.clone()).unwrap(), &spawn);
        for _ in 0..3 {
            let got = answer(&model, ask("Hi", true)).await;
            assert_eq!((got.text().as_str(), got.error), ("비밀 is safe", None), "{protocols:?}");
        }
        let authority = format!("localhost:{}", server.address.port());
        let wanted = (version, authority, "Bearer sk-test".to_owned());
        assert_eq!(*server.seen.lock().unwrap(), vec![wanted; 3], "{protocols:?}");
        assert_eq!(spawn.names(), [TaskName::UpstreamConnection]);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts() {
    let server = serve(&["h2"]).await;
    let spawn = Arc::new(TokioSpawn::new());
    for tls in [Tls::new(), Tls::with_roots(RootCertStore::empty()).unwrap()] {
        let model = provider(&server, tls, &spawn);
        let error = call(&model, ask("Hi", true)).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable);
        assert!(error.detail.contains("certificate"), "{error}");
    }
    assert!(server.seen.lock().unwrap().is_empty());
}
