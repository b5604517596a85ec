//! The embedded models: their engines, their weights, and their place among the providers.

use crate::config::LocalConfig;
use crate::failure::Failure;
use crate::runtime::Tasks;
use crate::weights;
use nunchi_agent::MemoryEncoder;
use nunchi_core::{Dialect, Explain, Lang, QuestionStore, Spawn, TaskName};
use nunchi_gateway::{ProviderEntry, SemanticParts};
use nunchi_local::{
    ChatConfig, ChatEngine, EncoderEngine, LocalEmbedder, LocalError, LocalModel, WeightStore,
};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The provider name of the embedded models.
const PROVIDER: &str = "embedded";
/// Requests that may wait for the encoder.
const ENCODER_QUEUE: usize = 64;

/// Both engines. Their weights are loaded with the first request.
pub(crate) struct LocalModels {
    store: Arc<WeightStore>,
    chat_weights: String,
    encoder_weights: String,
    chat: ChatEngine,
    encoder: EncoderEngine,
    context: usize,
    threads: Vec<JoinHandle<()>>,
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        Self::Explained(Box::new(error))
    }
}

impl LocalModels {
    /// Starts the engines; `None` when the configuration switches them off.
    pub(crate) fn start(config: &LocalConfig) -> Result<Option<Self>, Failure> {
        if !config.enabled {
            return Ok(None);
        }
        let store = weights::store(config)?;
        let chat_config = ChatConfig::new(config.chat.as_str());
        let context = chat_config.context;
        let (chat, chat_thread) = ChatEngine::start(chat_config, Arc::clone(&store))?;
        let (encoder, encoder_thread) =
            EncoderEngine::start(config.encoder.as_str(), ENCODER_QUEUE, Arc::clone(&store))?;
        Ok(Some(Self {
            store,
            chat_weights: config.chat.clone(),
            encoder_weights: config.encoder.clone(),
            chat,
            encoder,
            context,
            threads: vec![chat_thread, encoder_thread],
        }))
    }

    /// The embedded provider, for the gateway.
    pub(crate) fn entries(&self) -> Vec<ProviderEntry> {
        let model = LocalModel::new(
            self.chat.clone(),
            Some(self.encoder.clone()),
            Arc::clone(&self.store),
            self.chat_weights.as_str(),
            self.context,
        );
        vec![ProviderEntry {
            name: PROVIDER.to_owned(),
            dialect: Dialect::Embedded,
            price_from: PROVIDER.to_owned(),
            local: true,
            models: vec![self.chat_weights.clone(), self.encoder_weights.clone()],
            model: Arc::new(model),
            embedder: Some(Arc::new(self.embedder())),
            list: None,
            batch: None,
        }]
    }

    fn embedder(&self) -> LocalEmbedder {
        LocalEmbedder::new(self.encoder.clone(), Arc::clone(&self.store), self.encoder_weights.as_str())
    }

    /// What the semantic cache needs, with a store for its questions.
    pub(crate) fn semantic(&self, questions: Arc<dyn QuestionStore>) -> SemanticParts {
        let encoder = self.encoder_weights.clone();
        SemanticParts { encoder, embedder: Arc::new(self.embedder()), questions }
    }

    /// What memory makes its meanings with.
    pub(crate) fn memory_encoder(&self) -> MemoryEncoder {
        MemoryEncoder { embedder: Arc::new(self.embedder()), name: self.encoder_weights.clone() }
    }

    /// Fetches missing weights while the server already answers; says what is missing where that fails.
    pub(crate) fn fetch_in_background(&self, tasks: &Tasks, offline: bool, lang: Lang) {
        let (store, ids) =
            (Arc::clone(&self.store), [self.chat_weights.clone(), self.encoder_weights.clone()]);
        tasks.spawn(
            TaskName::WeightFetch,
            Box::pin(async move {
                for id in ids {
                    report(&id, weights::fetch(&store, &id, offline, lang).await, lang);
                }
            }),
        );
    }

    /// Fetches the chat model's weights and waits for them.
    pub(crate) async fn fetch_chat(&self, offline: bool, lang: Lang) {
        if !self.store.has(&self.chat_weights) {
            report(
                &self.chat_weights,
                weights::fetch(&self.store, &self.chat_weights, offline, lang).await,
                lang,
            );
        }
    }

    /// Ends both engines and waits for their threads.
    pub(crate) fn close(self) {
        self.chat.close();
        self.encoder.close();
        let Self { chat, encoder, threads, .. } = self;
        drop((chat, encoder));
        for thread in threads {
            // A thread that panicked has said so itself.
            let _panicked = thread.join();
        }
    }
}

fn report(id: &str, outcome: Result<(), nunchi_local::WeightsError>, lang: Lang) {
    if let Err(error) = outcome {
        let hint = error.hint(lang).unwrap_or_default();
        tracing::warn!(weights = id, code = error.code(), hint, "{}", error.message(lang));
    }
}
