//! The tier and the intent of a text, each with a probability and the right to abstain.

use super::cues::CUES;
use super::features::{ROUTE_VECTOR, RouteFeatures};
use super::intent::{INTENTS, Intent, by_pattern};
use super::learn::{FeatureScaler, FitLoss, FitOptions, LinearInputs, LinearModel, fit_linear, softmax};
use super::surface::{SURFACE, fnv};
use super::weights::{Matrices, WeightsError};
use nunchi_core::Tier;

/// The tiers in the order of the classifier's outputs.
pub(super) const TIERS: [Tier; 3] = [Tier::Trivial, Tier::Standard, Tier::Complex];
const TIER_INPUTS: usize = ROUTE_VECTOR + SURFACE + 2 * CUES;
const INTENT_INPUTS: usize = ROUTE_VECTOR + 2 * CUES + INTENTS.len();

/// How strongly the weights are drawn to the prior, and how the groups of inputs are weighed; measured on the training half.
const TIER_L2: f64 = 3.0;
const INTENT_L2: f64 = 1.0;
const VECTOR_WEIGHT: f32 = 6.0;
const SURFACE_WEIGHT: f32 = 0.8;
const CUE_WEIGHT: f32 = 0.1;
/// A pattern must have been right this often to be believed without the classifier.
const PATTERN_TRUST: f32 = 0.85;
/// Below this probability the intent is a general question.
const INTENT_FLOOR: f32 = 0.35;

/// The classifier's view of the tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierVerdict {
    /// The tier, or `None` when the classifier is unsure.
    pub tier: Option<Tier>,
    /// The tier it leans to even when unsure.
    pub leaning: Tier,
    /// Probability of trivial, standard, complex.
    pub shares: [f32; 3],
}

impl TierVerdict {
    /// The probability of the tier it leans to.
    pub fn confidence(&self) -> f32 {
        TIERS.iter().position(|t| *t == self.leaning).and_then(|i| self.shares.get(i)).copied().unwrap_or(0.0)
    }
}

/// Who named the intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentSource {
    /// Words of the text.
    Pattern,
    /// The classifier over the vector.
    Classifier,
    /// Nobody was sure: a general question.
    Default,
}

/// The intent of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntentVerdict {
    /// What it is about.
    pub intent: Intent,
    /// Probability that this is right, as measured on labelled prompts.
    pub confidence: f32,
    /// Who said so.
    pub source: IntentSource,
}

/// One labelled prompt.
#[derive(Clone, Copy, Debug)]
pub struct TierExample<'a> {
    /// What is read of its text.
    pub features: &'a RouteFeatures,
    /// Its sentence vector.
    pub vector: &'a [f32],
    /// Its tier.
    pub tier: Tier,
    /// Its intent, where known.
    pub intent: Option<Intent>,
    /// How much it counts; 1 for a label that is sure.
    pub weight: f32,
    /// Examples of one group (the same request in two languages, say) stay together when the dials are set.
    pub group: u64,
}

/// The fitted classifiers of tier and intent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TierModel {
    surface: FeatureScaler,
    cues: FeatureScaler,
    tier: LinearModel,
    intent: LinearModel,
    /// How often a pattern of each clarity was right, by intent: three each.
    precision: Vec<f32>,
    /// Temperature of the tier's and of the intent's probabilities; probability from which complex is believed; least
    /// probability not to abstain.
    dials: [f32; 4],
}

