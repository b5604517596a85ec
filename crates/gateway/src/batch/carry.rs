//! One batch at a provider, from its submission to its answers.

use super::admit::Admitted;
use super::lane::Waiting;
use super::settings::Pauses;
use super::{Runner, until};
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    BatchAnswer, BatchItem, BatchModel, BatchOutcome, BatchSearch, BatchTicket, CallId, Explain, Frame,
    JobAnswer, JobState, ModelError, RetryClass, StoredJob, TaskName,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Answers that are booked together.
const TOGETHER: usize = 32;
/// A provider that accepted a batch answers or expires it within this time.
const LONGEST_BATCH: SignedDuration = SignedDuration::from_hours(25);
/// So often in a row a provider must fail to tell of a batch, beyond its longest time, before the batch is written off.
const LOST_AFTER: u32 = 10;

/// One batch on its way.
pub(super) struct Trip {
    pub(super) lane: usize,
    pub(super) marker: Uuid,
    /// When it was first handed over.
    pub(super) since: Timestamp,
    pub(super) ids: Vec<CallId>,
}

/// How far a batch is when its task begins.
pub(super) enum Stage {
    /// It may have been handed over, or not.
    Unsure,
    /// It was not handed over.
    Fresh,
    /// The provider has it.
    Accepted(BatchTicket),
}

/// What became of a submission.
enum Handed {
    Accepted(BatchTicket),
    /// The provider does not have it and will not take it, or there is no time left.
    Refused,
    /// Nobody can tell any more.
    Lost,
}

/// What became of a batch that was accepted.
enum Watched {
    /// Its answers can be read; whether we asked for its end.
    Ended {
        recalled: bool,
    },
    Lost,
}

impl Runner {
    /// Starts a batch of jobs that are due.
    pub(super) fn depart(self, lane: usize, ids: Vec<CallId>) {
        let spawn = Arc::clone(&self.gateway.parts.spawn);
        spawn.spawn(TaskName::ProviderBatch, Box::pin(self.begin(lane, ids)));
    }

    async fn begin(self, lane: usize, ids: Vec<CallId>) {
        let ids = self.admitted(lane, ids).await;
        if ids.is_empty() {
            return;
        }
        let marker = self.gateway.parts.ids.new_id();
        let trip = Trip { lane, marker, since: self.now(), ids };
        let state = JobState::Submitting { marker, since: trip.since };
        self.stored(|| self.desk.parts.jobs.advance(trip.ids.clone(), state.clone())).await;
        self.carry(trip, Stage::Fresh).await;
    }

    /// Those of the jobs whose money is held now; the others wait, end, or go live.
    async fn admitted(&self, lane: usize, ids: Vec<CallId>) -> Vec<CallId> {
        let (mut go, mut live, mut over) = (Vec::new(), Vec::new(), Vec::new());
        let (mut later, mut pause) = (Vec::new(), Duration::ZERO);
        for StoredJob { job, .. } in self.load(ids).await {
            let waiting = Waiting { id: job.id, bytes: self.bytes_of(job.id) };
            if !pause.is_zero() {
                later.push(waiting);
                continue;
            }
            if self.is_late(job.deadline, self.now()) {
                live.push(job.id);
                continue;
            }
            match self.admit(&job).await {
                Admitted::Go => go.push(job.id),
                Admitted::Live => live.push(job.id),
                Admitted::Over(answer) => over.push((job.id, *answer)),
                // Those behind it wait as well, so that lines keep their order.
                Admitted::Later(wait) => {
                    later.push(waiting);
                    pause = wait.max(Duration::from_millis(1));
                }
            }
        }
        if !later.is_empty() {
            let until = self.gateway.parts.clock.monotonic() + pause;
            self.desk.state().lanes[lane].put_back(&later, until);
            self.desk.collect.notify_one();
        }
        self.end_all(over).await;
        self.send_live(live).await;
        go
    }

    fn bytes_of(&self, id: CallId) -> usize {
        self.desk.state().open.get(&id).map_or(0, |job| job.bytes)
    }

    /// Sees a batch through from any stage.
    pub(super) async fn carry(self, trip: Trip, stage: Stage) {
        let Some(model) = self.gateway.parts.providers[trip.lane].batch.clone() else {
            return self.send_live(trip.ids).await;
        };
        let handed = match stage {
            Stage::Fresh => self.hand_over(&*model, &trip, false).await,
            Stage::Unsure => self.hand_over(&*model, &trip, true).await,
            Stage::Accepted(ticket) => Handed::Accepted(ticket),
        };
        let ticket = match handed {
            Handed::Accepted(ticket) => ticket,
            Handed::Refused => return self.send_live(trip.ids).await,
            Handed::Lost => return self.write_off(trip.ids).await,
        };
        self.note_ticket(&trip, &ticket).await;
        match self.watch(&*model, &trip, &ticket).await {
            Watched::Ended { recalled } => self.read(&*model, &trip, &ticket, recalled).await,
            Watched::Lost => self.write_off(trip.ids).await,
        }
    }

