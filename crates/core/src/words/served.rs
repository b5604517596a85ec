//! What the gateway says of an answer before it is complete.

use super::budget::BudgetState;
use super::ids::RequestId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How demanding a request is, and so which models are tried for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A local model will do.
    Trivial,
    /// A fast, cheap model.
    Standard,
    /// The best model there is.
    Complex,
}

impl Tier {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trivial => "trivial",
            Self::Standard => "standard",
            Self::Complex => "complex",
        }
    }

    /// One tier less; trivial stays.
    pub const fn lower(self) -> Self {
        match self {
            Self::Complex => Self::Standard,
            Self::Standard | Self::Trivial => Self::Trivial,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tier {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Trivial, Self::Standard, Self::Complex]
            .into_iter()
            .find(|tier| tier.as_str() == text)
            .ok_or_else(|| text.to_owned())
    }
}

/// What the cache had to do with an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheVerdict {
    /// The same request was answered before.
    Exact,
    /// A request of the same meaning was answered before.
    Semantic,
    /// An answer of the same meaning could have been served; a model was asked to check it.
    Audit,
    /// Not there.
    #[default]
    Miss,
    /// Not looked for.
    Bypass,
}

impl CacheVerdict {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Semantic => "semantic",
            Self::Audit => "audit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Facts of a reply that the gateway knows before its first event.
#[derive(Clone, Debug)]
pub struct Served {
    /// The request this answers.
    pub request: RequestId,
    /// What the cache did.
    pub cache: CacheVerdict,
    /// Why this model, or why the cache was bypassed: short English text for a header.
    pub reason: String,
    /// The budgets that apply, the tightest first.
    pub budgets: Vec<BudgetState>,
}
