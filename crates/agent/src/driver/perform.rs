//! One effect through its port, and the event that it ends with.

use super::{Agent, AgentError, RunEvent};
use crate::effect::{EffectId, Event, ModelAsk, ModelFailure, ModelReply, Work};
use crate::offers::{has_many_tools, kept_tools};
use crate::results::{RECALL_RESULT, shown_whole};
use crate::state::{Phase, RunState};
use crate::thinking::request_for;
use futures_util::{FutureExt, StreamExt};
use nunchi_core::{
    BoxFuture, CallContext, Explain, Lang, ModelError, ModelErrorKind, ModelPrice, ModelRequest, Reply,
    ReplyEvent, RequestId, RunId, ServiceTier, Tool, ToolCall, ToolError, ToolFate, assemble_reply, cost,
};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// How long a tool may take to say what became of a call.
const FATE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of one reply that are kept.
const MOST_REPLY: usize = 4 * 1024 * 1024;

/// A model call with all it needs.
struct ModelWork {
    run: RunId,
    request: ModelRequest,
    context: CallContext,
    price: Option<ModelPrice>,
    /// The language in which people are told what went wrong.
    lang: Lang,
    /// Whether its text is passed on as it comes.
    shown: bool,
    /// The gateway has time limits of its own; this one makes sure that no wait is endless.
    limit: Duration,
}

