//! The router's learned model as one piece: reads a text, says tier, intent and difficulty; ships with the binary.

use super::difficulty::{Difficulty, DifficultyModel, OutcomeExample};
use super::features::{Features, VECTOR};
use super::reading::Reading;
use super::tier::{IntentVerdict, TierExample, TierModel, TierVerdict};
use super::weights::{Matrices, WeightsError};
use std::sync::LazyLock;

/// What the model says of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The tier; `None` without a vector, or when the text holds nothing but words to the router.
    pub tier: Option<TierVerdict>,
    /// The intent.
    pub intent: IntentVerdict,
    /// The expected gain of a strong model; `None` without a vector.
    pub difficulty: Option<Difficulty>,
}

/// The learned part of routing. Immutable: training gives a new one.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteModel {
    pub(super) tiers: TierModel,
    pub(super) difficulty: DifficultyModel,
}

static SHIPPED: LazyLock<Result<RouteModel, WeightsError>> =
    LazyLock::new(|| RouteModel::from_bytes(include_bytes!("../../weights/route.bin")));

impl RouteModel {
    /// The model that ships with the binary.
    pub fn shipped() -> Result<&'static Self, WeightsError> {
        SHIPPED.as_ref().map_err(Clone::clone)
    }

    /// Fits a model from nothing.
    pub fn train(tiers: &[TierExample<'_>], outcomes: &[OutcomeExample<'_>]) -> Self {
        Self { tiers: TierModel::fit(tiers), difficulty: DifficultyModel::fit(outcomes) }
    }

    /// Reads a file of weights.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeightsError> {
        let matrices = Matrices::from_bytes(bytes)?;
        Ok(Self { tiers: TierModel::take(&matrices)?, difficulty: DifficultyModel::take(&matrices)? })
    }

    /// The file of weights.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut matrices = Matrices::default();
        self.tiers.put(&mut matrices);
        self.difficulty.put(&mut matrices);
        matrices.to_bytes()
    }

    /// Judges a text. `vector` is the sentence vector of `reading.text`; one of another length (another encoder) counts as none.
    pub fn judge(&self, reading: &Reading, vector: Option<&[f32]>) -> Judgement {
        self.judge_features(&Features::of(reading), vector.filter(|_| !reading.text.is_empty()))
    }

    /// Judges features computed before.
    pub fn judge_features(&self, features: &Features, vector: Option<&[f32]>) -> Judgement {
        let fits = |v: &&[f32]| v.len() == VECTOR && v.iter().all(|x| x.is_finite());
        let vector = vector.filter(fits);
        Judgement {
            tier: vector.map(|v| self.tiers.tier(features, v)),
            intent: self.tiers.intent(features, vector),
            difficulty: vector.map(|v| self.difficulty.judge(features, v)),
        }
    }
}
