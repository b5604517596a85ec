//! Scores: what a judge or a rule says of an answer or a run, 0 to 1, with a reason.

use super::ids::RunId;
use super::money::NanoUsd;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

/// A number from 0 to 1, kept in thousandths so that it compares exactly. On the wire it is a decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScoreValue(u16);

impl ScoreValue {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// All of it.
    pub const ONE: Self = Self(1_000);

    /// So many thousandths; what is above 1 is 1.
    pub fn thousandths(count: u64) -> Self {
        Self(u16::try_from(count.min(1_000)).unwrap_or(1_000))
    }

    /// A part of a whole, rounded to the nearest; 1 for a whole of nothing.
    pub fn ratio(part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self::ONE;
        }
        let (part, whole) = (u128::from(part), u128::from(whole));
        let rounded = (part * 1_000 + whole / 2) / whole;
        Self::thousandths(u64::try_from(rounded).unwrap_or(1_000))
    }

    /// A decimal; `None` when it is no number from 0 to 1.
    pub fn from_decimal(value: f64) -> Option<Self> {
        // In range, so the cast is exact.
        (0.0..=1.0).contains(&value).then(|| Self((value * 1_000.0).round() as u16))
    }

    /// Its thousandths, 0 to 1,000.
    pub const fn as_thousandths(self) -> u16 {
        self.0
    }

    /// 1 less this.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self(1_000 - self.0)
    }

    /// The product.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self::thousandths((u64::from(self.0) * u64::from(other.0) + 500) / 1_000)
    }

    /// The mean, rounded to the nearest; `None` of nothing.
    pub fn mean(values: impl IntoIterator<Item = Self>) -> Option<Self> {
        let (sum, count) = values
            .into_iter()
            .fold((0_u64, 0_u64), |(sum, count), value| (sum + u64::from(value.0), count + 1));
        (count > 0).then(|| Self::thousandths((sum + count / 2) / count))
    }
}

impl fmt::Display for ScoreValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

impl FromStr for ScoreValue {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().ok().and_then(Self::from_decimal).ok_or("a number from 0 to 1 is wanted")
    }
}

impl Serialize for ScoreValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1_000.0)
    }
}

impl<'de> Deserialize<'de> for ScoreValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_decimal(f64::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("it is not within 0 to 1"))
    }
}

/// What is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreName {
    /// How far the answer gives what was asked for. By a judge.
    Relevancy,
    /// The share of the answer's statements that nothing backs: 0 is best. By a judge, its evidence checked.
    Hallucination,
    /// How much the answer insults, threatens or harms: 0 is best. By a judge.
    Toxicity,
    /// How far the answer says what was expected. By a judge.
    Correctness,
    /// Turns and tokens against what is usual, and calls that were not repeated. By rules.
    Efficiency,
    /// Whether the run kept to what it may do and says what it did. By rules.
    Safety,
    /// Money against what such a run was estimated at. By rules.
    Cost,
}

impl ScoreName {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Relevancy,
        Self::Hallucination,
        Self::Toxicity,
        Self::Correctness,
        Self::Efficiency,
        Self::Safety,
        Self::Cost,
    ];

    /// The name used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relevancy => "relevancy",
            Self::Hallucination => "hallucination",
            Self::Toxicity => "toxicity",
            Self::Correctness => "correctness",
            Self::Efficiency => "efficiency",
            Self::Safety => "safety",
            Self::Cost => "cost",
        }
    }

    /// Whether 0 is best.
    pub const fn lower_is_better(self) -> bool {
        matches!(self, Self::Hallucination | Self::Toxicity)
    }

    /// How good a value of it is: 1 is best whatever is scored.
    pub const fn goodness(self, value: ScoreValue) -> ScoreValue {
        if self.lower_is_better() { value.inverse() } else { value }
    }
}

/// One score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// What is scored.
    pub name: ScoreName,
    /// How much of it there is. For some names 0 is best: see [`ScoreName::lower_is_better`].
    pub value: ScoreValue,
    /// Why, in a sentence or two; secrets masked.
    pub reasoning: String,
}

impl Score {
    /// How good it is: 1 is best whatever is scored.
    pub const fn goodness(&self) -> ScoreValue {
        self.name.goodness(self.value)
    }
}

