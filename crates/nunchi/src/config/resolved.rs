//! The configuration, resolved: every value has its type and its meaning.

use super::agent::AgentConfig;
use super::layers::{ConfigError, Layers};
use super::mcp::McpServing;
use super::provider::ProviderEntryConfig;
use super::reading::{plain, texts_of};
use super::server::Listening;
use super::tools::ToolsConfig;
use jiff::tz::TimeZone;
use nunchi_api::Currency;
use nunchi_core::{CacheScope, NanoUsd, Tier, TierRule, TierRules};
use nunchi_gateway::{
    BatchSettings, BreakerSettings, CacheSettings, CascadeCheck, CompressSettings, LimitSettings, OnLimit,
    RetrySettings, SemanticSettings, TierModels,
};
use nunchi_tools::McpServerConfig;
use regex::Regex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// The shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// The embedded models.
#[derive(Clone, Debug)]
pub(crate) struct LocalConfig {
    pub(crate) enabled: bool,
    pub(crate) chat: String,
    pub(crate) encoder: String,
    pub(crate) weights: Option<PathBuf>,
}

/// What a replay takes for granted.
#[derive(Clone, Debug)]
pub(crate) struct ReplayConfig {
    pub(crate) prefixes: bool,
    pub(crate) keep_named: bool,
    /// `router`, or `labels`.
    pub(crate) tiers: String,
}

/// The address of Redis. It may hold a password, so it does not print itself.
#[derive(Clone)]
pub(crate) struct RedisUrl(Zeroizing<String>);

impl RedisUrl {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

/// The owner's currency and the day its rate is of, where he says so.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    pub(crate) currency: Currency,
    pub(crate) as_of: Option<jiff::civil::Date>,
}

/// Everything, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listening: Listening,
    pub(crate) body_limit: usize,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) time_zone: TimeZone,
    pub(crate) shutdown: Duration,
    /// Threads that serve; 0 means one a core.
    pub(crate) workers: usize,
    pub(crate) tiers: TierModels,
    pub(crate) default_max_output: u64,
    pub(crate) embedder: Option<String>,
    pub(crate) baseline: Option<String>,
    pub(crate) rules: TierRules,
    pub(crate) cache: CacheSettings,
    pub(crate) semantic: SemanticSettings,
    pub(crate) select_tools: bool,
    pub(crate) cascade: CascadeCheck,
    pub(crate) tier_model: Option<String>,
    pub(crate) compress: CompressSettings,
    pub(crate) cache_cap: u64,
    pub(crate) encrypt_cache: bool,
    /// Where answers are kept in Redis.
    pub(crate) redis_url: Option<RedisUrl>,
    pub(crate) daily_cap: NanoUsd,
    pub(crate) hold_patience: Duration,
    pub(crate) limits: LimitSettings,
    pub(crate) batch: BatchSettings,
    /// Longest file that can be uploaded, in bytes.
    pub(crate) max_file: u64,
    pub(crate) retry: RetrySettings,
    pub(crate) breaker: BreakerSettings,
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
    pub(crate) price_source: Option<String>,
    pub(crate) price_refresh: Duration,
    pub(crate) rate: Rate,
    pub(crate) local: LocalConfig,
    pub(crate) replay: ReplayConfig,
    pub(crate) agent: AgentConfig,
    pub(crate) tools: ToolsConfig,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
    pub(crate) providers: Vec<ProviderEntryConfig>,
    pub(crate) mcp: Vec<McpServerConfig>,
    pub(crate) mcp_server: McpServing,
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) fallbacks: BTreeMap<String, Vec<String>>,
}

