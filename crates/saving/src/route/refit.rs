//! Learning from the ledger and from feedback: a new model is drawn towards the one in force, tried on examples that neither
//! its fit nor the reader has seen, and refused when it does worse there.

use super::difficulty::OutcomeExample;
use super::features::{ROUTE_VECTOR, RouteFeatures};
use super::measure::{Estimate, Routed, apgr, bootstrap};
use super::model::RouteModel;
use super::tier::{TierExample, part_of};
use nunchi_core::{Explain, Lang, Tier};
use serde::Serialize;
use std::fmt;

/// Least examples of a kind that are worth a fit; of those that count less than 1, accordingly more.
pub const LEAST_EXAMPLES: usize = 40;
/// One in this many examples is held out, chosen by the hash of its text.
const PARTS: u64 = 4;

/// What is known of a past question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteLabel {
    /// The tier that would have been right, from feedback.
    Tier(Tier),
    /// Whether a weak and a strong model answered right, from checks or judges.
    Outcome {
        /// The weak one.
        weak_right: bool,
        /// The strong one.
        strong_right: bool,
    },
}

/// One example to learn from.
#[derive(Clone, Copy, Debug)]
pub struct RouteExample<'a> {
    /// The text as read; decides on which side of the split it falls, so that repeats stay together.
    pub text: &'a str,
    /// What is read of it.
    pub features: &'a RouteFeatures,
    /// Its sentence vector; examples of another encoder's length are left out.
    pub vector: &'a [f32],
    /// What is known of it.
    pub label: RouteLabel,
    /// How much a tier counts, in the fit and in the comparison: 1 where a person said it, less where it was observed.
    pub weight: f32,
}

/// Two models on the same held-out examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RouteComparison {
    /// Examples held out.
    pub held_out: usize,
    /// The new model. For tiers: agreement, a complex prompt sent lower counting as two errors; for difficulty: APGR.
    pub new: Estimate,
    /// The model in force.
    pub in_force: Estimate,
    /// New minus in force, on the same draws.
    pub difference: Estimate,
}

/// The outcome of a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedRoute {
    /// The model to put in force.
    pub model: RouteModel,
    /// How its tiers did; `None` when there was too little to learn tiers from.
    pub tiers: Option<RouteComparison>,
    /// How its difficulty did; `None` when there was too little to learn it from.
    pub difficulty: Option<RouteComparison>,
}

/// Why no new model is given.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteRefused {
    /// Neither kind has enough examples, or the held-out ones tell nothing.
    TooFew {
        /// Tier labels.
        tiers: usize,
        /// Outcomes.
        outcomes: usize,
    },
    /// What was fitted did worse than what is in force.
    Worse {
        /// Tiers, if fitted.
        tiers: Option<RouteComparison>,
        /// Difficulty, if fitted.
        difficulty: Option<RouteComparison>,
    },
}

impl fmt::Display for RouteRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for RouteRefused {}

