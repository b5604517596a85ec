//! The body of a reply: its pieces with a limit on the silence between them, or all of it with a limit on its size.

use super::direct::Lease;
use super::timed_out;
use crate::shared::garbage;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use nunchi_core::{ModelError, ModelErrorKind};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A body as it comes from a connection.
pub(super) struct Open {
    incoming: Incoming,
    /// The connection, when nobody else drives it.
    lease: Option<Lease>,
}

impl Open {
    /// A body whose connection is driven by its reader.
    pub(super) fn direct(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, lease: Some(lease) }
    }

    /// A body whose connection is driven elsewhere.
    pub(super) fn shared(incoming: Incoming) -> Self {
        Self { incoming, lease: None }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let mut driven = false;
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(own_block(data)))),
                    Err(_trailers) => continue,
                },
                Poll::Ready(None) => {
                    if let Some(mut lease) = self.lease.take() {
                        lease.give_back(cx);
                    }
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {}
            }
            match &mut self.lease {
                Some(lease) if !driven => lease.drive(cx),
                _ => return Poll::Pending,
            }
            driven = true;
        }
    }
}

/// Pieces shorter than this leave the block they were read into, in bytes.
const SHORT: usize = 4 << 10;

/// A short piece in a block of its own: as a slice it would keep the whole read buffer, many times its size, for as long as the
/// answer is kept.
fn own_block(data: Bytes) -> Bytes {
    if data.len() < SHORT { Bytes::copy_from_slice(&data) } else { data }
}

/// The body of a reply. Dropping it before its end closes the connection.
pub(crate) struct Body {
    open: Open,
    between: Duration,
    /// Counts the silence; made at the first wait.
    clock: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Body {
    pub(super) fn new(open: Open, between: Duration) -> Self {
        Self { open, between, clock: None, waiting: false }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `Cut` when the connection broke, `TimedOut` after too long a silence.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ModelError>>> {
        match self.open.poll_data(cx) {
            Poll::Ready(piece) => {
                self.waiting = false;
                Poll::Ready(piece.map(|piece| piece.map_err(|error| broke_off(&error))))
            }
            Poll::Pending => self.poll_silence(cx),
        }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ModelError>>> {
        let between = self.between;
        let clock = self.clock.get_or_insert_with(|| Box::pin(tokio::time::sleep(between)));
        if !std::mem::replace(&mut self.waiting, true) {
            clock.as_mut().reset(Instant::now() + between);
        }
        clock.as_mut().poll(cx).map(|()| Some(Err(timed_out(between))))
    }

    /// The whole body.
    ///
    /// # Errors
    /// As [`Body::poll_piece`]; `Garbage` when it is larger than `limit` bytes.
    pub(crate) async fn whole(mut self, limit: usize) -> Result<Bytes, ModelError> {
        let Some(first) = self.piece().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.piece().await? else { return within(first, limit) };
        let mut all = BytesMut::with_capacity(first.len() + second.len());
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        while all.len() <= limit
            && let Some(piece) = self.piece().await?
        {
            all.extend_from_slice(&piece);
        }
        within(all.freeze(), limit)
    }

    /// As much of the body as fits into `limit` bytes and can be had.
    pub(crate) async fn up_to(mut self, limit: usize) -> Bytes {
        let mut all = BytesMut::new();
        while all.len() < limit
            && let Ok(Some(piece)) = self.piece().await
        {
            all.extend_from_slice(&piece[..piece.len().min(limit - all.len())]);
        }
        all.freeze()
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, ModelError> {
        poll_fn(|cx| self.poll_piece(cx)).await.transpose()
    }
}

fn within(body: Bytes, limit: usize) -> Result<Bytes, ModelError> {
    if body.len() <= limit {
        Ok(body)
    } else {
        Err(garbage(format!("the answer is larger than {limit} bytes")))
    }
}

fn broke_off(error: &hyper::Error) -> ModelError {
    ModelError::new(ModelErrorKind::Cut, format!("the connection broke off: {error}"))
}