    async fn note_ticket(&self, trip: &Trip, ticket: &BatchTicket) {
        let (marker, since) = (trip.marker, trip.since);
        let state = JobState::Submitted { marker, since, ticket: ticket.clone() };
        self.stored(|| self.desk.parts.jobs.advance(trip.ids.clone(), state.clone())).await;
        let mut state = self.desk.state();
        for id in &trip.ids {
            if let Some(job) = state.open.get_mut(id) {
                job.ticket = Some(ticket.clone());
            }
        }
    }

    /// Hands a batch over; where it is unsure whether the provider has it, that is found out first.
    async fn hand_over(&self, model: &dyn BatchModel, trip: &Trip, mut unsure: bool) -> Handed {
        let mut pauses = Pauses::new(&self.desk.settings);
        let (mut tries, mut silent) = (self.gateway.settings.retry.attempts, 0_u32);
        loop {
            if unsure {
                let known = self.other_tickets(trip);
                match model.find(trip.marker, trip.since, &trip.ids, &known).await {
                    Ok(BatchSearch::Found(ticket)) => return Handed::Accepted(ticket),
                    Ok(BatchSearch::Absent) if self.nobody_waits_on(trip) => return Handed::Refused,
                    Ok(BatchSearch::Absent) => {
                        (unsure, silent) = (false, 0);
                        continue;
                    }
                    Ok(BatchSearch::Undecided) => silent += 1,
                    Err(error) => {
                        silent += 1;
                        warn("a batch cannot be looked for", trip, &error);
                    }
                }
                if silent >= LOST_AFTER && self.is_beyond(trip.since) {
                    return Handed::Lost;
                }
            } else {
                let error = match model.submit(trip.marker, self.items(trip).await).await {
                    Ok(ticket) => return Handed::Accepted(ticket),
                    Err(error) => error,
                };
                warn("a batch was not accepted", trip, &error);
                unsure = error.may_be_charged();
                tries = tries.saturating_sub(1);
                let again = error.retry_class() == RetryClass::Again && tries > 0;
                if !unsure && (!again || self.nobody_waits_on(trip)) {
                    return Handed::Refused;
                }
            }
            self.rest(trip, pauses.next()).await;
        }
    }

    /// The requests as they are sent.
    async fn items(&self, trip: &Trip) -> Vec<BatchItem> {
        let jobs = self.load(trip.ids.clone()).await;
        let items = jobs.into_iter().filter_map(|StoredJob { job, .. }| {
            let terms = job.terms?;
            let mut request = job.request;
            request.model = terms.record.model;
            request.max_output_tokens = Some(terms.output_cap);
            request.stream = false;
            Some(BatchItem { id: job.id, request })
        });
        items.collect()
    }

    /// Tickets of this provider that belong to other batches of ours.
    fn other_tickets(&self, trip: &Trip) -> Vec<BatchTicket> {
        let state = self.desk.state();
        let mine: HashSet<_> = trip.ids.iter().collect();
        let others = state.open.iter().filter(|(id, job)| job.lane == Some(trip.lane) && !mine.contains(id));
        let mut tickets: Vec<_> = others.filter_map(|(_, job)| job.ticket.clone()).collect();
        tickets.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        tickets.dedup();
        tickets
    }

    /// Whether handing over would serve no job of the batch.
    fn nobody_waits_on(&self, trip: &Trip) -> bool {
        trip.ids.iter().all(|id| self.is_wanted_back(*id))
    }

    /// Looks at a batch until it has ended; asks for its end when one of its jobs is wanted back.
    async fn watch(&self, model: &dyn BatchModel, trip: &Trip, ticket: &BatchTicket) -> Watched {
        let mut pauses = Pauses::new(&self.desk.settings);
        let (mut recalled, mut silent) = (false, 0_u32);
        loop {
            match model.status(ticket).await {
                Ok(status) if status.ended => return Watched::Ended { recalled },
                Ok(_) => silent = 0,
                Err(error) => {
                    silent += 1;
                    warn("a batch does not tell how it stands", trip, &error);
                }
            }
            if silent >= LOST_AFTER && self.is_beyond(trip.since) {
                return Watched::Lost;
            }
            if !recalled && trip.ids.iter().any(|id| self.is_wanted_back(*id)) {
                match model.cancel(ticket).await {
                    Ok(()) => {
                        recalled = true;
                        // It ends soon, so it is looked at as often as at the start.
                        pauses = Pauses::new(&self.desk.settings);
                    }
                    Err(error) => warn("a batch cannot be cancelled", trip, &error),
                }
            }
            self.rest(trip, pauses.next()).await;
        }
    }

