//! A streamed reply: bytes to events to frames, ending after the dialect's last event or the first error.

use super::respond::{attach_raw, check_text};
use crate::codec::{Decoder, Framing};
use crate::shared::cut;
use crate::transport::{Body, Event, Frames};
use bytes::Bytes;
use futures_core::Stream;
use nunchi_core::{Dialect, Frame, ModelError, ModelErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// How long the body may stay open after the dialect's last event: its end is waited for so that the connection can be used again.
const LINGER: Duration = Duration::from_millis(500);

/// A streamed reply.
pub(super) struct Replies {
    body: Body,
    frames: Frames,
    decoder: Box<dyn Decoder>,
    dialect: Dialect,
    provider: Arc<str>,
    stage: Stage,
}

enum Stage {
    /// Pieces are read.
    Reading,
    /// The body has ended; what is left of it comes next.
    Ending,
    /// The dialect's last event was seen; only the end of the body is waited for.
    Lingering(Pin<Box<Sleep>>),
    /// Nothing more comes.
    Ended,
}

impl Replies {
    pub(super) fn new(
        body: Body,
        framing: Framing,
        decoder: Box<dyn Decoder>,
        dialect: Dialect,
        provider: Arc<str>,
    ) -> Self {
        Self { body, frames: Frames::new(framing), decoder, dialect, provider, stage: Stage::Reading }
    }

    /// The next frame, `None` after the last.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ModelError>>> {
        loop {
            match &mut self.stage {
                Stage::Reading => {
                    if let Some(event) = self.frames.next_event().transpose() {
                        return Poll::Ready(Some(event.and_then(|event| self.decode(&event))));
                    }
                    match std::task::ready!(self.body.poll_piece(cx)) {
                        Some(Ok(piece)) => self.frames.push(piece),
                        Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                        None => self.stage = Stage::Ending,
                    }
                }
                Stage::Ending => {
                    // An event without its end may be half an event.
                    if let Some(event) = self.frames.finish().transpose() {
                        let frame = event.and_then(|event| self.decode(&event));
                        return Poll::Ready(Some(frame.map_err(|error| match error.kind {
                            ModelErrorKind::Garbage => cut(),
                            _ => error,
                        })));
                    }
                    self.stage = Stage::Ended;
                    return Poll::Ready(Some(self.decoder.finish()));
                }
                Stage::Lingering(clock) => match self.body.poll_piece(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => self.stage = Stage::Ended,
                    Poll::Pending => {
                        std::task::ready!(clock.as_mut().poll(cx));
                        self.stage = Stage::Ended;
                    }
                },
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }

    fn decode(&mut self, event: &Event) -> Result<Frame, ModelError> {
        let data: Bytes = event.data.clone();
        check_text(&data)?;
        let name = event.name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
        let mut frame = self.decoder.event(name, data.clone())?;
        attach_raw(&mut frame, self.dialect, name, data);
        if self.decoder.done() {
            self.stage = Stage::Lingering(Box::pin(tokio::time::sleep(LINGER)));
        }
        Ok(frame)
    }
}

impl Stream for Replies {
    type Item = Result<Frame, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let item = std::task::ready!(this.poll_frame(cx));
            return Poll::Ready(match item {
                Some(Ok(frame)) if frame.events.is_empty() && frame.raw.is_none() => continue,
                Some(Err(error)) => {
                    this.stage = Stage::Ended;
                    Some(Err(error.from_provider(&*this.provider)))
                }
                other => other,
            });
        }
    }
}
