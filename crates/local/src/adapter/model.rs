//! The chat engine as a [`Model`].

use super::{PROVIDER, names, request::translate};
use crate::chat::{ChatEngine, ChatEvent, ChatStream, ChatUsage, FinishReason};
use crate::error::LocalError;
use crate::weights::WeightStore;
use futures_util::stream;
use nunchi_core::{
    BoxFuture, CallContext, Dialect, Frame, Model, ModelCard, ModelError, ModelErrorKind, ModelList,
    ModelRequest, Reply, ReplyEvent, ReplyInfo, StopReason, Usage,
};
use std::sync::Arc;

/// The embedded chat model, for the gateway.
#[derive(Clone, Debug)]
pub struct LocalModel {
    engine: ChatEngine,
    store: Arc<WeightStore>,
    weights: String,
    context: usize,
}

impl LocalModel {
    /// Answers through `engine`, which runs `weights` with `context` tokens of prompt and answer.
    pub fn new(
        engine: ChatEngine,
        store: Arc<WeightStore>,
        weights: impl Into<String>,
        context: usize,
    ) -> Self {
        Self { engine, store, weights: weights.into(), context }
    }

    async fn answer(&self, request: ModelRequest, context: CallContext) -> Result<Reply, ModelError> {
        if !names(&request.model, &self.weights) {
            return Err(ModelError::new(ModelErrorKind::UnknownModel, request.model).from_provider(PROVIDER));
        }
        let (chat, notes) = translate(&request)?;
        let mut events = self.engine.submit(chat)?;
        // The head is known when the weights are loaded and the prompt is counted: errors before that cost nothing.
        match events.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(LocalError::Stopped.into()),
        }
        let info = ReplyInfo {
            provider: PROVIDER.to_owned(),
            model: self.weights.clone(),
            notes,
            ..ReplyInfo::default()
        };
        let start = ReplyEvent::Start { id: context.request.to_string(), model: self.weights.clone() };
        let state = Reading { events, first: Some(start), choice: 0, ended: None, over: false };
        Ok(Reply { info, stream: Box::pin(stream::unfold(state, Reading::frame)) })
    }
}

impl Model for LocalModel {
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>> {
        Box::pin(self.answer(request, context))
    }
}

impl ModelList for LocalModel {
    /// The model, if its weights are here.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelCard>, ModelError>> {
        let card = ModelCard {
            provider: PROVIDER.to_owned(),
            model: self.weights.clone(),
            dialect: Dialect::Embedded,
            local: true,
            embedding: false,
            context_window: Some(self.context as u64),
        };
        let cards = if self.store.has(&self.weights) { vec![card] } else { Vec::new() };
        Box::pin(std::future::ready(Ok(cards)))
    }
}

/// A reply being read.
struct Reading {
    events: ChatStream,
    first: Option<ReplyEvent>,
    choice: u32,
    /// How the current choice ended: the last one is told after the usage.
    ended: Option<StopReason>,
    over: bool,
}

impl Reading {
    async fn frame(mut self) -> Option<(Result<Frame, ModelError>, Self)> {
        if self.over {
            return None;
        }
        if let Some(start) = self.first.take() {
            return Some((Ok(Frame::of(vec![start])), self));
        }
        let mut out = Vec::new();
        loop {
            match self.events.next().await {
                Some(Ok(ChatEvent::Started(_))) => {}
                Some(Ok(ChatEvent::Text { choice, text })) => {
                    self.enter(choice, &mut out);
                    out.push(ReplyEvent::Text(text));
                    return Some((Ok(Frame::of(out)), self));
                }
                Some(Ok(ChatEvent::Finished { choice, reason })) => {
                    self.enter(choice, &mut out);
                    self.ended = Some(stop_reason(reason));
                }
                Some(Ok(ChatEvent::Done(usage))) => {
                    self.over = true;
                    out.push(ReplyEvent::Usage { usage: tokens(usage), reported_cost: None });
                    out.extend(self.ended.take().map(ReplyEvent::End));
                    return Some((Ok(Frame::of(out)), self));
                }
                Some(Err(error)) => return Some(self.broken(error)),
                None => return Some(self.broken(LocalError::Stopped)),
            }
        }
    }

    fn broken(mut self, error: LocalError) -> (Result<Frame, ModelError>, Self) {
        self.over = true;
        (Err(error.into()), self)
    }

    /// Ends the choice before and opens this one.
    fn enter(&mut self, choice: u32, out: &mut Vec<ReplyEvent>) {
        if choice != self.choice {
            out.extend(self.ended.take().map(ReplyEvent::End));
            out.push(ReplyEvent::Choice(choice));
            self.choice = choice;
        }
    }
}

fn stop_reason(reason: FinishReason) -> StopReason {
    match reason {
        FinishReason::EndOfTurn => StopReason::EndTurn,
        FinishReason::Length => StopReason::MaxTokens,
        FinishReason::Stop(text) => StopReason::StopSequence(text),
    }
}

fn tokens(usage: ChatUsage) -> Usage {
    Usage {
        input: (usage.prompt - usage.cached) as u64,
        cache_read: usage.cached as u64,
        output: usage.output as u64,
        ..Usage::default()
    }
}
