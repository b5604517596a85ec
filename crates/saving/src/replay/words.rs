//! What is replayed, and under which policy.

use crate::sharing::SharingRules;
use jiff::Timestamp;
use nunchi_core::{
    CacheScope, CallContext, CallRecord, CompressMode, Dialect, ModelPrice, ModelRequest, Tier, TierRules,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of a call beside the call itself: what would have been right. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayLabel {
    /// How demanding it is.
    pub tier: Option<Tier>,
    /// Names its answer: calls of the same name may share one, calls of different names may not.
    pub answer: Option<String>,
    /// The tool it needs.
    pub tool: Option<String>,
    /// Whether a weak model answered it right.
    pub weak_right: Option<bool>,
    /// Whether a strong model answered it right.
    pub strong_right: Option<bool>,
}

/// What was called.
#[derive(Clone, Debug)]
pub enum ReplayBody {
    /// A whole request: everything is decided anew.
    Asked(Box<(ModelRequest, CallContext)>),
    /// A row of the ledger, which holds no text: what the cache found and the tier stand as they were booked.
    Booked(Box<CallRecord>),
}

/// One call of a workload.
#[derive(Clone, Debug)]
pub struct ReplayCall {
    /// When.
    pub at: Timestamp,
    /// What.
    pub body: ReplayBody,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// Whether the answer may come from a Batch API.
    pub can_wait: bool,
    /// What would have been right.
    pub label: ReplayLabel,
}

/// A model with its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayModel {
    /// `provider/model`.
    pub name: String,
    /// The dialect its provider speaks, which tells how it keeps prefixes.
    pub dialect: Dialect,
    /// Whether it runs on the owner's machine and costs nothing.
    pub local: bool,
    /// Its price.
    pub price: ModelPrice,
}

/// The exact cache of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayCache {
    /// How long an answer is served.
    pub ttl: Duration,
    /// Who shares answers.
    pub scope: CacheScope,
    /// Whether spacing and the first letter's case are folded.
    pub fold_case: bool,
}

/// The semantic cache of a policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplaySharing {
    /// How far sharing goes.
    pub rules: SharingRules,
    /// Wrong answers that are accepted, as a share of all look-ups.
    pub error_rate: f32,
}

/// A policy: what the gateway would do with a call.
#[derive(Clone, Debug)]
pub struct ReplayPolicy {
    /// Its name.
    pub name: String,
    /// Models by tier, best first. Models without a price are not in it.
    pub tiers: BTreeMap<Tier, Vec<ReplayModel>>,
    /// Models that callers name, by the name they use.
    pub named: BTreeMap<String, ReplayModel>,
    /// Whether named models are left to the caller; else every call is routed as `auto`.
    pub keep_named: bool,
    /// Whether the tier is that of the label, where there is one: what a router that is never wrong would save.
    pub tiers_as_labelled: bool,
    /// What savings are counted against.
    pub baseline: ReplayModel,
    /// The owner's rules for a tier.
    pub own_rules: TierRules,
    /// The built-in ones.
    pub rules: TierRules,
    /// The exact cache; `None` where the cache is off, and with it the semantic one.
    pub cache: Option<ReplayCache>,
    /// The semantic cache.
    pub sharing: Option<ReplaySharing>,
    /// Whether only the tools that a question needs are sent.
    pub select_tools: bool,
    /// What is shortened.
    pub compress: CompressMode,
    /// Whether providers keep prefixes, and are asked to.
    pub keep_prefixes: bool,
    /// Whether what can wait goes to a Batch API.
    pub batch: bool,
}

impl ReplayPolicy {
    /// The models of a tier.
    pub fn models(&self, tier: Tier) -> &[ReplayModel] {
        self.tiers.get(&tier).map_or(&[], Vec::as_slice)
    }

    /// The same policy with everything off but the choice of a tier.
    pub fn tiers_alone(&self) -> Self {
        Self {
            cache: None,
            sharing: None,
            select_tools: false,
            compress: CompressMode::Off,
            keep_prefixes: false,
            batch: false,
            ..self.clone()
        }
    }
}
