//! HTTP/1.1 without TLS over a pool of our own.
//!
//! A connection is driven by the task that waits for its reply: no hand-over between threads for each piece, no task per request,
//! no buffer while nothing comes, and a dropped reply closes its socket at once.

mod body;
mod head;

use super::{failed, not_http, unreachable};
use crate::config_error::ConfigError;
use body::{BodyDecoder, Malformed};
use bytes::{Buf, Bytes};
use head::{Head, read_head, write_head};
use http::{Request, Response, Uri};
use nunchi_core::{ModelError, ModelErrorKind};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Connections kept open while nothing runs on them.
const IDLE_LIMIT: usize = 256;
/// How long one is kept; servers commonly close after 60 s or more.
const IDLE_FOR: Duration = Duration::from_secs(50);
/// Bytes read at once, on the stack.
const READ: usize = 16 << 10;
/// Bytes of a reply's head.
const HEAD_LIMIT: usize = 64 << 10;

/// A client of one host.
pub(super) struct Direct {
    host: String,
    port: u16,
    /// Host and port as the header names them.
    authority: String,
    connect: Duration,
    idle: Arc<Idle>,
}

/// Connections that wait for a request, the latest last.
#[derive(Default)]
struct Idle(Mutex<Vec<(Instant, TcpStream)>>);

/// A reply's body and the connection it comes from, which returns to the pool only when it was read to the end.
pub(super) struct DirectBody {
    /// What came together with the head.
    first: Bytes,
    decoder: BodyDecoder,
    socket: Option<TcpStream>,
    reusable: bool,
    idle: Arc<Idle>,
}

/// Why an exchange did not give a reply.
enum Failed {
    /// The connection took nothing: the request may go out on another one.
    Unsent(io::Error),
    Lost(ModelError),
}

impl Direct {
    pub(super) fn new(base: &Uri, connect: Duration) -> Result<Self, ConfigError> {
        let authority = base.authority().ok_or_else(|| ConfigError::bad_url(base))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(80);
        let named = authority.as_str().rsplit('@').next().unwrap_or_default().to_owned();
        Ok(Self { host, port, authority: named, connect, idle: Arc::default() })
    }

    /// Sends on an idle connection if there is one. A request that a closing connection did not take goes out on a new one.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<DirectBody>, ModelError> {
        let head = Bytes::from(write_head(&request, &self.authority));
        let message = (head, request.into_body());
        while let Some(socket) = self.idle.take() {
            match self.exchange(socket, message.clone()).await {
                Err(Failed::Unsent(_)) => {}
                Err(Failed::Lost(error)) => return Err(error),
                Ok(response) => return Ok(response),
            }
        }
        match self.exchange(self.open().await?, message).await {
            Ok(response) => Ok(response),
            Err(Failed::Unsent(error)) => Err(unreachable(error)),
            Err(Failed::Lost(error)) => Err(error),
        }
    }

    async fn open(&self) -> Result<TcpStream, ModelError> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let socket = tokio::time::timeout(self.connect, connecting)
            .await
            .map_err(|_| unreachable(format_args!("no connection within {:?}", self.connect)))?
            .map_err(unreachable)?;
        // Requests go out in one piece, and small pieces must not wait for the peer's acknowledgement.
        socket.set_nodelay(true).map_err(unreachable)?;
        Ok(socket)
    }

    async fn exchange(
        &self,
        mut socket: TcpStream,
        (head, body): (Bytes, Bytes),
    ) -> Result<Response<DirectBody>, Failed> {
        let whole = head.len() + body.len();
        let mut message = head.chain(body);
        if let Err(error) = socket.write_all_buf(&mut message).await
            && message.remaining() == whole
        {
            return Err(Failed::Unsent(error));
        }
        // A server that refuses a long request in the middle may have said why.
        let (head, rest) = receive(&socket).await.map_err(Failed::Lost)?;
        let body = DirectBody {
            first: rest,
            decoder: head.body,
            socket: Some(socket),
            reusable: head.reusable && !message.has_remaining(),
            idle: Arc::clone(&self.idle),
        };
        Ok(head.response.map(|()| body))
    }
}

