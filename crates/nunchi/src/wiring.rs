//! Puts the parts together: store, providers, embedded models, gateway, HTTP surface.

use crate::agents::Agents;
use crate::config::{Config, ProviderEntryConfig};
use crate::crew::{Crew, Ground};
use crate::discovery::{Discovery, Listed};
use crate::failure::Failure;
use crate::home::Home;
use crate::local_models::LocalModels;
use crate::mcp::mcp_router;
use crate::prices::{PriceFile, PriceRefresh, layered, read_prices};
use crate::runtime::{SystemClock, Tasks, UuidIds};
use crate::skill_shelf::FolderShelf;
use crate::storage::{Storage, open_storage};
use crate::toolbox::skill_registry;
use axum::Router;
use nunchi_agent::{Judge, JudgeParts, MemoryKeeper};
use nunchi_api::{
    AdminServices, AgentServices, ApiParts, ApiSettings, ApiState, BatchServices, ConsoleParts, ReadyCheck,
    SkillShelf, Stopping, router, with_console,
};
use nunchi_core::{
    AccessRole, Amount, Budget, BudgetId, BudgetScope, BudgetWindow, Clock, Dialect, Explain, Ids, Lang,
    NanoUsd, Spawn, TierRules, UndoRuns,
};
use nunchi_gateway::{BatchParts, Gateway, NewKey, Parts, PriceCatalog, ProviderEntry, Settings, TierModels};
use nunchi_providers::{Provider, ProviderConfig, ProviderDeps, ProviderKind, Timeouts, Tls};
use nunchi_tools::{McpHub, McpOffers};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The running product, without a socket.
pub(crate) struct Service {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) storage: Storage,
    pub(crate) agents: Agents,
    pub(crate) router: Router,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) local: Option<LocalModels>,
    /// The administration's own key.
    pub(crate) admin_key: Zeroizing<String>,
    /// Looks for models on this machine.
    pub(crate) discovery: Discovery,
    /// Servers of others.
    pub(crate) mcp: Arc<McpHub>,
    /// What is offered to the agents of others.
    pub(crate) mcp_offers: McpOffers,
}

impl Service {
    /// Builds everything; the home folder must be locked by this process.
    pub(crate) async fn build(home: &Home, config: &Config, lang: Lang) -> Result<Self, Failure> {
        let tasks = Arc::new(Tasks::new());
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) =
            (Arc::new(SystemClock::start()), Arc::new(UuidIds));
        let spawn = Arc::clone(&tasks) as Arc<dyn Spawn>;
        let storage = open_storage(home, config, Arc::clone(&clock), Arc::clone(&spawn)).await?;
        let local = LocalModels::start(&config.local)?;
        let mut providers = outside(config, &clock, &spawn)?;
        let listed = listed(&providers);
        providers.extend(local.iter().flat_map(LocalModels::entries));
        let settings = settings(home, config, &providers)?;
        let discovery = Discovery::new(config, listed, settings.tiers.clone());
        let parts = gateway_parts(&storage, local.as_ref(), providers, &clock, &ids, &spawn);
        let gateway = Gateway::new(parts, settings);
        gateway.keys().load().await?;
        gateway.load_learned().await;
        first_start(home, config, &storage, &*clock, &*ids).await?;
        let admin_key = admin_key(home, &gateway).await?;
        let ground = Ground { home, config, gateway: &gateway, storage: &storage, local: local.as_ref() };
        let crew = Crew::new(&ground, &tasks, &clock, &ids)?;
        let Crew { agents, mcp, mcp_offers, memory } = crew;
        let token = tasks.stopping();
        let stopping: Stopping = Arc::new(move || Box::pin(token.clone().cancelled_owned()));
        let skills = Arc::new(FolderShelf(skill_registry(home)));
        let outside = Outside { lang, clock, ids, stopping, memory, skills };
        let router =
            surface(&Built { gateway: &gateway, storage: &storage, agents: &agents }, config, &outside);
        let router = router.merge(mcp_router(config, mcp_offers.clone(), &gateway, &tasks));
        Ok(Self { gateway, storage, agents, router, tasks, local, admin_key, discovery, mcp, mcp_offers })
    }

    /// The key for clients, made by the first server that finds none; its secret is known only now.
    pub(crate) async fn first_key(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        let keys = self.gateway.keys().list().await?;
        if keys.iter().any(|key| key.name != ADMINISTRATION) {
            return Ok(None);
        }
        let new = NewKey { name: "first".into(), role: AccessRole::Admin, ..NewKey::default() };
        let (_, secret) = self.gateway.keys().create(new).await?;
        Ok(Some(Zeroizing::new(secret.reveal().to_owned())))
    }
}

