//! Whether a new fact is known, takes the place of others, or must not be learned. Likeness alone never decides: a number, a
//! name or a "not" makes another fact.

use super::terms::search_terms;
use super::topic::fact_topic;
#[cfg(test)]
use super::topic::topic_of;
use crate::words::{FactId, FactRecord, FactState, FactVector, Label};
use std::collections::BTreeSet;

/// Shares of common terms from which on two texts say the same: alone, and with meanings this near.
const SAME_WORDS: f32 = 0.8;
const LIKE_WORDS: f32 = 0.5;
const LIKE_MEANING: f32 = 0.93;
/// A text within a longer one says the same only when their meanings are this near.
const PART_MEANING: f32 = 0.8;
/// What resembles a vetoed fact this much is it: a veto would rather stop too much.
const VETO_WORDS: f32 = 0.6;
const VETO_MEANING: f32 = 0.85;
const VETO_MEANING_WORDS: f32 = 0.3;

/// Words that turn a statement into its opposite.
const NEGATIONS: [&str; 14] = [
    "not", "no", "never", "cannot", "without", "longer", "stopped", "n't", "않", "못", "없", "아니", "안 ",
    "말",
];

/// What becomes of a new fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactVerdict {
    /// It is new; this is its topic.
    New(Option<String>),
    /// It is known.
    Same(FactId),
    /// It takes the place of these; this is its topic.
    Replaces(Vec<FactId>, Option<String>),
    /// The owner does not want it.
    Vetoed(FactId),
    /// It contradicts one whose source is trusted more.
    Outranked(FactId),
}

/// Judges a new fact beside those that resemble it or are about the same, in whatever state. A `topic` that is given counts
/// more than one read off the text.
pub fn judge_fact(
    text: &str,
    topic: Option<&str>,
    label: Label,
    vector: Option<&FactVector>,
    known: &[FactRecord],
) -> FactVerdict {
    let topic = fact_topic(text, topic);
    let vetoed = known.iter().filter(|record| record.fact.state == FactState::Vetoed);
    if let Some(vetoed) = vetoed.into_iter().find(|record| resembles((text, vector), record)) {
        return FactVerdict::Vetoed(vetoed.fact.id);
    }
    let active: Vec<&FactRecord> =
        known.iter().filter(|record| record.fact.state == FactState::Active).collect();
    let same = active
        .iter()
        .find(|record| same_meaning((text, vector), (&record.fact.text, record.vector.as_ref())));
    if let Some(same) = same {
        // The owner's word makes a fact of what was hearsay.
        return if label < same.fact.label {
            FactVerdict::Replaces(vec![same.fact.id], topic.or_else(|| same.fact.topic.clone()))
        } else {
            FactVerdict::Same(same.fact.id)
        };
    }
    let rivals: Vec<&FactRecord> =
        active.into_iter().filter(|record| topic.is_some() && record.fact.topic == topic).collect();
    if let Some(stronger) = rivals.iter().find(|record| record.fact.label < label) {
        return FactVerdict::Outranked(stronger.fact.id);
    }
    if rivals.is_empty() {
        FactVerdict::New(topic)
    } else {
        FactVerdict::Replaces(rivals.iter().map(|record| record.fact.id).collect(), topic)
    }
}

/// Whether two texts say the same, by their words and, where both are known, their meanings.
pub fn same_meaning(a: (&str, Option<&FactVector>), b: (&str, Option<&FactVector>)) -> bool {
    let (left, right) = (Said::of(a.0), Said::of(b.0));
    if left.terms.is_empty() || left.marks != right.marks || left.negated != right.negated {
        return false;
    }
    let shared = left.shared(&right);
    let meaning = cosine(a.1, b.1);
    let smaller = left.terms.len().min(right.terms.len());
    let part = left.terms.intersection(&right.terms).count() == smaller && smaller >= 2;
    shared >= SAME_WORDS
        || (part && meaning >= PART_MEANING)
        || (shared >= LIKE_WORDS && meaning >= LIKE_MEANING)
}

fn resembles(said: (&str, Option<&FactVector>), vetoed: &FactRecord) -> bool {
    let (left, right) = (Said::of(said.0), Said::of(&vetoed.fact.text));
    let shared = left.shared(&right);
    let all_of_it = !right.terms.is_empty() && right.terms.is_subset(&left.terms);
    all_of_it
        || shared >= VETO_WORDS
        || (shared >= VETO_MEANING_WORDS && cosine(said.1, vetoed.vector.as_ref()) >= VETO_MEANING)
}

fn cosine(a: Option<&FactVector>, b: Option<&FactVector>) -> f32 {
    match (a, b) {
        (Some(a), Some(b)) if a.encoder == b.encoder => a.vector.cosine(&b.vector),
        _ => 0.0,
    }
}

/// What a text says, as far as words tell.
struct Said {
    terms: BTreeSet<String>,
    /// Numbers, and names that are written with a capital letter.
    marks: BTreeSet<String>,
    negated: bool,
}