impl TierModel {
    /// Fits both classifiers. The dials are set on parts of the examples that the classifier of that part has not seen.
    pub(super) fn fit(examples: &[TierExample<'_>]) -> Self {
        let scaler = |part: fn(&RouteFeatures) -> &[f32]| {
            let rows: Vec<&[f32]> = examples.iter().map(|e| part(e.features)).collect();
            FeatureScaler::fit(rows.iter().copied(), rows.first().map_or(0, |r| r.len()))
        };
        let mut model = Self {
            surface: scaler(|f| &f.surface),
            cues: scaler(|f| &f.cues),
            tier: LinearModel::zeros(TIER_INPUTS, 0, 3),
            intent: LinearModel::zeros(INTENT_INPUTS, 0, INTENTS.len()),
            precision: vec![0.0; 3 * INTENTS.len()],
            dials: [1.0, 1.0, 0.5, 0.5],
        };
        model.precision = precision(examples);
        model.set_dials(examples);
        model.tier = model.fit_tier(examples);
        model.intent = model.fit_intent(examples);
        model
    }

    /// The same model with its tiers moved by new labels, drawn back to those in force.
    pub(super) fn refit(&self, examples: &[TierExample<'_>]) -> Self {
        Self { tier: self.fit_tier(examples), ..self.clone() }
    }

    fn fit_tier(&self, examples: &[TierExample<'_>]) -> LinearModel {
        let rows: Vec<LinearInputs> =
            examples.iter().map(|e| self.tier_inputs(e.features, e.vector)).collect();
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let one_hot = |e: &TierExample<'_>| TIERS.map(|t| if t == e.tier { 1.0 } else { 0.0 });
        let targets: Vec<f32> = examples.iter().flat_map(one_hot).collect();
        let weights: Vec<f32> = examples.iter().map(|e| e.weight).collect();
        let options = FitOptions { loss: FitLoss::Softmax, l2: TIER_L2, iterations: 100 };
        fit_linear(&rows, &targets, &weights, &self.tier, options)
    }

    fn fit_intent(&self, examples: &[TierExample<'_>]) -> LinearModel {
        let named = || examples.iter().filter_map(|e| Some((e, e.intent?)));
        let rows: Vec<LinearInputs> =
            named().map(|(e, _)| self.intent_inputs(e.features, e.vector)).collect();
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let one_hot = |intent: Intent| INTENTS.map(|i| if i == intent { 1.0 } else { 0.0 });
        let targets: Vec<f32> = named().flat_map(|(_, intent)| one_hot(intent)).collect();
        let options = FitOptions { loss: FitLoss::Softmax, l2: INTENT_L2, iterations: 100 };
        fit_linear(&rows, &targets, &[], &self.intent, options)
    }

    /// Sets the dials by five-fold guesses: temperatures of least log loss, then the surest way to keep complex ones up.
    fn set_dials(&mut self, examples: &[TierExample<'_>]) {
        const FOLDS: u64 = 5;
        let (mut tiers, mut intents) = (Vec::new(), Vec::new());
        for fold in 0..FOLDS {
            let kept: Vec<TierExample<'_>> =
                examples.iter().filter(|e| e.group % FOLDS != fold).copied().collect();
            let (tier, intent) = (self.fit_tier(&kept), self.fit_intent(&kept));
            for example in examples.iter().filter(|e| e.group % FOLDS == fold) {
                let of = |t: Tier| TIERS.iter().position(|other| *other == t).unwrap_or(1);
                tiers.push((
                    tier.scores(&self.tier_inputs(example.features, example.vector)),
                    of(example.tier),
                ));
                if let Some(named) = example.intent {
                    let scores = intent.scores(&self.intent_inputs(example.features, example.vector));
                    intents.push((scores, named.index()));
                }
            }
        }
        self.dials[0] = temperature(&tiers);
        self.dials[1] = temperature(&intents);
        self.dials[2] = complex_floor(&tiers, self.dials[0]);
    }

    /// The tier of a text and its vector.
    pub(super) fn tier(&self, features: &RouteFeatures, vector: &[f32]) -> TierVerdict {
        let scores = self.tier.scores(&self.tier_inputs(features, vector));
        let [temperature, _, complex_floor, least] = self.dials;
        let shares = shares(&scores, temperature);
        let shares = [0, 1, 2].map(|i| shares.get(i).copied().unwrap_or(0.0));
        let leaning = TIERS[pick(&shares, complex_floor)];
        let sure = shares.iter().copied().fold(0.0, f32::max) >= least;
        TierVerdict { tier: sure.then_some(leaning), leaning, shares }
    }

    /// The intent of a text: a pattern that has proved itself, else the classifier, else a general question.
    pub(super) fn intent(&self, features: &RouteFeatures, vector: Option<&[f32]>) -> IntentVerdict {
        let pattern = by_pattern(&features.hits).map(|(intent, clarity)| IntentVerdict {
            intent,
            confidence: self.precision.get(3 * intent.index() + clarity).copied().unwrap_or(0.0),
            source: IntentSource::Pattern,
        });
        let Some(vector) = vector else {
            return pattern.filter(|p| p.confidence >= INTENT_FLOOR).unwrap_or(GENERAL);
        };
        if let Some(trusted) = pattern.filter(|p| p.confidence >= PATTERN_TRUST) {
            return trusted;
        }
        let shares = shares(&self.intent.scores(&self.intent_inputs(features, vector)), self.dials[1]);
        let best = shares.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        best.filter(|(_, share)| *share >= INTENT_FLOOR).map_or(GENERAL, |(index, confidence)| {
            IntentVerdict {
                intent: INTENTS.get(index).copied().unwrap_or(Intent::GeneralQuery),
                confidence,
                source: IntentSource::Classifier,
            }
        })
    }

    fn tier_inputs(&self, features: &RouteFeatures, vector: &[f32]) -> LinearInputs {
        let mut dense: Vec<f32> = vector.iter().map(|v| v * VECTOR_WEIGHT).collect();
        self.surface.append(&features.surface, SURFACE_WEIGHT, &mut dense);
        self.cues.append(&features.cues, CUE_WEIGHT, &mut dense);
        LinearInputs { dense, sparse: Vec::new() }
    }

    fn intent_inputs(&self, features: &RouteFeatures, vector: &[f32]) -> LinearInputs {
        let mut dense: Vec<f32> = vector.iter().map(|v| v * VECTOR_WEIGHT).collect();
        self.cues.append(&features.cues, 0.2, &mut dense);
        dense.extend(features.hits);
        LinearInputs { dense, sparse: Vec::new() }
    }

    /// Adds the weights to a file.
    pub(super) fn put(&self, to: &mut Matrices) {
        to.put_scaler("tier_surface", &self.surface);
        to.put_scaler("tier_cues", &self.cues);
        to.put_linear("tier", &self.tier);
        to.put_linear("intent", &self.intent);
        to.put("pattern_precision", 3, &self.precision);
        to.put("dials", 1, &self.dials);
    }

    /// Reads the weights of a file.
    pub(super) fn take(from: &Matrices) -> Result<Self, WeightsError> {
        let dials = from.get("dials", 4)?;
        Ok(Self {
            surface: from.scaler("tier_surface", SURFACE)?,
            cues: from.scaler("tier_cues", 2 * CUES)?,
            tier: from.linear("tier", TIER_INPUTS, 0, 3)?,
            intent: from.linear("intent", INTENT_INPUTS, 0, INTENTS.len())?,
            precision: from.get("pattern_precision", 3 * INTENTS.len())?.to_vec(),
            dials: [dials[0], dials[1], dials[2], dials[3]],
        })
    }
}

/// What is said when nobody is sure.
const GENERAL: IntentVerdict =
    IntentVerdict { intent: Intent::GeneralQuery, confidence: 0.0, source: IntentSource::Default };

/// Probabilities of scores at a temperature.
fn shares(scores: &[f32], temperature: f32) -> Vec<f32> {
    let mut shares: Vec<f32> = scores.iter().map(|s| s / temperature.max(0.05)).collect();
    softmax(&mut shares);
    shares
}

/// Complex when that is likely enough, else the likelier of all.
fn pick(shares: &[f32], complex_floor: f32) -> usize {
    if shares.get(2).is_some_and(|complex| *complex >= complex_floor) {
        return 2;
    }
    shares.iter().enumerate().take(2).max_by(|a, b| a.1.total_cmp(b.1)).map_or(1, |(index, _)| index)
}

/// The temperature whose probabilities surprise least.
fn temperature(guesses: &[(Vec<f32>, usize)]) -> f32 {
    let surprise = |temperature: f32| -> f32 {
        guesses.iter().map(|(s, truth)| -shares(s, temperature)[*truth].max(1e-6).ln()).sum()
    };
    let tried = (4..=40).map(|step| step as f32 / 20.0);
    tried.min_by(|a, b| surprise(*a).total_cmp(&surprise(*b))).unwrap_or(1.0)
}

/// The probability from which complex is believed: a complex prompt sent down counts as five wrong tiers otherwise.
fn complex_floor(guesses: &[(Vec<f32>, usize)], temperature: f32) -> f32 {
    let cost = |floor: f32| -> usize {
        let wrong = |(scores, truth): &(Vec<f32>, usize)| {
            let picked = pick(&shares(scores, temperature), floor);
            if picked == *truth {
                0
            } else if *truth == 2 {
                5
            } else {
                1
            }
        };
        guesses.iter().map(wrong).sum()
    };
    let tried = (4..=10).map(|step| step as f32 / 20.0);
    // Of equally good ones the highest: it costs least.
    tried.rev().min_by_key(|floor| cost(*floor)).unwrap_or(0.5)
}

/// How often patterns of each clarity name the intent, drawn towards 0.6 where few examples tell.
fn precision(examples: &[TierExample<'_>]) -> Vec<f32> {
    let mut counts = vec![(0.0_f32, 0.0_f32); 3 * INTENTS.len()];
    for example in examples {
        let (Some(truth), Some((intent, clarity))) = (example.intent, by_pattern(&example.features.hits))
        else {
            continue;
        };
        let slot = &mut counts[3 * intent.index() + clarity];
        slot.1 += 1.0;
        if intent == truth {
            slot.0 += 1.0;
        }
    }
    counts.into_iter().map(|(right, all)| (right + 1.2) / (all + 2.0)).collect()
}

/// The part, from 0, that a text falls into when texts are split into `parts`: the same text always into the same one.
pub fn part_of(text: &str, parts: u64) -> u64 {
    fnv(text.as_bytes()) % parts.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complex_wins_from_its_floor_on() {
        assert_eq!(pick(&[0.3, 0.4, 0.3], 0.3), 2);
        assert_eq!(pick(&[0.3, 0.4, 0.3], 0.5), 1);
        assert_eq!(pick(&[0.6, 0.1, 0.3], 0.5), 0);
    }

    #[test]
    fn temperatures_follow_how_sure_one_may_be() {
        let right: Vec<(Vec<f32>, usize)> = (0..20).map(|i| (vec![1.0, 0.0], usize::from(i == 0))).collect();
        let coin: Vec<(Vec<f32>, usize)> = (0..20).map(|i| (vec![1.0, 0.0], i % 2)).collect();
        assert!(temperature(&right) < 0.5 && temperature(&coin) > 1.5);
    }

    #[test]
    fn the_split_is_even_and_stable() {
        let held = (0..2_000).filter(|i| part_of(&format!("text {i}"), 2) == 0).count();
        assert!((900..1_100).contains(&held), "{held}");
        assert_eq!(part_of("a", 1), 0);
    }
}
