//! A provider's Batch API: many requests handed over at once, answered within a day, at a lower price.

use super::model_error::ModelError;
use super::runtime::BoxFuture;
use crate::chat::{Frame, ModelRequest, Note};
use crate::words::CallId;
use futures_core::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use uuid::Uuid;

/// One request of a batch. Its id comes back with its answer, and is the id of its ledger row.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// Names the request within its batch.
    pub id: CallId,
    /// The request as it is to be sent; `model` is the provider's own name. It is never streamed.
    pub request: ModelRequest,
}

/// A provider's own name of a batch it has accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchTicket(pub String);

/// What a provider takes in one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most requests.
    pub items: usize,
    /// Most bytes of the encoded requests together.
    pub bytes: usize,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchStatus {
    /// Whether nothing more will be answered: the answers that there are can be read.
    pub ended: bool,
    /// Requests answered.
    pub answered: u64,
    /// Requests that failed, expired or were cancelled.
    pub failed: u64,
    /// When the provider gives up on what is not answered by then.
    pub expires: Option<Timestamp>,
}

/// Whether a batch exists whose submission ended without a word (a crash, a lost connection).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchSearch {
    /// The provider has it.
    Found(BatchTicket),
    /// The provider does not have it: submitting again is safe.
    Absent,
    /// It cannot be told yet; submitting again may pay twice. Ask again later.
    Undecided,
}

/// What became of one request of a batch.
#[derive(Clone, Debug)]
pub enum BatchOutcome {
    /// Answered: the frames of a reply that was not streamed.
    Answered(Vec<Frame>),
    /// Refused or failed by the provider; free.
    Failed(ModelError),
    /// Not begun before the batch expired; free.
    Expired,
    /// Not begun before the batch was cancelled; free.
    Cancelled,
}

/// The end of one request of a batch.
#[derive(Clone, Debug)]
pub struct BatchAnswer {
    /// The request.
    pub id: CallId,
    /// What became of it.
    pub outcome: BatchOutcome,
}

/// The answers of an ended batch, in any order. Ends after the first error; reading again from the start is safe.
pub type BatchAnswers = Pin<Box<dyn Stream<Item = Result<BatchAnswer, ModelError>> + Send>>;

/// Takes requests that can wait.
pub trait BatchModel: Send + Sync {
    /// What fits in one batch.
    fn limits(&self) -> BatchLimits;
    /// What of a request cannot be said to the provider; sends nothing. One request that it cannot be asked fails the whole
    /// [`BatchModel::submit`], so that each is checked before it joins others.
    ///
    /// # Errors
    /// Why the provider cannot be asked this.
    fn check(&self, request: &ModelRequest) -> Result<Vec<Note>, ModelError> {
        let _ = request;
        Ok(Vec::new())
    }
    /// Hands a batch over. `marker` names it for [`BatchModel::find`], should the answer to this get lost.
    ///
    /// An error whose [`ModelError::may_be_charged`] holds means that the batch may exist all the same.
    fn submit(&self, marker: Uuid, items: Vec<BatchItem>) -> BoxFuture<'_, Result<BatchTicket, ModelError>>;
    /// Looks for a batch that was handed over at or after `since` (less a minute, for clocks that differ) with that
    /// marker and those requests, leaving out the batches that are `known` to be others.
    fn find<'a>(
        &'a self,
        marker: Uuid,
        since: Timestamp,
        items: &'a [CallId],
        known: &'a [BatchTicket],
    ) -> BoxFuture<'a, Result<BatchSearch, ModelError>>;
    /// Where it stands.
    fn status<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<BatchStatus, ModelError>>;
    /// The answers of an ended batch.
    fn answers<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<BatchAnswers, ModelError>>;
    /// Asks the provider to begin no more of its requests. What is answered already stays answered, and billed.
    fn cancel<'a>(&'a self, ticket: &'a BatchTicket) -> BoxFuture<'a, Result<(), ModelError>>;
}
