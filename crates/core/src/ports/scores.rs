//! Scores of runs.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::{RunId, RunScore};
use jiff::Timestamp;

/// Keeps how runs were judged.
pub trait ScoreStore: Send + Sync {
    /// Keeps a judgement, in place of what the same judge made of the same run before. The oldest go when there are too many.
    fn put_score(&self, score: RunScore) -> BoxFuture<'_, Result<(), StorageError>>;
    /// What was made of a run, the newest judgement first.
    fn scores_of(&self, run: RunId) -> BoxFuture<'_, Result<Vec<RunScore>, StorageError>>;
    /// What was made of runs from a moment on, the newest judgement first.
    fn scores_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<RunScore>, StorageError>>;
}
