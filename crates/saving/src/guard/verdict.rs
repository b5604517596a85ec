//! The verdict on a pair: the probability that one answer serves both questions, and what forbids it.

use super::compare;
use super::features::{self, FEATURES};
use super::forest::Forest;
use super::question::{Question, Unshareable};
use super::slot::{Agreement, Slot, SlotVerdict};
use nunchi_core::Lang;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What forbids sharing, whatever the probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// The two questions differ in this slot.
    Slot(Slot),
    /// The new question takes no part in sharing.
    Asked(Unshareable),
    /// The stored question takes no part in sharing.
    Stored(Unshareable),
    /// No verifier that fits this code was shipped.
    NoVerifier,
}

/// The verdict on a pair of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharingVerdict {
    /// The calibrated probability that the stored answer is right for the new question; 0 when blocked.
    pub share_probability: f32,
    /// What forbids sharing.
    pub blocked_by: Option<Blocked>,
    /// Every slot, in the order of [`Slot::ALL`].
    pub slots: Vec<SlotVerdict>,
    /// The cosine of the sentence vectors that the verdict was given.
    pub cosine: f32,
}

/// Judges whether the answer to `stored` may be served for `asked`. `cosine` is that of their sentence vectors.
pub fn judge(asked: &Question, stored: &Question, cosine: f32) -> SharingVerdict {
    let slots = compare::slots(asked, stored);
    let features = features::describe(asked, stored, cosine, &slots);
    let unshareable = asked.unshareable.map(Blocked::Asked).or(stored.unshareable.map(Blocked::Stored));
    let conflict = || {
        let found = slots.iter().find(|verdict| forbids(verdict, same_frame(&features)));
        found.map(|verdict| Blocked::Slot(verdict.slot))
    };
    let verifier = Forest::shipped();
    let blocked_by =
        unshareable.or_else(conflict).or_else(|| verifier.is_none().then_some(Blocked::NoVerifier));
    let share_probability = match verifier.filter(|_| blocked_by.is_none()) {
        Some(verifier) => verifier.probability(&features),
        None => 0.0,
    };
    SharingVerdict { share_probability, blocked_by, slots, cosine }
}

/// Whether a slot's verdict forbids sharing by itself. Slots that paraphrases often word otherwise (a prohibition as a
/// demand, a question as an order) forbid only where the two questions say nearly the same besides.
fn forbids(verdict: &SlotVerdict, same_frame: bool) -> bool {
    let conflict = verdict.agreement == Agreement::Conflict;
    match verdict.slot {
        Slot::Polarity | Slot::Order | Slot::Quantifier => conflict && same_frame,
        Slot::Act => false,
        _ => conflict,
    }
}

/// Whether nearly every word of both questions is found in the other.
fn same_frame(features: &[f32; FEATURES]) -> bool {
    const NEARLY: f32 = 0.7;
    features[features::COVERAGE_MIN] >= NEARLY
}

/// Describes a pair for training and for `cache explain`; [`super::FEATURE_NAMES`] names the numbers.
pub fn pair_features(asked: &Question, stored: &Question, cosine: f32) -> [f32; FEATURES] {
    features::describe(asked, stored, cosine, &compare::slots(asked, stored))
}

impl SharingVerdict {
    /// The verdict as lines for a person: the decision, then each slot that either question fills.
    pub fn explain(&self, lang: Lang) -> String {
        let percent = self.share_probability * 100.0;
        let cosine = self.cosine;
        let mut text = match self.blocked_by {
            Some(blocked) => lang.pick(
                format!("not shared: {} (cosine {cosine:.3})", blocked.reason(lang)),
                format!("공유하지 않음: {} (코사인 {cosine:.3})", blocked.reason(lang)),
            ),
            None => lang.pick(
                format!("right to share with probability {percent:.1} % (cosine {cosine:.3})"),
                format!("답을 공유해도 맞을 확률 {percent:.1} % (코사인 {cosine:.3})"),
            ),
        };
        for verdict in self.slots.iter().filter(|verdict| verdict.agreement != Agreement::Absent) {
            let (slot, agreement) = (verdict.slot.name(lang), verdict.agreement.name(lang));
            let list = |values: &[String]| if values.is_empty() { "-".to_owned() } else { values.join(", ") };
            text +=
                &format!("\n  {slot}: {agreement} ({} | {})", list(&verdict.asked), list(&verdict.stored));
        }
        text
    }
}

impl fmt::Display for SharingVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explain(Lang::En))
    }
}

impl Blocked {
    /// Why, as a phrase.
    pub fn reason(self, lang: Lang) -> String {
        let why = |unshareable| match unshareable {
            Unshareable::Empty => lang.pick("is empty", "비어 있음"),
            Unshareable::TooLong => lang.pick("is too long", "너무 김"),
            Unshareable::MixedScripts => lang.pick("mixes look-alike scripts", "닮은 글자가 섞여 있음"),
        };
        match self {
            Self::Slot(slot) => {
                let name = slot.name(lang);
                lang.pick(format!("the {name} differs"), format!("{name} 항목이 다름"))
            }
            Self::Asked(unshareable) => {
                let why = why(unshareable);
                lang.pick(format!("the new question {why}"), format!("새 질문: {why}"))
            }
            Self::Stored(unshareable) => {
                let why = why(unshareable);
                lang.pick(format!("the stored question {why}"), format!("저장된 질문: {why}"))
            }
            Self::NoVerifier => lang.pick("no verifier is loaded", "검증기가 없음").to_owned(),
        }
    }
}
