//! Finds out which models local servers (Ollama) have, and lets the tiers that nobody configured use them.

use crate::config::Config;
use nunchi_core::{ModelCard, ModelList};
use nunchi_gateway::{Gateway, TierModels};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks: a server may be started, or be given a model, at any time.
const PACE: Duration = Duration::from_secs(60);

/// How long a server on this machine may take to list its models.
const PATIENCE: Duration = Duration::from_secs(2);

/// A provider that can be asked for its models.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) provider: String,
    pub(crate) list: Arc<dyn ModelList>,
}

/// What discovery may change.
#[derive(Clone)]
pub(crate) struct Discovery {
    /// Providers on this machine whose models are not configured.
    pub(crate) providers: Vec<Listed>,
    /// The tiers as they are without any of them.
    usual: TierModels,
    /// Which tiers nobody configured: trivial, standard, complex.
    free: [bool; 3],
}

impl Discovery {
    /// Over the tiers as the gateway starts with them.
    pub(crate) fn new(config: &Config, providers: Vec<Listed>, usual: TierModels) -> Self {
        let tiers = &config.tiers;
        let free = [&tiers.trivial, &tiers.standard, &tiers.complex].map(Vec::is_empty);
        Self { providers, usual, free }
    }

    /// Asks every provider once. One that does not answer keeps what it had.
    pub(crate) async fn look(&self, gateway: &Gateway) {
        let mut found = Vec::new();
        for Listed { provider, list } in &self.providers {
            let Ok(Ok(cards)) = tokio::time::timeout(PATIENCE, list.models()).await else { continue };
            let names: Vec<_> = cards.iter().map(|card| card.model.clone()).collect();
            tracing::debug!(provider, models = names.len(), "models found");
            gateway.set_models(provider, names);
            found.extend(cards.into_iter().filter(|card| !card.embedding && !looks_like_encoder(card)));
        }
        if !found.is_empty() {
            gateway.set_tiers(self.tiers(&found));
        }
    }

    /// Looks now and then, for as long as the process runs.
    pub(crate) async fn run(self, gateway: Arc<Gateway>) {
        loop {
            self.look(&gateway).await;
            tokio::time::sleep(PACE).await;
        }
    }

    /// The tiers with what was found: before the embedded models, which are smaller, and behind the clouds.
    fn tiers(&self, found: &[ModelCard]) -> TierModels {
        let names: Vec<_> = found.iter().map(|card| format!("{}/{}", card.provider, card.model)).collect();
        let extend = |free: bool, models: &[String]| -> Vec<String> {
            if !free {
                return models.to_vec();
            }
            let (embedded, others): (Vec<_>, Vec<_>) =
                models.iter().cloned().partition(|name| name.starts_with("embedded/"));
            others.into_iter().chain(names.iter().take(3).cloned()).chain(embedded).collect()
        };
        TierModels {
            trivial: extend(self.free[0], &self.usual.trivial),
            standard: extend(self.free[1], &self.usual.standard),
            complex: extend(self.free[2], &self.usual.complex),
        }
    }
}

/// Ollama lists encoders beside chat models and does not tell them apart; their names do.
fn looks_like_encoder(card: &ModelCard) -> bool {
    ["embed", "bge-", "minilm", "e5-"].iter().any(|word| card.model.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::Dialect;

    fn card(model: &str) -> ModelCard {
        ModelCard {
            provider: "ollama".into(),
            model: model.into(),
            dialect: Dialect::Ollama,
            local: true,
            embedding: false,
            context_window: None,
        }
    }

    #[test]
    fn what_is_found_stands_between_the_clouds_and_the_embedded_model() {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let usual = TierModels {
            trivial: texts(&["embedded/small"]),
            standard: texts(&["openai/mini", "embedded/small"]),
            complex: texts(&["mine/best"]),
        };
        let discovery = Discovery { providers: Vec::new(), usual, free: [true, true, false] };
        let tiers = discovery.tiers(&[card("llama3.2"), card("qwen3")]);
        assert_eq!(tiers.trivial, texts(&["ollama/llama3.2", "ollama/qwen3", "embedded/small"]));
        assert_eq!(
            tiers.standard,
            texts(&["openai/mini", "ollama/llama3.2", "ollama/qwen3", "embedded/small"])
        );
        assert_eq!(tiers.complex, texts(&["mine/best"]), "what the owner wrote stays");
    }

    #[test]
    fn encoders_do_not_chat() {
        for (model, encoder) in [("nomic-embed-text:latest", true), ("all-minilm", true), ("qwen3:8b", false)]
        {
            assert_eq!(looks_like_encoder(&card(model)), encoder, "{model}");
        }
    }
}
