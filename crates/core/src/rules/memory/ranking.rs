//! Orders candidates: words weighed as BM25 does, what was said around a fact counted less, meaning added.

use super::retention::retention;
use super::terms::each_term;
use crate::ports::{Candidates, FactQuery};
use crate::words::{FactRecord, RankedFact};
use std::collections::HashMap;

/// BM25's saturation and its correction for length, both as usual.
const SATURATION: f32 = 1.2;
const LENGTH: f32 = 0.75;
/// The length, in weighed terms, of a fact that is neither long nor short.
const USUAL_LENGTH: f32 = 30.0;
/// The weight of a word that was said around a fact, beside one of its own.
pub const WEIGHT_AROUND: f32 = 0.4;
/// The weight of meaning beside words. Chosen with [`WEIGHT_AROUND`] on two of the three long conversations of the benchmarks.
const MEANING: f32 = 0.25;
/// The weight of not having faded.
const FRESHNESS: f32 = 0.03;
/// What shares no word and is less alike than this is left out.
const LEAST_LIKENESS: f32 = 0.35;

/// The candidates of a query that hold, the best first; equal ones by id, the newer first.
pub fn rank_facts(query: &FactQuery, found: Candidates) -> Vec<RankedFact> {
    let weights = Weights::of(query, &found);
    let whole: f32 = weights.of_term.iter().sum::<f32>() * (SATURATION + 1.0);
    let scored: Vec<(FactRecord, f32)> = found
        .records
        .into_iter()
        .filter(|record| record.fact.holds(query.at))
        .map(|record| {
            let words = by_words(&record, &weights);
            (record, words)
        })
        .collect();
    let best = scored.iter().map(|(_, words)| *words).fold(0.0, f32::max);
    let mut ranked: Vec<RankedFact> = scored
        .into_iter()
        .filter_map(|(record, words)| {
            let likeness = likeness(query, &record);
            if words <= 0.0 && likeness < LEAST_LIKENESS {
                return None;
            }
            let by_words = if best > 0.0 { words / best } else { 0.0 };
            #[expect(clippy::cast_possible_truncation, reason = "a share needs no more")]
            let fresh = retention(&record.fact, query.half_life, query.at) as f32;
            let score = by_words + MEANING * likeness.max(0.0) + FRESHNESS * fresh;
            let coverage = if whole > 0.0 { words / whole } else { 0.0 };
            Some(RankedFact { fact: record.fact, score, coverage, likeness })
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.fact.id.cmp(&a.fact.id)));
    ranked
}

/// How much each term of the query tells: rare ones more.
struct Weights<'a> {
    /// Where a term stands in the query.
    places: HashMap<&'a str, usize>,
    of_term: Vec<f32>,
}

impl<'a> Weights<'a> {
    fn of(query: &'a FactQuery, found: &Candidates) -> Self {
        let places = query.terms.iter().enumerate().map(|(at, term)| (term.as_str(), at)).collect();
        let of_term = found.holders.iter().take(query.terms.len());
        Self { places, of_term: of_term.map(|holders| term_weight(*holders, found.total)).collect() }
    }
}

/// How much a term tells that so many of all facts have: BM25's inverse document frequency.
pub fn term_weight(holders: u64, total: u64) -> f32 {
    let total = total as f32;
    let holders = (holders as f32).min(total);
    (1.0 + (total - holders + 0.5) / (holders + 0.5)).ln()
}

fn by_words(record: &FactRecord, weights: &Weights<'_>) -> f32 {
    let mut counts = vec![0.0; weights.of_term.len()];
    let mut length = 0.0;
    for (text, worth) in [(&record.fact.text, 1.0), (&record.around, WEIGHT_AROUND)] {
        each_term(text, &mut |term| {
            length += worth;
            if let Some(count) = weights.places.get(term).and_then(|at| counts.get_mut(*at)) {
                *count += worth;
            }
        });
    }
    let slack = SATURATION * (1.0 - LENGTH + LENGTH * length / USUAL_LENGTH);
    let worth = |(weight, count): (&f32, &f32)| weight * count * (SATURATION + 1.0) / (count + slack);
    // An empty sum of floats would be -0.
    weights.of_term.iter().zip(&counts).map(worth).fold(0.0, |sum, worth| sum + worth)
}