/// The name of the key that this machine's own commands use.
const ADMINISTRATION: &str = "administration";

/// What the gateway works through.
fn gateway_parts(
    storage: &Storage,
    local: Option<&LocalModels>,
    providers: Vec<ProviderEntry>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
    spawn: &Arc<dyn Spawn>,
) -> Parts {
    Parts {
        providers,
        ledger: storage.ledger.clone(),
        cache: storage.cache.clone(),
        semantic: local.zip(storage.questions.clone()).map(|(local, questions)| local.semantic(questions)),
        batch: Some(BatchParts { jobs: storage.jobs.clone(), files: storage.files.clone() }),
        originals: Some(storage.originals.clone()),
        keys: storage.keys.clone(),
        feedback: storage.feedback.clone(),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        spawn: Arc::clone(spawn),
    }
}

/// Providers on this machine that can be asked which models they have.
fn listed(providers: &[ProviderEntry]) -> Vec<Listed> {
    let open = providers.iter().filter(|entry| entry.local && entry.models.is_empty());
    open.filter_map(|entry| Some(Listed { provider: entry.name.clone(), list: entry.list.clone()? }))
        .collect()
}

/// Providers that answer over HTTP.
fn outside(
    config: &Config,
    clock: &Arc<dyn Clock>,
    spawn: &Arc<dyn Spawn>,
) -> Result<Vec<ProviderEntry>, Failure> {
    let deps = ProviderDeps { clock: Arc::clone(clock), spawn: Arc::clone(spawn), tls: Tls::new() };
    let written = config.providers.iter().map(|entry| build(config, entry, deps.clone()));
    let mut providers = written.collect::<Result<Vec<_>, _>>()?;
    if let Some(usual) = config.usual_ollama() {
        // Nobody asked for it: where it cannot be had, it is left out.
        providers.extend(build(config, &usual, deps));
    }
    Ok(providers)
}

fn build(config: &Config, entry: &ProviderEntryConfig, deps: ProviderDeps) -> Result<ProviderEntry, Failure> {
    let mut provider = ProviderConfig::new(entry.name.as_str(), entry.kind);
    provider.base_url.clone_from(&entry.base_url);
    provider.secret.clone_from(&entry.secret);
    provider.extra_headers.clone_from(&entry.headers);
    provider.batch = entry.batch;
    provider.timeouts = Timeouts {
        connect: config.connect,
        first_byte: entry.first_byte.unwrap_or(config.first_byte),
        between_bytes: config.between_bytes,
    };
    let built = Provider::new(provider, deps).map_err(|error| {
        let place = format!("{}: provider {}", entry.origin, entry.name);
        let [en, ko] = [Lang::En, Lang::Ko].map(|lang| format!("{place}: {}", error.message(lang)));
        Failure::plain("config.provider", en, ko)
    })?;
    Ok(provider_entry(entry, Arc::new(built)))
}

fn provider_entry(entry: &ProviderEntryConfig, built: Arc<Provider>) -> ProviderEntry {
    ProviderEntry {
        name: entry.name.clone(),
        dialect: dialect(entry.kind),
        price_from: entry.price_from.clone(),
        local: entry.local,
        models: entry.models.clone(),
        model: built.clone(),
        embedder: Some(built.clone()),
        batch: built.batch(),
        list: Some(built),
    }
}

pub(crate) const fn dialect(kind: ProviderKind) -> Dialect {
    match kind {
        ProviderKind::OpenAi | ProviderKind::Compatible | ProviderKind::Perplexity => Dialect::OpenAiChat,
        ProviderKind::OpenAiResponses => Dialect::OpenAiResponses,
        ProviderKind::Anthropic => Dialect::Anthropic,
        ProviderKind::Gemini => Dialect::Gemini,
        ProviderKind::Ollama => Dialect::Ollama,
    }
}