impl Config {
    /// Resolves the layers; all problems are reported at once.
    pub(crate) fn resolve(
        mut layers: Layers,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let providers = layers.read_providers(variables);
        let config = Self {
            listening: layers.listening(),
            body_limit: usize::try_from(layers.count("server.body_limit_mb").clamp(1, 1_024) << 20)
                .unwrap_or(32 << 20),
            cors_origins: layers.texts("server.cors_origins"),
            time_zone: layers.time_zone(),
            shutdown: Duration::from_secs(layers.count("server.shutdown_seconds")),
            workers: usize::try_from(layers.count("server.workers").min(1_024)).unwrap_or(0),
            tiers: TierModels {
                trivial: layers.texts("tiers.trivial"),
                standard: layers.texts("tiers.standard"),
                complex: layers.texts("tiers.complex"),
            },
            default_max_output: layers.count("tiers.default_max_output").max(1),
            embedder: layers.optional("tiers.embedder"),
            baseline: layers.optional("tiers.baseline"),
            rules: layers.tier_rules(),
            cache: layers.cache(),
            semantic: layers.semantic(),
            select_tools: layers.flag_value("tools.select"),
            cascade: layers.cascade(),
            tier_model: layers.optional("route.tier_model"),
            compress: layers.compress(),
            cache_cap: layers.count("cache.max_mb") << 20,
            encrypt_cache: layers.flag_value("cache.encrypt"),
            redis_url: layers.redis_url(variables),
            daily_cap: layers.decimal("budget.daily_cap_usd").parse().unwrap_or(NanoUsd::from_usd(5)),
            hold_patience: layers.time("budget.wait"),
            limits: LimitSettings { chat_per_minute: layers.small("limits.chat_per_minute") },
            batch: layers.batch(),
            max_file: layers.count("batch.max_file_mb") << 20,
            retry: layers.retry(),
            breaker: layers.breaker(),
            connect: layers.time("timeouts.connect"),
            first_byte: layers.time("timeouts.first_byte"),
            between_bytes: layers.time("timeouts.between_bytes"),
            price_source: layers.optional("prices.source"),
            price_refresh: layers.time("prices.refresh"),
            rate: layers.rate(),
            local: layers.local(),
            replay: layers.replay(),
            agent: layers.agent(),
            tools: layers.tools(variables),
            log_format: if layers.text("log.format") == "json" { LogFormat::Json } else { LogFormat::Text },
            log_level: layers.text("log.level"),
            providers,
            mcp: layers.read_mcp(variables),
            mcp_server: layers.mcp_server(),
            aliases: layers.aliases(),
            fallbacks: layers.map("fallbacks"),
        };
        if layers.problems.is_empty() { Ok(config) } else { Err(ConfigError(layers.problems)) }
    }
}

impl Layers {
    fn local(&mut self) -> LocalConfig {
        LocalConfig {
            enabled: self.flag_value("local.enabled"),
            chat: self.text("local.chat"),
            encoder: self.text("local.encoder"),
            weights: self.optional("local.weights").map(PathBuf::from),
        }
    }

    fn aliases(&mut self) -> BTreeMap<String, String> {
        let written = self.map("aliases").into_iter();
        written.filter_map(|(name, model)| Some((name, model.into_iter().next()?))).collect()
    }

    fn time_zone(&mut self) -> TimeZone {
        let name = self.text("server.time_zone");
        if name.is_empty() {
            return TimeZone::system();
        }
        TimeZone::get(&name).unwrap_or_else(|_| {
            let origin = self.origin("server.time_zone");
            self.wrong(&origin, "server.time_zone", "there is no such time zone", "그런 시간대가 없습니다");
            TimeZone::UTC
        })
    }

    fn cascade(&mut self) -> CascadeCheck {
        let judge = self.text("route.judge");
        match self.text("route.cascade").as_str() {
            "schema" => CascadeCheck::Schema,
            "agreement" => CascadeCheck::Agreement,
            "judge" if judge.is_empty() => {
                let origin = self.origin("route.cascade");
                let (en, ko) =
                    ("route.judge must name the model that judges", "route.judge에 심판 모델을 적으세요");
                self.wrong(&origin, "route.cascade", en, ko);
                CascadeCheck::Off
            }
            "judge" => CascadeCheck::Judge(judge),
            _ => CascadeCheck::Off,
        }
    }

    /// A text; `None` when it is empty.
    pub(super) fn optional(&mut self, setting: &str) -> Option<String> {
        Some(self.text(setting)).filter(|text| !text.is_empty())
    }

    /// A count that fits 32 bits; larger ones stay at the end.
    pub(super) fn small(&mut self, setting: &str) -> u32 {
        u32::try_from(self.count(setting)).unwrap_or(u32::MAX)
    }

    fn retry(&mut self) -> RetrySettings {
        RetrySettings {
            attempts: self.small("retry.attempts").max(1),
            first_pause: self.time("retry.first_pause"),
            jitter: true,
            longest_wait: self.time("retry.longest_wait"),
        }
    }

    fn batch(&mut self) -> BatchSettings {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
        BatchSettings {
            enabled: self.flag_value("batch.enabled"),
            max_size: count(self.count("batch.max_size")),
            max_wait: self.time("batch.max_wait"),
            providers: self.texts("batch.providers"),
            background_phases: self.texts("batch.background_phases"),
            least_time: self.time("batch.least_time"),
            margin: self.time("batch.margin"),
            longest_wait: self.time("batch.longest_wait"),
            concurrent: count(self.count("batch.concurrent")).min(1_024),
            first_poll: self.time("batch.first_poll"),
            longest_poll: self.time("batch.longest_poll"),
            keep: self.time("batch.keep"),
        }
    }