fn likeness(query: &FactQuery, record: &FactRecord) -> f32 {
    match (&query.vector, &record.vector) {
        (Some(asked), Some(known)) if asked.encoder == known.encoder => asked.vector.cosine(&known.vector),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::judging::tests::fact;
    use super::super::terms::search_terms;
    use super::*;
    use crate::chat::PackedVector;
    use crate::words::{Fact, FactVector};
    use jiff::SignedDuration;

    fn record(number: u128, text: &str, around: &str, vector: &[f32]) -> FactRecord {
        let vector = FactVector { encoder: "e".into(), vector: PackedVector::pack(vector) };
        FactRecord { fact: fact(number, text), around: around.into(), vector: Some(vector) }
    }

    /// Numbers of the facts found for a question whose meaning points along the first axis.
    fn order(question: &str, records: Vec<FactRecord>) -> Vec<u128> {
        let at = records[0].fact.created + SignedDuration::from_hours(1);
        let mut query = FactQuery::new(question, at);
        query.vector = Some(FactVector { encoder: "e".into(), vector: PackedVector::pack(&[1.0, 0.0]) });
        let holds = |record: &FactRecord, term: &String| {
            search_terms(&record.fact.text).contains(term) || search_terms(&record.around).contains(term)
        };
        let holders = query.terms.iter();
        let holders =
            holders.map(|term| records.iter().filter(|record| holds(record, term)).count() as u64).collect();
        let found = Candidates { total: 100, holders, records };
        rank_facts(&query, found).iter().map(|one| one.fact.id.0.as_u128()).collect()
    }

    #[test]
    fn words_before_surroundings_before_meaning() {
        let records = vec![
            record(1, "The ferry leaves at nine", "", &[0.0, 1.0]),
            record(2, "At nine", "When does the ferry leave?", &[0.0, 1.0]),
            record(3, "The boat departs in the morning", "", &[0.9, 0.1]),
            record(4, "Cheese is made of milk", "", &[0.0, 1.0]),
        ];
        assert_eq!(order("When does the ferry leave?", records.clone()), [1, 2, 3]);
        let mut reversed = records;
        reversed.reverse();
        assert_eq!(
            order("When does the ferry leave?", reversed),
            [1, 2, 3],
            "the order of candidates says nothing"
        );
    }

    #[test]
    fn rare_words_tell_more_and_fresh_facts_win_ties() {
        let mut faded = record(5, "Tea with lemon", "", &[0.0, 1.0]);
        faded.fact.last_used -= SignedDuration::from_hours(24 * 300);
        let records = vec![
            record(1, "We spoke of tea", "", &[0.0, 1.0]),
            record(2, "We spoke of heron", "", &[0.0, 1.0]),
            record(3, "More tea", "", &[0.0, 1.0]),
            faded,
            record(6, "Tea with lemon", "", &[0.0, 1.0]),
        ];
        let found = order("tea or heron", records);
        assert_eq!(found[0], 2);
        let place = |number| found.iter().position(|one| *one == number);
        assert!(place(6) < place(5));
    }

    #[test]
    fn what_does_not_hold_is_not_found() {
        let mut over = record(1, "The office is closed", "", &[1.0, 0.0]);
        over.fact.valid_until = Some(over.fact.created);
        let gone = FactRecord {
            fact: Fact { state: crate::words::FactState::Superseded, ..fact(2, "The office is closed") },
            ..record(2, "", "", &[1.0, 0.0])
        };
        assert!(order("is the office closed", vec![over, gone]).is_empty());
    }
}
