//! The tables that training and evaluation print.

use super::protocol::{self, Best, Rates};
use super::{Corpora, Corpus, Sentence, cosine, features};
use nunchi_saving::{Agreement, Blocked, Forest, Slot, judge};

/// How often each slot conflicts in pairs that share an answer, in near misses and in neighbours.
pub fn slots(corpora: &Corpora) {
    for (name, corpus) in [("korean", &corpora.korean), ("both", &corpora.both)] {
        let (good, bad) = (corpus.half(None, false), corpus.half(None, true));
        let mut counts = [[0_usize; 2]; Slot::ALL.len() + 1];
        let mut totals = [0_usize; 2];
        let mut count = |a: &Sentence, b: &Sentence, kind: usize| {
            totals[kind] += 1;
            let verdict = judge(&a.question, &b.question, 0.5);
            let mut any = false;
            for (at, slot) in verdict.slots.iter().enumerate() {
                let conflict = slot.agreement == Agreement::Conflict;
                any |= conflict && slot.slot != Slot::Act;
                counts[at][kind] += usize::from(conflict);
            }
            counts[Slot::ALL.len()][kind] += usize::from(any);
        };
        for (at, a) in good.iter().enumerate() {
            for b in good[at + 1..].iter().filter(|b| b.group == a.group) {
                count(a, b, 0);
            }
        }
        for miss in &bad {
            for member in good.iter().filter(|s| Some(s.group) == miss.near) {
                count(miss, member, 1);
            }
        }
        println!("{name}: {} sharing pairs, {} near misses", totals[0], totals[1]);
        for (at, [shared, missed]) in counts.iter().enumerate() {
            let slot = Slot::ALL.get(at).map_or("any but act", |slot| slot.name(nunchi_core::Lang::En));
            let part = |n: usize, of: usize| 100.0 * n as f32 / of.max(1) as f32;
            println!(
                "  {slot:15} conflicts in {:5.1} % of sharing pairs, {:5.1} % of near misses",
                part(*shared, totals[0]),
                part(*missed, totals[1])
            );
        }
    }
}

/// The guard's score of a pair: the forest's log-odds as a probability, and below zero where a slot forbids sharing.
pub fn guarded(forest: &Forest, a: &Sentence, b: &Sentence, cosine: f32) -> f32 {
    match judge(&a.question, &b.question, cosine).blocked_by {
        Some(Blocked::Slot(_) | Blocked::Asked(_) | Blocked::Stored(_)) => -1.0,
        _ => forest.probability(&features(a, b)),
    }
}

fn firsts<'s>(sentences: &[&'s Sentence]) -> (Vec<&'s Sentence>, Vec<&'s Sentence>) {
    let (mut firsts, mut rest) = (Vec::<&Sentence>::new(), Vec::new());
    for s in sentences {
        if firsts.iter().any(|first| first.group == s.group) { rest.push(*s) } else { firsts.push(s) }
    }
    (firsts, rest)
}

/// Best candidates of look-ups with near misses mixed in one to one.
fn mixed(
    corpus: &Corpus,
    held: Option<bool>,
    score: &dyn Fn(&Sentence, &Sentence, f32) -> f32,
) -> (Vec<Best>, Vec<Best>) {
    let sentences = corpus.half(held, false);
    let (stored, queries) = firsts(&sentences);
    let misses = corpus.half(held, true);
    let step = (misses.len() / queries.len().max(1)).max(1);
    let misses: Vec<&Sentence> = misses.into_iter().step_by(step).take(queries.len()).collect();
    (protocol::best(&queries, &stored, score), protocol::best(&misses, &stored, score))
}

/// Log-odds of the best candidate of each look-up that no slot forbids, with whether it was right: for calibration.
pub fn points(forest: &Forest, corpora: &Corpora, held: bool) -> Vec<(f32, bool, f32)> {
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

pub fn print(forest: &Forest, corpora: &Corpora, held: bool) {
    let by_cosine = |_: &Sentence, _: &Sentence, cosine: f32| cosine;
    let by_forest = |a: &Sentence, b: &Sentence, _: f32| forest.probability(&features(a, b));
    let by_guard = |a: &Sentence, b: &Sentence, cosine: f32| guarded(forest, a, b, cosine);
    let korean = corpora.korean.half(Some(held), false);
    let all = corpora.korean.half(None, false);
    let (stored, queries) = firsts(&korean);
    let (stored_all, _) = firsts(&all);
    let scores: [(&str, &dyn Fn(&Sentence, &Sentence, f32) -> f32); 3] =
        [("cosine", &by_cosine), ("verifier", &by_forest), ("guard", &by_guard)];
    for (what, score) in scores {
        for (name, queries, stored) in [
            ("nn half", &korean, &korean),
            ("nn dense", &korean, &all),
            ("lookup", &queries, &stored),
            ("lookup dense", &queries, &stored_all),
        ] {
            line(&format!("{what} {name}"), &protocol::best(queries, stored, score), &[]);
        }
        for (name, corpus) in
            [("mixed ko", &corpora.korean), ("mixed en", &corpora.english), ("mixed both", &corpora.both)]
        {
            let (found, missed) = mixed(corpus, Some(held), score);
            line(&format!("{what} {name}"), &found, &missed);
        }
    }
}

fn line(name: &str, found: &[Best], missed: &[Best]) {
    let hits = |rate: &dyn Fn(&Rates) -> f32| {
        let mut all = found.to_vec();
        all.extend(missed);
        let share = all.len() as f32 / found.len().max(1) as f32;
        let at = protocol::at_limit(&all, 0.01, rate);
        format!("{:5.1} (t {:.3})", 100.0 * at.hits * share, at.threshold)
    };
    let mut text = format!(
        "  {name:22} n {:5}+{:5} | hits % at 1 % wrong of serves {} of queries {} of candidates {}",
        found.len(),
        missed.len(),
        hits(&|r| r.wrong_of_serves),
        hits(&|r| r.wrong_of_queries),
        hits(&|r| r.wrong_candidates)
    );
    if !missed.is_empty() {
        let mut scores: Vec<f32> = missed.iter().map(|b| b.other.max(b.own)).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let t = scores[missed.len() / 100];
        let hit = found.iter().filter(|b| b.own > t && b.own > b.other).count() as f32 / found.len() as f32;
        text += &format!(" of near misses {:5.1} (t {t:.3})", 100.0 * hit);
    }
    println!("{text}");
}

/// The cosine of two sentences.
pub fn cosine_of(a: &Sentence, b: &Sentence) -> f32 {
    cosine(&a.vector, &b.vector)
}

/// The near misses that come closest to being served.
pub fn worst(forest: &Forest, corpus: &Corpus, held: bool, most: usize) {
    let sentences = corpus.half(Some(held), false);
    let (stored, _) = firsts(&sentences);
    let mut found: Vec<(f32, &Sentence, &Sentence)> = corpus
        .half(Some(held), true)
        .into_iter()
        .filter_map(|miss| {
            super::nearest(miss, &stored, protocol::CANDIDATES, |at| Some(stored[at].group) == miss.near)
                .into_iter()
                .map(|at| {
                    (
                        guarded(forest, miss, stored[at], cosine(&miss.vector, &stored[at].vector)),
                        miss,
                        stored[at],
                    )
                })
                .max_by(|a, b| a.0.total_cmp(&b.0))
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (p, miss, stored) in found.iter().take(most) {
        println!("   {p:.3} {:.3} {} || {}", cosine_of(miss, stored), miss.text, stored.text);
    }
}
