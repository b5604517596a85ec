//! BM25: how well each of a few hundred short texts answers a list of terms.

use std::collections::{HashMap, HashSet};

/// Term weights of each document, by term. Documents are numbered from 0 in the order given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bm25 {
    postings: HashMap<String, Vec<(u32, f32)>>,
    documents: usize,
}

impl Bm25 {
    /// `k1` says how soon repeats stop counting, `b` how much long documents are held back (Robertson, Zaragoza 2009).
    pub(crate) fn new(documents: &[Vec<String>], k1: f32, b: f32) -> Self {
        let total: usize = documents.iter().map(Vec::len).sum();
        let mean = (total as f32 / documents.len().max(1) as f32).max(1.0);
        let mut postings: HashMap<String, Vec<(u32, f32)>> = HashMap::new();
        for (at, terms) in documents.iter().enumerate() {
            let mut counts: HashMap<&str, f32> = HashMap::new();
            for term in terms {
                *counts.entry(term).or_default() += 1.0;
            }
            let length = k1 * (1.0 - b + b * terms.len() as f32 / mean);
            for (term, count) in counts {
                let weight = count * (k1 + 1.0) / (count + length);
                postings.entry(term.to_owned()).or_default().push((at as u32, weight));
            }
        }
        let idf = |holders: usize| {
            (1.0 + (documents.len() as f32 - holders as f32 + 0.5) / (holders as f32 + 0.5)).ln()
        };
        for holders in postings.values_mut() {
            let idf = idf(holders.len());
            holders.iter_mut().for_each(|(_, weight)| *weight *= idf);
        }
        Self { postings, documents: documents.len() }
    }

    /// The score of every document; a term counts once however often it is asked. Terms are summed in the order given.
    pub(crate) fn scores(&self, terms: &[String]) -> Vec<f32> {
        let mut scores = vec![0.0; self.documents];
        let mut seen = HashSet::new();
        for term in terms.iter().filter(|term| seen.insert(term.as_str())) {
            for &(at, weight) in self.postings.get(term).into_iter().flatten() {
                scores[at as usize] += weight;
            }
        }
        scores
    }

    /// In how many documents a term occurs.
    pub(crate) fn holders(&self, term: &str) -> usize {
        self.postings.get(term).map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(texts: &[&str]) -> Vec<Vec<String>> {
        texts.iter().map(|text| text.split(' ').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn rare_terms_and_short_documents_win() {
        let index = Bm25::new(&documents(&["a b", "a c c c c c", "a c"]), 1.2, 0.75);
        let scores = index.scores(&documents(&["a b"])[0]);
        assert!(scores[0] > scores[2] && scores[2] > scores[1], "{scores:?}");
        let twice = index.scores(&documents(&["c c"])[0]);
        assert_eq!(twice, index.scores(&documents(&["c"])[0]));
        assert_eq!((index.holders("a"), index.holders("z")), (3, 0));
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(Bm25::new(&[], 1.2, 0.5).scores(&["a".to_owned()]).is_empty());
        assert_eq!(Bm25::new(&[Vec::new()], 1.2, 0.5).scores(&[]), [0.0]);
    }
}
