//! Jobs that are answered by plain calls: those whose model has no Batch API, and those that a batch did not answer.

use super::settings::Pauses;
use super::{Runner, until};
use crate::gateway::Gateway;
use futures_util::TryStreamExt;
use nunchi_core::{
    CallId, CallRecord, Explain, Frame, Job, JobAnswer, JobResult, JobState, ModelError, ModelErrorKind,
    Reply, RetryClass, StoredJob,
};
use std::time::Duration;

/// Plain calls that are tried for one job, as long as there is time; each is retried and passed on to others by itself.
const TRIES: u32 = 4;

impl Runner {
    /// Lets jobs go live. From here on no batch answers them.
    pub(super) async fn send_live(&self, ids: Vec<CallId>) {
        if ids.is_empty() {
            return;
        }
        self.stored(|| self.desk.parts.jobs.advance(ids.clone(), JobState::Live)).await;
        let mut state = self.desk.state();
        for id in &ids {
            if let Some(job) = state.open.get_mut(id) {
                job.lane = None;
            }
        }
        state.plain.extend(ids);
        drop(state);
        self.desk.collect.notify_one();
    }

    /// Answers one job by a plain call and ends it.
    pub(super) async fn answer_live(&self, id: CallId) {
        let Some(StoredJob { job, state, .. }) = self.load(vec![id]).await.pop() else { return };
        if state != JobState::Live {
            self.stored(|| self.desk.parts.jobs.advance(vec![id], JobState::Live)).await;
        }
        if let Some(free) = self.released(&job, "batch.not_answered") {
            self.gateway.book(free).await;
            self.desk.note_held(id, false);
        }
        let answer = self.call_live(&job).await;
        self.conclude(vec![JobResult { job: id, answer, record: None }]).await;
    }

    async fn call_live(&self, job: &Job) -> JobAnswer {
        let mut pauses = Pauses::new(&self.desk.settings);
        let mut tries = TRIES;
        loop {
            if self.desk.is_cancelled(job.id) {
                return JobAnswer::Cancelled;
            }
            if let Some(error) = self.key_trouble(job) {
                return JobAnswer::Failed(error);
            }
            let error = match self.try_live(job).await {
                Ok(answer) => return answer,
                Err(error) => error,
            };
            if error.kind == ModelErrorKind::ShuttingDown {
                // The next start goes on with it.
                return std::future::pending().await;
            }
            let pause = error.retry_after.unwrap_or_else(|| pauses.next());
            if !self.is_worth_another(&error, job, pause, &mut tries) {
                return JobAnswer::Failed(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_live(&self, job: &Job) -> Result<JobAnswer, ModelError> {
        let Reply { info, stream } = self.gateway.serve_job(job).await?;
        let frames: Vec<Frame> = stream.try_collect().await?;
        Ok(JobAnswer::Answered { provider: info.provider, model: info.model, frames })
    }

    /// Limits and other calls' holds make room with time; an upstream's trouble passes perhaps.
    fn is_worth_another(&self, error: &ModelError, job: &Job, pause: Duration, tries: &mut u32) -> bool {
        if until(job.deadline, self.now()) <= pause {
            return false;
        }
        match &error.kind {
            ModelErrorKind::LimitExceeded => true,
            ModelErrorKind::BudgetRefused(refusal) => refusal.busy,
            kind => {
                *tries = tries.saturating_sub(1);
                let passes = error.retry_class() == RetryClass::Again
                    || matches!(kind, ModelErrorKind::NoCandidate | ModelErrorKind::LocalBusy);
                *tries > 0 && passes
            }
        }
    }
}

impl Gateway {
    /// Answers a job by a plain call.
    async fn serve_job(&self, job: &Job) -> Result<Reply, ModelError> {
        let mut ask = self.estimate(job.request.clone(), job.context.clone());
        ask.request.stream = false;
        ask.job = Some(job.id);
        self.serve_ask(ask).await
    }

    /// Stores the answer of a plain call for its job before it is booked, so that no crash lets it be paid for twice.
    pub(crate) async fn keep_job_answer(&self, job: CallId, frames: Vec<Frame>, record: &CallRecord) {
        let Some(desk) = &self.desk else { return };
        let answer = super::answers::answer_of(record, frames);
        let result = JobResult { job, answer, record: Some(Box::new(record.clone())) };
        if let Err(error) = desk.parts.jobs.answer(vec![result]).await {
            tracing::error!(%error, %job, "the answer of a job cannot be stored");
        }
    }
}
