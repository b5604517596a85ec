//! Requests that can wait: each is a job whose states are stored before their effects run, so that a crash loses and repeats nothing.

use super::batch::BatchTicket;
use super::cache::CacheKey;
use super::model_error::ModelError;
use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::chat::{Frame, ModelRequest};
use crate::words::{BatchId, CallContext, CallId, CallRecord, KeyId, ModelPrice, NanoUsd};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a job stands within a batch that a caller handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlace {
    /// The batch.
    pub batch: BatchId,
    /// Its line, from 0; a batch has one job a line.
    pub line: u32,
    /// The caller's own name of the line.
    pub name: String,
}

/// How a job goes to a provider's Batch API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchTerms {
    /// The row to book. Its id is the job's, and that of the job's hold; it names provider and model.
    pub record: CallRecord,
    /// Money to hold: the upper bound of what the call can cost, also at the live price.
    pub held: NanoUsd,
    /// Tokens to hold.
    pub tokens: u64,
    /// The output cap that is sent, in tokens.
    pub output_cap: u64,
    /// The price that is billed.
    pub price: ModelPrice,
}

/// One request that can wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Its id: that of its hold and of its ledger row, and of its item in a provider's batch.
    pub id: CallId,
    /// Its place in a caller's batch; `None` for a single call.
    pub place: Option<JobPlace>,
    /// The request as the caller made it.
    pub request: ModelRequest,
    /// Everything else about the call.
    pub context: CallContext,
    /// When it came.
    pub created: Timestamp,
    /// When its answer is needed.
    pub deadline: Timestamp,
    /// The key to keep its answer under, if it may be kept.
    pub key: Option<CacheKey>,
    /// How it goes to a Batch API; `None` when it is answered by a plain call.
    pub terms: Option<BatchTerms>,
}

impl Job {
    /// The virtual key that it belongs to; `None` for the owner at the machine.
    pub fn owner(&self) -> Option<KeyId> {
        self.context.principal.key
    }
}

/// How far a job is. Each state is stored before what it stands for is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum JobState {
    /// Nothing was sent.
    Queued,
    /// It may have been handed over under this marker, or not.
    Submitting {
        /// Names the batch at the provider.
        marker: Uuid,
        /// When it was first handed over.
        since: Timestamp,
    },
    /// The provider has it.
    Submitted {
        /// Names the batch at the provider.
        marker: Uuid,
        /// When it was first handed over.
        since: Timestamp,
        /// The provider's name of the batch.
        ticket: BatchTicket,
    },
    /// It is answered by a plain call; no provider will answer it in a batch any more.
    Live,
    /// Its answer is stored; the row of it may not be booked yet.
    Answered,
    /// It is over: answered, and booked.
    Done,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobAnswer {
    /// Answered: the frames of the reply.
    Answered {
        /// The provider.
        provider: String,
        /// The model as the provider names it.
        model: String,
        /// The reply.
        frames: Vec<Frame>,
    },
    /// It failed.
    Failed(ModelError),
    /// It was cancelled by its owner before it was answered.
    Cancelled,
}

/// An answer to be stored.
#[derive(Clone, Debug)]
pub struct JobResult {
    /// The job.
    pub job: CallId,
    /// Its answer.
    pub answer: JobAnswer,
    /// The row that is booked for it next; `None` when nothing is left to book.
    pub record: Option<Box<CallRecord>>,
}

/// What is known of a job without its request and its answer.
#[derive(Clone, Debug)]
pub struct JobHead {
    /// The job.
    pub id: CallId,
    /// Its place in a caller's batch.
    pub place: Option<JobPlace>,
    /// Whose it is.
    pub owner: Option<KeyId>,
    /// When it came.
    pub created: Timestamp,
    /// When its answer is needed.
    pub deadline: Timestamp,
    /// The key to keep its answer under.
    pub key: Option<CacheKey>,
    /// The provider whose Batch API may answer it.
    pub provider: Option<String>,
    /// How far it is.
    pub state: JobState,
    /// Bytes of its request, roughly.
    pub bytes: usize,
}

/// A job whole.
#[derive(Clone, Debug)]
pub struct StoredJob {
    /// The job.
    pub job: Job,
    /// How far it is.
    pub state: JobState,
    /// Its answer, once it has one.
    pub answer: Option<JobAnswer>,
    /// The row that is still to be booked for the answer.
    pub record: Option<Box<CallRecord>>,
}

/// How many jobs of a batch are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// All of them.
    pub total: u64,
    /// Answered.
    pub completed: u64,
    /// Failed or cancelled.
    pub failed: u64,
}

impl JobCounts {
    /// Whether none is open.
    pub const fn ended(&self) -> bool {
        self.completed + self.failed >= self.total
    }
}

/// Keeps jobs. Everything is durable, also against a loss of power, when a method returns.
///
/// An external queue can stand behind this port: it must keep the states in order, and give all that are not over back to the
/// next process.
pub trait JobStore: Send + Sync {
    /// Stores new jobs, all or none. One whose id or place is known is left as it is. An answer makes a job over at once.
    fn add_jobs(&self, jobs: Vec<(Job, Option<JobAnswer>)>) -> BoxFuture<'_, Result<(), StorageError>>;
    /// All jobs that are not over, the oldest first; of a batch, in the order of its lines.
    fn open_jobs(&self) -> BoxFuture<'_, Result<Vec<JobHead>, StorageError>>;
    /// These jobs whole, in this order; unknown ones are left out.
    fn jobs(&self, ids: Vec<CallId>) -> BoxFuture<'_, Result<Vec<StoredJob>, StorageError>>;
    /// Lets jobs that are not over go on to a state.
    fn advance(&self, ids: Vec<CallId>, to: JobState) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Stores answers and goes on to [`JobState::Answered`]; a job that is over keeps the answer it has.
    fn answer(&self, results: Vec<JobResult>) -> BoxFuture<'_, Result<(), StorageError>>;
    /// Jobs of a batch from a line on, at most so many, in the order of their lines.
    fn lines(
        &self,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> BoxFuture<'_, Result<Vec<StoredJob>, StorageError>>;
    /// How many jobs of a batch are how far.
    fn counts(&self, batch: BatchId) -> BoxFuture<'_, Result<JobCounts, StorageError>>;
    /// Removes jobs that are over, belong to no batch and came before; tells how many.
    fn forget_jobs(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, StorageError>>;
}