impl Agent {
    /// Performs an effect. Everything it needs of the state is taken now.
    pub(super) fn perform(
        self: Arc<Self>,
        state: &RunState,
        id: EffectId,
        work: Work,
    ) -> BoxFuture<'static, Result<Option<Event>, AgentError>> {
        let run = state.order().id;
        let shown_whole = shown_whole(state, &work);
        match work {
            Work::CallModel(ask) => {
                let call = ModelWork {
                    run,
                    request: request_for(state, &ask),
                    context: self.context(state, &ask),
                    price: state.order().price.clone(),
                    lang: state.order().lang,
                    shown: matches!(ask.phase, Phase::Act | Phase::Merge),
                    limit: Duration::from_secs(u64::from(state.order().limits.seconds.max(1))),
                };
                Box::pin(async move { Ok(Some(self.call_model(id, call).await)) })
            }
            Work::Preview(call) => Box::pin(async move {
                let result = self.with_tool(call, |tool, call| async move { tool.preview(call).await }).await;
                Ok(Some(Event::Previewed(id, result)))
            }),
            Work::RunTool(call) if call.tool == RECALL_RESULT => Box::pin(async move {
                let began = self.parts.clock.monotonic();
                let result = self.recall_result(call).await;
                let took = self.parts.clock.monotonic().saturating_sub(began);
                Ok(Some(Event::ToolEnded(id, result, micros(took))))
            }),
            Work::RunTool(call) => Box::pin(async move {
                let began = self.parts.clock.monotonic();
                let mut result = self.with_tool(call, |tool, call| async move { tool.run(call).await }).await;
                if let (Ok(output), Some(most)) = (&mut result, shown_whole) {
                    self.keep_long(run, most, output).await;
                }
                let took = self.parts.clock.monotonic().saturating_sub(began);
                Ok(Some(Event::ToolEnded(id, result, micros(took))))
            }),
            Work::CheckFate(call) => Box::pin(async move {
                let mut fate = self.fate(call).await;
                if let (ToolFate::Happened(output), Some(most)) = (&mut fate, shown_whole) {
                    self.keep_long(run, most, output).await;
                }
                Ok(Some(Event::FateKnown(id, fate)))
            }),
            Work::Ask(approval) => Box::pin(async move {
                let answered = self.answers(vec![(id, (*approval).clone())]).await?.pop();
                // Told once it is stored, so that whoever hears of it can answer it.
                self.tell(run, RunEvent::Asked(Arc::new(*approval)));
                Ok(answered)
            }),
            Work::Delegate(order) => Box::pin(async move {
                let result = self.delegate(*order).await?;
                Ok(Some(Event::ChildEnded(id, Box::new(result))))
            }),
        }
    }

    fn context(&self, state: &RunState, ask: &ModelAsk) -> CallContext {
        let order = state.order();
        let principal = order.principal.as_ref().unwrap_or(&self.parts.principal);
        let mut context = CallContext::new(RequestId(self.parts.ids.new_id()), Arc::clone(principal));
        context.session = order.session.as_deref().map(Arc::from);
        context.run = Some(order.id);
        context.agent = Some(Arc::from("nunchi"));
        context.phase = Some(Arc::from(ask.phase.as_str()));
        if has_many_tools(state) {
            context.select_tools = Some(true);
            context.keep_tools = kept_tools(state).into();
        }
        // A budget on this tag holds a run together with all its sub-agents.
        context.tags = Arc::from([format!("run:{}", order.root)]);
        context
    }

    async fn call_model(&self, id: EffectId, work: ModelWork) -> Event {
        let ModelWork { run, request, context, price, lang, shown, limit } = work;
        let began = self.parts.clock.monotonic();
        let answer = async {
            match self.parts.model.call(request, context).await {
                Ok(reply) => self.read(run, shown, reply).await,
                Err(error) => Err((error, false)),
            }
        };
        let answered = tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
            let error =
                ModelError::new(ModelErrorKind::TimedOut, format!("no end within {} s", limit.as_secs()));
            Err((error, true))
        });
        let took = self.parts.clock.monotonic().saturating_sub(began);
        match answered {
            Ok((model, events)) => {
                let reply = reply_of(model, &events, price.as_ref());
                Event::ModelReplied(id, Box::new(ModelReply { latency_us: micros(took), ..reply }))
            }
            Err((error, begun)) => match &error.kind {
                ModelErrorKind::BudgetRefused(_) => Event::BudgetBreached(id, error.message(lang)),
                _ => Event::ModelFailed(
                    id,
                    ModelFailure {
                        code: error.code().to_owned(),
                        message: error.message(lang),
                        charged: begun || error.may_be_charged(),
                    },
                ),
            },
        }
    }

    /// Reads a reply to its end; text of an answer is passed on as it comes. An error says whether content had come before.
    async fn read(
        &self,
        run: RunId,
        shown: bool,
        reply: Reply,
    ) -> Result<(String, Vec<ReplyEvent>), (ModelError, bool)> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut stream = reply.stream;
        while let Some(frame) = stream.next().await {
            for event in frame.map_err(|error| (error, !events.is_empty()))?.events {
                if let ReplyEvent::Text(text) = &event {
                    bytes += text.len();
                    if shown {
                        self.tell(run, RunEvent::Text(text.clone()));
                    }
                }
                if let ReplyEvent::ToolArguments { delta, .. } = &event {
                    bytes += delta.len();
                }
                events.push(event);
            }
            if bytes > MOST_REPLY {
                let error =
                    ModelError::new(ModelErrorKind::Garbage, format!("the reply is over {MOST_REPLY} bytes"));
                return Err((error, true));
            }
        }
        Ok((reply.info.model, events))
    }

    /// Calls a tool within its time. A panic or a time-out leaves it open whether something happened.
    async fn with_tool<T, F>(
        &self,
        call: ToolCall,
        work: impl FnOnce(Arc<dyn Tool>, ToolCall) -> F,
    ) -> Result<T, ToolError>
    where
        F: Future<Output = Result<T, ToolError>>,
    {
        let Some(tool) = self.parts.tools.find(&call.tool) else {
            let message = format!("The tool `{}` is not there any more.", call.tool);
            return Err(ToolError::new("tool.gone", message));
        };
        let limit = Duration::from_millis(tool.spec().timeout_ms);
        match tokio::time::timeout(limit, AssertUnwindSafe(work(tool, call)).catch_unwind()).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ToolError::new("tool.crashed", "The tool crashed.").uncertain()),
            Err(_) => {
                let message = format!("It gave no answer within {} ms.", limit.as_millis());
                Err(ToolError::new("tool.timed_out", message).uncertain())
            }
        }
    }

    async fn fate(&self, call: ToolCall) -> ToolFate {
        let Some(tool) = self.parts.tools.find(&call.tool) else { return ToolFate::Unknown };
        let asked = AssertUnwindSafe(async move { tool.fate(call).await }).catch_unwind();
        match tokio::time::timeout(FATE_TIMEOUT, asked).await {
            Ok(Ok(fate)) => fate,
            Ok(Err(_)) | Err(_) => ToolFate::Unknown,
        }
    }
}

fn reply_of(model: String, events: &[ReplyEvent], price: Option<&ModelPrice>) -> ModelReply {
    let mut body = assemble_reply(events);
    let usage = body.summary.as_ref().map_or(body.usage, |summary| summary.usage);
    let booked = body.summary.as_ref().map(|summary| summary.cost).or(body.reported_cost);
    let priced = || price.map(|price| cost(price, &usage, ServiceTier::Standard)).unwrap_or_default();
    let choice = if body.choices.is_empty() { Default::default() } else { body.choices.swap_remove(0) };
    ModelReply {
        model,
        parts: choice.parts,
        stop: choice.stop,
        usage,
        cost: booked.unwrap_or_else(priced),
        latency_us: 0,
        sources: body.citations.into_iter().map(|citation| citation.url).collect(),
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
