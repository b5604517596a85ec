//! A bilingual table of concepts: words that mean the same field of life, so that "apartment" finds "house renting".

use super::words::{is_hangul, is_stop_word, stem, tokens};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// The table: `name: English words | Korean words`, one concept a line.
const TABLE: &str = include_str!("../../data/concepts.txt");

/// Weight of a phrase of two words: it names a concept more surely than a word does.
const PHRASE_WEIGHT: f32 = 1.5;
/// Hits after which more of the same concept hardly count.
const SATURATION: f32 = 0.5;
/// Standard deviations above its mean at which a concept counts as meant by a vector.
const MEANT_ABOVE: f32 = 1.5;
/// Keeps vectors that mean little from counting as much as those that mean something.
const REGULARISER: f32 = 0.3;

#[derive(Debug, Default)]
struct Table {
    words: HashMap<String, Vec<u16>>,
    phrases: HashMap<(String, String), Vec<u16>>,
    korean: HashMap<String, Vec<u16>>,
    texts: Vec<String>,
}

static CONCEPTS: LazyLock<Table> = LazyLock::new(|| Table::read(TABLE));

impl Table {
    fn read(source: &str) -> Self {
        let mut table = Self::default();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            let Some((_, words)) = line.split_once(':') else { continue };
            let (english, korean) = words.split_once('|').unwrap_or((words, ""));
            let id = table.texts.len() as u16;
            for word in english.split_whitespace() {
                let mut parts = word.split(['_', '-']).map(stem);
                match (parts.next(), parts.next()) {
                    (Some(first), Some(second)) => push(&mut table.phrases, (first, second), id),
                    (Some(only), None) => push(&mut table.words, only, id),
                    (None, _) => {}
                }
            }
            for word in korean.split_whitespace() {
                push(&mut table.korean, word.to_owned(), id);
            }
            table.texts.push(english.trim().replace('_', " "));
        }
        table
    }

    /// The concepts of the longest beginning of a Korean word; one syllable counts only in words of at most two.
    fn korean(&self, word: &str) -> &[u16] {
        let ends: Vec<usize> = word.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        let shortest = if ends.len() <= 2 { 1 } else { 2 };
        ends.iter()
            .skip(shortest - 1)
            .rev()
            .find_map(|&end| self.korean.get(&word[..end]))
            .map_or(&[], Vec::as_slice)
    }
}

fn push<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Vec<u16>>, key: K, id: u16) {
    let ids = map.entry(key).or_default();
    if !ids.contains(&id) {
        ids.push(id);
    }
}

/// Concepts a text names, each with its weight (0 to 1, saturating), by the words of the table.
pub(crate) fn named_concepts(text: &str) -> BTreeMap<u16, f32> {
    let table = &*CONCEPTS;
    let mut hits: BTreeMap<u16, f32> = BTreeMap::new();
    let mut before: Option<String> = None;
    let mut count = |ids: &[u16], weight: f32| {
        ids.iter().for_each(|id| *hits.entry(*id).or_default() += weight);
    };
    let share = |ids: &[u16]| 1.0 / (ids.len().max(1) as f32).sqrt();
    for token in tokens(text) {
        if token.chars().next().is_some_and(is_hangul) {
            let ids = table.korean(&token);
            count(ids, share(ids));
        } else if !is_stop_word(&token) {
            let word = stem(&token);
            let ids = table.words.get(&word).map_or(&[] as &[u16], Vec::as_slice);
            count(ids, share(ids));
            if let Some(before) = before.take() {
                let ids = table.phrases.get(&(before, word.clone()));
                count(ids.map_or(&[], Vec::as_slice), PHRASE_WEIGHT);
            }
            before = Some(word);
        }
    }
    hits.values_mut().for_each(|weight| *weight /= *weight + SATURATION);
    hits
}

/// Concepts of each text, weighted by how few texts share them, and how well each text covers the concepts of another.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConceptIndex {
    weights: Vec<BTreeMap<u16, f32>>,
}