/// Models by tier that are worth trying with a provider, best first: standard and complex.
const USUAL: [(&str, &str, &str); 4] = [
    ("gemini", "gemini-3.8-flash", "gemini-4-argon"),
    ("anthropic", "claude-sonnet-5-5", "claude-opus-5-5"),
    ("openai", "gpt-6-luna", "gpt-6.1-sol"),
    ("perplexity", "sonar", "sonar-pro"),
];

/// The tiers as configured; an empty one is filled with what is there.
fn tiers(config: &Config, providers: &[ProviderEntry]) -> TierModels {
    let mut tiers = config.tiers.clone();
    let has = |name: &str| providers.iter().any(|entry| entry.name == name);
    let local: Vec<String> = providers
        .iter()
        .filter(|entry| entry.local)
        .filter_map(|entry| Some(format!("{}/{}", entry.name, entry.models.first()?)))
        .collect();
    let usual = |pick: fn(&(&str, &str, &str)) -> String| -> Vec<String> {
        USUAL.iter().filter(|(name, ..)| has(name)).map(pick).chain(local.iter().cloned()).collect()
    };
    if tiers.trivial.is_empty() {
        tiers.trivial.clone_from(&local);
    }
    if tiers.standard.is_empty() {
        tiers.standard = usual(|(name, standard, _)| format!("{name}/{standard}"));
    }
    if tiers.complex.is_empty() {
        tiers.complex = usual(|(name, _, complex)| format!("{name}/{complex}"));
    }
    tiers
}

fn settings(home: &Home, config: &Config, providers: &[ProviderEntry]) -> Result<Settings, Failure> {
    let invalid = |text: String| Failure::plain("price.file", text.clone(), text);
    let own = read_prices(&home.file("prices.json")).map_err(invalid)?;
    let tiers = tiers(config, providers);
    let embedded = || {
        let entry =
            providers.iter().find(|entry| entry.dialect == Dialect::Embedded && entry.embedder.is_some())?;
        Some(format!("{}/{}", entry.name, config.local.encoder))
    };
    Ok(Settings {
        baseline: config.baseline.clone().or_else(|| {
            tiers
                .complex
                .iter()
                .find(|name| USUAL.iter().any(|(provider, ..)| name.starts_with(provider)))
                .cloned()
        }),
        embedder: config.embedder.clone().or_else(embedded),
        tiers,
        own_rules: config.rules.clone(),
        rules: TierRules::built_in(),
        fallbacks: config.fallbacks.clone(),
        aliases: config.aliases.clone(),
        default_max_output: config.default_max_output,
        hold_patience: config.hold_patience,
        retry: config.retry.clone(),
        breaker: config.breaker.clone(),
        cache: config.cache.clone(),
        semantic: config.semantic.clone(),
        select_tools: config.select_tools,
        cascade: config.cascade.clone(),
        tier_model: config.tier_model.clone(),
        compress: config.compress.clone(),
        limits: config.limits.clone(),
        batch: config.batch.clone(),
        prices: price_catalog(home, config, &own).map_err(invalid)?,
    })
}

/// The prices in force with these lines of the owner.
pub(crate) fn price_catalog(home: &Home, config: &Config, own: &PriceFile) -> Result<PriceCatalog, String> {
    let source = price_refresh(home, config).map(|refresh| read_prices(&refresh.kept)).transpose()?;
    layered(&source.unwrap_or_default(), own)
}

/// The owner's price source, if one is named.
pub(crate) fn price_refresh(home: &Home, config: &Config) -> Option<PriceRefresh> {
    config.price_source.clone().map(|source| PriceRefresh {
        source,
        every: config.price_refresh,
        kept: home.file("prices.source.json"),
        own: home.file("prices.json"),
    })
}

/// What is made once: the daily cap. A cap that was removed does not come back.
async fn first_start(
    home: &Home,
    config: &Config,
    storage: &Storage,
    clock: &dyn Clock,
    ids: &dyn Ids,
) -> Result<(), Failure> {
    let marker = home.file("started");
    if marker.exists() {
        return Ok(());
    }
    let wanted = config.daily_cap > NanoUsd::ZERO;
    if wanted && storage.budgets.budgets(clock.now()).await?.is_empty() {
        let cap = Budget {
            id: BudgetId(ids.new_id()),
            name: "daily cap".into(),
            scope: BudgetScope::Everything,
            window: BudgetWindow::Day,
            limit: Amount::Money(config.daily_cap),
            thresholds: crate::commands::usual_thresholds(),
            enabled: true,
        };
        storage.budgets.put_budget(cap).await?;
    }
    std::fs::write(&marker, b"").map_err(|error| Failure::system("started", error))
}

