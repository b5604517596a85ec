//! How many of the ranked tools to send: as many as the scores leave in doubt, within bounds.

use super::catalog::RankedTool;
use serde::{Deserialize, Serialize};

/// How sure the cut wants to be, and its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CutPolicy {
    /// Fewest tools sent (>= 1).
    pub least: usize,
    /// Most tools sent by rank; tools that must stay come on top.
    pub most: usize,
    /// The chance wanted that the right tool is among them, 0 to 1.
    pub mass: f32,
}

/// How much a score's lead tells: the softmax's inverse temperature, fitted by maximum likelihood on example requests.
const SHARPNESS: f32 = 1.3;

impl Default for CutPolicy {
    fn default() -> Self {
        Self { least: 2, most: 6, mass: 0.85 }
    }
}

/// Each ranked tool's chance to be the right one, in the same order.
pub(crate) fn chances(ranked: &[RankedTool]) -> Vec<f32> {
    // Evidence of several kinds adds up to larger scores; the spread alone is no surer answer.
    let mut scores: Vec<f32> = ranked.iter().map(|tool| tool.score).collect();
    super::standardise(&mut scores);
    let best = scores.first().copied().unwrap_or_default();
    let weights: Vec<f32> = scores.iter().map(|score| (SHARPNESS * (score - best)).exp()).collect();
    let sum = weights.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// How many of the ranked tools to send.
pub(crate) fn cut(ranked: &[RankedTool], policy: &CutPolicy) -> usize {
    let most = policy.most.max(1);
    if ranked.len() <= most {
        return ranked.len();
    }
    let mut mass = 0.0;
    let enough = chances(ranked).iter().position(|chance| {
        mass += chance;
        mass >= policy.mass
    });
    enough.map_or(most, |last| last + 1).clamp(policy.least.clamp(1, most), most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(scores: &[f32]) -> Vec<RankedTool> {
        scores.iter().enumerate().map(|(index, &score)| RankedTool { index, score }).collect()
    }

    #[test]
    fn doubt_sends_more() {
        let policy = CutPolicy { least: 2, most: 6, mass: 0.85 };
        for (scores, kept) in [
            (vec![9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2),
            (vec![3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0], 3),
            (vec![1.0; 20], 6),
            (vec![9.0, 1.0, 0.0], 3),
            (vec![], 0),
        ] {
            assert_eq!(cut(&ranked(&scores), &policy), kept, "{scores:?}");
        }
        assert_eq!(cut(&ranked(&[1.0; 9]), &CutPolicy { least: 0, most: 0, mass: 2.0 }), 1);
    }
}
