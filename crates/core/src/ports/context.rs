//! What a run is told before it begins, besides its goal: facts remembered, skills at hand.

use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::words::Label;

/// What a run will be about.
#[derive(Clone, Copy, Debug)]
pub struct ContextQuery<'a> {
    /// What was asked for.
    pub goal: &'a str,
    /// The conversation.
    pub session: Option<&'a str>,
}

/// A text for the beginning of a run's conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextText {
    /// The text; empty when there is nothing to say. The same query over the same state gives the same bytes, so that a
    /// provider's prompt cache keeps its prefix.
    pub text: String,
    /// The worst label of what it holds.
    pub label: Label,
}

/// Knows something that runs should be told.
pub trait ContextSource: Send + Sync {
    /// What a run should be told.
    fn context<'a>(
        &'a self,
        query: ContextQuery<'a>,
    ) -> BoxFuture<'a, Result<Option<ContextText>, StorageError>>;
}
