//! One upstream call and all who listen to it: frames are kept, so that whoever joins late hears it from the first.

use crate::cache::weigh;
use futures_core::Stream;
use nunchi_core::{Frame, ModelError, ModelErrorKind, ReplyInfo};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A call under way.
#[derive(Default)]
pub(crate) struct Flight {
    /// Whether the frames are those of a stream; else there is one whole body.
    pub(crate) streamed: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    head: Option<Result<ReplyInfo, ModelError>>,
    frames: Vec<Frame>,
    end: Option<Result<(), ModelError>>,
    listeners: usize,
    /// Whether it is read to its end though nobody listens.
    bought: bool,
    /// What the frames weigh, in bytes.
    bytes: usize,
    waiting: Vec<Waker>,
    /// Woken when the last listener leaves.
    leader: Option<Waker>,
}

impl State {
    fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }
}

impl Flight {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.state();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn new(streamed: bool) -> Self {
        Self { streamed, state: Mutex::default() }
    }

    /// Tells the listeners which model answers, or that none does.
    pub(crate) fn begin(&self, head: Result<ReplyInfo, ModelError>) {
        self.change(|state| state.head = Some(head));
    }

    /// Passes a frame on; gives the bytes of all so far.
    pub(crate) fn push(&self, mut frame: Frame) -> usize {
        // Frames are kept until the end, many of them with one event.
        frame.events.shrink_to_fit();
        let mut bytes = weigh(std::slice::from_ref(&frame));
        self.change(|state| {
            state.bytes += bytes;
            bytes = state.bytes;
            state.frames.push(frame);
        });
        bytes
    }

    /// From here on the provider bills the whole answer, whoever still listens: it is read to its end, booked and kept.
    pub(crate) fn buy(&self) {
        self.state().bought = true;
    }

    /// What was bought did not come: without listeners nothing more is asked.
    pub(crate) fn let_go(&self) {
        self.state().bought = false;
    }

    /// Ends the reply.
    pub(crate) fn finish(&self, end: Result<(), ModelError>) {
        self.change(|state| state.end = Some(end));
    }

    /// All frames so far.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.state().frames.clone()
    }

    /// Returns once nobody listens any more and nothing is bought.
    pub(crate) async fn abandoned(&self) {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.listeners == 0 && !state.bought {
                return Poll::Ready(());
            }
            if !state.leader.as_ref().is_some_and(|leader| leader.will_wake(cx.waker())) {
                state.leader = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Listens from the first frame on.
    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        self.state().listeners += 1;
        Listener { flight: Arc::clone(self), next: 0, over: false }
    }

    /// Listens, unless the call has failed, or everybody has left and it is being ended.
    pub(crate) fn join(self: &Arc<Self>) -> Option<Listener> {
        let mut state = self.state();
        let abandoned = state.listeners == 0 && !state.bought && state.end.is_none();
        if abandoned || matches!(state.end, Some(Err(_))) {
            return None;
        }
        state.listeners += 1;
        drop(state);
        Some(Listener { flight: Arc::clone(self), next: 0, over: false })
    }
}

/// One who listens; a stream of the reply's frames.
pub(crate) struct Listener {
    flight: Arc<Flight>,
    next: usize,
    over: bool,
}

impl Listener {
    /// Whether what is heard is a stream.
    pub(crate) fn streamed(&self) -> bool {
        self.flight.streamed
    }

    /// Waits until it is known which model answers.
    pub(crate) async fn head(&self) -> Result<ReplyInfo, ModelError> {
        poll_fn(|cx| {
            let mut state = self.flight.state();
            match &state.head {
                Some(head) => Poll::Ready(head.clone()),
                None => {
                    state.wait(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Stream for Listener {
    type Item = Result<Frame, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = self.next;
        let mut state = self.flight.state();
        if let Some(frame) = state.frames.get(next) {
            let frame = frame.clone();
            drop(state);
            self.next += 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(end) = state.end.clone() else {
            state.wait(cx.waker());
            return Poll::Pending;
        };
        drop(state);
        self.over = true;
        Poll::Ready(end.err().map(Err))
    }
}

// drop: sends a message (wakes the leader when the last listener leaves)
impl Drop for Listener {
    fn drop(&mut self) {
        let leader = {
            let mut state = self.flight.state();
            state.listeners -= 1;
            if state.listeners == 0 { state.leader.take() } else { None }
        };
        if let Some(leader) = leader {
            leader.wake();
        }
    }
}

/// What listeners hear when the call is ended from outside.
pub(crate) struct Landing {
    flight: Arc<Flight>,
    why: ModelErrorKind,
}

impl Landing {
    /// Of a caller who has not yet asked a model: those who joined him ask themselves when he leaves.
    pub(crate) fn before_asking(flight: &Arc<Flight>) -> Self {
        Self { flight: Arc::clone(flight), why: ModelErrorKind::ClientGone }
    }

    /// From here on the call has a task of its own, which only the end of the process ends.
    pub(crate) fn asking(mut self) -> Self {
        self.why = ModelErrorKind::ShuttingDown;
        self
    }
}

// drop: sends a message (tells the listeners that the call was ended)
impl Drop for Landing {
    fn drop(&mut self) {
        let gone = || ModelError::new(self.why.clone(), "the call was ended");
        self.flight.change(|state| {
            state.head.get_or_insert_with(|| Err(gone()));
            state.end.get_or_insert_with(|| Err(gone()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use nunchi_core::ReplyEvent;

    fn text(text: &str) -> Frame {
        Frame::of(vec![ReplyEvent::Text(text.into())])
    }

    #[tokio::test]
    async fn a_late_listener_hears_everything() {
        let flight = Arc::new(Flight::default());
        let mut early = flight.listen();
        flight.begin(Ok(ReplyInfo::default()));
        flight.push(text("a"));
        assert_eq!(early.next().await, Some(Ok(text("a"))));
        let late = flight.join().unwrap();
        flight.push(text("b"));
        flight.finish(Ok(()));
        let heard: Vec<_> = late.map(Result::unwrap).collect().await;
        assert_eq!(heard, [text("a"), text("b")]);
        assert_eq!(early.next().await, Some(Ok(text("b"))));
        assert_eq!(early.next().await, None);
    }

    #[tokio::test]
    async fn it_lives_while_anyone_listens() {
        let flight = Arc::new(Flight::default());
        let (a, b) = (flight.listen(), flight.listen());
        let mut abandoned = Box::pin(flight.abandoned());
        assert!(futures_util::poll!(&mut abandoned).is_pending());
        drop(a);
        assert!(futures_util::poll!(&mut abandoned).is_pending());
        drop(b);
        abandoned.await;
        assert!(flight.join().is_none());
    }

    #[tokio::test]
    async fn an_ended_task_is_heard() {
        let flight = Arc::new(Flight::default());
        let mut listener = flight.listen();
        drop(Landing::before_asking(&flight).asking());
        assert_eq!(listener.head().await.unwrap_err().kind, ModelErrorKind::ShuttingDown);
        assert!(listener.next().await.unwrap().is_err());
        assert!(listener.next().await.is_none());
    }
}