impl Explain for RouteRefused {
    fn code(&self) -> &'static str {
        match self {
            Self::TooFew { .. } => "route.train.too_few",
            Self::Worse { .. } => "route.train.worse",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match self {
            Self::TooFew { tiers, outcomes } => lang.pick(
                format!("there are {tiers} tier labels and {outcomes} outcomes; {LEAST_EXAMPLES} of a kind are needed"),
                format!("등급 표시 {tiers}개와 결과 {outcomes}개뿐입니다. 한 종류가 {LEAST_EXAMPLES}개는 있어야 합니다"),
            ),
            Self::Worse { tiers, difficulty } => {
                let change = [tiers, difficulty].into_iter().flatten().map(|c| c.difference.value);
                let worst = change.fold(0.0, f64::min);
                lang.pick(
                    format!("the new model does worse on held-out examples ({worst:+.3}); the one in force stays"),
                    format!("새 모델이 따로 둔 예시에서 더 나쁩니다({worst:+.3}). 지금 모델을 그대로 씁니다"),
                )
            }
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let hint = lang.pick("Gather more feedback and train again.", "피드백을 더 모은 뒤 다시 학습하세요.");
        Some(hint.to_owned())
    }
}

/// Fits a model on three quarters of the examples and compares it with the prior on the rest. Each part (tiers, difficulty) is
/// taken over only if it is no worse there; if none is, the fit is refused.
pub fn fit_route(examples: &[RouteExample<'_>], prior: &RouteModel) -> Result<TrainedRoute, RouteRefused> {
    let usable =
        |e: &&RouteExample<'_>| e.vector.len() == ROUTE_VECTOR && e.vector.iter().all(|v| v.is_finite());
    let (held, known): (Vec<&RouteExample<'_>>, Vec<&RouteExample<'_>>) =
        examples.iter().filter(usable).partition(|e| part_of(e.text, PARTS) == 0);
    let mut model = prior.clone();
    let tiers = known.iter().filter_map(|e| tier_example(e)).collect::<Vec<_>>();
    let outcomes = known.iter().filter_map(|e| outcome_example(e)).collect::<Vec<_>>();
    let of = |tier: bool| examples.iter().filter(move |e| matches!(e.label, RouteLabel::Tier(_)) == tier);
    let count = |tier: bool| of(tier).count();
    let mut tier_result = None;
    if of(true).map(|e| e.weight).sum::<f32>() >= LEAST_EXAMPLES as f32 {
        let tried = RouteModel { tiers: prior.tiers.refit(&tiers), difficulty: prior.difficulty.clone() };
        tier_result = compare(&held, &tried, prior, tier_marks, weighted_mean);
        if tier_result.is_some_and(|c| c.difference.value >= 0.0) {
            model.tiers = tried.tiers;
        }
    }
    let mut difficulty_result = None;
    if count(false) >= LEAST_EXAMPLES {
        let tried = RouteModel { tiers: prior.tiers.clone(), difficulty: prior.difficulty.refit(&outcomes) };
        difficulty_result = compare(&held, &tried, prior, routed, apgr);
        if difficulty_result.is_some_and(|c| c.difference.value >= 0.0) {
            model.difficulty = tried.difficulty;
        }
    }
    let worse = |c: Option<RouteComparison>| c.is_none_or(|c| c.difference.value < 0.0);
    match (tier_result, difficulty_result) {
        (None, None) => Err(RouteRefused::TooFew { tiers: count(true), outcomes: count(false) }),
        (tiers, difficulty) if worse(tiers) && worse(difficulty) => {
            Err(RouteRefused::Worse { tiers, difficulty })
        }
        (tiers, difficulty) => Ok(TrainedRoute { model, tiers, difficulty }),
    }
}

fn tier_example<'a>(example: &RouteExample<'a>) -> Option<TierExample<'a>> {
    let RouteLabel::Tier(tier) = example.label else { return None };
    let RouteExample { features, vector, weight, .. } = *example;
    Some(TierExample { features, vector, tier, intent: None, weight, group: 0 })
}

fn outcome_example<'a>(example: &RouteExample<'a>) -> Option<OutcomeExample<'a>> {
    let RouteLabel::Outcome { weak_right, strong_right } = example.label else { return None };
    let (features, vector) = (example.features, example.vector);
    Some(OutcomeExample { features, vector, subject: None, weak_right, strong_right })
}

/// The mean of marks with their weights.
fn weighted_mean(marks: &[(f32, f32)]) -> Option<f64> {
    let weights: f64 = marks.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let sum: f64 = marks.iter().map(|(mark, weight)| f64::from(*mark) * f64::from(*weight)).sum();
    (weights > 0.0).then(|| sum / weights)
}

/// One model's mark on a held-out example, and its weight: 1 right, 0 wrong, -1 for a complex prompt sent lower.
fn tier_marks(model: &RouteModel, example: &RouteExample<'_>) -> Option<(f32, f32)> {
    let RouteLabel::Tier(truth) = example.label else { return None };
    let judged = model.judge_features(example.features, Some(example.vector)).tier?;
    let said = judged.tier.unwrap_or(Tier::Standard);
    let mark = if said == truth {
        1.0
    } else if truth == Tier::Complex {
        -1.0
    } else {
        0.0
    };
    Some((mark, example.weight))
}

fn routed(model: &RouteModel, example: &RouteExample<'_>) -> Option<Routed> {
    let RouteLabel::Outcome { weak_right, strong_right } = example.label else { return None };
    let score = model.judge_features(example.features, Some(example.vector)).difficulty?.gain;
    Some(Routed { score, weak_right, strong_right })
}

