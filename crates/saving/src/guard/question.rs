//! A question, read once: its content words and the values of its slots. Stored beside a cache entry so that only the new
//! question is read on a look-up.

use super::hangul::Role;
use super::reader;
use super::slot::Slot;
use serde::{Deserialize, Serialize};

/// Most content words that are compared; what follows only counts for length.
pub(super) const MOST_WORDS: usize = 64;

/// The language that most letters of a question belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tongue {
    /// Korean.
    Korean,
    /// English, or another language in Latin letters.
    #[default]
    Latin,
    /// Another script.
    Other,
}

/// Why a question takes no part in sharing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unshareable {
    /// It holds no letter and no digit.
    Empty,
    /// It is a document, not a question.
    TooLong,
    /// One of its words mixes scripts whose letters look alike.
    MixedScripts,
}

/// A word that carries meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Word {
    /// Its stem.
    #[serde(rename = "s")]
    pub(super) stem: String,
    /// The concept it shares with its synonyms in both languages; empty when no list knows it.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub(super) concept: String,
    /// How much it says, in tenths.
    #[serde(rename = "w")]
    pub(super) weight: u8,
    /// Its role, as its particle or preposition gives it.
    #[serde(rename = "r", default)]
    pub(super) role: Role,
}

/// A question, read. Two questions are compared by [`super::judge`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub(super) tongue: Tongue,
    pub(super) words: Vec<Word>,
    /// Slot values, sorted.
    pub(super) values: Vec<(Slot, String)>,
    /// Letters and digits of the text.
    pub(super) letters: u32,
    pub(super) unshareable: Option<Unshareable>,
}

impl Question {
    /// Reads a text. Linear in its length, and constant beyond the longest text that is shared.
    pub fn read(text: &str) -> Self {
        reader::read(text)
    }

    /// The language of most of its letters.
    pub fn tongue(&self) -> Tongue {
        self.tongue
    }

    /// Why it may not be shared at all, if so. Such a question is neither stored for sharing nor looked up.
    pub fn unshareable(&self) -> Option<Unshareable> {
        self.unshareable
    }

    /// The values of one slot, sorted.
    pub fn values(&self, slot: Slot) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(of, _)| *of == slot).map(|(_, value)| value.as_str())
    }

    /// Whether a value of a slot, or a content word, goes by this name.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.words.iter().any(|word| word.stem == name || word.concept == name)
            || self.values.iter().any(|(_, value)| value == name)
    }
}
