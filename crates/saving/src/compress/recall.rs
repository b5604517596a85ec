//! The `recall` tool: hands back from an original the passages that answer a query, or a range of its lines.

use super::sentences::sentences;
use crate::select::bm25::Bm25;
use crate::select::words::{ends_of, terms};
use crate::select::{dot, estimate_tokens, standardise};
use nunchi_core::ToolDefinition;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The tool's name.
pub const RECALL: &str = "recall";
/// Most tokens of one passage; longer lines are cut at sentence ends.
const PASSAGE_TOKENS: u64 = 120;
/// How much the passage before and the one after speak for a passage: an answer follows its question.
const BEFORE: f32 = 0.5;
const AFTER: f32 = 0.3;
/// Weight of the vectors beside the words. Alone the words find more (names, numbers); together they find most.
const VECTOR_WEIGHT: f32 = 1.0;
/// What it counts, in standard deviations, that the query names the speaker of a passage.
const SPEAKER_WEIGHT: f32 = 2.5;

/// What is seen already stands this many standard deviations lower.
const VISIBLE_PENALTY: f32 = 1.5;
/// Passages of the first page that lead the next one, the terms taken from them, and what those and their vectors count
/// beside the query's own (Rocchio's relevance feedback).
const FEEDBACK: usize = 5;
const FEEDBACK_TERMS: usize = 8;
const FEEDBACK_WEIGHT: f32 = 0.3;
const FEEDBACK_VECTOR: f32 = 0.5;

/// The definition to send once something was shortened. Its bytes never change, so that they stay in the prompt cache.
pub fn recall_definition() -> ToolDefinition {
    let parameters = r#"{"type":"object","properties":{"id":{"type":"string"},"query":{"type":"string"},"lines":{"type":"string","description":"like 10-40"},"page":{"type":"integer"}},"required":["id"]}"#;
    ToolDefinition {
        name: RECALL.to_owned(),
        description: Some(
            "Returns the original of something shortened: the parts that fit a query, or lines.".to_owned(),
        ),
        parameters: serde_json::from_str(parameters).ok(),
        strict: None,
        builtin: None,
    }
}

/// What a `recall` call asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecallCall {
    /// Which original: a content hash as the shortened text names it, or `history`.
    pub id: String,
    /// What to look for.
    pub query: Option<String>,
    /// Lines wanted, counted from 1.
    pub lines: Option<RangeInclusive<usize>>,
    /// Further results of the same query, from 1.
    pub page: usize,
}

impl RecallCall {
    /// Reads the arguments of a call. `None` when they name no original.
    pub fn parse(arguments: &str) -> Option<Self> {
        let arguments: Value = serde_json::from_str(arguments).ok()?;
        let text =
            |name: &str| arguments.get(name).and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
        let lines = text("lines").and_then(|lines| {
            let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        });
        let page = arguments.get("page").and_then(Value::as_u64).unwrap_or(1).clamp(1, 1_000) as usize;
        Some(Self { id: text("id")?.to_owned(), query: text("query").map(str::to_owned), lines, page })
    }
}

/// How to look. All lists are as long as the passages, or they are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecallOptions<'a> {
    /// Most tokens returned.
    pub limit: u64,
    /// Results to skip, for further pages: the number already returned for this query.
    pub skip: usize,
    /// Unit vectors of the passages and of the query.
    pub vectors: Option<(&'a [Vec<f32>], &'a [f32])>,
    /// Passages whose content the model sees already; they come last.
    pub visible: Option<&'a [bool]>,
}

/// Passages found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// Their places, in the order of the original.
    pub passages: Vec<usize>,
    /// Their text, one a line.
    pub text: String,
    /// Tokens of the text, estimated.
    pub tokens: u64,
    /// Whether another page would return more.
    pub more: bool,
}

/// Cuts an original into the passages that [`recall`] ranks: its lines, long ones at sentence ends.
pub fn recall_passages(original: &str) -> Vec<String> {
    let mut passages = Vec::new();
    for line in original.lines().filter(|line| !line.trim().is_empty()) {
        if estimate_tokens(line) <= PASSAGE_TOKENS {
            passages.push(line.to_owned());
            continue;
        }
        let mut passage = String::new();
        for sentence in sentences(line).into_iter().flat_map(pieces) {
            if !passage.is_empty() && estimate_tokens(&passage) + estimate_tokens(sentence) > PASSAGE_TOKENS {
                passages.push(std::mem::take(&mut passage));
            }
            if !passage.is_empty() {
                passage.push(' ');
            }
            passage.push_str(sentence);
        }
        passages.push(passage);
    }
    passages
}

