//! The verifier: boosted regression trees over pair features, whose sum is a log-odds, and a line that calibrates it.

use super::features::{FEATURES, SAME_READING};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

const WEIGHTS: &str = include_str!("../../weights/guard.json");

/// The layout and feature list that weights must have been trained for.
pub const GUARD_WEIGHTS_VERSION: u32 = 1;

/// One node: a test when `feature` is set, else a leaf with a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node(
    /// The feature that is tested; -1 makes a leaf.
    pub i16,
    /// Values up to this go left; in a leaf, its log-odds.
    pub f32,
    /// The left child.
    pub u16,
    /// The right child.
    pub u16,
);

/// The trees with their calibration. Trained by `examples/train_guard.rs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// [`GUARD_WEIGHTS_VERSION`] of the trainer.
    pub version: u32,
    /// Log-odds before any tree.
    pub base: f32,
    /// Slope and offset of the calibration on pairs held out from the trees.
    pub calibration: [f32; 2],
    /// How often two questions that come to the same words and slots shared an answer in training; 0 when not measured.
    #[serde(default)]
    pub same_reading: f32,
    /// The score from which an entry without experience serves, for each promised part of wrong answers in look-ups.
    #[serde(default)]
    pub floors: Vec<(f32, f32)>,
    /// The trees; the first node of each is its root.
    pub trees: Vec<Vec<Node>>,
}

/// The weights that ship; `None` if they do not fit this code, and then nothing is shared.
static SHIPPED: LazyLock<Option<Forest>> = LazyLock::new(|| {
    let forest: Forest = serde_json::from_str(WEIGHTS).ok()?;
    (forest.version == GUARD_WEIGHTS_VERSION && forest.is_sound()).then_some(forest)
});

impl Forest {
    /// The weights that ship with this crate.
    pub fn shipped() -> Option<&'static Self> {
        SHIPPED.as_ref()
    }

    /// Whether every node leads forward and tests a feature that exists, so that every walk ends.
    pub fn is_sound(&self) -> bool {
        self.trees.iter().all(|tree| {
            !tree.is_empty()
                && tree.iter().enumerate().all(|(at, Node(feature, value, left, right))| {
                    let forward = |child: u16| usize::from(child) > at && usize::from(child) < tree.len();
                    value.is_finite()
                        && (*feature < 0
                            || (usize::try_from(*feature).is_ok_and(|f| f < FEATURES)
                                && forward(*left)
                                && forward(*right)))
                })
        })
    }

    /// The sum of the trees, before calibration.
    pub fn log_odds(&self, features: &[f32; FEATURES]) -> f32 {
        self.base + self.trees.iter().map(|tree| walk(tree, features)).sum::<f32>()
    }

    /// The calibrated probability that the two questions share an answer.
    pub fn probability(&self, features: &[f32; FEATURES]) -> f32 {
        let [slope, offset] = self.calibration;
        let weighed = 1.0 / (1.0 + (-(slope * self.log_odds(features) + offset)).exp());
        // Two ways of saying the same few words leave the trees little to weigh, yet rarely mislead.
        if features[SAME_READING] > 0.5 { weighed.max(self.same_reading) } else { weighed }
    }
}

fn walk(tree: &[Node], features: &[f32; FEATURES]) -> f32 {
    let mut at = 0;
    while let Some(Node(feature, value, left, right)) = tree.get(at) {
        let Ok(feature) = usize::try_from(*feature) else { return *value };
        at = usize::from(if features.get(feature).is_some_and(|f| f <= value) { *left } else { *right });
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_weights_fit() {
        let forest = Forest::shipped().expect("weights are shipped");
        assert!(forest.trees.len() > 10);
        assert!(WEIGHTS.len() < 300_000);
    }

    #[test]
    fn a_tree_that_circles_is_refused() {
        let forest = |tree| Forest {
            version: 1,
            base: 0.0,
            calibration: [1.0, 0.0],
            same_reading: 0.0,
            floors: Vec::new(),
            trees: vec![tree],
        };
        assert!(!forest(vec![Node(0, 0.5, 0, 0)]).is_sound());
        assert!(!forest(vec![Node(999, 0.5, 1, 1), Node(-1, 1.0, 0, 0)]).is_sound());
        let good = forest(vec![Node(0, 0.5, 1, 2), Node(-1, -1.0, 0, 0), Node(-1, 1.0, 0, 0)]);
        assert!(good.is_sound());
        let mut features = [0.0; FEATURES];
        assert!(good.probability(&features) < 0.3);
        features[0] = 1.0;
        assert!(good.probability(&features) > 0.7);
    }
}