impl Said {
    fn of(text: &str) -> Self {
        let lower = text.to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '\'').collect();
        let mut marks = BTreeSet::new();
        for (at, word) in words.iter().enumerate() {
            let named = at > 0 && *word != "I" && word.chars().next().is_some_and(char::is_uppercase);
            if named && !word.starts_with("I'") {
                marks.extend(search_terms(word));
            }
            let mut digits = String::new();
            for c in word.chars().chain(std::iter::once(' ')) {
                if c.is_ascii_digit() {
                    digits.push(c);
                } else if !digits.is_empty() {
                    marks.insert(std::mem::take(&mut digits));
                }
            }
        }
        let negated = NEGATIONS.iter().any(|negation| {
            let english = negation.chars().all(|c| c.is_ascii_alphabetic());
            if english {
                words.iter().any(|word| word.eq_ignore_ascii_case(negation))
            } else {
                lower.contains(negation)
            }
        });
        Self { terms: search_terms(text).into_iter().collect(), marks, negated }
    }

    /// The share of terms that both have.
    fn shared(&self, other: &Self) -> f32 {
        let both = self.terms.intersection(&other.terms).count();
        let all = self.terms.len() + other.terms.len() - both;
        if all == 0 { 0.0 } else { both as f32 / all as f32 }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::words::{Fact, FactKind, FactSource};
    use jiff::Timestamp;
    use uuid::Uuid;

    /// The owner's fact of usual importance, learned in 2026.
    pub(crate) fn fact(number: u128, text: &str) -> Fact {
        let at = Timestamp::from_second(1_767_225_600).unwrap();
        Fact {
            id: FactId(Uuid::from_u128(number)),
            kind: FactKind::Fact,
            text: text.into(),
            topic: topic_of(text),
            source: FactSource::default(),
            label: Label::Owner,
            created: at,
            changed: at,
            last_used: at,
            uses: 0,
            importance: Fact::USUAL,
            state: FactState::Active,
            superseded_by: None,
            valid_until: None,
        }
    }

    fn known(number: u128, text: &str, label: Label, state: FactState) -> FactRecord {
        let fact = Fact { label, state, ..fact(number, text) };
        FactRecord { fact, around: String::new(), vector: None }
    }

    #[test]
    fn same_or_not() {
        for (a, b, same) in [
            ("I like green tea", "I like green tea.", true),
            ("I like green tea", "i LIKE   green tea!", true),
            ("The deploy day is Friday", "The deploy day is Monday", false),
            ("I have 2 cats", "I have 3 cats", false),
            ("I eat meat", "I do not eat meat", false),
            ("나는 커피를 마신다", "나는 커피를 안 마신다", false),
            ("나는 커피를 마신다", "나는 커피를 마신다.", true),
            ("Turn on dark mode", "Turn off dark mode", false),
        ] {
            assert_eq!(same_meaning((a, None), (b, None)), same, "{a} / {b}");
        }
    }

    #[test]
    fn what_takes_the_place_of_what() {
        use FactState::{Active, Vetoed};
        let one = |text, label, state| vec![known(1, text, label, state)];
        let id = FactId(Uuid::from_u128(1));
        let home = Some("owner/home".to_owned());
        for (text, label, known, verdict) in [
            ("I live in Seoul", Label::Owner, vec![], FactVerdict::New(home.clone())),
            (
                "I moved to Seoul",
                Label::Owner,
                one("I live in Busan", Label::Owner, Active),
                FactVerdict::Replaces(vec![id], home.clone()),
            ),
            (
                "I moved to Seoul",
                Label::Stranger,
                one("I live in Busan", Label::Owner, Active),
                FactVerdict::Outranked(id),
            ),
            (
                "I live in Busan",
                Label::Owner,
                one("I live in Busan.", Label::Stranger, Active),
                FactVerdict::Replaces(vec![id], home),
            ),
            (
                "I live in Busan",
                Label::Stranger,
                one("I live in Busan.", Label::Owner, Active),
                FactVerdict::Same(id),
            ),
            (
                "You know I live in Busan now",
                Label::Owner,
                one("I live in Busan", Label::Owner, Vetoed),
                FactVerdict::Vetoed(id),
            ),
            (
                "I like tea",
                Label::Owner,
                one("I like jazz music", Label::Owner, Active),
                FactVerdict::New(None),
            ),
        ] {
            assert_eq!(judge_fact(text, None, label, None, &known), verdict, "{text}");
        }
    }

    #[test]
    fn a_topic_that_is_given_counts() {
        let old = FactRecord {
            fact: Fact { topic: Some("team/lead".into()), ..fact(1, "Mina leads the team") },
            around: String::new(),
            vector: None,
        };
        let verdict = judge_fact("Jun took over", Some("Team/Lead"), Label::Owner, None, &[old]);
        assert_eq!(
            verdict,
            FactVerdict::Replaces(vec![FactId(Uuid::from_u128(1))], Some("team/lead".into()))
        );
    }
}
