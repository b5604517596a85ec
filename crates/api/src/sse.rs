//! Server-sent events as a response body: back-pressured by the connection, kept alive while silent.

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame as BodyFrame, SizeHint};
use nunchi_core::{Frame, ModelError, ReplyStream};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What is ready at once is sent at once, up to about this many bytes.
const COALESCE: usize = 16 << 10;
/// Room taken when the buffer is used up: a few events, as many streams wait long between two.
const ROOM: usize = 1 << 10;

/// Writes the pieces of a reply in one dialect.
pub(crate) trait Writer: Send + Unpin + 'static {
    /// Writes what came in one piece; may write nothing.
    fn frame(&mut self, frame: &Frame, out: &mut BytesMut);
    /// Writes an error; nothing follows it.
    fn error(&mut self, error: &ModelError, out: &mut BytesMut);
    /// Writes what belongs after the last piece.
    fn end(&mut self, out: &mut BytesMut);
}

/// The body: pulls frames only as fast as the client reads.
pub(crate) struct SseBody<W> {
    stream: Option<ReplyStream>,
    writer: W,
    buffer: BytesMut,
    keep_alive: Duration,
    last_sent: Instant,
    idle: Option<Pin<Box<Sleep>>>,
}

impl<W: Writer> SseBody<W> {
    pub(crate) fn new(stream: ReplyStream, writer: W, keep_alive: Duration) -> Self {
        let buffer = BytesMut::with_capacity(ROOM);
        Self { stream: Some(stream), writer, buffer, keep_alive, last_sent: Instant::now(), idle: None }
    }

    /// Takes whatever is ready; tells whether more may come.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(stream) = &mut self.stream {
            if self.buffer.capacity() - self.buffer.len() < ROOM / 4 {
                self.buffer.reserve(ROOM);
            }
            match stream.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => self.writer.frame(&frame, &mut self.buffer),
                Poll::Ready(Some(Err(error))) => {
                    self.writer.error(&error, &mut self.buffer);
                    self.stream = None;
                }
                Poll::Ready(None) => {
                    self.writer.end(&mut self.buffer);
                    self.stream = None;
                }
            }
            if self.buffer.len() >= COALESCE {
                break;
            }
        }
        Poll::Ready(())
    }

    /// Waits for the next piece, and says something should it take long. The timer moves only when it fires, so that a
    /// lively stream pays for one timer in all.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.last_sent + self.keep_alive;
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        loop {
            ready!(idle.as_mut().poll(cx));
            if Instant::now() >= due {
                idle.as_mut().reset(Instant::now() + self.keep_alive);
                self.buffer.put_slice(b": keep-alive\n\n");
                return Poll::Ready(());
            }
            idle.as_mut().reset(due);
        }
    }
}

impl<W: Writer> Body for SseBody<W> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.fill(cx).is_pending() && this.buffer.is_empty() {
            ready!(this.poll_idle(cx));
        }
        if this.buffer.is_empty() {
            return Poll::Ready(None);
        }
        this.last_sent = Instant::now();
        Poll::Ready(Some(Ok(BodyFrame::data(this.buffer.split().freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none() && self.buffer.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Writes one event that is JSON text already, on as many `data:` lines as it has.
pub(crate) fn put_event(out: &mut BytesMut, event: Option<&str>, data: &[u8]) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.extend_from_slice(b"\n");
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"\n");
}

/// Writes one event from anything that serialises.
pub(crate) fn put_json(out: &mut BytesMut, event: Option<&str>, value: &impl Serialize) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"data: ");
    put_value(out, value);
    out.extend_from_slice(b"\n\n");
}

/// Appends JSON text; our own types always serialise.
pub(crate) fn put_value(out: &mut BytesMut, value: &impl Serialize) {
    let _ = serde_json::to_writer(out.writer(), value);
}
