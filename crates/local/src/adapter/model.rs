//! The chat engine as a [`Model`].

use super::choosing::ToolChooser;
use super::{PROVIDER, names, request::translate};
use crate::chat::{ChatEngine, ChatEvent, ChatStream, ChatUsage, FinishReason, is_reminder};
use crate::encoder::EncoderEngine;
use crate::error::LocalError;
use crate::weights::WeightStore;
use futures_util::stream;
use nunchi_core::{
    BoxFuture, CallContext, Dialect, Frame, Message, Model, ModelCard, ModelError, ModelErrorKind, ModelList,
    ModelRequest, Part, Reply, ReplyEvent, ReplyInfo, Role, StopReason, ToolChoice, Usage,
};
use std::sync::Arc;

/// The embedded chat model, for the gateway.
#[derive(Clone, Debug)]
pub struct LocalModel {
    engine: ChatEngine,
    chooser: Option<ToolChooser>,
    store: Arc<WeightStore>,
    weights: String,
    context: usize,
}

impl LocalModel {
    /// Answers through `engine`, which runs `weights` with `context` tokens of prompt and answer. With `encoder` it decides
    /// by itself whether to call a tool.
    pub fn new(
        engine: ChatEngine,
        encoder: Option<EncoderEngine>,
        store: Arc<WeightStore>,
        weights: impl Into<String>,
        context: usize,
    ) -> Self {
        let chooser = encoder.map(ToolChooser::new);
        Self { engine, chooser, store, weights: weights.into(), context }
    }

    async fn answer(&self, request: ModelRequest, context: CallContext) -> Result<Reply, ModelError> {
        if !names(&request.model, &self.weights) {
            return Err(ModelError::new(ModelErrorKind::UnknownModel, request.model).from_provider(PROVIDER));
        }
        let chosen = self.choose(&request).await?;
        let (chat, notes) = translate(&request, chosen)?;
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
        let id = context.request.to_string();
        let state = Reading { events, id, first: Some(start), choice: 0, ended: None, over: false };
        Ok(Reply { info, stream: Box::pin(stream::unfold(state, Reading::frame)) })
    }

    /// The tool to call, as a place in the request's list.
    async fn choose(&self, request: &ModelRequest) -> Result<Option<usize>, ModelError> {
        let unsupported = |what: &str| LocalError::Unsupported(what.to_owned());
        if request.tools.is_empty() || request.tool_choice == ToolChoice::None {
            return Ok(None);
        }
        if request.tools.iter().any(|tool| tool.builtin.is_some()) {
            return Err(unsupported("tools that run at a provider").into());
        }
        let must = match &request.tool_choice {
            ToolChoice::Named(name) => {
                let named = request.tools.iter().position(|tool| tool.name == *name);
                return named.map(Some).ok_or_else(|| unsupported("a tool that is not offered").into());
            }
            choice => *choice == ToolChoice::Required,
        };
        let Some((said, answered)) = last_said(request) else { return Ok(must.then_some(0)) };
        // One call for what was said: what a tool has found is answered from.
        if !must && answered {
            return Ok(None);
        }
        if must && request.tools.len() == 1 {
            return Ok(Some(0));
        }
        let chooser = self.chooser.as_ref().ok_or_else(|| unsupported("choosing a tool"))?;
        let chosen = chooser.choose(&said, &request.tools).await;
        // Without the encoder's weights it is as good as a model that knows no tools.
        let chosen = chosen.map_err(|error| unsupported(&format!("choosing a tool ({error})")))?;
        Ok(chosen.filter(|chosen| must || chosen.needed).map(|chosen| chosen.tool))
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
    /// The request's id, from which those of calls are made.
    id: String,
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
                Some(Ok(ChatEvent::Call { choice, name })) => {
                    self.enter(choice, &mut out);
                    let id = format!("call_{}_{choice}", self.id);
                    out.push(ReplyEvent::ToolCall { index: 0, id, name });
                }
                Some(Ok(ChatEvent::Arguments { choice, text })) => {
                    self.enter(choice, &mut out);
                    out.push(ReplyEvent::ToolArguments { index: 0, delta: text });
                    return Some((Ok(Frame::of(out)), self));
                }
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
                    out.push(ReplyEvent::Usage {
                        usage: tokens(usage),
                        reported_cost: None,
                        service_tier: None,
                    });
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

/// What the person has said last, and whether tools have answered since.
fn last_said(request: &ModelRequest) -> Option<(String, bool)> {
    let said = |message: &Message| {
        let text = message.plain_text();
        (message.role == Role::User && !text.trim().is_empty() && !is_reminder(&text)).then_some(text)
    };
    let (at, text) =
        request.messages.iter().enumerate().rev().find_map(|(at, message)| Some((at, said(message)?)))?;
    let found = |part: &Part| matches!(part, Part::ToolResult { .. });
    let after = &request.messages[at + 1..];
    Some((text, after.iter().any(|m| m.role == Role::Tool || m.parts.iter().any(found))))
}

fn stop_reason(reason: FinishReason) -> StopReason {
    match reason {
        FinishReason::EndOfTurn => StopReason::EndTurn,
        FinishReason::ToolCall => StopReason::ToolUse,
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
