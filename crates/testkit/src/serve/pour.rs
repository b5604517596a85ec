//! A response body that is written at the scripted pace and broken where the script says.

use super::state::Follow;
use crate::turn::Pace;
use crate::wire::{Close, Response};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// The connection is dropped on purpose.
#[derive(Debug)]
pub(super) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script drops the connection here")
    }
}

impl std::error::Error for Dropped {}

/// One thing to do.
enum Step {
    Wait(Duration),
    Write(Bytes),
    /// Lets the connection write out what it has.
    Flush,
    Fail,
    Silence,
}

/// The body.
pub(super) struct Pour {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    length: Option<u64>,
    follow: Follow,
}

impl Pour {
    pub(super) fn new(response: Response, pace: Pace, mut follow: Follow) -> Self {
        let Response { writes, close, .. } = response;
        let length = match writes.as_slice() {
            [] if close == Close::Clean => Some(0),
            [only] if close == Close::Clean => Some(only.len() as u64),
            _ => None,
        };
        let mut steps = VecDeque::with_capacity(writes.len() * 2 + 2);
        for (index, write) in writes.into_iter().enumerate() {
            let wait = if index == 0 { pace.first_byte } else { pace.between };
            if !wait.is_zero() {
                steps.push_back(Step::Wait(wait));
            }
            steps.push_back(Step::Write(write));
            steps.push_back(Step::Flush);
        }
        match close {
            Close::Clean if length.is_some() => drop(steps.pop_back()),
            Close::Clean => {}
            Close::Cut => steps.push_back(Step::Fail),
            Close::Silence => steps.push_back(Step::Silence),
        }
        if steps.is_empty() {
            follow.finish();
        }
        Self { steps, sleep: None, length, follow }
    }

    /// Takes the step in front; the last one completes the answer.
    fn pop(&mut self) -> Option<Step> {
        let step = self.steps.pop_front();
        if self.steps.is_empty() {
            self.follow.finish();
        }
        step
    }
}

impl Body for Pour {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        loop {
            match self.steps.front() {
                None => return Poll::Ready(None),
                Some(Step::Silence) => return Poll::Pending,
                Some(&Step::Wait(wait)) => {
                    let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
                    std::task::ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                    self.pop();
                }
                Some(Step::Flush) => {
                    self.pop();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Fail) => {
                    self.pop();
                    return Poll::Ready(Some(Err(Dropped)));
                }
                Some(Step::Write(_)) => {
                    let Some(Step::Write(bytes)) = self.pop() else { continue };
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}