/// Reads until the head of the reply is whole; returns what came behind it as well.
async fn receive(socket: &TcpStream) -> Result<(Head, Bytes), ModelError> {
    let mut so_far = Vec::new();
    loop {
        let piece = poll_fn(|cx| poll_read(socket, cx)).await.map_err(failed)?;
        if piece.is_empty() {
            return Err(failed("nothing more came"));
        }
        let bytes = if so_far.is_empty() { &piece[..] } else { append(&mut so_far, &piece) };
        match read_head(bytes).map_err(malformed)? {
            Some(head) => {
                let rest = Bytes::copy_from_slice(&bytes[head.length..]);
                return Ok((head, rest));
            }
            None if bytes.len() > HEAD_LIMIT => return Err(not_http("the reply's head is too long")),
            None if so_far.is_empty() => so_far.extend_from_slice(&piece),
            None => {}
        }
    }
}

fn append<'a>(so_far: &'a mut Vec<u8>, piece: &[u8]) -> &'a [u8] {
    so_far.extend_from_slice(piece);
    so_far
}

/// What has come, in a block of its own size; empty at the end.
fn poll_read(socket: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    poll_read_with(socket, cx, Bytes::copy_from_slice)
}

fn poll_read_with<T>(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    loop {
        std::task::ready!(socket.poll_read_ready(cx))?;
        let mut buffer = [0; READ];
        match socket.try_read(&mut buffer) {
            Ok(count) => return Poll::Ready(Ok(take(&buffer[..count]))),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

impl DirectBody {
    /// The next piece of the body; `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ModelError>>> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            let piece = self.decode(&first);
            if !matches!(&piece, Ok(data) if data.is_empty()) {
                return Poll::Ready(Some(piece));
            }
        }
        loop {
            if self.decoder.is_done() {
                self.give_back();
                return Poll::Ready(None);
            }
            let Some(socket) = self.socket.take() else { return Poll::Ready(None) };
            let read = poll_read_with(&socket, cx, |bytes| (!bytes.is_empty()).then(|| self.decode(bytes)));
            let Poll::Ready(read) = read else {
                self.socket = Some(socket);
                return Poll::Pending;
            };
            match read {
                Ok(Some(Ok(data))) => {
                    self.socket = Some(socket);
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Ok(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Ok(None) if self.decoder.close() => return Poll::Ready(None),
                Ok(None) => return Poll::Ready(Some(Err(cut("it closed in the middle of the answer")))),
                Err(error) => {
                    self.decoder.close();
                    return Poll::Ready(Some(Err(cut(error))));
                }
            }
        }
    }

    fn decode(&mut self, mut bytes: &[u8]) -> Result<Bytes, ModelError> {
        let data = self.decoder.decode(&mut bytes).map_err(|error| {
            self.decoder.close();
            malformed(error)
        })?;
        // What comes behind the end was not asked for, so this connection is not trusted with another request.
        self.reusable &= bytes.is_empty();
        Ok(data)
    }

    fn give_back(&mut self) {
        if let Some(socket) = self.socket.take().filter(|_| self.reusable) {
            self.idle.put(socket);
        }
    }
}

fn malformed(Malformed(what): Malformed) -> ModelError {
    not_http(what)
}

fn cut(what: impl std::fmt::Display) -> ModelError {
    ModelError::new(ModelErrorKind::Cut, format!("the connection broke off: {what}"))
}

impl Idle {
    /// The latest connection that is still open.
    fn take(&self) -> Option<TcpStream> {
        loop {
            let mut list = self.list();
            let (since, socket) = list.pop()?;
            if since.elapsed() >= IDLE_FOR {
                // The latest is too old, so all are.
                let stale = std::mem::take(&mut *list);
                drop(list);
                drop(stale);
                return None;
            }
            drop(list);
            // Nothing was asked, so anything that came means that the server has closed it or lost its place.
            let silent = socket.try_read(&mut [0; 1]);
            if matches!(silent, Err(error) if error.kind() == ErrorKind::WouldBlock) {
                return Some(socket);
            }
        }
    }

    fn put(&self, socket: TcpStream) {
        let mut list = self.list();
        list.push((Instant::now(), socket));
        let oldest = list.first().is_some_and(|(since, _)| since.elapsed() > IDLE_FOR);
        let surplus = (oldest || list.len() > IDLE_LIMIT).then(|| list.remove(0));
        drop(list);
        drop(surplus);
    }

    fn list(&self) -> MutexGuard<'_, Vec<(Instant, TcpStream)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
