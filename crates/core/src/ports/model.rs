//! The one idea that makes it click: everything that answers is a [`Model`], the gateway included.

use super::model_error::ModelError;
use super::runtime::BoxFuture;
use crate::chat::{Dialect, EmbedReply, EmbedRequest, ModelRequest, Reply};
use crate::words::CallContext;
use serde::{Deserialize, Serialize};

/// Answers requests.
pub trait Model: Send + Sync {
    /// Begins an answer. Returns once the upstream has accepted the request (its head is known), or with the error.
    /// Dropping the future or the stream ends the upstream call.
    fn call(&self, request: ModelRequest, context: CallContext) -> BoxFuture<'_, Result<Reply, ModelError>>;
}

/// Turns texts into vectors.
pub trait Embedder: Send + Sync {
    /// Embeds all texts, or none.
    fn embed(
        &self,
        request: EmbedRequest,
        context: CallContext,
    ) -> BoxFuture<'_, Result<EmbedReply, ModelError>>;
}

/// A model that can be asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The provider, as configured.
    pub provider: String,
    /// The model as the provider names it.
    pub model: String,
    /// The dialect the provider speaks.
    pub dialect: Dialect,
    /// Whether it runs on this machine and costs nothing.
    pub local: bool,
    /// Whether it makes vectors rather than text.
    pub embedding: bool,
    /// Tokens of prompt and answer together.
    pub context_window: Option<u64>,
}

/// Tells which models there are.
pub trait ModelList: Send + Sync {
    /// Asks the upstream which models it has.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelCard>, ModelError>>;
}
