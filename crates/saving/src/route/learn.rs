//! Regularised linear models over a vector, dense features and hashed words: soft-max, logistic and squared loss.

use super::lbfgs::minimise;

/// What a model reads of one text.
#[derive(Clone, Debug, Default)]
pub struct LinearInputs {
    /// Values of all dense features, in a fixed order.
    pub dense: Vec<f32>,
    /// Hashed words: bucket and value.
    pub sparse: Vec<(u16, f32)>,
}

/// What a model minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FitLoss {
    /// One class of several; targets are one-hot or soft.
    Softmax,
    /// Independent yes/no outputs; targets lie in [0, 1].
    Logistic,
    /// Real targets.
    Squared,
}

/// How a model is fitted.
#[derive(Clone, Copy, Debug)]
pub struct FitOptions {
    /// What is minimised.
    pub loss: FitLoss,
    /// Half the weight of the squared distance of the weights from the prior (from zero without one). The bias is free.
    pub l2: f64,
    /// Most steps of the optimiser.
    pub iterations: usize,
}

/// A linear map from inputs to scores.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    /// Dense inputs read.
    pub dense: usize,
    /// Hash buckets read.
    pub buckets: usize,
    /// Scores given.
    pub outputs: usize,
    /// One row of `outputs` weights for each dense input, each bucket and, last, the bias.
    pub weights: Vec<f32>,
}

impl LinearModel {
    /// A map that gives zeros.
    pub fn zeros(dense: usize, buckets: usize, outputs: usize) -> Self {
        Self { dense, buckets, outputs, weights: vec![0.0; (dense + buckets + 1) * outputs] }
    }

    /// The scores of one text. LinearInputs beyond those the map knows are ignored.
    pub fn scores(&self, inputs: &LinearInputs) -> Vec<f32> {
        let mut scores = self.row(self.dense + self.buckets).to_vec();
        self.add_scores(&self.weights, inputs, &mut scores);
        scores
    }

    fn row(&self, feature: usize) -> &[f32] {
        self.weights.get(feature * self.outputs..(feature + 1) * self.outputs).unwrap_or_default()
    }

    fn add_scores(&self, weights: &[f32], inputs: &LinearInputs, scores: &mut [f32]) {
        let outputs = self.outputs;
        for (value, row) in inputs.dense.iter().take(self.dense).zip(weights.chunks_exact(outputs)) {
            scores.iter_mut().zip(row).for_each(|(s, w)| *s += value * w);
        }
        for (bucket, value) in &inputs.sparse {
            let feature = self.dense + usize::from(*bucket);
            if usize::from(*bucket) < self.buckets {
                let row = &weights[feature * outputs..(feature + 1) * outputs];
                scores.iter_mut().zip(row).for_each(|(s, w)| *s += value * w);
            }
        }
    }

    /// Adds one text's share of the gradient: the error of each output times each input.
    fn add_gradient(&self, errors: &[f32], inputs: &LinearInputs, gradient: &mut [f32]) {
        let outputs = self.outputs;
        for (value, row) in inputs.dense.iter().take(self.dense).zip(gradient.chunks_exact_mut(outputs)) {
            row.iter_mut().zip(errors).for_each(|(g, e)| *g += value * e);
        }
        let bias = (self.dense + self.buckets) * outputs;
        gradient[bias..].iter_mut().zip(errors).for_each(|(g, e)| *g += e);
        for (bucket, value) in &inputs.sparse {
            if usize::from(*bucket) < self.buckets {
                let from = (self.dense + usize::from(*bucket)) * outputs;
                let row = &mut gradient[from..from + outputs];
                row.iter_mut().zip(errors).for_each(|(g, e)| *g += value * e);
            }
        }
    }
}

/// Fits a map of the prior's shape, drawn towards the prior's weights. `targets` holds the prior's `outputs` values for each
/// row, `importance` (empty for all 1) how much each row counts.
pub fn fit_linear(
    rows: &[&LinearInputs],
    targets: &[f32],
    importance: &[f32],
    prior: &LinearModel,
    options: FitOptions,
) -> LinearModel {
    let outputs = prior.outputs;
    let anchor: Vec<f64> = prior.weights.iter().map(|w| f64::from(*w)).collect();
    let free_from = (prior.dense + prior.buckets) * outputs;
    let found = minimise(anchor.clone(), options.iterations, |point, slope| {
        let weights: Vec<f32> = point.iter().map(|v| *v as f32).collect();
        let mut gradient = vec![0.0_f32; weights.len()];
        let mut total = 0.0_f64;
        let mut scores = vec![0.0_f32; outputs];
        for (index, (inputs, target)) in rows.iter().zip(targets.chunks_exact(outputs)).enumerate() {
            let counts = importance.get(index).copied().unwrap_or(1.0);
            scores.copy_from_slice(&weights[free_from..]);
            prior.add_scores(&weights, inputs, &mut scores);
            total += f64::from(counts) * loss_and_errors(options.loss, &mut scores, target);
            scores.iter_mut().for_each(|e| *e *= counts);
            prior.add_gradient(&scores, inputs, &mut gradient);
        }
        for (index, (s, g)) in slope.iter_mut().zip(&gradient).enumerate() {
            let away = if index < free_from { point[index] - anchor[index] } else { 0.0 };
            total += 0.5 * options.l2 * away * away;
            *s = f64::from(*g) + options.l2 * away;
        }
        total
    });
    LinearModel { weights: found.iter().map(|v| *v as f32).collect(), ..prior.clone() }
}

