//! The slots of a question: the small things that change its answer while hardly changing its vector.

use nunchi_core::Lang;
use serde::{Deserialize, Serialize};

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// Numbers with their units and currencies.
    Number,
    /// Dates, weekdays, relative days, seasons and parts of the day.
    Date,
    /// Times of the day.
    Time,
    /// Whether the sentence is negated.
    Polarity,
    /// Poles of opposites: on and off, open and close, raise and lower.
    State,
    /// Directions of comparison: bigger and smaller.
    Comparison,
    /// Arguments whose order matters: from and to, than, instead of.
    Order,
    /// People, places, companies, products, languages.
    Entity,
    /// Quotes, code, file names, versions and addresses: what must agree letter by letter.
    Literal,
    /// What is asked for: who, when, where, how many.
    Asked,
    /// How many of them: all, only, some.
    Quantifier,
    /// Whether something is asked or to be done.
    Act,
}

impl Slot {
    /// All slots, in the order they are reported in.
    pub const ALL: [Self; 12] = [
        Self::Number,
        Self::Date,
        Self::Time,
        Self::Polarity,
        Self::State,
        Self::Comparison,
        Self::Order,
        Self::Entity,
        Self::Literal,
        Self::Asked,
        Self::Quantifier,
        Self::Act,
    ];

    /// Its name for a person.
    pub fn name(self, lang: Lang) -> &'static str {
        let (en, ko) = match self {
            Self::Number => ("number", "숫자"),
            Self::Date => ("date", "날짜"),
            Self::Time => ("time", "시각"),
            Self::Polarity => ("negation", "부정"),
            Self::State => ("opposite", "반대말"),
            Self::Comparison => ("comparison", "비교 방향"),
            Self::Order => ("argument order", "논항 순서"),
            Self::Entity => ("name", "이름"),
            Self::Literal => ("literal", "그대로 적은 것"),
            Self::Asked => ("question word", "의문사"),
            Self::Quantifier => ("quantifier", "수량 표현"),
            Self::Act => ("speech act", "화행"),
        };
        lang.pick(en, ko)
    }
}

/// How the values of a slot compare in two questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Neither question fills the slot.
    #[default]
    Absent,
    /// Both say the same.
    Agree,
    /// One says more than the other.
    OneSided,
    /// They say different things.
    Conflict,
}

impl Agreement {
    /// Its name for a person.
    pub fn name(self, lang: Lang) -> &'static str {
        match self {
            Self::Absent => lang.pick("absent", "없음"),
            Self::Agree => lang.pick("agree", "일치"),
            Self::OneSided => lang.pick("one-sided", "한쪽에만"),
            Self::Conflict => lang.pick("conflict", "충돌"),
        }
    }
}

/// The verdict on one slot, with the values that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotVerdict {
    /// The slot.
    pub slot: Slot,
    /// How it compares.
    pub agreement: Agreement,
    /// What the new question says that decides it.
    pub asked: Vec<String>,
    /// What the stored question says that decides it.
    pub stored: Vec<String>,
}
