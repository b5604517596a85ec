//! Measures the router on records it was not trained on, with the floors beside it.
//!
//! `cargo run --release -p nunchi-saving --example eval_route -- --data DIR [--cache DIR]`
mod route_support;

use anyhow::{Context, Result};
use nunchi_core::Tier;
use nunchi_saving::{
    Estimate, FitOptions, Inputs, IntentSource, Linear, Loss, OutcomeExample, RouteModel, Routed,
    TierExample, apgr, bootstrap, fit_linear, part_of, share, strong_share_for,
};
use route_support::{Encoder, Options, Prompt, Question};

const FOLDS: u64 = 5;

fn main() -> Result<()> {
    let options = Options::read()?;
    let encoder = Encoder::load(&options)?;
    let prompts = route_support::prompts(&encoder)?;
    let only_tiers = std::env::args().any(|a| a == "--tiers");
    let none = Vec::new();
    tiers(&prompts, &none)?;
    if !only_tiers {
        difficulty(&route_support::questions(&options, &encoder)?)?;
    }
    Ok(())
}

fn show(estimate: Estimate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", estimate.value, estimate.low, estimate.high)
}

/// Trains on one half of the labelled prompts, asks about the other.
fn tiers(prompts: &[Prompt], outcomes: &[OutcomeExample<'_>]) -> Result<()> {
    let known: Vec<TierExample<'_>> = prompts.iter().filter(|p| !p.held_out()).map(Prompt::example).collect();
    let asked: Vec<&Prompt> = prompts.iter().filter(|p| p.held_out()).collect();
    let model = RouteModel::train(&known, outcomes);
    println!(
        "\n## Tiers: {} prompts learned, {} held out (by group of like meaning)",
        known.len(),
        asked.len()
    );
    let (mut right, mut under, mut complex, mut sure, mut sure_right) = (0, 0, 0, 0, 0);
    let (mut intent_right, mut pattern, mut pattern_right) = (0, 0, 0);
    let mut table = [[0; 3]; 3];
    for prompt in &asked {
        let judgement = model.judge_features(&prompt.features, Some(&prompt.vector));
        let tier = judgement.tier.context("a vector was given")?;
        let said = tier.tier.unwrap_or(Tier::Standard);
        right += usize::from(said == prompt.tier);
        complex += usize::from(prompt.tier == Tier::Complex);
        under += usize::from(prompt.tier == Tier::Complex && said != Tier::Complex);
        sure += usize::from(tier.tier.is_some());
        sure_right += usize::from(tier.tier == Some(prompt.tier));
        table[prompt.tier as usize][said as usize] += 1;
        intent_right += usize::from(judgement.intent.intent == prompt.intent);
        if judgement.intent.source == IntentSource::Pattern {
            pattern += 1;
            pattern_right += usize::from(judgement.intent.intent == prompt.intent);
        }
        if std::env::args().any(|a| a == "--wrong") && said != prompt.tier {
            println!("{} {said} {:?} {}", prompt.tier, tier.shares, prompt.text);
        }
    }
    println!("agreement {}  (>= .90)", show(share(right, asked.len())));
    for (name, korean) in [("Korean", true), ("English", false)] {
        let of: Vec<_> = asked.iter().filter(|p| p.korean == korean).collect();
        let hit = of.iter().filter(|p| {
            let tier = model.judge_features(&p.features, Some(&p.vector)).tier.and_then(|t| t.tier);
            tier.unwrap_or(Tier::Standard) == p.tier
        });
        println!("  {name} {}", show(share(hit.count(), of.len())));
    }
    println!("complex sent lower {}  (<= .05)", show(share(under, complex)));
    println!(
        "said anything {}, then right {}",
        show(share(sure, asked.len())),
        show(share(sure_right, sure))
    );
    println!("labelled x said {table:?}");
    println!(
        "intent right {}; by pattern {} of which right {}",
        show(share(intent_right, asked.len())),
        pattern,
        show(share(pattern_right, pattern))
    );
    let rules = nunchi_core::TierRules::built_in();
    let by_rules = asked.iter().filter(|p| rules.choose(&p.text).tier == p.tier).count();
    let always = asked.iter().filter(|p| p.tier == Tier::Standard).count();
    println!(
        "floors: always standard {}, built-in rules {}",
        show(share(always, asked.len())),
        show(share(by_rules, asked.len()))
    );
    Ok(())
}

/// One way to rank questions.
struct Ranking {
    name: &'static str,
    scores: Vec<f32>,
}

fn difficulty(questions: &[Question]) -> Result<()> {
    println!(
        "false alarms of the filter of words to the router: {} of {}",
        questions.iter().filter(|q| q.neutralised).count(),
        questions.len()
    );
    let fold = |q: &Question| part_of(&q.text, FOLDS);
    let mut ours = vec![0.0; questions.len()];
    let mut two_odds = vec![0.0; questions.len()];
    for part in 0..FOLDS {
        let known: Vec<OutcomeExample<'_>> =
            questions.iter().filter(|q| fold(q) != part).map(Question::example).collect();
        let model = RouteModel::train(&[], &known);
        let baseline = TwoOdds::fit(&questions.iter().filter(|q| fold(q) != part).collect::<Vec<_>>());
        for (index, question) in questions.iter().enumerate().filter(|(_, q)| fold(q) == part) {
            let example = question.example();
            let judged = model.judge_features(example.features, Some(example.vector)).difficulty;
            ours[index] = judged.context("a vector was given")?.gain;
            two_odds[index] = baseline.gain(question);
        }
        eprintln!("part {part} done");
    }
    let lengths = questions.iter().map(|q| q.text.chars().count() as f32).collect();
    let random = questions.iter().map(|q| part_of(&format!("random {}", q.text), 1 << 20) as f32).collect();
    let rankings = [
        Ranking { name: "random", scores: random },
        Ranking { name: "prompt length", scores: lengths },
        Ranking { name: "two logistic regressions on the vector", scores: two_odds },
        Ranking { name: "ours", scores: ours },
    ];
    for (set, problems) in [("MMLU", false), ("GSM8K", true)] {
        report(set, problems, questions, &rankings, &fold)?;
    }
    Ok(())
}

fn report(
    set: &str,
    problems: bool,
    questions: &[Question],
    rankings: &[Ranking],
    fold: &dyn Fn(&Question) -> u64,
) -> Result<()> {
    let of = |pick: fn(&Question) -> bool| {
        let all = questions.iter().filter(|q| q.word_problem == problems);
        share(all.clone().filter(|q| pick(q)).count(), all.count())
    };
    println!(
        "\n## {set}: always cheap {}, always strong {}",
        show(of(|q| q.weak_right)),
        show(of(|q| q.strong_right))
    );
    for ranking in rankings {
        let all: Vec<(u64, Routed)> = questions
            .iter()
            .zip(&ranking.scores)
            .filter(|(q, _)| q.word_problem == problems)
            .map(|(q, score)| {
                (fold(q), Routed { score: *score, weak_right: q.weak_right, strong_right: q.strong_right })
            })
            .collect();
        let records: Vec<Routed> = all.iter().map(|(_, r)| *r).collect();
        let whole = bootstrap(&records, apgr).context("the models differ")?;
        let parts: Vec<f64> = (0..FOLDS)
            .filter_map(|part| {
                let records: Vec<Routed> = all.iter().filter(|(f, _)| *f == part).map(|(_, r)| *r).collect();
                apgr(&records)
            })
            .collect();
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        let calls = bootstrap(&records, |r| strong_share_for(r, 0.95)).context("reached")?;
        let parts: Vec<String> = parts.iter().map(|p| format!("{p:.3}")).collect();
        println!(
            "{:40} APGR {}  mean of parts {mean:.3} ({})  95 % quality at {}",
            ranking.name,
            show(whole),
            parts.join(" "),
            show(calls)
        );
    }
    Ok(())
}

/// The floor: one logistic regression for each model on the vector alone.
struct TwoOdds(Linear);

impl TwoOdds {
    fn inputs(question: &Question) -> Inputs {
        Inputs { dense: question.example().vector.to_vec(), sparse: Vec::new() }
    }

    fn fit(questions: &[&Question]) -> Self {
        let rows: Vec<Inputs> = questions.iter().map(|q| Self::inputs(q)).collect();
        let rows: Vec<&Inputs> = rows.iter().collect();
        let targets: Vec<f32> = questions
            .iter()
            .flat_map(|q| [q.weak_right, q.strong_right])
            .map(|yes| f32::from(u8::from(yes)))
            .collect();
        let options = FitOptions { loss: Loss::Logistic, l2: 1.0, iterations: 100 };
        Self(fit_linear(&rows, &targets, &[], &Linear::zeros(nunchi_saving::VECTOR, 0, 2), options))
    }

    fn gain(&self, question: &Question) -> f32 {
        let right: Vec<f32> =
            self.0.scores(&Self::inputs(question)).iter().map(|s| 1.0 / (1.0 + (-s).exp())).collect();
        right[1] - right[0]
    }
}
