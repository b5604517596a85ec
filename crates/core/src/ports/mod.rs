//! The ports: what the rules and the layers above need from the outside, as traits.

mod batch;
mod cache;
mod context;
mod events;
mod feedback;
mod files;
mod history;
mod jobs;
mod keys;
mod ledger;
mod memory;
mod memory_error;
mod model;
mod model_error;
mod notifier;
mod originals;
mod questions;
mod remote;
mod runs;
mod runtime;
mod scores;
mod storage_error;
mod tools;
mod undo;

pub use batch::{
    BatchAnswer, BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchOutcome, BatchSearch, BatchStatus,
    BatchTicket,
};
pub use cache::{CacheEntry, CacheFilter, CacheKey, CacheStats, CacheStore};
pub use context::{ContextQuery, ContextSource, ContextText};
pub use events::{Event, EventSink};
pub use feedback::{FeedbackStore, Weights};
pub use files::{ByteStream, FileStore, StoredBatch, StoredFile};
pub use history::{ShortenHistory, ShortenedHistory};
pub use jobs::{
    BatchTerms, Job, JobAnswer, JobCounts, JobHead, JobPlace, JobResult, JobState, JobStore, StoredJob,
};
pub use keys::KeyStore;
pub use ledger::{
    BudgetStore, CallFilter, Grouping, HoldError, HoldRequest, Ledger, LedgerReader, Refusal, Settlement,
    Total,
};
pub use memory::{Candidates, FactFilter, FactQuery, Memory, MemoryChange, MemoryStore};
pub use memory_error::MemoryError;
pub use model::{Embedder, Model, ModelCard, ModelList};
pub use model_error::{ModelError, ModelErrorKind};
pub use notifier::{MessageStore, Notifier, OwnerMessage, Reminder, ToldMessage};
pub use originals::{Original, OriginalStore};
pub use questions::{QuestionStore, StoredQuestion};
pub use remote::{RemoteCall, RemoteCalls};
pub use runs::{ApprovalStore, RunChange, RunFilter, RunStore};
pub use runtime::{BoxFuture, Clock, Ids, Spawn, TaskName};
pub use scores::ScoreStore;
pub use storage_error::StorageError;
pub use tools::{Tool, ToolBox};
pub use undo::{UndoOrder, UndoRefused, UndoRuns};
