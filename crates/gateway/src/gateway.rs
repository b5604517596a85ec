//! The gateway itself: what it is made of, and what the layers above may ask of it besides answers.

use crate::batch::Desk;
use crate::breaker::{Breakers, CandidateHealth};
use crate::cache::AnswerCache;
use crate::call_counters::CallCounters;
use crate::compression::{CompressionSessions, Originals, ShortTexts};
use crate::feed::Feed;
use crate::feedback::Recent;
use crate::keys::KeyRing;
use crate::limits::Limits;
use crate::loyalty::Loyalty;
use crate::parts::Parts;
use crate::prices::PriceBook;
use crate::prompt_cache::{PromptCache, PromptCacheReport};
use crate::quotas::Quotas;
use crate::route_learning::LearnedRoute;
use crate::settings::{Settings, TierModels};
use crate::tokens;
use crate::tool_selection::ToolChooser;
use nunchi_core::{BoxFuture, ModelCard, ModelError, ModelList, ModelRequest};
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError, RwLock, Weak};

/// One model call, paid for. Always inside an `Arc`.
pub struct Gateway {
    pub(crate) parts: Parts,
    pub(crate) settings: Settings,
    pub(crate) prices: PriceBook,
    pub(crate) cache: AnswerCache,
    pub(crate) limits: Limits,
    pub(crate) breakers: Breakers,
    pub(crate) feed: Feed,
    pub(crate) prompt_cache: PromptCache,
    pub(crate) tools: ToolChooser,
    pub(crate) compression: CompressionSessions,
    pub(crate) originals: Originals,
    pub(crate) short_texts: ShortTexts,
    pub(crate) loyalty: Loyalty,
    pub(crate) recent: Recent,
    pub(crate) learned: LearnedRoute,
    pub(crate) quotas: Quotas,
    pub(crate) counters: CallCounters,
    pub(crate) desk: Option<Arc<Desk>>,
    pub(crate) me: Weak<Gateway>,
    keys: KeyRing,
    routes: RwLock<Arc<Routes>>,
}

/// What may change while calls run: the tiers' candidates and the providers' models.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    pub(crate) tiers: TierModels,
    /// Known models by provider, in the providers' order.
    pub(crate) models: Vec<Vec<String>>,
    /// Names this state in cache keys: another policy may mean another model.
    pub(crate) version: String,
}

impl Gateway {
    /// Builds the gateway and starts its background tasks.
    pub fn new(parts: Parts, settings: Settings) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            prices: PriceBook::new(settings.prices.clone()),
            cache: AnswerCache::new(&settings, &parts),
            keys: KeyRing::new(Arc::clone(&parts.keys), Arc::clone(&parts.clock), Arc::clone(&parts.ids)),
            limits: Limits::default(),
            breakers: Breakers::new(settings.breaker.clone()),
            feed: Feed::new(),
            tools: ToolChooser::default(),
            compression: CompressionSessions::default(),
            originals: Originals::default(),
            short_texts: ShortTexts::default(),
            loyalty: Loyalty::default(),
            recent: Recent::default(),
            learned: LearnedRoute::new(),
            quotas: Quotas::default(),
            counters: CallCounters::default(),
            prompt_cache: PromptCache::new(Arc::clone(&parts.clock)),
            desk: Desk::new(&parts, &settings),
            me: Weak::clone(me),
            routes: RwLock::new(Arc::new(Routes::first(&parts, &settings))),
            parts,
            settings,
        })
    }

    /// Tokens of a prompt by the o200k vocabulary: exact for OpenAI's present models, an estimate for others.
    pub fn count_tokens(&self, request: &ModelRequest) -> u64 {
        tokens::count_prompt(request)
    }

    /// The prices in force.
    pub fn prices(&self) -> &PriceBook {
        &self.prices
    }

    /// The answer cache.
    pub fn cache(&self) -> &AnswerCache {
        &self.cache
    }

    /// How sessions get on with their providers' prompt caches.
    pub fn prompt_cache_report(&self) -> Vec<PromptCacheReport> {
        self.prompt_cache.report()
    }

    /// The virtual keys.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// What happens, as it happens.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// How every candidate that had trouble is doing.
    pub fn health(&self) -> Vec<CandidateHealth> {
        self.breakers.health(self.parts.clock.monotonic())
    }

    /// What can be asked for, by provider.
    pub fn cards(&self) -> Vec<ModelCard> {
        let routes = self.routes();
        let providers = self.parts.providers.iter().zip(&routes.models);
        providers
            .flat_map(|(entry, models)| {
                models.iter().map(|model| ModelCard {
                    provider: entry.name.clone(),
                    model: model.clone(),
                    dialect: entry.dialect,
                    local: entry.local,
                    embedding: model.contains("embed") || self.is_embedder(&entry.name, model),
                    context_window: self
                        .prices
                        .get(&entry.price_from, model)
                        .and_then(|price| price.context_window),
                })
            })
            .collect()
    }

    fn is_embedder(&self, provider: &str, model: &str) -> bool {
        self.settings.embedder.as_deref().and_then(|name| name.split_once('/')) == Some((provider, model))
    }

    /// The candidates by tier now in force.
    pub fn tiers(&self) -> TierModels {
        self.routes().tiers.clone()
    }

    /// Replaces the candidates by tier.
    pub fn set_tiers(&self, tiers: TierModels) {
        self.change_routes(|routes| routes.tiers = tiers);
    }

    /// Replaces the known models of a provider; an unknown provider changes nothing.
    pub fn set_models(&self, provider: &str, models: Vec<String>) {
        if let Some(index) = self.parts.providers.iter().position(|entry| entry.name == provider) {
            self.change_routes(|routes| routes.models[index] = models);
        }
    }

    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_routes(&self, change: impl FnOnce(&mut Routes)) {
        let mut guard = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let mut routes = Routes::clone(&guard);
        change(&mut routes);
        routes.version = routes.digest(&self.settings);
        *guard = Arc::new(routes);
    }
}

impl Routes {
    fn first(parts: &Parts, settings: &Settings) -> Self {
        let models = parts.providers.iter().map(|entry| entry.models.clone()).collect();
        let mut routes = Self { tiers: settings.tiers.clone(), models, version: String::new() };
        routes.version = routes.digest(settings);
        routes
    }

    fn digest(&self, settings: &Settings) -> String {
        let all = settings.own_rules.rules.iter().chain(&settings.rules.rules);
        let rules: Vec<_> = all.map(|rule| (rule.pattern.as_str(), rule.tier)).collect();
        let text = format!("{:?} {:?} {:?} {rules:?}", self.tiers, settings.aliases, settings.fallbacks);
        Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl ModelList for Gateway {
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelCard>, ModelError>> {
        Box::pin(async { Ok(self.cards()) })
    }
}