/// Both models' figures and, on the same draws, their difference.
fn compare<T: Copy>(
    held: &[&RouteExample<'_>],
    new: &RouteModel,
    in_force: &RouteModel,
    mark: impl Fn(&RouteModel, &RouteExample<'_>) -> Option<T>,
    figure: impl Fn(&[T]) -> Option<f64>,
) -> Option<RouteComparison> {
    let pairs: Vec<(T, T)> = held.iter().filter_map(|e| Some((mark(new, e)?, mark(in_force, e)?))).collect();
    let of = |pairs: &[(T, T)], first: bool| {
        figure(&pairs.iter().map(|(a, b)| if first { *a } else { *b }).collect::<Vec<T>>())
    };
    Some(RouteComparison {
        held_out: pairs.len(),
        new: bootstrap(&pairs, |p| of(p, true))?,
        in_force: bootstrap(&pairs, |p| of(p, false))?,
        difference: bootstrap(&pairs, |p| Some(of(p, true)? - of(p, false)?))?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::reading::read_prompt;
    use super::*;

    /// Vectors whose first value tells the tier, under texts that tell nothing.
    fn labelled(count: usize, lie: bool) -> Vec<(String, RouteFeatures, Vec<f32>, Tier)> {
        (0..count)
            .map(|i| {
                let text = format!("note number {}", i * 7919);
                let features = RouteFeatures::of(&read_prompt(&text));
                let tier = [Tier::Trivial, Tier::Standard, Tier::Complex][i % 3];
                let mut vector = vec![0.0; ROUTE_VECTOR];
                vector[i % 3] = 1.0;
                let held = part_of(&text, PARTS) == 0;
                let label =
                    if lie && !held { [Tier::Complex, Tier::Trivial, Tier::Standard][i % 3] } else { tier };
                (text, features, vector, label)
            })
            .collect()
    }

    fn examples(rows: &[(String, RouteFeatures, Vec<f32>, Tier)]) -> Vec<RouteExample<'_>> {
        rows.iter()
            .map(|(text, features, vector, tier)| RouteExample {
                text,
                features,
                vector,
                label: RouteLabel::Tier(*tier),
                weight: 1.0,
            })
            .collect()
    }

    #[test]
    fn a_better_model_is_given_with_its_interval() {
        let prior = RouteModel::shipped().unwrap();
        let rows = labelled(240, false);
        let trained = fit_route(&examples(&rows), prior).unwrap();
        let tiers = trained.tiers.unwrap();
        assert!(tiers.new.value > 0.95 && tiers.difference.low > 0.0, "{tiers:?}");
        assert!(tiers.held_out > 30 && trained.difficulty.is_none());
        assert_ne!(&trained.model, prior);
        assert_eq!(trained.model.difficulty, prior.difficulty);
        assert_eq!(
            fit_route(&examples(&rows), prior).unwrap(),
            trained,
            "the same examples give the same model"
        );
    }

    #[test]
    fn a_worse_model_is_refused() {
        let good = fit_route(&examples(&labelled(240, false)), RouteModel::shipped().unwrap()).unwrap().model;
        let lies = labelled(240, true);
        let refused = fit_route(&examples(&lies), &good).unwrap_err();
        assert!(
            matches!(&refused, RouteRefused::Worse { tiers: Some(c), .. } if c.difference.value < 0.0),
            "{refused:?}"
        );
        assert!(refused.message(Lang::Ko).contains("나쁩니다"));
    }

    #[test]
    fn what_was_observed_counts_less_than_what_was_said() {
        let prior = RouteModel::shipped().unwrap();
        let rows = labelled(240, false);
        let observed = |count: usize| -> Vec<RouteExample<'_>> {
            examples(&rows).into_iter().take(count).map(|e| RouteExample { weight: 0.3, ..e }).collect()
        };
        assert!(matches!(fit_route(&observed(120), prior), Err(RouteRefused::TooFew { tiers: 120, .. })));
        assert!(fit_route(&observed(240), prior).unwrap().tiers.unwrap().difference.low > 0.0);
        // Two of each text: a person says one tier, a check another. The person is believed.
        let mixed: Vec<RouteExample<'_>> = examples(&rows)
            .into_iter()
            .chain(examples(&rows).into_iter().map(|e| {
                let RouteLabel::Tier(tier) = e.label else { unreachable!() };
                let wrong = if tier == Tier::Trivial { Tier::Standard } else { Tier::Trivial };
                RouteExample { label: RouteLabel::Tier(wrong), weight: 0.3, ..e }
            }))
            .collect();
        let model = fit_route(&mixed, prior).unwrap().model;
        let right = rows.iter().filter(|(_, features, vector, tier)| {
            model.judge_features(features, Some(vector)).tier.unwrap().leaning == *tier
        });
        assert!(right.count() > 220);
    }

    #[test]
    fn too_few_and_foreign_vectors_are_refused() {
        let prior = RouteModel::shipped().unwrap();
        let few = labelled(10, false);
        let refused = fit_route(&examples(&few), prior).unwrap_err();
        assert_eq!(refused, RouteRefused::TooFew { tiers: 10, outcomes: 0 });
        let mut foreign = labelled(100, false);
        foreign.iter_mut().for_each(|row| row.2.truncate(384));
        assert!(matches!(fit_route(&examples(&foreign), prior), Err(RouteRefused::TooFew { .. })));
    }
}
