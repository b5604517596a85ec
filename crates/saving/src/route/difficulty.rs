//! How much a strong model is likely to gain over a weak one on a question, learned from questions that both have answered.

use super::features::{ROUTE_VECTOR, RouteFeatures};
use super::learn::{
    FeatureScaler, FitLoss, FitOptions, LinearInputs, LinearModel, fit_linear, sigmoid, softmax,
};
use super::subjects::{SUBJECTS, WORD_PROBLEM};
use super::surface::{BUCKETS, PROBLEM, SURFACE};
use super::weights::{Matrices, WeightsError};

const CLASSES: usize = SUBJECTS.len();
/// Subject shares, their logarithms, the vector, the surface.
const OUTCOME: usize = 2 * CLASSES + ROUTE_VECTOR + SURFACE;
/// Points at which the distribution of the gain is kept.
const QUANTILES: usize = 41;
/// Parts of the training set whose subjects are guessed by a model that has not seen them.
const FOLDS: usize = 3;

/// A verdict on one question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difficulty {
    /// Probability that a weak model answers right.
    pub weak_right: f32,
    /// Probability that a strong model answers right.
    pub strong_right: f32,
    /// Expected gain of the strong model; ranks questions for a threshold.
    pub gain: f32,
    /// Share of the questions learned from that gain less: 0.6 means that sending the dearest 40 % up would just include it.
    pub rank: f32,
    /// The subject it looks most like.
    pub subject: &'static str,
    /// How sure that is.
    pub subject_confidence: f32,
}

/// One question to learn from.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeExample<'a> {
    /// What is read of its text.
    pub features: &'a RouteFeatures,
    /// Its sentence vector.
    pub vector: &'a [f32],
    /// Its place in the list of subjects, where known: an aid of training, never asked for later.
    pub subject: Option<usize>,
    /// Whether the weak model was right.
    pub weak_right: bool,
    /// Whether the strong model was right.
    pub strong_right: bool,
}

impl OutcomeExample<'_> {
    fn gain(&self) -> f32 {
        f32::from(u8::from(self.strong_right)) - f32::from(u8::from(self.weak_right))
    }
}

/// The fitted model: subject first, then the odds of both models given subject, vector and surface, and the gain on word problems.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DifficultyModel {
    surface: FeatureScaler,
    problem: FeatureScaler,
    subject: LinearModel,
    outcome: LinearModel,
    problem_gain: LinearModel,
    quantiles: Vec<f32>,
}

