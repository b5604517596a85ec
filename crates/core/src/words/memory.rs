//! What is remembered: facts and what was said, each with its source, its label and what became of it.

use super::ids::{FactId, RunId, StepId};
use super::tool::Label;
use crate::chat::PackedVector;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of thing is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// Something that holds: it is told to runs by itself.
    #[default]
    Fact,
    /// Something that was said in a conversation: it is found by search, and is no claim that it holds.
    Turn,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactState {
    /// It holds.
    #[default]
    Active,
    /// Another one holds in its place; kept as history.
    Superseded,
    /// The owner said that it must never be learned.
    Vetoed,
    /// Taken out; it can be brought back until its text is erased.
    Forgotten,
}

impl FactState {
    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Vetoed => "vetoed",
            Self::Forgotten => "forgotten",
        }
    }
}

/// Where a fact came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactSource {
    /// The run.
    pub run: Option<RunId>,
    /// Its step.
    pub step: Option<StepId>,
    /// The conversation.
    pub session: Option<String>,
    /// The place among the turns of the conversation, from 0.
    pub turn: Option<u32>,
}

/// Something remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// Its id.
    pub id: FactId,
    /// What kind of thing.
    pub kind: FactKind,
    /// The text, one or a few sentences.
    pub text: String,
    /// What it is about, as `subject/attribute` in lower case: of two facts about the same only one holds.
    pub topic: Option<String>,
    /// Where it came from.
    pub source: FactSource,
    /// Whose word it is. It follows the fact wherever the fact goes.
    pub label: Label,
    /// When it was learned.
    pub created: Timestamp,
    /// When its text or state last changed.
    pub changed: Timestamp,
    /// When it was last of use, or said again.
    pub last_used: Timestamp,
    /// How often it was of use, or said again.
    pub uses: u32,
    /// How much it matters, 0 to 100; from 90 on it does not fade.
    pub importance: u8,
    /// What became of it.
    pub state: FactState,
    /// The fact that holds in its place.
    pub superseded_by: Option<FactId>,
    /// When it ends, or ended, to hold.
    pub valid_until: Option<Timestamp>,
}

impl Fact {
    /// Importance from which on a fact does not fade.
    pub const LASTING: u8 = 90;
    /// Importance of what was learned in passing.
    pub const USUAL: u8 = 50;

    /// Whether it holds at that time.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.state == FactState::Active && self.valid_until.is_none_or(|until| until > at)
    }
}

/// A meaning, and the encoder that made it: vectors of two encoders are never compared.
#[derive(Clone, Debug, PartialEq)]
pub struct FactVector {
    /// The encoder.
    pub encoder: String,
    /// The vector.
    pub vector: PackedVector,
}

/// A fact with what it is found by.
#[derive(Clone, Debug, PartialEq)]
pub struct FactRecord {
    /// The fact.
    pub fact: Fact,
    /// What was said around it: words of the question find its answer.
    pub around: String,
    /// Its meaning, where an encoder is at hand.
    pub vector: Option<FactVector>,
}

/// Something that is to be remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactWish {
    /// What kind of thing.
    pub kind: FactKind,
    /// The text.
    pub text: String,
    /// What it is about, as `subject/attribute`; `None` lets the rules read it off the text.
    pub topic: Option<String>,
    /// Where it came from.
    pub source: FactSource,
    /// Whose word it is; `None` is nobody's that can be named, and counts as a stranger's.
    pub label: Option<Label>,
    /// How much it matters, 0 to 100.
    pub importance: u8,
    /// What was said around it.
    pub around: String,
    /// When it ends to hold.
    pub valid_until: Option<Timestamp>,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The fact as it is now.
    pub fact: Fact,
    /// Whether it was known before; then its use was counted, and nothing was added.
    pub known: bool,
    /// Facts that it took the place of.
    pub superseded: Vec<FactId>,
}

/// A fact that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedFact {
    /// The fact.
    pub fact: Fact,
    /// Orders the facts of one search; says nothing beyond it.
    pub score: f32,
    /// The share of the question's words that it has, by weight, 0 to 1.
    pub coverage: f32,
    /// How near its meaning is, -1 to 1; 0 where that is not known.
    pub likeness: f32,
}

/// How much is remembered at most; what has faded most falls out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryBounds {
    /// Facts that hold.
    pub facts: u64,
    /// Things said in conversations.
    pub turns: u64,
    /// Facts that are only history: superseded, vetoed, forgotten.
    pub history: u64,
    /// Bytes of all texts together.
    pub bytes: u64,
    /// How fast it fades.
    pub half_life: HalfLife,
}

impl Default for MemoryBounds {
    fn default() -> Self {
        let half_life = HalfLife::default();
        Self { facts: 10_000, turns: 100_000, history: 10_000, bytes: 64 << 20, half_life }
    }
}

/// Days after which half of a fact of usual importance is left that was never of use. What was said fades four times as fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfLife(pub u32);

impl Default for HalfLife {
    fn default() -> Self {
        Self(83)
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFigures {
    /// Facts that hold.
    pub facts: u64,
    /// Things said in conversations.
    pub turns: u64,
    /// Facts that others took the place of.
    pub superseded: u64,
    /// Facts that must never be learned.
    pub vetoed: u64,
    /// Facts taken out and not yet erased.
    pub forgotten: u64,
    /// Bytes of all texts together.
    pub bytes: u64,
}