/// A sentence that is no sentence (minified code, base64) in pieces of a bounded length.
fn pieces(sentence: &str) -> Vec<&str> {
    const MOST_CHARS: usize = 400;
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while let Some((at, _)) = rest.char_indices().nth(MOST_CHARS) {
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

/// The passages that fit a query best, up to the limit, in the order of the original.
///
/// A further page also looks for what the best passages of the first one are about: what answers a question in two places
/// shares few words with it in the second.
pub fn recall(passages: &[String], query: &str, options: &RecallOptions<'_>) -> Recalled {
    let search = Search::new(passages, query, options);
    let first = search.order(&search.scores(&[]));
    let returned: BTreeSet<usize> = first.iter().copied().take(options.skip).collect();
    let order = if returned.is_empty() {
        first
    } else {
        search.order(&search.scores(&first[..FEEDBACK.min(first.len())]))
    };
    take(passages, order.into_iter().filter(|at| !returned.contains(at)), options.limit)
}

/// The lines of a range (from 1, both ends included) up to the limit.
pub fn recall_lines(original: &str, lines: &RangeInclusive<usize>, limit: u64) -> Recalled {
    let all: Vec<String> = original.lines().map(str::to_owned).collect();
    let wanted = (0..all.len()).filter(|at| lines.contains(&(at + 1)));
    take(&all, wanted, limit)
}

fn take(passages: &[String], order: impl Iterator<Item = usize>, limit: u64) -> Recalled {
    let (mut taken, mut tokens, mut more) = (Vec::new(), 0, false);
    for at in order {
        let cost = estimate_tokens(&passages[at]) + 1;
        if tokens + cost > limit && !taken.is_empty() {
            more = true;
            break;
        }
        tokens += cost;
        taken.push(at);
    }
    taken.sort_unstable();
    let text = taken.iter().map(|at| passages[*at].as_str()).collect::<Vec<_>>().join("\n");
    Recalled { passages: taken, tokens: estimate_tokens(&text), text, more }
}

/// The original, indexed for one query.
struct Search<'a> {
    passages: &'a [String],
    query: String,
    terms: Vec<Vec<String>>,
    index: Bm25,
    options: &'a RecallOptions<'a>,
}

impl<'a> Search<'a> {
    fn new(passages: &'a [String], query: &str, options: &'a RecallOptions<'a>) -> Self {
        let terms: Vec<Vec<String>> = passages.iter().map(|passage| terms(passage)).collect();
        let index = Bm25::new(&terms, 1.2, 0.5);
        Self { passages, query: ends_of(query), terms, index, options }
    }

    /// The best first; equal ones in the order of the original.
    fn order(&self, scores: &[f32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        order
    }

    /// How well each passage fits the query, and the passages it was led to before.
    fn scores(&self, led_to: &[usize]) -> Vec<f32> {
        let asked = terms(&self.query);
        let mut words = self.index.scores(&asked);
        let more = self.index.scores(&self.telling_terms(led_to, &asked));
        words.iter_mut().zip(more).for_each(|(word, more)| *word += FEEDBACK_WEIGHT * more);
        let mut scores = with_neighbours(&words);
        standardise(&mut scores);
        if let Some((rows, vector)) =
            self.options.vectors.filter(|(rows, _)| rows.len() == self.passages.len())
        {
            let meant = led_by(rows, vector, led_to);
            let mut similar = with_neighbours(&rows.iter().map(|row| dot(row, &meant)).collect::<Vec<_>>());
            standardise(&mut similar);
            scores.iter_mut().zip(similar).for_each(|(score, similar)| *score += VECTOR_WEIGHT * similar);
        }
        let visible = self.options.visible.filter(|visible| visible.len() == self.passages.len());
        for (at, (score, passage)) in scores.iter_mut().zip(self.passages).enumerate() {
            let named = speaker(passage).is_some_and(|speaker| self.query.contains(speaker));
            *score += if named { SPEAKER_WEIGHT } else { 0.0 };
            *score -= if visible.is_some_and(|visible| visible[at]) { VISIBLE_PENALTY } else { 0.0 };
        }
        scores
    }

    /// The rarest terms that several of the passages share and the query lacks.
    fn telling_terms(&self, passages: &[usize], asked: &[String]) -> Vec<String> {
        let mut counts: BTreeMap<&String, f32> = BTreeMap::new();
        for at in passages {
            let own: BTreeSet<&String> =
                self.terms[*at].iter().filter(|term| !asked.contains(term)).collect();
            own.into_iter().for_each(|term| *counts.entry(term).or_default() += 1.0);
        }
        let all = self.passages.len() as f32;
        let mut telling: Vec<(f32, &String)> = counts
            .into_iter()
            .map(|(term, count)| (count * (all / self.index.holders(term).max(1) as f32).ln(), term))
            .collect();
        telling.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        telling.into_iter().take(FEEDBACK_TERMS).map(|(_, term)| term.clone()).collect()
    }
}

/// The query's vector, drawn towards the mean of the passages it led to.
fn led_by(rows: &[Vec<f32>], vector: &[f32], led_to: &[usize]) -> Vec<f32> {
    let mut meant = vector.to_vec();
    for at in led_to {
        let share = FEEDBACK_VECTOR / led_to.len() as f32;
        meant.iter_mut().zip(&rows[*at]).for_each(|(meant, x)| *meant += share * x);
    }
    meant
}

/// The speaker at the head of a line like `Minji: hello`.
fn speaker(passage: &str) -> Option<&str> {
    let (speaker, _) = passage.split_once(": ")?;
    (speaker.chars().count() <= 24 && speaker.chars().any(char::is_alphabetic)).then_some(speaker)
}

fn with_neighbours(scores: &[f32]) -> Vec<f32> {
    let at = |place: Option<usize>| place.and_then(|place| scores.get(place)).copied().unwrap_or_default();
    (0..scores.len()).map(|i| scores[i] + BEFORE * at(i.checked_sub(1)) + AFTER * at(Some(i + 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn talk() -> Vec<String> {
        [
            "Ann: Where did you go?",
            "Bob: To Busan by train.",
            "Ann: Nice.",
            "Bob: I bought a red bike for 300 dollars.",
            "Ann: 좋네요.",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    #[test]
    fn passages_that_answer_come_back_in_order() {
        let limit = |limit| RecallOptions { limit, ..RecallOptions::default() };
        let found = recall(&talk(), "How much was the bike Bob bought?", &limit(20));
        assert_eq!((found.passages, found.more), (vec![3], true));
        let both = recall(&talk(), "go train bike", &limit(60));
        assert!(both.passages.is_sorted() && both.text.contains("Busan") && both.text.contains("bike"));
        let hidden = RecallOptions { visible: Some(&[false, false, false, true, false]), ..limit(20) };
        assert_ne!(recall(&talk(), "bike", &hidden).passages, [3], "what is seen already comes last");
    }

    #[test]
    fn pages_go_on_where_the_last_ended() {
        let first = recall(&talk(), "bike", &RecallOptions { limit: 20, ..RecallOptions::default() });
        let options = RecallOptions { limit: 1_000, skip: first.passages.len(), ..RecallOptions::default() };
        let rest = recall(&talk(), "bike", &options);
        assert_eq!(rest.passages.len() + first.passages.len(), 5);
        assert!(!rest.more && rest.passages.iter().all(|at| !first.passages.contains(at)));
    }

    #[test]
    fn vectors_find_what_words_do_not() {
        let rows = vec![vec![1.0, 0.0], vec![1.0, 0.0], vec![1.0, 0.0], vec![1.0, 0.0], vec![0.0, 1.0]];
        let options =
            RecallOptions { limit: 5, vectors: Some((&rows, &[0.0, 1.0])), ..RecallOptions::default() };
        assert_eq!(recall(&talk(), "xyzzy", &options).passages, [4]);
    }

    #[test]
    fn calls_are_read() {
        let call = RecallCall::parse(r#"{"id":"ab12","query":"price","lines":"3-5","page":2}"#).unwrap();
        assert_eq!((call.lines, call.page, call.query.as_deref()), (Some(3..=5), 2, Some("price")));
        for broken in ["", "{}", "[]", r#"{"id":""}"#, r#"{"id":3}"#] {
            assert!(RecallCall::parse(broken).is_none(), "{broken}");
        }
        assert_eq!(RecallCall::parse(r#"{"id":"a","lines":"x-y"}"#).unwrap().lines, None);
        let lines = recall_lines("a\nb\nc", &(2..=9), 100);
        assert_eq!((lines.text.as_str(), lines.more), ("b\nc", false));
    }

    proptest! {
        #[test]
        fn any_original_is_cut_and_searched(original in "(?s).{0,400}", query in ".{0,40}", limit in 0..50_u64, skip in 0..5_usize) {
            let passages = recall_passages(&original);
            let found = recall(&passages, &query, &RecallOptions { limit, skip, ..RecallOptions::default() });
            prop_assert!(found.passages.len() <= passages.len());
            prop_assert!(found.passages.len() <= 1 || found.tokens <= limit + 8);
        }
    }
}
