//! The body of a reply: its pieces with a limit on the silence between them, or all of it with a limit on its size.

use super::direct::DirectBody;
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
pub(super) enum Open {
    /// Its connection is driven by its reader.
    Direct(DirectBody),
    /// Its connection is driven elsewhere.
    Shared(Incoming),
}

impl Open {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ModelError>>> {
        let incoming = match self {
            Self::Direct(body) => return body.poll_data(cx),
            Self::Shared(incoming) => incoming,
        };
        loop {
            return Poll::Ready(match std::task::ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(own_block(data))),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(broke_off(&error))),
                None => None,
            });
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
                Poll::Ready(piece)
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
