//! The sentence encoder as an [`Embedder`].

use super::{PROVIDER, names};
use crate::encoder::{EMBEDDING_DIMENSIONS, EncoderEngine};
use crate::error::LocalError;
use crate::weights::WeightStore;
use nunchi_core::{
    BoxFuture, CallContext, Dialect, EmbedReply, EmbedRequest, Embedder, ModelCard, ModelError,
    ModelErrorKind, ModelList, ReplyInfo, Usage,
};
use std::sync::Arc;

/// The embedded sentence encoder, for the gateway.
#[derive(Clone, Debug)]
pub struct LocalEmbedder {
    engine: EncoderEngine,
    store: Arc<WeightStore>,
    weights: String,
}

impl LocalEmbedder {
    /// Embeds through `engine`, which runs `weights`.
    pub fn new(engine: EncoderEngine, store: Arc<WeightStore>, weights: impl Into<String>) -> Self {
        Self { engine, store, weights: weights.into() }
    }

    async fn answer(&self, request: EmbedRequest) -> Result<EmbedReply, ModelError> {
        if !names(&request.model, &self.weights) {
            return Err(ModelError::new(ModelErrorKind::UnknownModel, request.model).from_provider(PROVIDER));
        }
        if request.dimensions.is_some_and(|d| d as usize != EMBEDDING_DIMENSIONS) {
            let what = format!("vectors of another length than {EMBEDDING_DIMENSIONS}");
            return Err(LocalError::Unsupported(what).into());
        }
        let embeddings = self.engine.embed(request.inputs).await?;
        Ok(EmbedReply {
            vectors: embeddings.vectors,
            usage: Usage { input: embeddings.tokens as u64, ..Usage::default() },
            info: ReplyInfo {
                provider: PROVIDER.to_owned(),
                model: self.weights.clone(),
                ..ReplyInfo::default()
            },
        })
    }
}

impl Embedder for LocalEmbedder {
    fn embed(
        &self,
        request: EmbedRequest,
        _context: CallContext,
    ) -> BoxFuture<'_, Result<EmbedReply, ModelError>> {
        Box::pin(self.answer(request))
    }
}

impl ModelList for LocalEmbedder {
    /// The encoder, if its weights are here.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelCard>, ModelError>> {
        let card = ModelCard {
            provider: PROVIDER.to_owned(),
            model: self.weights.clone(),
            dialect: Dialect::Embedded,
            local: true,
            embedding: true,
            context_window: None,
        };
        let cards = if self.store.has(&self.weights) { vec![card] } else { Vec::new() };
        Box::pin(std::future::ready(Ok(cards)))
    }
}