    /// Waits, at most until the first of the jobs is wanted back, or something changes.
    async fn rest(&self, trip: &Trip, pause: Duration) {
        let nudged = self.desk.nudge.notified();
        let now = self.now();
        let next = {
            let state = self.desk.state();
            let deadlines = trip.ids.iter().filter_map(|id| Some(state.open.get(id)?.deadline));
            deadlines.map(|deadline| until(deadline, now).saturating_sub(self.desk.settings.margin)).min()
        };
        let pause = next.filter(|next| !next.is_zero()).map_or(pause, |next| next.min(pause));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = nudged => {}
        }
    }

    fn is_beyond(&self, since: Timestamp) -> bool {
        self.now().duration_since(since) > LONGEST_BATCH
    }

    /// Reads the answers of a batch that has ended, as often as it takes; what is not answered ends, waits again or goes live.
    async fn read(&self, model: &dyn BatchModel, trip: &Trip, ticket: &BatchTicket, recalled: bool) {
        let mut pauses = Pauses::new(&self.desk.settings);
        let mut silent = 0_u32;
        let mut unanswered = HashMap::new();
        while let Err(error) = self.read_once(model, ticket, trip, &mut unanswered).await {
            silent += 1;
            warn("the answers of a batch cannot be read", trip, &error);
            if silent >= LOST_AFTER && self.is_beyond(trip.since) {
                return self.write_off(self.open_of(trip)).await;
            }
            tokio::time::sleep(pauses.next()).await;
        }
        self.part(trip, &unanswered, recalled).await;
    }

    async fn read_once(
        &self,
        model: &dyn BatchModel,
        ticket: &BatchTicket,
        trip: &Trip,
        unanswered: &mut HashMap<CallId, BatchOutcome>,
    ) -> Result<(), ModelError> {
        let mut answers = model.answers(ticket).await?;
        let mine: HashSet<_> = trip.ids.iter().copied().collect();
        let mut ready: Vec<(CallId, Vec<Frame>)> = Vec::new();
        while let Some(answer) = answers.next().await {
            let BatchAnswer { id, outcome } = answer?;
            if !mine.contains(&id) || !self.desk.state().open.contains_key(&id) {
                continue;
            }
            match outcome {
                BatchOutcome::Answered(frames) if ready.iter().all(|(known, _)| *known != id) => {
                    ready.push((id, frames));
                }
                BatchOutcome::Answered(_) => {}
                other => {
                    unanswered.insert(id, other);
                }
            }
            if ready.len() >= TOGETHER {
                self.settle(std::mem::take(&mut ready)).await;
            }
        }
        self.settle(ready).await;
        Ok(())
    }

    fn open_of(&self, trip: &Trip) -> Vec<CallId> {
        let state = self.desk.state();
        trip.ids.iter().filter(|id| state.open.contains_key(id)).copied().collect()
    }

    /// Lets what a batch did not answer go its ways.
    async fn part(&self, trip: &Trip, unanswered: &HashMap<CallId, BatchOutcome>, recalled: bool) {
        let (mut over, mut again, mut live) = (Vec::new(), Vec::new(), Vec::new());
        for id in self.open_of(trip) {
            match unanswered.get(&id) {
                _ if self.desk.is_cancelled(id) => over.push((id, JobAnswer::Cancelled)),
                // What is wrong with the request is wrong live as well.
                Some(BatchOutcome::Failed(error)) if error.retry_class() == RetryClass::Stop => {
                    over.push((id, JobAnswer::Failed(error.clone())));
                }
                // It was taken back for the sake of another.
                Some(BatchOutcome::Cancelled) if recalled && !self.is_wanted_back(id) => again.push(id),
                _ => live.push(id),
            }
        }
        self.end_all(over).await;
        self.wait_again(again).await;
        self.send_live(live).await;
    }

    async fn wait_again(&self, ids: Vec<CallId>) {
        if ids.is_empty() {
            return;
        }
        self.stored(|| self.desk.parts.jobs.advance(ids.clone(), JobState::Queued)).await;
        let now = self.gateway.parts.clock.monotonic();
        let mut state = self.desk.state();
        for id in ids {
            if let Some(job) = state.open.get_mut(&id) {
                job.ticket = None;
            }
            state.wait(id, now);
        }
        drop(state);
        self.desk.collect.notify_one();
    }
}

fn warn(what: &str, trip: &Trip, error: &ModelError) {
    tracing::warn!(marker = %trip.marker, jobs = trip.ids.len(), code = error.code(), detail = error.detail, "{what}");
}
