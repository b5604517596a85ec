//! What was said of answers, and what was learned from it.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::Feedback;
use jiff::Timestamp;

/// Weights, and since when they are in force.
pub type Weights = (Vec<u8>, Timestamp);

/// Keeps feedback, and the weights of models that were fitted to it.
pub trait FeedbackStore: Send + Sync {
    /// Keeps what was said of a request, in place of what was said of it before; what a person said gives way to another
    /// word of a person only.
    fn put_feedback(&self, feedback: Feedback) -> BoxFuture<'_, Result<(), StorageError>>;
    /// What was said: first by people, then the rest, of each the newest first; what cannot be read any more is left out.
    fn feedback(&self, limit: u32) -> BoxFuture<'_, Result<Vec<Feedback>, StorageError>>;
    /// Keeps weights under a name, in place of those before; `None` removes them.
    fn put_weights(
        &self,
        name: &'static str,
        weights: Option<Vec<u8>>,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<(), StorageError>>;
    /// The weights of that name, and since when they are in force.
    fn weights(&self, name: &'static str) -> BoxFuture<'_, Result<Option<Weights>, StorageError>>;
}
