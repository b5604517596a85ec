//! What the gateway is built from: providers, and the ports behind which its state lives.

use nunchi_core::{
    BatchModel, CacheStore, Clock, Dialect, Embedder, FeedbackStore, FileStore, Ids, JobStore, KeyStore,
    Ledger, Model, ModelList, OriginalStore, QuestionStore, Spawn,
};
use std::sync::Arc;

/// A provider, ready to be called.
#[derive(Clone)]
pub struct ProviderEntry {
    /// Its name in the configuration: the part before `/` of a model name.
    pub name: String,
    /// The dialect it speaks.
    pub dialect: Dialect,
    /// The provider whose prices apply (`openai` for a proxy of OpenAI); usually `name`.
    pub price_from: String,
    /// Whether it runs on the owner's machine and costs nothing.
    pub local: bool,
    /// The models it is known to have; empty means any name is passed on.
    pub models: Vec<String>,
    /// Answers chats.
    pub model: Arc<dyn Model>,
    /// Makes vectors, if it can.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Lists its models, if it can.
    pub list: Option<Arc<dyn ModelList>>,
    /// Takes requests that can wait at a lower price, if it has such a service.
    pub batch: Option<Arc<dyn BatchModel>>,
}

impl std::fmt::Debug for ProviderEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderEntry")
            .field("name", &self.name)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// What the semantic cache needs: an encoder that costs nothing, and a place for questions.
#[derive(Clone)]
pub struct SemanticParts {
    /// The encoder's name; vectors of two encoders are never compared.
    pub encoder: String,
    /// The encoder itself.
    pub embedder: Arc<dyn Embedder>,
    /// Keeps the questions.
    pub questions: Arc<dyn QuestionStore>,
}

/// What calls that can wait need: places that outlive the process.
#[derive(Clone)]
pub struct BatchParts {
    /// Keeps the jobs.
    pub jobs: Arc<dyn JobStore>,
    /// Keeps files and callers' batches.
    pub files: Arc<dyn FileStore>,
}

/// Everything the gateway needs from outside.
#[derive(Clone)]
pub struct Parts {
    /// The providers, in order of preference.
    pub providers: Vec<ProviderEntry>,
    /// Holds and settles.
    pub ledger: Arc<dyn Ledger>,
    /// The durable side of the answer cache.
    pub cache: Arc<dyn CacheStore>,
    /// The semantic cache's; without them only exact questions are found.
    pub semantic: Option<SemanticParts>,
    /// The places of calls that can wait; without them every call is answered live.
    pub batch: Option<BatchParts>,
    /// Keeps originals of what was sent shortened; without it only what a request itself holds can be recalled.
    pub originals: Option<Arc<dyn OriginalStore>>,
    /// Virtual keys.
    pub keys: Arc<dyn KeyStore>,
    /// What people say of answers.
    pub feedback: Arc<dyn FeedbackStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
    /// Background tasks.
    pub spawn: Arc<dyn Spawn>,
}
