//! HTTP/1.1 without TLS over a pool of our own.
//!
//! A connection is driven by the task that waits for its reply, not by a task of its own: no hand-over between threads for each
//! piece, no task per request, and a dropped reply closes its socket at once.

use super::body::Open;
use super::{failed, unreachable};
use crate::config_error::ConfigError;
use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use nunchi_core::ModelError;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Connections kept open while nothing runs on them.
const IDLE_LIMIT: usize = 256;

/// How long one is kept; servers commonly close after 60 s or more.
const IDLE_FOR: Duration = Duration::from_secs(50);

/// A client of one host.
pub(super) struct Direct {
    host: String,
    port: u16,
    connect: Duration,
    idle: Arc<Idle>,
}

/// Connections that wait for a request, the latest last.
#[derive(Default)]
struct Idle(Mutex<Vec<(Instant, Wire)>>);

/// A connection and the two ends it is used by.
struct Wire {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

/// A connection in use; it returns to the pool only when its reply was read to the end.
pub(super) struct Lease {
    wire: Option<Wire>,
    idle: Arc<Idle>,
}

impl Direct {
    pub(super) fn new(base: &Uri, connect: Duration) -> Result<Self, ConfigError> {
        let host = base.host().ok_or_else(|| ConfigError::bad_url(base))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: base.port_u16().unwrap_or(80), connect, idle: Arc::default() })
    }

    /// Sends on an idle connection if there is one. A request that a closing connection did not take goes out on a new one.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Open>, ModelError> {
        to_origin_form(&mut request);
        while let Some(wire) = self.idle.take() {
            match exchange(wire, request, &self.idle).await {
                Ok(answer) => return answer.map_err(|error| failed(&error)),
                Err(unsent) => request = *unsent,
            }
        }
        let wire = self.open().await?;
        match exchange(wire, request, &self.idle).await {
            Ok(answer) => answer.map_err(|error| failed(&error)),
            Err(_) => Err(unreachable("the connection closed before the request was sent")),
        }
    }

    async fn open(&self) -> Result<Wire, ModelError> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let socket = tokio::time::timeout(self.connect, connecting)
            .await
            .map_err(|_| unreachable(format_args!("no connection within {:?}", self.connect)))?
            .map_err(unreachable)?;
        // Requests go out in one piece, and small pieces must not wait for the peer's acknowledgement.
        socket.set_nodelay(true).map_err(unreachable)?;
        let (sender, driver) =
            http1::Builder::new().handshake(TokioIo::new(socket)).await.map_err(unreachable)?;
        Ok(Wire { sender, driver: Box::pin(driver) })
    }
}

/// HTTP/1.1 names the path only; the authority is in the host header.
fn to_origin_form(request: &mut Request<Full<Bytes>>) {
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(path);
    }
}

type Answer = Result<Response<Open>, hyper::Error>;

/// Sends one request; gives it back when the connection did not take it.
async fn exchange(
    mut wire: Wire,
    request: Request<Full<Bytes>>,
    idle: &Arc<Idle>,
) -> Result<Answer, Box<Request<Full<Bytes>>>> {
    let mut ready = false;
    poll_fn(|cx| {
        // Driving it first notices a peer that closed while the connection was idle.
        if wire.driver.as_mut().poll_without_shutdown(cx).is_ready() {
            return Poll::Ready(());
        }
        match wire.sender.poll_ready(cx) {
            Poll::Ready(state) => {
                ready = state.is_ok();
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if !ready {
        return Err(Box::new(request));
    }
    let mut sending = std::pin::pin!(wire.sender.try_send_request(request));
    let mut ended = false;
    let outcome = poll_fn(|cx| {
        if !ended {
            ended = wire.driver.as_mut().poll_without_shutdown(cx).is_ready();
        }
        sending.as_mut().poll(cx)
    })
    .await;
    match outcome {
        Ok(response) => {
            let wire = (!ended).then_some(wire);
            Ok(Ok(response.map(|body| Open::direct(body, Lease { wire, idle: Arc::clone(idle) }))))
        }
        Err(mut error) => match error.take_message() {
            Some(request) => Err(Box::new(request)),
            None => Ok(Err(error.into_error())),
        },
    }
}

impl Lease {
    /// Moves bytes between socket and body; to be called whenever the body has nothing.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(wire) = &mut self.wire
            && wire.driver.as_mut().poll_without_shutdown(cx).is_ready()
        {
            self.wire = None;
        }
    }

    /// The reply was read to its end: the connection may serve the next request.
    pub(super) fn give_back(&mut self, cx: &mut Context<'_>) {
        self.drive(cx);
        if let Some(wire) = self.wire.take().filter(|wire| wire.sender.is_ready()) {
            self.idle.put(wire);
        }
    }
}

impl Idle {
    fn take(&self) -> Option<Wire> {
        let mut list = self.list();
        let (since, wire) = list.pop()?;
        if since.elapsed() < IDLE_FOR {
            return Some(wire);
        }
        // The latest is too old, so all are.
        let stale = std::mem::take(&mut *list);
        drop(list);
        drop(stale);
        None
    }

    fn put(&self, wire: Wire) {
        let mut list = self.list();
        list.push((Instant::now(), wire));
        let oldest = list.first().is_some_and(|(since, _)| since.elapsed() > IDLE_FOR);
        let surplus = (oldest || list.len() > IDLE_LIMIT).then(|| list.remove(0));
        drop(list);
        drop(surplus);
    }

    fn list(&self) -> MutexGuard<'_, Vec<(Instant, Wire)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
