//! Scores of runs in memory.

use jiff::Timestamp;
use nunchi_core::{BoxFuture, RunId, RunScore, ScoreStore, StorageError};
use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

/// A score store that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryScores(Mutex<Vec<RunScore>>);

impl MemoryScores {
    fn found(&self, fits: impl Fn(&RunScore) -> bool) -> Vec<RunScore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.retain(fits);
        all.sort_by_key(|score| (Reverse(score.judgement.at), score.run));
        all
    }
}

impl ScoreStore for MemoryScores {
    fn put_score(&self, score: RunScore) -> BoxFuture<'_, Result<(), StorageError>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| (one.run, &one.judgement.judge) != (score.run, &score.judgement.judge));
        all.push(score);
        Box::pin(std::future::ready(Ok(())))
    }

    fn scores_of(&self, run: RunId) -> BoxFuture<'_, Result<Vec<RunScore>, StorageError>> {
        Box::pin(std::future::ready(Ok(self.found(|score| score.run == run))))
    }

    fn scores_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<RunScore>, StorageError>> {
        let mut found = self.found(|score| score.judgement.at >= since);
        found.truncate(limit as usize);
        Box::pin(std::future::ready(Ok(found)))
    }
}
