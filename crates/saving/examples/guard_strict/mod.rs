//! Hits and false hits as the gateway serves: the score from which an entry without experience is shared, with and without the
//! rule that no weighty word stands alone.

use super::guard_data::protocol::{Best, rates};
use super::guard_data::report::{guarded, mixed};
use super::guard_data::{Corpora, Corpus, Sentence};
use nunchi_saving::{Forest, SharingPrior, is_plain_question, same_words};

/// The promise that is the default: wrong answers as a share of look-ups.
const PROMISE: f64 = 0.01;

/// A Markdown table of one half, by a forest that was trained on the other.
pub(crate) fn table(forest: &Forest, corpora: &Corpora, held: bool) -> Vec<String> {
    let floors = SharingPrior::shipped().floors;
    let floor = floors.iter().flatten().find(|(promise, _)| (promise - PROMISE).abs() < 1e-6);
    let Some((_, threshold)) = floor.copied() else { return Vec::new() };
    let mut lines = Vec::new();
    for (name, corpus) in [
        ("Korean", &corpora.korean),
        ("English", &corpora.english),
        ("written, both languages", &corpora.both),
    ] {
        for (mode, strict) in [("strict", true), ("not strict", false)] {
            lines.push(line(name, mode, corpus, held, threshold, &|a: &Sentence, b: &Sentence, cosine| {
                let plain = is_plain_question(&a.text) && is_plain_question(&b.text);
                let words = !strict || plain && same_words(&a.question, &b.question, cosine);
                if words { guarded(forest, a, b, cosine) } else { -1.0 }
            }));
        }
        lines.push(line(name, "floor: cosine 0.92", corpus, held, 0.92, &|_, _, cosine| cosine));
    }
    lines
}

type Score<'a> = &'a dyn Fn(&Sentence, &Sentence, f32) -> f32;

fn line(name: &str, mode: &str, corpus: &Corpus, held: bool, threshold: f32, score: Score<'_>) -> String {
    let (queries, misses) = mixed(corpus, Some(held), score);
    let percent = |share: f32| share * 100.0;
    let alone = rates(&queries, threshold);
    let count = |found: &[Best]| found.iter().filter(|best| best.own.max(best.other) >= threshold).count();
    let near = count(&misses);
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    let near_share = near as f32 / misses.len().max(1) as f32;
    format!(
        "| {name}, {mode} | {} + {} | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
        queries.len(),
        misses.len(),
        percent(alone.hits),
        percent(alone.wrong_of_queries),
        percent(near_share),
        percent((alone.wrong_of_queries + near_share) / 2.0),
    )
}

/// The head of the table.
pub(crate) const HEAD: &str = "| | paraphrases + near misses asked | paraphrases shared | wrong, of paraphrases | near misses shared | wrong, of both 1:1 |\n|---|---|---|---|---|---|";
