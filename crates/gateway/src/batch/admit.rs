//! What comes before a job may be handed over: its key still works, the answer is not there already, limits and budgets admit it.

use super::Runner;
use crate::plan::{Candidate, may_use, refused_by};
use futures_util::StreamExt;
use nunchi_core::{
    BudgetAction, CacheDirective, CallId, Frame, HoldError, HoldRequest, Job, JobAnswer, ModelError,
    ModelErrorKind, SpendScope,
};
use std::time::Duration;

/// Pause before a budget is asked again that other calls' holds fill.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// What becomes of a job that is about to be handed over.
pub(super) enum Admitted {
    /// Its money is held.
    Go,
    /// Not now: again after this time.
    Later(Duration),
    /// A budget asks for local models only, so it takes the plain way, which knows them.
    Live,
    /// It is over.
    Over(Box<JobAnswer>),
}

impl Admitted {
    fn failed(error: ModelError) -> Self {
        Self::Over(Box::new(JobAnswer::Failed(error)))
    }
}

impl Runner {
    pub(super) async fn admit(&self, job: &Job) -> Admitted {
        if self.desk.is_cancelled(job.id) {
            return Admitted::Over(Box::new(JobAnswer::Cancelled));
        }
        if let Some(error) = self.key_trouble(job) {
            return Admitted::failed(error);
        }
        if let Some(answer) = self.stored_answer(job).await {
            return Admitted::Over(Box::new(answer));
        }
        let posture = self.gateway.parts.ledger.posture(&SpendScope::of(&job.context, "", ""), self.now());
        match posture.action {
            Some(BudgetAction::LocalOnly) => Admitted::Live,
            Some(action) if action > BudgetAction::LocalOnly => Admitted::failed(refused_by(&posture)),
            _ => match self.hold(job).await {
                // The hold stays while the limits of the key make the line wait; it is the same hold then.
                Admitted::Go => self.limited(job).map_or(Admitted::Go, Admitted::Later),
                other => other,
            },
        }
    }

    /// Whether the key of a job has ended since it came.
    pub(super) fn key_trouble(&self, job: &Job) -> Option<ModelError> {
        let refused = self.gateway.keys().trouble(job.owner()?)?;
        Some(ModelError::new(ModelErrorKind::ModelNotAllowed, refused.to_string()))
    }

    /// The answer of the exact cache: free, booked as saved.
    async fn stored_answer(&self, job: &Job) -> Option<JobAnswer> {
        let key = job.key.filter(|_| job.context.cache == CacheDirective::Default)?;
        let stored = self.gateway.cache.peek(key).await?;
        if !may_use(&job.context.principal, &Candidate::of_stored(&stored), &job.request.model) {
            return None;
        }
        self.gateway.cache.touch(key);
        let mut ask = self.gateway.estimate(job.request.clone(), job.context.clone());
        ask.request.stream = false;
        let reply = self.gateway.serve_stored(&ask, (key, &stored), None).await;
        let frames: Vec<Frame> = reply.stream.filter_map(async |frame| frame.ok()).collect().await;
        Some(JobAnswer::Answered { provider: stored.provider.clone(), model: stored.model.clone(), frames })
    }

    /// How long a line has to wait for the limits of its key. Single calls were counted when they came.
    fn limited(&self, job: &Job) -> Option<Duration> {
        job.place.as_ref()?;
        let ask = self.gateway.estimate(job.request.clone(), job.context.clone());
        let refused = self.gateway.limit(&ask).err()?;
        Some(refused.retry_after.unwrap_or(BUSY_PAUSE))
    }

    /// Holds the money of a job, durably and beyond the end of this process. A hold that is there already is that hold.
    async fn hold(&self, job: &Job) -> Admitted {
        let Some(terms) = &job.terms else { return Admitted::Live };
        let now = self.now();
        let mut if_lost = terms.record.clone();
        if_lost.started = now;
        let request = HoldRequest {
            call: job.id,
            scope: SpendScope::of(&job.context, &terms.record.provider, &terms.record.model),
            money: terms.held,
            tokens: terms.tokens,
            at: now,
            // A whole batch would wait for one line; the line waits in the queue instead.
            patience: Duration::ZERO,
            if_lost: Box::new(if_lost),
            outlives: true,
        };
        match self.gateway.parts.ledger.hold(request).await {
            Ok(()) => {
                self.desk.note_held(job.id, true);
                Admitted::Go
            }
            Err(HoldError::Refused(refusal)) if refusal.busy => Admitted::Later(BUSY_PAUSE),
            Err(HoldError::Refused(refusal)) => {
                let name = format!("\"{}\"", refusal.state.name);
                Admitted::failed(ModelError::new(ModelErrorKind::BudgetRefused(refusal), name))
            }
            Err(HoldError::Storage(error)) => {
                tracing::warn!(%error, job = %job.id, "the ledger cannot be written; the job waits");
                Admitted::Later(BUSY_PAUSE)
            }
        }
    }

    /// Ends jobs that their owner cancelled before they were handed over.
    pub(super) async fn end_cancelled(&self, ids: Vec<CallId>) {
        self.end_all(ids.into_iter().map(|id| (id, JobAnswer::Cancelled)).collect()).await;
    }
}
