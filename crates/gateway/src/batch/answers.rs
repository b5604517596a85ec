//! How jobs end: the answer is stored, then its row booked, then the job is over, then whoever waits is told. Each step may be done twice.

use super::{Runner, settled, tell};
use crate::cache::{Stored, weigh};
use crate::meter::{LARGEST_KEPT, PREVIEW_CHARS, Reading};
use crate::prices::baseline_cost;
use nunchi_core::{
    BatchTerms, CallId, CallRecord, Frame, Job, JobAnswer, JobResult, JobState, ModelError, ModelErrorKind,
    Outcome, ReplyEvent, ServiceTier, StoredJob, cost, human_text, mask_start,
};
use nunchi_saving::freshness;
use std::sync::Arc;

/// Jobs that end together, in one write.
const TOGETHER: usize = 64;

impl Runner {
    /// Ends jobs without an answer of a batch: their holds, if they have any, are released as free rows.
    pub(super) async fn end_all(&self, mut ended: Vec<(CallId, JobAnswer)>) {
        while !ended.is_empty() {
            let rest = ended.split_off(ended.len().min(TOGETHER));
            let jobs = self.load(ended.iter().map(|(id, _)| *id).collect()).await;
            let results = ended.into_iter().map(|(id, answer)| {
                let job = jobs.iter().find(|stored| stored.job.id == id).map(|stored| &stored.job);
                let code = match &answer {
                    JobAnswer::Failed(error) => nunchi_core::Explain::code(error),
                    JobAnswer::Answered { .. } => "batch.not_needed",
                    JobAnswer::Cancelled => "batch.cancelled",
                };
                let free = job.and_then(|job| self.released(job, code));
                JobResult { job: id, answer, record: free.map(Box::new) }
            });
            self.conclude(results.collect()).await;
            ended = rest;
        }
    }

    /// The free row that releases the hold of a job, if it has one.
    pub(super) fn released(&self, job: &Job, code: &str) -> Option<CallRecord> {
        if !self.desk.state().open.get(&job.id).is_some_and(|open| open.held) {
            return None;
        }
        let mut record = job.terms.as_ref()?.record.clone();
        record.outcome = Outcome::Failed;
        record.error_code = Some(code.to_owned());
        record.latency_us = self.waited(job);
        Some(record)
    }

    /// Books the answers of a provider's batch.
    pub(super) async fn settle(&self, answered: Vec<(CallId, Vec<Frame>)>) {
        let jobs = self.load(answered.iter().map(|(id, _)| *id).collect()).await;
        let mut results = Vec::with_capacity(answered.len());
        for (id, frames) in answered {
            let Some(StoredJob { job, .. }) = jobs.iter().find(|stored| stored.job.id == id) else {
                continue;
            };
            let Some(terms) = &job.terms else { continue };
            let reading = Reading::of(&frames);
            let record = self.batch_row(job, terms, &reading);
            if reading.is_keepable() {
                self.keep_answer(job, &record, &frames).await;
            }
            results.push(JobResult {
                job: id,
                answer: answer_of(&record, frames),
                record: Some(Box::new(record)),
            });
        }
        self.conclude(results).await;
    }

    /// The row of an answer of a Batch API.
    fn batch_row(&self, job: &Job, terms: &BatchTerms, reading: &Reading) -> CallRecord {
        let price = &terms.price;
        let mut record = terms.record.clone();
        record.latency_us = self.waited(job);
        record.first_event_us = Some(record.latency_us);
        record.usage_estimated = reading.usage().is_none();
        record.usage = reading.usage().unwrap_or_else(|| reading.counted(&job.request));
        let in_tier = |tier| cost(price, &record.usage, tier);
        let (live, batch) = (in_tier(ServiceTier::Standard), in_tier(ServiceTier::Batch));
        record.cost = reading.reported_cost().unwrap_or(batch);
        if record.cost > terms.held {
            tracing::warn!(call = %record.id, cost = %record.cost, held = %terms.held, "a call cost more than was held");
        }
        record.saved.batch = live - record.cost;
        record.saved.prompt_cache = baseline_cost(price, &record.usage, ServiceTier::Standard) - live;
        let uncached = record.cost + record.saved.total();
        record.baseline_cost =
            self.gateway.baseline(&record.usage, ServiceTier::Standard).unwrap_or(uncached);
        record
    }

