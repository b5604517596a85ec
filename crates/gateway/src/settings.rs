//! The gateway's settings, resolved: no optional fields, no units to guess.

use crate::batch::BatchSettings;
use crate::breaker::BreakerSettings;
use crate::cascade::CascadeCheck;
use crate::prices::PriceCatalog;
use nunchi_core::{CacheScope, CompressMode, Tier, TierRules};
use nunchi_saving::{DEFAULT_TRIM_TOKENS, HistoryPolicy};
use std::collections::BTreeMap;
use std::time::Duration;

/// Candidates by tier, as `provider/model`, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierModels {
    /// For small talk and short lookups.
    pub trivial: Vec<String>,
    /// For everyday work.
    pub standard: Vec<String>,
    /// For hard work.
    pub complex: Vec<String>,
}

impl TierModels {
    /// The candidates of a tier.
    pub fn of(&self, tier: Tier) -> &[String] {
        match tier {
            Tier::Trivial => &self.trivial,
            Tier::Standard => &self.standard,
            Tier::Complex => &self.complex,
        }
    }
}

/// Retries of one candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySettings {
    /// Attempts at one candidate before the next one is tried (>= 1).
    pub attempts: u32,
    /// The first pause; each further one is twice as long.
    pub first_pause: Duration,
    /// Whether pauses are spread at random so that clients don't come back in step.
    pub jitter: bool,
    /// A Retry-After up to this long is waited for; a longer one means the next candidate.
    pub longest_wait: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_secs(2),
            jitter: true,
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// The answer cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Whether answers are looked up and stored.
    pub enabled: bool,
    /// How long an answer is served.
    pub ttl: Duration,
    /// Who shares answers.
    pub scope: CacheScope,
    /// Whether spacing and the first letter's case are folded in one-line human text.
    pub fold_case: bool,
    /// Bytes of answers kept in memory.
    pub memory_bytes: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl: Duration::from_secs(24 * 60 * 60),
            scope: CacheScope::Key,
            fold_case: true,
            memory_bytes: 8 << 20,
        }
    }
}

/// Sharing of answers between questions that mean the same.
#[derive(Clone, Debug, PartialEq)]
pub struct SemanticSettings {
    /// Whether it is done at all.
    pub enabled: bool,
    /// Wrong answers that are accepted, as a share of all look-ups, 0 to 1.
    pub error_rate: f32,
    /// Whether only plain questions share answers in which no weighty word stands alone.
    pub strict: bool,
    /// Whether a Korean and an English question may share an answer.
    pub across_languages: bool,
}

impl Default for SemanticSettings {
    fn default() -> Self {
        Self { enabled: true, error_rate: 0.01, strict: true, across_languages: false }
    }
}

/// What is done with a prompt that does not fit its model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLimit {
    /// It is passed on untouched; the provider refuses it.
    #[default]
    Refuse,
    /// Only the newest turns are sent.
    Trim,
    /// Older turns are sent shortened.
    Summarise,
}

/// Shortening of conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressSettings {
    /// What may be shortened, unless the caller says otherwise.
    pub mode: CompressMode,
    /// The model that summarises older turns (`provider/model` or `auto:TIER`); `None` shortens them by rule.
    pub summarise: Option<String>,
    /// What is done with a prompt that does not fit its model.
    pub on_limit: OnLimit,
    /// Tokens that are left of a conversation that is trimmed.
    pub trim_tokens: u64,
    /// How much of the newest is left alone, and how much is shortened at once.
    pub history: HistoryPolicy,
    /// How long originals are kept.
    pub keep: Duration,
}

impl Default for CompressSettings {
    fn default() -> Self {
        Self {
            mode: CompressMode::Off,
            summarise: None,
            on_limit: OnLimit::default(),
            trim_tokens: DEFAULT_TRIM_TOKENS,
            history: HistoryPolicy::default(),
            keep: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

/// Limits of every key, beside its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Chat requests of one key in a minute; 0 means no limit.
    pub chat_per_minute: u32,
}

/// All settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Candidates by tier.
    pub tiers: TierModels,
    /// The owner's rules for a tier: they win over the classifier.
    pub own_rules: TierRules,
    /// Rules for what neither the owner's rules nor the classifier are sure of.
    pub rules: TierRules,
    /// Models to try when an explicitly named one fails: `provider/model` to candidates.
    pub fallbacks: BTreeMap<String, Vec<String>>,
    /// Names that stand for `provider/model`.
    pub aliases: BTreeMap<String, String>,
    /// The embedding model behind `auto`, as `provider/model`.
    pub embedder: Option<String>,
    /// The output cap of callers that give none, in tokens; sent upstream.
    pub default_max_output: u64,
    /// How long a call waits for other calls' holds.
    pub hold_patience: Duration,
    /// Retries.
    pub retry: RetrySettings,
    /// Circuit breakers.
    pub breaker: BreakerSettings,
    /// The answer cache.
    pub cache: CacheSettings,
    /// Its semantic side.
    pub semantic: SemanticSettings,
    /// Whether only the tools that a question needs are sent, unless the caller says otherwise.
    pub select_tools: bool,
    /// Whether a cheap model is tried first, and how its answer is checked.
    pub cascade: CascadeCheck,
    /// A model that names the tier where the classifier is unsure, as `provider/model`.
    pub tier_model: Option<String>,
    /// Shortening of conversations.
    pub compress: CompressSettings,
    /// Limits of every key.
    pub limits: LimitSettings,
    /// Calls that can wait.
    pub batch: BatchSettings,
    /// Prices.
    pub prices: PriceCatalog,
    /// The model that savings are counted against, as `provider/model`.
    pub baseline: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tiers: TierModels::default(),
            own_rules: TierRules::default(),
            rules: TierRules::built_in(),
            fallbacks: BTreeMap::new(),
            aliases: BTreeMap::new(),
            embedder: None,
            default_max_output: 8_192,
            hold_patience: Duration::from_secs(10),
            retry: RetrySettings::default(),
            breaker: BreakerSettings::default(),
            cache: CacheSettings::default(),
            semantic: SemanticSettings::default(),
            select_tools: false,
            cascade: CascadeCheck::Off,
            compress: CompressSettings::default(),
            tier_model: None,
            limits: LimitSettings::default(),
            batch: BatchSettings::default(),
            prices: PriceCatalog::default(),
            baseline: None,
        }
    }
}
