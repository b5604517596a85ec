//! What is done to long conversations, and how full a context window is.

use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What of a conversation may be sent shorter than it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressMode {
    /// Nothing.
    #[default]
    Off,
    /// Results of tools.
    Results,
    /// Results of tools, and older turns.
    History,
    /// Whichever of the two costs less.
    Auto,
}

impl CompressMode {
    /// All, the mildest first.
    pub const ALL: [Self; 4] = [Self::Off, Self::Results, Self::History, Self::Auto];

    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Results => "results",
            Self::History => "history",
            Self::Auto => "auto",
        }
    }
}

impl FromStr for CompressMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| text.to_owned())
    }
}

/// What to do about a context window that is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextProposal {
    /// The caller should summarise soon; this call still fits.
    Summarise,
    /// The call does not fit as it came; it was passed on untouched.
    TooLong,
    /// Older turns were shortened.
    Summarised,
    /// Older turns were left out.
    Trimmed,
}

impl ContextProposal {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summarise => "summarise",
            Self::TooLong => "too long",
            Self::Summarised => "summarised",
            Self::Trimmed => "trimmed",
        }
    }
}

/// How full a context window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContextUse {
    /// Tokens of the prompt as it came, in percent of the window less the answer's cap.
    pub percent: u64,
    /// What follows.
    pub proposal: ContextProposal,
}