/// The key of this machine's own commands; made anew when the file is gone or the key was revoked.
async fn admin_key(home: &Home, gateway: &Gateway) -> Result<Zeroizing<String>, Failure> {
    if let Some(key) = home.admin_key().filter(|key| gateway.keys().authenticate(key).is_ok()) {
        return Ok(key);
    }
    let new = NewKey { name: ADMINISTRATION.into(), role: AccessRole::Admin, ..NewKey::default() };
    let (_, secret) = gateway.keys().create(new).await?;
    home.keep_admin_key(secret.reveal())?;
    Ok(Zeroizing::new(secret.reveal().to_owned()))
}

/// The product's own parts.
#[derive(Clone, Copy)]
struct Built<'a> {
    gateway: &'a Arc<Gateway>,
    storage: &'a Storage,
    agents: &'a Agents,
}

/// What the HTTP surface needs besides the product's own parts.
struct Outside {
    lang: Lang,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    stopping: Stopping,
    memory: Arc<MemoryKeeper>,
    skills: Arc<dyn SkillShelf>,
}

/// The HTTP surface over the parts: the API, and the console before it.
fn surface(parts: &Built<'_>, config: &Config, outside: &Outside) -> Router {
    let Built { gateway, storage, agents } = *parts;
    let judge = JudgeParts {
        model: gateway.clone(),
        usual: config.agent.judge.clone(),
        scores: storage.scores.clone(),
        clock: Arc::clone(&outside.clock),
        ids: Arc::clone(&outside.ids),
    };
    let services = AgentServices {
        agent: Arc::clone(&agents.agent),
        desk: Arc::clone(&agents.desk),
        runs: storage.runs.clone(),
        approvals: Arc::clone(&agents.approvals),
        messages: storage.messages.clone(),
        judge: Arc::new(Judge::new(judge)),
        scores: storage.scores.clone(),
        undo: Arc::clone(&agents.agent) as Arc<dyn UndoRuns>,
    };
    let console = ConsoleParts {
        gateway: gateway.clone(),
        ledger: storage.reader.clone(),
        budgets: storage.budgets.clone(),
        agents: Some(services.clone()),
        memory: Some(outside.memory.clone()),
        skills: Some(Arc::clone(&outside.skills)),
        clock: Arc::clone(&outside.clock),
        ids: Arc::clone(&outside.ids),
        time_zone: config.time_zone.clone(),
        currency: config.rate.currency.clone(),
        lang: outside.lang,
        stopping: Arc::clone(&outside.stopping),
    };
    let parts = ApiParts { agents: Some(services), ..api_parts(gateway, storage, config, outside) };
    with_console(router(ApiState::new(parts)), console)
}

fn api_parts(gateway: &Arc<Gateway>, storage: &Storage, config: &Config, outside: &Outside) -> ApiParts {
    let reader = storage.reader.clone();
    let ready = Arc::new(move || {
        let reader = reader.clone();
        Box::pin(async move {
            let found = reader.notices(1).await;
            let detail = found.as_ref().err().map_or_else(|| "open".to_owned(), ToString::to_string);
            vec![ReadyCheck { name: "ledger".into(), ok: found.is_ok(), detail }]
        }) as nunchi_core::BoxFuture<'static, Vec<ReadyCheck>>
    });
    ApiParts {
        model: gateway.clone(),
        embedder: gateway.clone(),
        keys: gateway.clone(),
        catalog: gateway.clone(),
        ids: Arc::clone(&outside.ids),
        clock: Arc::clone(&outside.clock),
        admin: Some(AdminServices {
            gateway: gateway.clone(),
            ledger: storage.reader.clone(),
            budgets: storage.budgets.clone(),
            memory: outside.memory.clone(),
            skills: Arc::clone(&outside.skills),
        }),
        batches: Some(BatchServices {
            gateway: gateway.clone(),
            jobs: storage.jobs.clone(),
            files: storage.files.clone(),
            max_file_bytes: config.max_file,
        }),
        agents: None,
        metrics: crate::metrics::page(),
        ready,
        settings: ApiSettings {
            max_body_bytes: config.body_limit,
            cors_origins: config.cors_origins.clone(),
            lang: outside.lang,
            ..ApiSettings::default()
        },
    }
}