/// The loss of one row; the scores become the errors (the loss's slope by score).
fn loss_and_errors(loss: FitLoss, scores: &mut [f32], target: &[f32]) -> f64 {
    let mut total = 0.0;
    match loss {
        FitLoss::Softmax => {
            softmax(scores);
            for (p, t) in scores.iter_mut().zip(target) {
                total -= f64::from(*t) * f64::from(p.max(1e-12)).ln();
                *p -= t;
            }
        }
        FitLoss::Logistic => {
            for (score, t) in scores.iter_mut().zip(target) {
                let p = sigmoid(*score).clamp(1e-7, 1.0 - 1e-7);
                total -= f64::from(*t) * f64::from(p).ln() + f64::from(1.0 - t) * f64::from(1.0 - p).ln();
                *score = p - t;
            }
        }
        FitLoss::Squared => {
            for (score, t) in scores.iter_mut().zip(target) {
                *score -= t;
                total += 0.5 * f64::from(*score) * f64::from(*score);
            }
        }
    }
    total
}

/// Turns scores into shares that sum to 1.
pub(super) fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|s| *s = (*s - top).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|s| *s /= sum.max(f32::MIN_POSITIVE));
}

/// The logistic function.
pub(super) fn sigmoid(score: f32) -> f32 {
    1.0 / (1.0 + (-score).exp())
}

/// Brings features to mean 0 and deviation 1, and keeps outliers within four deviations.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureScaler {
    /// Mean of each feature.
    pub means: Vec<f32>,
    /// One over the standard deviation of each feature; 0 for a feature that never varies.
    pub factors: Vec<f32>,
}

impl FeatureScaler {
    /// The scaler of these rows, which have one length.
    pub fn fit<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, width: usize) -> Self {
        let count = rows.clone().count().max(1) as f64;
        let mut means = vec![0.0_f64; width];
        let mut squares = vec![0.0_f64; width];
        for row in rows {
            for (index, value) in row.iter().enumerate().take(width) {
                means[index] += f64::from(*value) / count;
                squares[index] += f64::from(*value) * f64::from(*value) / count;
            }
        }
        let factor = |(mean, square): (&f64, &f64)| {
            let deviation = (square - mean * mean).max(0.0).sqrt();
            if deviation > 1e-6 { (1.0 / deviation) as f32 } else { 0.0 }
        };
        let factors = means.iter().zip(&squares).map(factor).collect();
        Self { means: means.iter().map(|m| *m as f32).collect(), factors }
    }

    /// The scaled features times `weight`, appended to `to`.
    pub fn append(&self, features: &[f32], weight: f32, to: &mut Vec<f32>) {
        let scaled = features.iter().zip(&self.means).zip(&self.factors);
        to.extend(scaled.map(|((value, mean), factor)| ((value - mean) * factor).clamp(-4.0, 4.0) * weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inputs(dense: &[f32]) -> LinearInputs {
        LinearInputs { dense: dense.to_vec(), sparse: Vec::new() }
    }

    #[test]
    fn a_line_is_learned() {
        let rows: Vec<LinearInputs> = (0..50).map(|i| inputs(&[i as f32 / 50.0])).collect();
        let targets: Vec<f32> = (0..50).map(|i| 2.0 * i as f32 / 50.0 - 1.0).collect();
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let options = FitOptions { loss: FitLoss::Squared, l2: 1e-6, iterations: 100 };
        let fitted = fit_linear(&rows, &targets, &[], &LinearModel::zeros(1, 0, 1), options);
        assert!((fitted.scores(&inputs(&[0.5]))[0]).abs() < 0.02, "{fitted:?}");
    }

    #[test]
    fn classes_are_told_apart_and_hashed_words_count() {
        let mut rows = Vec::new();
        let mut targets = Vec::new();
        for i in 0..60_u16 {
            let class = usize::from(i % 3);
            rows.push(LinearInputs { dense: vec![f32::from(i) / 60.0], sparse: vec![(i % 3, 1.0)] });
            targets.extend((0..3).map(|c| if c == class { 1.0 } else { 0.0 }));
        }
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let options = FitOptions { loss: FitLoss::Softmax, l2: 0.1, iterations: 100 };
        let fitted = fit_linear(&rows, &targets, &[], &LinearModel::zeros(1, 3, 3), options);
        for (index, row) in rows.iter().enumerate() {
            let mut shares = fitted.scores(row);
            softmax(&mut shares);
            assert!(shares[index % 3] > 0.8, "{shares:?}");
        }
    }

    #[test]
    fn a_strong_prior_holds_the_weights() {
        let rows = [inputs(&[1.0]), inputs(&[-1.0])];
        let rows: Vec<&LinearInputs> = rows.iter().collect();
        let prior = LinearModel { weights: vec![3.0, 0.0], ..LinearModel::zeros(1, 0, 1) };
        let options = FitOptions { loss: FitLoss::Logistic, l2: 1e6, iterations: 50 };
        let fitted = fit_linear(&rows, &[0.0, 1.0], &[], &prior, options);
        assert!((fitted.weights[0] - 3.0).abs() < 0.01, "{fitted:?}");
    }

    proptest! {
        #[test]
        fn shares_sum_to_one(mut scores in proptest::collection::vec(-50.0_f32..50.0, 1..9)) {
            softmax(&mut scores);
            prop_assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}
