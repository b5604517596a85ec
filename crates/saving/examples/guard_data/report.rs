//! The tables that training and evaluation print.

use super::protocol::{self, Best, Rates};
use super::{Corpora, Corpus, Sentence, features};
use nunchi_core::Lang;
use nunchi_saving::{Agreement, Blocked, FEATURE_NAMES, Forest, Slot, judge};

/// A way to score a pair from its sentences and their cosine.
type Score<'a> = &'a dyn Fn(&Sentence, &Sentence, f32) -> f32;

/// How often each slot conflicts in pairs that share an answer, and in near misses.
pub(crate) fn slots(corpora: &Corpora) -> Vec<String> {
    let mut lines = vec![
        "| slot | Korean sharing | Korean near misses | written sharing | written near misses |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    let counted = [conflicts(&corpora.korean), conflicts(&corpora.both)];
    for (at, slot) in Slot::ALL.into_iter().enumerate() {
        let part = |corpus: usize, kind: usize| {
            let (counts, totals) = &counted[corpus];
            format!("{:.1} %", 100.0 * counts[at][kind] as f32 / totals[kind].max(1) as f32)
        };
        let name = slot.name(Lang::En);
        lines.push(format!("| {name} | {} | {} | {} | {} |", part(0, 0), part(0, 1), part(1, 0), part(1, 1)));
    }
    lines
}

/// Conflicts by slot in sharing pairs and in near misses, and how many of each there are.
fn conflicts(corpus: &Corpus) -> ([[usize; 2]; Slot::ALL.len()], [usize; 2]) {
    let (good, bad) = (corpus.half(None, false), corpus.half(None, true));
    let (mut counts, mut totals) = ([[0; 2]; Slot::ALL.len()], [0; 2]);
    let mut count = |a: &Sentence, b: &Sentence, kind: usize| {
        totals[kind] += 1;
        for (at, verdict) in judge(&a.question, &b.question, 0.5).slots.iter().enumerate() {
            counts[at][kind] += usize::from(verdict.agreement == Agreement::Conflict);
        }
    };
    for (at, a) in good.iter().enumerate() {
        good[at + 1..].iter().filter(|b| b.group == a.group).for_each(|b| count(a, b, 0));
    }
    for miss in &bad {
        good.iter().filter(|s| Some(s.group) == miss.near).for_each(|member| count(miss, member, 1));
    }
    (counts, totals)
}

/// The guard's score of a pair: the probability, and below zero where a slot forbids sharing.
pub(crate) fn guarded(forest: &Forest, a: &Sentence, b: &Sentence, cosine: f32) -> f32 {
    match judge(&a.question, &b.question, cosine).blocked_by {
        Some(Blocked::Slot(_) | Blocked::Asked(_) | Blocked::Stored(_)) => -1.0,
        _ => forest.probability(&features(a, b)),
    }
}

/// The first sentence of each group, and the others.
fn firsts<'s>(sentences: &[&'s Sentence]) -> (Vec<&'s Sentence>, Vec<&'s Sentence>) {
    let (mut firsts, mut rest) = (Vec::<&Sentence>::new(), Vec::new());
    for s in sentences {
        if firsts.iter().any(|first| first.group == s.group) {
            rest.push(*s);
        } else {
            firsts.push(s);
        }
    }
    (firsts, rest)
}

/// Best candidates of look-ups, and of as many near misses; the cache holds the first sentence of each group.
pub(crate) fn mixed(corpus: &Corpus, held: Option<bool>, score: Score<'_>) -> (Vec<Best>, Vec<Best>) {
    let sentences = corpus.half(held, false);
    let (stored, queries) = firsts(&sentences);
    let misses = corpus.half(held, true);
    let step = (misses.len() / queries.len().max(1)).max(1);
    let misses: Vec<&Sentence> = misses.into_iter().step_by(step).take(queries.len()).collect();
    (protocol::best(&queries, &stored, score), protocol::best(&misses, &stored, score))
}

/// Log-odds of the best candidate of each look-up that no slot forbids, with whether it was right: for calibration.
pub(crate) fn points(forest: &Forest, corpora: &Corpora, held: bool) -> Vec<(f32, bool, f32)> {
    let mut points = Vec::new();
    for (corpus, weight) in [(&corpora.korean, 1.0), (&corpora.both, 6.0)] {
        let (queries, misses) = mixed(corpus, Some(held), &|a, b, cosine| guarded(forest, a, b, cosine));
        for best in queries.iter().chain(&misses).filter(|best| best.own.max(best.other) > 0.0) {
            let p = best.own.max(best.other).clamp(1e-6, 1.0 - 1e-6);
            points.push(((p / (1.0 - p)).ln(), best.own > best.other, weight));
        }
    }
    points
}

