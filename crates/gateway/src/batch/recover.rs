//! Goes on with the jobs that a process before left, each from its stored state.

use super::Runner;
use super::carry::{Stage, Trip};
use jiff::Timestamp;
use nunchi_core::{
    BatchTicket, CallId, JobHead, JobResult, JobState, StorageError, StoredBatch, StoredJob, TaskName,
};
use std::collections::{BTreeMap, HashSet};
use uuid::Uuid;

/// Answers that are booked together.
const TOGETHER: usize = 64;

/// A batch of a process before, by its marker.
struct Left {
    lane: usize,
    since: Timestamp,
    ticket: Option<BatchTicket>,
    ids: Vec<CallId>,
}

impl Runner {
    pub(super) async fn recover(&self) -> Result<(), StorageError> {
        self.drop_half_batches().await?;
        let heads = self.desk.parts.jobs.open_jobs().await?;
        if !heads.is_empty() {
            tracing::info!(jobs = heads.len(), "jobs go on");
        }
        let mut known: HashSet<CallId> = heads.iter().map(|head| head.id).collect();
        let (mut answered, mut live) = (Vec::new(), Vec::new());
        let mut left: BTreeMap<Uuid, Left> = BTreeMap::new();
        for head in &heads {
            let lane = self.lane_named(head);
            self.desk.state().note(head, lane);
            match (&head.state, lane) {
                (JobState::Queued, _) => {
                    let now = self.gateway.parts.clock.monotonic();
                    self.desk.state().wait(head.id, now);
                }
                (JobState::Submitting { marker, since }, Some(lane)) => {
                    put(&mut left, (*marker, lane, *since), None, head.id);
                }
                (JobState::Submitted { marker, since, ticket }, Some(lane)) => {
                    put(&mut left, (*marker, lane, *since), Some(ticket), head.id);
                }
                (JobState::Submitting { .. } | JobState::Submitted { .. }, None) => {
                    tracing::warn!(job = %head.id, "the provider of a batch is not configured any more; its jobs wait for it");
                }
                (JobState::Live, _) => live.push(head.id),
                (JobState::Answered | JobState::Done, _) => answered.push(head.id),
            }
        }
        self.close_answered(answered, &mut known).await;
        self.book_orphans(&known).await;
        self.cancel_again().await?;
        self.send_live(live).await;
        for (marker, Left { lane, since, ticket, ids }) in left {
            let stage = ticket.map_or(Stage::Unsure, Stage::Accepted);
            let trip = Trip { lane, marker, since, ids };
            self.note_tickets(&trip, &stage);
            let task = self.clone().carry(trip, stage);
            self.gateway.parts.spawn.spawn(TaskName::ProviderBatch, Box::pin(task));
        }
        Ok(())
    }

    /// Batches that were being taken in: nobody was told of them.
    async fn drop_half_batches(&self) -> Result<(), StorageError> {
        for StoredBatch { id, complete, .. } in self.desk.parts.files.batches().await? {
            if !complete {
                self.desk.parts.files.remove_batch(id).await?;
            }
        }
        Ok(())
    }

    /// The lane of a job by the name of its provider, which may not be there any more.
    fn lane_named(&self, head: &JobHead) -> Option<usize> {
        let name = head.provider.as_ref()?;
        let providers = &self.gateway.parts.providers;
        let place = providers.iter().position(|entry| entry.name == *name && entry.batch.is_some())?;
        if head.state != JobState::Queued {
            return Some(place);
        }
        let wanted = &self.desk.settings.providers;
        (self.desk.settings.enabled && (wanted.is_empty() || wanted.contains(name))).then_some(place)
    }

    fn note_tickets(&self, trip: &Trip, stage: &Stage) {
        let Stage::Accepted(ticket) = stage else { return };
        let mut state = self.desk.state();
        for id in &trip.ids {
            if let Some(job) = state.open.get_mut(id) {
                job.ticket = Some(ticket.clone());
            }
        }
    }

    /// Books what was answered and perhaps not booked.
    async fn close_answered(&self, ids: Vec<CallId>, known: &mut HashSet<CallId>) {
        for some in ids.chunks(TOGETHER) {
            let results = self.load(some.to_vec()).await.into_iter().filter_map(|stored| {
                let StoredJob { job, answer, record, .. } = stored;
                Some(JobResult { job: job.id, answer: answer?, record })
            });
            let results: Vec<_> = results.collect();
            known.extend(results.iter().filter_map(|result| Some(result.record.as_ref()?.id)));
            self.close(results).await;
        }
    }

    /// Books the holds that outlived a process and that no job will settle: the calls behind them may have been paid for.
    async fn book_orphans(&self, known: &HashSet<CallId>) {
        for record in self.gateway.parts.ledger.outlived() {
            if known.contains(&record.id) {
                self.desk.note_held(record.id, true);
            } else {
                self.gateway.book(record).await;
            }
        }
    }

    /// A batch that was cancelled before stays cancelled.
    async fn cancel_again(&self) -> Result<(), StorageError> {
        for batch in self.desk.parts.files.batches().await? {
            if batch.cancelled.is_some() && batch.ended.is_none() {
                let ids = self.gateway.open_jobs_of(batch.id);
                self.cancel(&ids).await;
                self.end_if_empty(batch, ids.is_empty()).await?;
            } else if batch.ended.is_none() && self.gateway.open_jobs_of(batch.id).is_empty() {
                self.end_if_empty(batch, true).await?;
            }
        }
        Ok(())
    }

    /// The process died between the end of the last line and that of the batch.
    async fn end_if_empty(&self, batch: StoredBatch, empty: bool) -> Result<(), StorageError> {
        if !empty {
            return Ok(());
        }
        let ended = Some(self.now());
        self.desk.parts.files.put_batch(StoredBatch { ended, ..batch }).await
    }
}

fn put(
    left: &mut BTreeMap<Uuid, Left>,
    (marker, lane, since): (Uuid, usize, Timestamp),
    ticket: Option<&BatchTicket>,
    id: CallId,
) {
    let batch = left.entry(marker).or_insert_with(|| Left { lane, since, ticket: None, ids: Vec::new() });
    batch.ids.push(id);
    if let Some(ticket) = ticket {
        batch.ticket = Some(ticket.clone());
    }
}