/// What was made of an answer at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// When.
    pub at: Timestamp,
    /// The model that judged, as it named itself; `None` when only rules did.
    pub judge: Option<String>,
    /// What judging cost.
    pub cost: NanoUsd,
    /// The scores.
    pub scores: Vec<Score>,
    /// Sentences that the judge was not shown, as they spoke to it.
    pub withheld: u32,
}

impl Judgement {
    /// The score of a name.
    pub fn score(&self, name: ScoreName) -> Option<&Score> {
        self.scores.iter().find(|score| score.name == name)
    }
}

/// A judgement of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunScore {
    /// The run.
    pub run: RunId,
    /// What was made of it.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// The mean of a score over several judgements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanScore {
    /// What is scored.
    pub name: ScoreName,
    /// The mean.
    pub mean: ScoreValue,
    /// Of so many.
    pub count: u64,
}

/// The means of all scores that occur, in the order in which they are shown.
pub fn mean_scores<'a>(judgements: impl IntoIterator<Item = &'a Judgement> + Clone) -> Vec<MeanScore> {
    let values = |name| judgements.clone().into_iter().filter_map(move |one| Some(one.score(name)?.value));
    let mean = |name| {
        let mean = ScoreValue::mean(values(name))?;
        Some(MeanScore { name, mean, count: values(name).count() as u64 })
    };
    ScoreName::ALL.into_iter().filter_map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(scores: &[(ScoreName, u64)]) -> Judgement {
        let score = |(name, value): &(ScoreName, u64)| Score {
            name: *name,
            value: ScoreValue::thousandths(*value),
            reasoning: String::new(),
        };
        Judgement {
            at: Timestamp::UNIX_EPOCH,
            judge: None,
            cost: NanoUsd::ZERO,
            scores: scores.iter().map(score).collect(),
            withheld: 0,
        }
    }

    #[test]
    fn values_are_exact() {
        for (part, whole, expected) in [
            (0, 0, 1_000),
            (0, 3, 0),
            (1, 3, 333),
            (2, 3, 667),
            (3, 3, 1_000),
            (9, 3, 1_000),
            (u64::MAX, u64::MAX, 1_000),
        ] {
            assert_eq!(ScoreValue::ratio(part, whole).as_thousandths(), expected, "{part}/{whole}");
        }
        for (text, expected) in [
            ("0.7", Some(700)),
            ("1", Some(1_000)),
            ("0.0005", Some(1)),
            ("1.1", None),
            ("-0.1", None),
            ("NaN", None),
            ("x", None),
        ] {
            assert_eq!(text.parse::<ScoreValue>().ok().map(ScoreValue::as_thousandths), expected, "{text}");
        }
        for thousandths in 0..=1_000 {
            let value = ScoreValue::thousandths(thousandths);
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<ScoreValue>(&json).unwrap(), value, "{json}");
        }
        assert_eq!(ScoreValue::thousandths(50).to_string(), "0.050");
        assert_eq!(ScoreValue::thousandths(500).times(ScoreValue::thousandths(501)).as_thousandths(), 251);
        assert!(serde_json::from_str::<ScoreValue>("1.5").is_err());
    }

    #[test]
    fn what_is_good() {
        use ScoreName::{Hallucination, Relevancy, Toxicity};
        for (name, good) in [(Relevancy, 200), (Hallucination, 800), (Toxicity, 800)] {
            assert_eq!(name.goodness(ScoreValue::thousandths(200)).as_thousandths(), good);
        }
        assert!(ScoreName::ALL.is_sorted());
    }

    #[test]
    fn means() {
        use ScoreName::{Relevancy, Safety};
        let all = [judgement(&[(Relevancy, 1_000), (Safety, 500)]), judgement(&[(Relevancy, 501)])];
        let mean = |name, mean, count| MeanScore { name, mean: ScoreValue::thousandths(mean), count };
        assert_eq!(mean_scores(&all), [mean(Relevancy, 751, 2), mean(Safety, 500, 1)]);
        assert_eq!(mean_scores(&[]), []);
    }

    #[test]
    fn on_the_wire() {
        let score =
            RunScore { run: RunId(uuid::Uuid::nil()), judgement: judgement(&[(ScoreName::Toxicity, 125)]) };
        let json = serde_json::to_value(&score).unwrap();
        assert_eq!(
            json["scores"][0],
            serde_json::json!({"name": "toxicity", "value": 0.125, "reasoning": ""})
        );
        assert_eq!(serde_json::from_value::<RunScore>(json).unwrap(), score);
    }
}