impl ConceptIndex {
    pub(crate) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut weights: Vec<BTreeMap<u16, f32>> = texts.map(named_concepts).collect();
        let mut holders: HashMap<u16, usize> = HashMap::new();
        weights.iter().flat_map(BTreeMap::keys).for_each(|id| *holders.entry(*id).or_default() += 1);
        let all = weights.len() as f32;
        for concepts in &mut weights {
            for (id, weight) in concepts.iter_mut() {
                let held = holders.get(id).map_or(0.0, |held| *held as f32);
                *weight *= (1.0 + (all - held + 0.5) / (held + 0.5)).ln();
            }
            let norm = concepts.values().map(|weight| weight * weight).sum::<f32>().sqrt() + 1.5;
            concepts.values_mut().for_each(|weight| *weight /= norm.sqrt());
        }
        Self { weights }
    }

    pub(crate) fn scores(&self, asked: &BTreeMap<u16, f32>) -> Vec<f32> {
        let score = |text: &BTreeMap<u16, f32>| {
            asked.iter().filter_map(|(id, weight)| Some(weight * text.get(id)?)).sum::<f32>()
        };
        self.weights.iter().map(score).collect()
    }
}

/// The table's concepts as vectors of the encoder in use, so that words the table lacks find their concept too.
#[derive(Clone, Debug)]
pub struct ConceptVectors {
    rows: Vec<Vec<f32>>,
}

impl ConceptVectors {
    /// The texts to embed, one a concept; they change only with a release.
    pub fn texts() -> &'static [String] {
        &CONCEPTS.texts
    }

    /// Takes the unit vectors of [`ConceptVectors::texts`] in order; `None` when they are not one each, all of one length.
    pub fn new(rows: Vec<Vec<f32>>) -> Option<Self> {
        let length = rows.first().map_or(0, Vec::len);
        let fits =
            rows.len() == CONCEPTS.texts.len() && length > 0 && rows.iter().all(|row| row.len() == length);
        fits.then_some(Self { rows })
    }

    /// What a vector means, as weights over the concepts; empty when it is of another encoder's length.
    pub(crate) fn profile(&self, vector: &[f32]) -> Vec<f32> {
        if self.rows.first().is_none_or(|row| row.len() != vector.len()) {
            return Vec::new();
        }
        let mut weights: Vec<f32> = self.rows.iter().map(|row| super::dot(row, vector)).collect();
        super::standardise(&mut weights);
        weights.iter_mut().for_each(|weight| *weight = (*weight - MEANT_ABOVE).max(0.0));
        let norm = weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt() + REGULARISER;
        weights.iter_mut().for_each(|weight| *weight /= norm);
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads() {
        assert!(CONCEPTS.texts.len() > 100, "{}", CONCEPTS.texts.len());
        assert!(CONCEPTS.phrases.len() > 50 && CONCEPTS.korean.len() > 300);
    }

    #[test]
    fn both_languages_name_the_same_concepts() {
        for (english, korean) in [
            ("weather forecast", "날씨 예보 알려줘"),
            ("currency exchange rate", "환율이 얼마야"),
            ("translate a sentence", "번역해줘"),
        ] {
            let (a, b) = (named_concepts(english), named_concepts(korean));
            assert!(a.keys().any(|id| b.contains_key(id)), "{english} {korean}: {a:?} {b:?}");
        }
        assert!(named_concepts("xyzzy").is_empty());
    }

    #[test]
    fn an_index_prefers_the_rarer_concept() {
        let index = ConceptIndex::new(["weather of a city", "map of a city", "city hotels"].into_iter());
        let scores = index.scores(&named_concepts("will it rain in the city"));
        assert!(scores[0] > scores[1] && scores[0] > scores[2], "{scores:?}");
    }

    #[test]
    fn vectors_of_another_shape_are_refused() {
        assert!(ConceptVectors::new(vec![vec![1.0]; 3]).is_none());
        let rows = (0..CONCEPTS.texts.len()).map(|at| vec![at as f32, 1.0]).collect();
        let vectors = ConceptVectors::new(rows).unwrap();
        assert!(vectors.profile(&[1.0]).is_empty());
        assert_eq!(vectors.profile(&[1.0, 0.0]).len(), CONCEPTS.texts.len());
    }
}