impl DifficultyModel {
    /// Fits a model. Subjects of the rows that the odds learn from are guessed by models that have not seen them, so that the
    /// odds learn to live with wrong guesses.
    pub(super) fn fit(examples: &[OutcomeExample<'_>]) -> Self {
        let of = |part: fn(&RouteFeatures) -> &[f32]| {
            let rows: Vec<&[f32]> = examples.iter().map(|e| part(e.features)).collect();
            FeatureScaler::fit(rows.iter().copied(), rows.first().map_or(0, |r| r.len()))
        };
        let mut model = Self {
            surface: of(|f| &f.surface),
            problem: of(|f| &f.problem),
            subject: LinearModel::zeros(ROUTE_VECTOR + SURFACE, BUCKETS, CLASSES),
            outcome: LinearModel::zeros(OUTCOME, 0, 2),
            problem_gain: LinearModel::zeros(PROBLEM + ROUTE_VECTOR, 0, 1),
            quantiles: vec![0.0; QUANTILES],
        };
        let rows: Vec<LinearInputs> =
            examples.iter().map(|e| model.subject_inputs(e.features, e.vector)).collect();
        let guessed = model.fit_subject(examples, &rows);
        model.outcome = model.fit_outcome(examples, &guessed, 20.0);
        model.fit_problem(examples);
        let mut gains: Vec<f32> = examples
            .iter()
            .zip(&guessed)
            .map(|(e, shares)| model.judge_with(e.features, e.vector, shares).gain)
            .collect();
        gains.sort_by(f32::total_cmp);
        let at =
            |i: usize| gains.get(i * gains.len().saturating_sub(1) / (QUANTILES - 1)).copied().unwrap_or(0.0);
        model.quantiles = (0..QUANTILES).map(at).collect();
        model
    }

    /// Fits the guess of the subject, and gives for each example the shares guessed without it.
    fn fit_subject(&mut self, examples: &[OutcomeExample<'_>], rows: &[LinearInputs]) -> Vec<Vec<f32>> {
        let options = FitOptions { loss: FitLoss::Softmax, l2: 0.3, iterations: 40 };
        let fit = |keep: &dyn Fn(usize) -> bool| {
            let (mut kept, mut targets) = (Vec::new(), Vec::new());
            for (index, (example, row)) in examples.iter().zip(rows).enumerate() {
                if let (true, Some(subject)) = (keep(index), example.subject) {
                    kept.push(row);
                    targets.extend((0..CLASSES).map(|c| if c == subject { 1.0 } else { 0.0 }));
                }
            }
            fit_linear(&kept, &targets, &[], &self.subject, options)
        };
        let shares = |linear: &LinearModel, row: &LinearInputs| {
            let mut shares = linear.scores(row);
            softmax(&mut shares);
            shares
        };
        let mut guessed = vec![Vec::new(); rows.len()];
        for fold in 0..FOLDS {
            let without = fit(&|index| index % FOLDS != fold);
            for index in (fold..rows.len()).step_by(FOLDS) {
                guessed[index] = shares(&without, &rows[index]);
            }
        }
        let all = fit(&|_| true);
        self.subject = all;
        guessed
    }

    /// The odds of both models, drawn towards those in force.
    fn fit_outcome(&self, examples: &[OutcomeExample<'_>], shares: &[Vec<f32>], l2: f64) -> LinearModel {
        let rows: Vec<LinearInputs> =
            examples.iter().zip(shares).map(|(e, s)| self.outcome_inputs(e.features, e.vector, s)).collect();
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let right = |yes: bool| f32::from(u8::from(yes));
        let targets: Vec<f32> =
            examples.iter().flat_map(|e| [right(e.weak_right), right(e.strong_right)]).collect();
        let options = FitOptions { loss: FitLoss::Logistic, l2, iterations: 100 };
        fit_linear(&rows, &targets, &[], &self.outcome, options)
    }

    fn fit_problem(&mut self, examples: &[OutcomeExample<'_>]) {
        let problems = || examples.iter().filter(|e| e.subject == Some(WORD_PROBLEM));
        let rows: Vec<&[f32]> = problems().map(|e| e.features.problem.as_slice()).collect();
        self.problem = FeatureScaler::fit(rows.iter().copied(), PROBLEM);
        let rows: Vec<LinearInputs> = problems().map(|e| self.problem_inputs(e.features, e.vector)).collect();
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let targets: Vec<f32> = problems().map(OutcomeExample::gain).collect();
        let options = FitOptions { loss: FitLoss::Squared, l2: 100.0, iterations: 100 };
        self.problem_gain = fit_linear(&rows, &targets, &[], &self.problem_gain, options);
    }

    /// The same model with its odds moved by new outcomes.
    pub(super) fn refit(&self, examples: &[OutcomeExample<'_>]) -> Self {
        let shares: Vec<Vec<f32>> =
            examples.iter().map(|e| self.subject_shares(e.features, e.vector)).collect();
        Self { outcome: self.fit_outcome(examples, &shares, 20.0), ..self.clone() }
    }

    /// The verdict on a text and its vector.
    pub(super) fn judge(&self, features: &RouteFeatures, vector: &[f32]) -> Difficulty {
        self.judge_with(features, vector, &self.subject_shares(features, vector))
    }

    fn subject_shares(&self, features: &RouteFeatures, vector: &[f32]) -> Vec<f32> {
        let mut shares = self.subject.scores(&self.subject_inputs(features, vector));
        softmax(&mut shares);
        shares
    }

    fn judge_with(&self, features: &RouteFeatures, vector: &[f32], shares: &[f32]) -> Difficulty {
        let odds = self.outcome.scores(&self.outcome_inputs(features, vector, shares));
        let right = |index: usize| odds.get(index).copied().map_or(0.5, sigmoid);
        let (weak_right, strong_right) = (right(0), right(1));
        let word_problem = shares.get(WORD_PROBLEM).copied().unwrap_or(0.0);
        let told =
            self.problem_gain.scores(&self.problem_inputs(features, vector)).first().copied().unwrap_or(0.0);
        let gain = (1.0 - word_problem) * (strong_right - weak_right) + word_problem * told;
        let (subject, confidence) = shares
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or(("", 0.0), |(index, share)| (SUBJECTS.get(index).copied().unwrap_or(""), *share));
        let below = self.quantiles.iter().filter(|q| **q < gain).count();
        let rank = below as f32 / QUANTILES as f32;
        Difficulty { weak_right, strong_right, gain, rank, subject, subject_confidence: confidence }
    }

    fn subject_inputs(&self, features: &RouteFeatures, vector: &[f32]) -> LinearInputs {
        let mut dense = vector.to_vec();
        self.surface.append(&features.surface, 0.1, &mut dense);
        LinearInputs { dense, sparse: features.words.clone() }
    }

    fn outcome_inputs(&self, features: &RouteFeatures, vector: &[f32], shares: &[f32]) -> LinearInputs {
        let mut dense: Vec<f32> = shares.iter().map(|s| 3.0 * s).collect();
        // Keeps the logarithm of a share near nothing within reach, and near the middle.
        dense.extend(shares.iter().map(|s| 0.3 * ((s + 0.003).ln() + 5.0)));
        dense.extend(vector);
        self.surface.append(&features.surface, 0.2, &mut dense);
        LinearInputs { dense, sparse: Vec::new() }
    }

    fn problem_inputs(&self, features: &RouteFeatures, vector: &[f32]) -> LinearInputs {
        let mut dense = Vec::with_capacity(PROBLEM + ROUTE_VECTOR);
        self.problem.append(&features.problem, 1.0, &mut dense);
        for (index, value) in dense.iter_mut().enumerate() {
            // The last nine are shares and shapes; both groups weigh the same.
            *value /= if index < PROBLEM - 9 { ((PROBLEM - 9) as f32).sqrt() } else { 3.0 };
        }
        dense.extend(vector.iter().map(|v| v * std::f32::consts::SQRT_2));
        LinearInputs { dense, sparse: Vec::new() }
    }

    /// Adds the weights to a file.
    pub(super) fn put(&self, to: &mut Matrices) {
        to.put_scaler("surface", &self.surface);
        to.put_scaler("problem", &self.problem);
        to.put_linear("subject", &self.subject);
        to.put_linear("outcome", &self.outcome);
        to.put_linear("problem_gain", &self.problem_gain);
        to.put("quantiles", 1, &self.quantiles);
    }

    /// Reads the weights of a file.
    pub(super) fn take(from: &Matrices) -> Result<Self, WeightsError> {
        Ok(Self {
            surface: from.scaler("surface", SURFACE)?,
            problem: from.scaler("problem", PROBLEM)?,
            subject: from.linear("subject", ROUTE_VECTOR + SURFACE, BUCKETS, CLASSES)?,
            outcome: from.linear("outcome", OUTCOME, 0, 2)?,
            problem_gain: from.linear("problem_gain", PROBLEM + ROUTE_VECTOR, 0, 1)?,
            quantiles: from.get("quantiles", QUANTILES)?.to_vec(),
        })
    }
}