/// The head of the table that [`table`] fills.
pub(crate) const HEAD: &str = "| half | what is stored and asked | score | queries | hits at 1 % wrong of serves | of look-ups | with no wrong candidate above the threshold but 1 % | of near misses |\n|---|---|---|---|---|---|---|---|";

/// Hits of cosine, of the verifier and of the guard on one half of the groups.
pub(crate) fn table(forest: &Forest, corpora: &Corpora, held: bool) -> Vec<String> {
    let by_cosine = |_: &Sentence, _: &Sentence, cosine: f32| cosine;
    let by_guard = |a: &Sentence, b: &Sentence, cosine: f32| guarded(forest, a, b, cosine);
    let korean = corpora.korean.half(Some(held), false);
    let all = corpora.korean.half(None, false);
    let ((stored, queries), (stored_all, _)) = (firsts(&korean), firsts(&all));
    let scores: [(&str, Score<'_>); 2] = [("cosine", &by_cosine), ("guard", &by_guard)];
    let alone = [
        ("Korean, nearest of all pairs", &korean, &korean),
        ("Korean, nearest of all pairs, both halves stored", &korean, &all),
        ("Korean, one of each group stored", &queries, &stored),
        ("Korean, one of each group of both halves stored", &queries, &stored_all),
    ];
    let with_misses = [
        ("Korean with near misses 1:1", &corpora.korean),
        ("English with near misses 1:1", &corpora.english),
        ("written, both languages, with near misses 1:1", &corpora.both),
    ];
    let mut lines = Vec::new();
    for (what, score) in scores {
        let half = u8::from(held);
        for (name, queries, stored) in alone {
            let found = protocol::best(queries, stored, score);
            lines.push(format!("| {half} | {name} | {what} {}", line(&found, &[])));
        }
        for (name, corpus) in with_misses {
            let (found, missed) = mixed(corpus, Some(held), score);
            lines.push(format!("| {half} | {name} | {what} {}", line(&found, &missed)));
        }
    }
    lines
}

/// Hits in percent of the queries that could hit, each with its threshold.
fn line(found: &[Best], missed: &[Best]) -> String {
    let all: Vec<Best> = found.iter().chain(missed).copied().collect();
    let share = all.len() as f32 / found.len().max(1) as f32;
    let hits = |rate: &dyn Fn(&Rates) -> f32| {
        let at = protocol::at_limit(&all, 0.01, rate);
        format!("{:.1} ({:.3})", 100.0 * at.hits * share, at.threshold)
    };
    let of_misses = if missed.is_empty() {
        "-".to_owned()
    } else {
        let mut scores: Vec<f32> = missed.iter().map(|best| best.other.max(best.own)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let threshold = scores[missed.len() / 100];
        let hit = found.iter().filter(|best| best.own > threshold && best.own > best.other).count();
        format!("{:.1} ({threshold:.3})", 100.0 * hit as f32 / found.len() as f32)
    };
    format!(
        "| {} + {} | {} | {} | {} | {of_misses} |",
        found.len(),
        missed.len(),
        hits(&|r| r.wrong_of_serves),
        hits(&|r| r.wrong_of_queries),
        hits(&|r| r.wrong_candidates),
    )
}

/// Pairs that come to the same words and slots, those of one group and those of two; of a near miss, only its pairs with
/// the group it misses are known to differ.
pub(crate) fn same_readings(corpora: &Corpora, half: Option<bool>) -> [usize; 2] {
    let at = FEATURE_NAMES.iter().position(|name| *name == "same_reading").unwrap_or(0);
    let mut counts = [0; 2];
    for corpus in [&corpora.korean, &corpora.both] {
        let (good, bad) = (corpus.half(half, false), corpus.half(half, true));
        let near = |a: &Sentence, b: &Sentence| super::cosine(&a.vector, &b.vector) > 0.4;
        let same = |a: &Sentence, b: &Sentence| near(a, b) && features(a, b)[at] > 0.5;
        for (index, a) in good.iter().enumerate() {
            for b in good[index + 1..].iter().filter(|b| same(a, b)) {
                counts[usize::from(a.group != b.group)] += 1;
            }
            counts[1] += bad.iter().filter(|miss| miss.near == Some(a.group) && same(a, miss)).count();
        }
    }
    counts
}

/// Their part of one group, pulled a little toward doubt.
pub(crate) fn same_reading_rate(corpora: &Corpora, half: Option<bool>) -> f32 {
    let [right, wrong] = same_readings(corpora, half);
    right as f32 / (right + wrong + 2) as f32
}