    fn breaker(&mut self) -> BreakerSettings {
        BreakerSettings {
            failures: self.small("retry.breaker_failures").max(1),
            open_for: self.time("retry.breaker_open"),
        }
    }

    fn cache(&mut self) -> CacheSettings {
        CacheSettings {
            enabled: self.flag_value("cache.enabled"),
            ttl: self.time("cache.ttl"),
            scope: match self.text("cache.scope").as_str() {
                "everyone" => CacheScope::Everyone,
                "user" => CacheScope::User,
                _ => CacheScope::Key,
            },
            fold_case: self.flag_value("cache.fold_case"),
            memory_bytes: self.count("cache.memory_mb") << 20,
        }
    }

    fn compress(&mut self) -> CompressSettings {
        let summarise = self.text("compress.summarise");
        let mut settings = CompressSettings {
            mode: self.text("compress.mode").parse().unwrap_or_default(),
            summarise: match summarise.parse::<Tier>() {
                Ok(tier) => Some(format!("auto:{tier}")),
                Err(_) => Some(summarise).filter(|name| !name.is_empty()),
            },
            on_limit: match self.text("compress.on_limit").as_str() {
                "trim" => OnLimit::Trim,
                "summarise" => OnLimit::Summarise,
                _ => OnLimit::Refuse,
            },
            trim_tokens: self.count("compress.trim_tokens"),
            keep: self.time("compress.keep"),
            ..CompressSettings::default()
        };
        settings.history.recent_tokens = self.count("compress.recent_tokens");
        settings.history.segment_tokens = self.count("compress.segment_tokens").max(1);
        settings
    }

    fn semantic(&mut self) -> SemanticSettings {
        let share = self.decimal("cache.semantic_error_rate");
        SemanticSettings {
            enabled: self.flag_value("cache.semantic"),
            error_rate: share.parse().unwrap_or(0.01_f32).clamp(0.0, 1.0),
            strict: self.flag_value("cache.semantic_strict"),
            across_languages: self.flag_value("cache.across_languages"),
        }
    }

    fn replay(&mut self) -> ReplayConfig {
        ReplayConfig {
            prefixes: self.flag_value("replay.prefixes"),
            keep_named: self.flag_value("replay.keep_named"),
            tiers: self.text("replay.tiers"),
        }
    }

    fn redis_url(&mut self, variables: &BTreeMap<String, String>) -> Option<RedisUrl> {
        if self.text("cache.store") != "redis" {
            return None;
        }
        let name = self.text("cache.redis_url_env");
        let url = variables.get(&name).map(|url| RedisUrl(Zeroizing::new(url.clone())));
        if url.is_none() {
            let origin = self.origin("cache.store");
            self.wrong(
                &origin,
                "cache.store",
                "the address of Redis is not in the environment (cache.redis_url_env)",
                "환경 변수에 Redis 주소가 없습니다(cache.redis_url_env)",
            );
        }
        url
    }

    fn rate(&mut self) -> Rate {
        let per_usd = self.decimal("currency.per_usd");
        let milli_units_per_usd = crate::prices::scaled_decimal(&per_usd, 3).unwrap_or(1_390_000);
        let currency = Currency { code: self.text("currency.code"), milli_units_per_usd };
        let as_of = self.optional("currency.as_of").and_then(|text| {
            let day = text.parse().ok();
            if day.is_none() {
                let origin = self.origin("currency.as_of");
                let (en, ko) = ("it must be a day such as 2026-11-21", "2026-11-21 같은 날짜여야 합니다");
                self.wrong(&origin, "currency.as_of", en, ko);
            }
            day
        });
        Rate { currency, as_of }
    }

    /// The owner's patterns before the built-in ones.
    fn tier_rules(&mut self) -> TierRules {
        let mut rules = Vec::new();
        for tier in [Tier::Complex, Tier::Standard, Tier::Trivial] {
            let setting = format!("rules.{tier}");
            for text in self.texts(&setting) {
                match Regex::new(&text) {
                    Ok(pattern) => rules.push(TierRule { pattern, tier, name: format!("your rule {text}") }),
                    Err(error) => {
                        let (origin, what) = (self.origin(&setting), error.to_string());
                        self.wrong(
                            &origin,
                            &setting,
                            format!("`{text}`: {what}"),
                            format!("`{text}`: {what}"),
                        );
                    }
                }
            }
        }
        TierRules { rules }
    }

    fn map(&self, section: &str) -> BTreeMap<String, Vec<String>> {
        let prefix = format!("{section}.");
        let entries = self.maps.iter().filter_map(|(setting, (value, _))| {
            let key = setting.strip_prefix(&prefix)?;
            Some((key.to_owned(), texts_of(value).unwrap_or_else(|| vec![plain(value)])))
        });
        entries.collect()
    }
}