    /// Books jobs at what was held for them: their provider cannot tell any more what became of them, and may charge.
    pub(super) async fn write_off(&self, ids: Vec<CallId>) {
        let results = self.load(ids).await.into_iter().filter_map(|stored| {
            let terms = stored.job.terms.as_ref()?;
            let mut record = terms.record.clone();
            record.outcome = Outcome::TimedOut;
            record.error_code = Some("upstream.timed_out".into());
            record.latency_us = self.waited(&stored.job);
            (record.cost, record.baseline_cost) = (terms.held, terms.held);
            record.usage_estimated = true;
            record.usage.input = crate::tokens::count_prompt(&stored.job.request);
            let detail = "what became of its batch cannot be told";
            let error =
                ModelError::new(ModelErrorKind::TimedOut, detail).from_provider(record.provider.clone());
            let answer = JobAnswer::Failed(error);
            Some(JobResult { job: stored.job.id, answer, record: Some(Box::new(record)) })
        });
        let results = results.collect();
        self.conclude(results).await;
    }

    /// Stores answers, books their rows, lets the jobs be over and tells who waits.
    pub(super) async fn conclude(&self, results: Vec<JobResult>) {
        if results.is_empty() {
            return;
        }
        let jobs = &self.desk.parts.jobs;
        self.stored(|| jobs.answer(results.clone())).await;
        self.close(results).await;
    }

    /// The second half, also for answers that a process before has stored.
    pub(super) async fn close(&self, results: Vec<JobResult>) {
        for record in results.iter().filter_map(|result| result.record.as_deref()) {
            self.gateway.book(record.clone()).await;
        }
        let ids: Vec<_> = results.iter().map(|result| result.job).collect();
        self.stored(|| self.desk.parts.jobs.advance(ids.clone(), JobState::Done)).await;
        for result in &results {
            self.publish(result);
        }
        self.end_batches(&ids).await;
    }

    /// Keeps an answer in the exact cache as a live call would.
    async fn keep_answer(&self, job: &Job, record: &CallRecord, frames: &[Frame]) {
        let Some(key) = job.key else { return };
        let now = self.now();
        let human = human_text(&job.request).unwrap_or_default();
        let ttl = self.gateway.time_to_live(freshness(&human), &job.context);
        let stored = Stored {
            provider: record.provider.clone(),
            model: record.model.clone(),
            usage: record.usage,
            cost: record.cost,
            created: now,
            expires: now.checked_add(ttl).unwrap_or(jiff::Timestamp::MAX),
            streamed: false,
            bytes: weigh(frames),
            frames: frames.to_vec().into(),
        };
        if stored.bytes <= LARGEST_KEPT {
            let preview = mask_start(&human, PREVIEW_CHARS);
            self.gateway.cache.keep(key, stored, preview, None).await;
        }
    }

    /// Tells who waits for a job. Whoever comes later cannot join it any more: nobody would be told twice.
    fn publish(&self, result: &JobResult) {
        let waiting = self.desk.state().part(result.job);
        let cancelled = || ModelError::new(ModelErrorKind::ClientGone, "the job was cancelled");
        for flight in waiting {
            match &result.answer {
                JobAnswer::Answered { frames, .. } => tell(&flight, Ok(frames)),
                JobAnswer::Failed(error) => tell(&flight, Err(error)),
                JobAnswer::Cancelled => tell(&flight, Err(&cancelled())),
            }
        }
    }

    /// Takes jobs that are over off the list, and ends the batches whose last lines they were.
    async fn end_batches(&self, ids: &[CallId]) {
        let mut ended = Vec::new();
        {
            let mut state = self.desk.state();
            for id in ids {
                let Some(job) = state.open.remove(id) else { continue };
                let Some(batch) = job.batch else { continue };
                let left = state.remaining.entry(batch).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    state.remaining.remove(&batch);
                    ended.push(batch);
                }
            }
        }
        for batch in ended {
            let files = &self.desk.parts.files;
            let Some(mut batch) = self.stored(|| files.batch(batch)).await else { continue };
            batch.ended = Some(self.now());
            self.stored(|| files.put_batch(batch.clone())).await;
        }
    }

    pub(super) async fn load(&self, ids: Vec<CallId>) -> Vec<StoredJob> {
        let jobs = &self.desk.parts.jobs;
        self.stored(|| jobs.jobs(ids.clone())).await
    }

    /// Time since a job came, in microseconds of the time of day.
    fn waited(&self, job: &Job) -> u64 {
        u64::try_from(self.now().duration_since(job.created).as_micros()).unwrap_or(0)
    }
}

/// An answer with its booking as the last event, as callers know it.
pub(super) fn answer_of(record: &CallRecord, mut frames: Vec<Frame>) -> JobAnswer {
    if !settled(&frames) {
        frames.push(Frame::of(vec![ReplyEvent::Settled(Arc::new(record.summary()))]));
    }
    JobAnswer::Answered { provider: record.provider.clone(), model: record.model.clone(), frames }
}
