//! Embeddings: held, attempted and settled like any other call.

use crate::ask::Ask;
use crate::gateway::Gateway;
use crate::hold::{OpenCall, Worst};
use crate::plan::{Candidate, may_use};
use nunchi_core::{
    BoxFuture, CacheVerdict, CallContext, EmbedReply, EmbedRequest, Embedder, Explain, Message, ModelError,
    ModelErrorKind, ModelRequest, RetryClass, Role, Served, ServiceTier, TaskName, cost,
};
use std::sync::Arc;
use tokio::sync::oneshot;

impl Embedder for Gateway {
    fn embed(
        &self,
        request: EmbedRequest,
        context: CallContext,
    ) -> BoxFuture<'_, Result<EmbedReply, ModelError>> {
        Box::pin(self.embed_all(request, context))
    }
}

impl Gateway {
    async fn embed_all(&self, request: EmbedRequest, context: CallContext) -> Result<EmbedReply, ModelError> {
        let candidates = self.embedders(&request.model, &context)?;
        let texts = request.inputs.iter().map(|text| Message::text(Role::User, text.clone())).collect();
        let ask = self.estimate(ModelRequest::new(request.model.clone(), texts), context);
        let _permit = self.limit(&ask)?;
        let mut last = None;
        let ask = Arc::new(ask);
        for candidate in candidates {
            match self.embed_in_task(candidate, request.clone(), Arc::clone(&ask)).await {
                Ok(reply) => return Ok(reply),
                Err(error) if error.retry_class() == RetryClass::Stop => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| ModelError::new(ModelErrorKind::NoCandidate, "no provider makes vectors")))
    }

    /// In a task of its own, so that a caller who leaves never leaves money unsettled.
    async fn embed_in_task(
        &self,
        candidate: Candidate,
        request: EmbedRequest,
        ask: Arc<Ask>,
    ) -> Result<EmbedReply, ModelError> {
        let ended = || ModelError::new(ModelErrorKind::ShuttingDown, "");
        let gateway = self.me.upgrade().ok_or_else(ended)?;
        let (answer, answered) = oneshot::channel();
        let work = async move {
            // An error means that the caller left; the call is settled all the same.
            let _caller_left = answer.send(gateway.embed_with(&candidate, request, &ask).await);
        };
        self.parts.spawn.spawn(TaskName::Call, Box::pin(work));
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    fn embedders(&self, model: &str, context: &CallContext) -> Result<Vec<Candidate>, ModelError> {
        let name = if model == "auto" { self.settings.embedder.as_deref() } else { Some(model) };
        let mut candidates = Vec::new();
        if let Some(name) = name {
            self.add_named(&mut candidates, name);
        }
        if candidates.is_empty() {
            return Err(ModelError::new(ModelErrorKind::UnknownModel, format!("`{model}`")));
        }
        candidates.retain(|candidate| self.parts.providers[candidate.entry].embedder.is_some());
        if candidates.is_empty() {
            return Err(ModelError::new(ModelErrorKind::Unsupported, format!("`{model}` makes no vectors")));
        }
        candidates.retain(|candidate| may_use(&context.principal, candidate, model));
        if candidates.is_empty() {
            return Err(ModelError::new(ModelErrorKind::ModelNotAllowed, format!("`{model}`")));
        }
        Ok(candidates)
    }

    async fn embed_with(
        &self,
        candidate: &Candidate,
        mut request: EmbedRequest,
        ask: &Ask,
    ) -> Result<EmbedReply, ModelError> {
        let Some(embedder) = self.parts.providers[candidate.entry].embedder.clone() else {
            return Err(ModelError::new(ModelErrorKind::Unsupported, candidate.full_name()));
        };
        let worst = Worst {
            prompt: ask.prompt_bound,
            uncounted: 0,
            output: 0,
            choices: 1,
            tool_uses: 0,
            service_tier: ServiceTier::Standard,
        };
        let open =
            self.hold_call(ask, candidate, worst, |record| record.cache = CacheVerdict::Bypass).await?;
        request.model.clone_from(&candidate.model);
        match embedder.embed(request, ask.context.clone()).await {
            Ok(mut reply) => {
                self.settle_vectors(open, &reply).await;
                reply.info.provider.clone_from(&candidate.provider);
                reply.info.model.clone_from(&candidate.model);
                let served = Served {
                    request: ask.context.request,
                    cache: CacheVerdict::Bypass,
                    reason: "vectors".into(),
                    budgets: Vec::new(),
                };
                reply.info.served = Some(Arc::new(served));
                Ok(reply)
            }
            Err(error) => {
                self.book_failure(open, &error, &ask.request).await;
                Err(error)
            }
        }
    }

    async fn settle_vectors(&self, open: OpenCall, reply: &EmbedReply) {
        let mut record = open.record;
        record.usage = reply.usage;
        record.cost = cost(&open.price, &reply.usage, open.worst.service_tier);
        record.baseline_cost = record.cost;
        record.latency_us = self.micros_since(open.since);
        record.first_event_us = Some(record.latency_us);
        self.book(record).await;
    }
}
