//! What people said of answers, and what became of answers that nobody spoke of.

use super::ids::{KeyId, RequestId};
use super::served::Tier;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether an answer was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    /// It was.
    Good,
    /// It was not.
    Bad,
}

/// Who found an answer good or bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedbackSource {
    /// Somebody rated it.
    #[default]
    Person,
    /// The check of a cascade let it stand, or did not.
    Check,
    /// The one who asked wanted another answer, or complained of this one.
    Retry,
}

impl FeedbackSource {
    /// How much it counts in training beside a rating: a check errs, and who asks again may have other reasons than the model.
    pub const fn weight(self) -> f32 {
        match self {
            Self::Person => 1.0,
            Self::Check | Self::Retry => 0.3,
        }
    }

    /// Whether a person rated the answer.
    pub fn is_person(&self) -> bool {
        *self == Self::Person
    }
}

/// What is known of an answer whose model was chosen for its tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// The request that was answered.
    pub request: RequestId,
    /// When it was said.
    pub at: Timestamp,
    /// The key that said it.
    pub key: Option<KeyId>,
    /// The model that answered, as `provider/model`.
    pub model: String,
    /// The tier it was chosen for.
    pub answered_by: Tier,
    /// Whether the answer was good.
    pub rating: Rating,
    /// Who found it so.
    #[serde(default, skip_serializing_if = "FeedbackSource::is_person")]
    pub source: FeedbackSource,
    /// The tier that would have been right, when it was said.
    pub right_tier: Option<Tier>,
    /// The human text of the request.
    pub text: String,
}

impl Feedback {
    /// The tier to learn from it; `None` when it tells nothing: a good answer of the best tier does not show that it was needed,
    /// and for a bad one there is no higher.
    pub fn tier(&self) -> Option<Tier> {
        self.right_tier.or(match (self.rating, self.answered_by) {
            (_, Tier::Complex) => None,
            (Rating::Good, tier) => Some(tier),
            (Rating::Bad, Tier::Standard) => Some(Tier::Complex),
            (Rating::Bad, Tier::Trivial) => Some(Tier::Standard),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned() {
        use Rating::{Bad, Good};
        use Tier::{Complex, Standard, Trivial};
        for (answered_by, rating, right_tier, expected) in [
            (Trivial, Good, None, Some(Trivial)),
            (Trivial, Bad, None, Some(Standard)),
            (Standard, Bad, None, Some(Complex)),
            (Complex, Good, None, None),
            (Complex, Bad, None, None),
            (Complex, Good, Some(Trivial), Some(Trivial)),
            (Standard, Bad, Some(Standard), Some(Standard)),
        ] {
            let feedback = Feedback {
                request: RequestId(uuid::Uuid::nil()),
                at: Timestamp::UNIX_EPOCH,
                key: None,
                model: "up/m".into(),
                answered_by,
                rating,
                source: FeedbackSource::Person,
                right_tier,
                text: "안녕".into(),
            };
            assert_eq!(feedback.tier(), expected, "{answered_by} {rating:?} {right_tier:?}");
        }
    }
}
