//! Orders candidates: words weighed as BM25 does, what was said around a fact counted less, meaning added.

use super::retention::retention;
use super::terms::search_terms;
use crate::ports::{Candidates, FactQuery};
use crate::words::{FactRecord, RankedFact};
use std::collections::HashMap;

/// BM25's saturation and its correction for length, both as usual.
const SATURATION: f32 = 1.2;
const LENGTH: f32 = 0.75;
/// The length, in weighed terms, of a fact that is neither long nor short.
const USUAL_LENGTH: f32 = 30.0;
/// The weight of a word that was said around a fact, beside one of its own.
const AROUND: f32 = 0.4;
/// The weight of meaning beside words. Chosen with [`AROUND`] on two of the three long conversations of the benchmarks.
const MEANING: f32 = 0.25;
/// The weight of not having faded.
const FRESHNESS: f32 = 0.03;
/// What shares no word and is less alike than this is left out.
const LEAST_LIKENESS: f32 = 0.35;

/// The candidates of a query that hold, the best first; equal ones by id, the newer first.
pub fn rank_facts(query: &FactQuery, found: Candidates) -> Vec<RankedFact> {
    let weights = weights(query, &found);
    let whole: f32 = weights.values().sum::<f32>() * (SATURATION + 1.0);
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
            let fresh = retention(&record.fact, query.at) as f32;
            let score = by_words + MEANING * likeness.max(0.0) + FRESHNESS * fresh;
            let coverage = if whole > 0.0 { words / whole } else { 0.0 };
            Some(RankedFact { fact: record.fact, score, coverage, likeness })
        })
        .collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.fact.id.cmp(&a.fact.id)));
    ranked
}

/// How much each term of the query tells: rare ones more.
fn weights<'a>(query: &'a FactQuery, found: &Candidates) -> HashMap<&'a str, f32> {
    let total = found.total as f32;
    let weight = |holders: u64| {
        let holders = (holders as f32).min(total);
        (1.0 + (total - holders + 0.5) / (holders + 0.5)).ln()
    };
    query.terms.iter().zip(&found.holders).map(|(term, holders)| (term.as_str(), weight(*holders))).collect()
}

fn by_words(record: &FactRecord, weights: &HashMap<&str, f32>) -> f32 {
    let mut counts: HashMap<&str, f32> = HashMap::new();
    let mut length = 0.0;
    for (text, worth) in [(&record.fact.text, 1.0), (&record.around, AROUND)] {
        for term in search_terms(text) {
            length += worth;
            if let Some((term, _)) = weights.get_key_value(term.as_str()) {
                *counts.entry(term).or_default() += worth;
            }
        }
    }
    let slack = SATURATION * (1.0 - LENGTH + LENGTH * length / USUAL_LENGTH);
    let mut terms: Vec<(&str, f32)> = counts.into_iter().collect();
    // Sums of floats depend on their order, and a hash map has none.
    terms.sort_unstable_by(|a, b| a.0.cmp(b.0));
    terms.iter().map(|(term, count)| weights[term] * count * (SATURATION + 1.0) / (count + slack)).sum()
}

fn likeness(query: &FactQuery, record: &FactRecord) -> f32 {
    match (&query.vector, &record.vector) {
        (Some(asked), Some(known)) if asked.encoder == known.encoder => asked.vector.cosine(&known.vector),
        _ => 0.0,
    }
}
