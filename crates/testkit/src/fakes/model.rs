//! A model that follows a script, without any network.

use futures_core::Stream;
use nunchi_core::{
    BoxFuture, CallContext, EmbedReply, EmbedRequest, Embedder, Frame, Model, ModelError, ModelRequest,
    Reply, ReplyEvent, ReplyInfo, ServiceTier, StopReason, Usage,
};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// One thing a scripted model does.
#[derive(Clone, Debug)]
pub struct ScriptedReply {
    head: Result<ReplyInfo, ModelError>,
    wait: Duration,
    between: Duration,
    items: VecDeque<Result<Frame, ModelError>>,
    hangs: bool,
}

impl ScriptedReply {
    /// Exactly these events, one a frame.
    pub fn events(events: impl IntoIterator<Item = ReplyEvent>) -> Self {
        let items = events.into_iter().map(|event| Frame::of(vec![event])).map(Ok).collect();
        let head =
            Ok(ReplyInfo { provider: "scripted".into(), model: "scripted-1".into(), ..ReplyInfo::default() });
        Self { head, wait: Duration::ZERO, between: Duration::ZERO, items, hangs: false }
    }

    /// A whole answer: start, one text event a word, usage (12 in, 8 out), end.
    pub fn text(text: &str) -> Self {
        Self::text_with_usage(text, Usage { input: 12, output: 8, ..Usage::default() })
    }

    /// As [`ScriptedReply::text`], with these tokens.
    pub fn text_with_usage(text: &str, usage: Usage) -> Self {
        let start = ReplyEvent::Start { id: "scripted-reply".into(), model: "scripted-1".into() };
        let words = text.split_inclusive(' ').map(|word| ReplyEvent::Text(word.to_owned()));
        let end = [
            ReplyEvent::Usage { usage, reported_cost: None, service_tier: None },
            ReplyEvent::End(StopReason::EndTurn),
        ];
        Self::events([start].into_iter().chain(words).chain(end))
    }

    /// The provider says which service tier it served.
    pub fn service_tier(mut self, tier: ServiceTier) -> Self {
        let frames = self.items.iter_mut().filter_map(|item| item.as_mut().ok());
        for event in frames.flat_map(|frame| &mut frame.events) {
            if let ReplyEvent::Usage { service_tier, .. } = event {
                *service_tier = Some(tier);
            }
        }
        self
    }

    /// The call fails before any event.
    pub fn error(error: ModelError) -> Self {
        Self { head: Err(error), ..Self::events([]) }
    }

    /// The call never returns.
    pub fn hang() -> Self {
        Self { wait: Duration::MAX, ..Self::events([]) }
    }

    /// Ends with this error after the first `count` events.
    pub fn fail_after(mut self, count: usize, error: ModelError) -> Self {
        self.items.truncate(count);
        self.items.push_back(Err(error));
        self
    }

    /// Ends without a word after the first `count` events.
    pub fn end_after(mut self, count: usize) -> Self {
        self.items.truncate(count);
        self
    }

    /// Falls silent after the first `count` events.
    pub fn hang_after(mut self, count: usize) -> Self {
        self.items.truncate(count);
        self.hangs = true;
        self
    }

    /// Changes what is known before the first event.
    pub fn info(mut self, info: ReplyInfo) -> Self {
        self.head = self.head.map(|_| info);
        self
    }

    /// Waits before the call returns (tokio's time, so a test can pause it).
    pub fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Waits before each event.
    pub fn between(mut self, wait: Duration) -> Self {
        self.between = wait;
        self
    }
}

/// What the model keeps.
#[derive(Debug, Default)]
struct Book {
    script: VecDeque<ScriptedReply>,
    always: Option<ScriptedReply>,
    calls: Vec<(ModelRequest, CallContext)>,
    completed: usize,
    dropped: usize,
    open: usize,
    most_open: usize,
}

/// A [`Model`] (and [`Embedder`]) that answers from a script; when that is empty, with its fall-back: `Hello there`.
#[derive(Clone, Debug, Default)]
pub struct ScriptedModel(Arc<Mutex<Book>>);

impl ScriptedModel {
    /// With these answers.
    pub fn new(replies: impl IntoIterator<Item = ScriptedReply>) -> Self {
        let model = Self::default();
        model.script(replies);
        model
    }

    /// Appends answers.
    pub fn script(&self, replies: impl IntoIterator<Item = ScriptedReply>) {
        self.book().script.extend(replies);
    }

    /// The answer when the script is empty.
    pub fn always(&self, reply: ScriptedReply) {
        self.book().always = Some(reply);
    }

    /// How many calls came.
    pub fn calls(&self) -> usize {
        self.book().calls.len()
    }

    /// What was asked, in order.
    pub fn requests(&self) -> Vec<(ModelRequest, CallContext)> {
        self.book().calls.clone()
    }

    /// How many replies were read to their end.
    pub fn completed(&self) -> usize {
        self.book().completed
    }

    /// How many calls or replies were dropped before their end.
    pub fn dropped(&self) -> usize {
        self.book().dropped
    }

    /// The largest number of calls that were open at the same time.
    pub fn most_open(&self) -> usize {
        self.book().most_open
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, request: ModelRequest, context: CallContext) -> (ScriptedReply, Open) {
        let mut book = self.book();
        book.calls.push((request, context));
        book.open += 1;
        book.most_open = book.most_open.max(book.open);
        let next = book.script.pop_front().or_else(|| book.always.clone());
        drop(book);
        let open = Open { model: self.clone(), ended: false };
        (next.unwrap_or_else(|| ScriptedReply::text("Hello there")), open)
    }
}

impl Model for ScriptedModel {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        let (reply, mut open) = self.begin(request, context);
        Box::pin(async move {
            match reply.wait {
                Duration::ZERO => {}
                Duration::MAX => std::future::pending().await,
                wait => tokio::time::sleep(wait).await,
            }
            let info = reply.head.inspect_err(|_| open.ended = true)?;
            let ScriptedReply { items, between, hangs, .. } = reply;
            let stream = Box::pin(ScriptedStream { items, between, hangs, sleep: None, open });
            Ok(Reply { info, stream })
        })
    }
}

impl Embedder for ScriptedModel {
    fn embed(&self, request: EmbedRequest, _: CallContext) -> BoxFuture<'_, Result<EmbedReply, ModelError>> {
        let dimensions = request.dimensions.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(8);
        let vectors = request.inputs.iter().map(|text| crate::wire::embedding(text, dimensions)).collect();
        let info = ReplyInfo { provider: "scripted".into(), model: request.model, ..ReplyInfo::default() };
        let usage = Usage { input: 12, ..Usage::default() };
        Box::pin(std::future::ready(Ok(EmbedReply { vectors, usage, info })))
    }
}

/// Counts a call as open until it ends or is dropped.
#[derive(Debug)]
struct Open {
    model: ScriptedModel,
    ended: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut book = self.model.book();
        book.open -= 1;
        if self.ended {
            book.completed += 1;
        } else {
            book.dropped += 1;
        }
    }
}

struct ScriptedStream {
    items: VecDeque<Result<Frame, ModelError>>,
    between: Duration,
    hangs: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    open: Open,
}

impl Stream for ScriptedStream {
    type Item = Result<Frame, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.items.is_empty() {
            if self.hangs {
                return Poll::Pending;
            }
            self.open.ended = true;
            return Poll::Ready(None);
        }
        if !self.between.is_zero() {
            let wait = self.between;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        let item = self.items.pop_front();
        self.open.ended = self.items.is_empty() && !self.hangs;
        Poll::Ready(item)
    }
}
