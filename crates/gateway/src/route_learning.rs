//! The router's model in force: the one that ships, or one that was fitted to what people said of answers and did no worse.

use crate::encoder_error::{no_encoder, no_encoder_hint};
use crate::gateway::Gateway;
use jiff::Timestamp;
use nunchi_core::{CallContext, Explain, Lang, Principal, RequestId, StorageError, Tier, TierRules};
use nunchi_saving::{
    PromptReading, RouteComparison, RouteExample, RouteFeatures, RouteLabel, RouteModel, RouteRefused,
    TierScores, TrainedRoute, fit_route, read_prompt, tier_scores,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// The name of the weights in the store.
const WEIGHTS: &str = "route";
/// Most feedback that is learned from, the newest.
const MOST_FEEDBACK: u32 = 5_000;
/// Texts embedded at once.
const BATCH: usize = 32;

/// A text and its right tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledText {
    /// The text.
    pub text: String,
    /// Its tier.
    pub tier: Tier,
}

/// How a training went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteTraining {
    /// Texts learned from.
    pub examples: usize,
    /// How many of them nobody rated: a check or the next request told how the answer did.
    pub observed: usize,
    /// The new model's tiers beside those of the one before, on texts that neither had seen.
    pub tiers: Option<RouteComparison>,
}

/// How one way of routing did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteEvaluation {
    /// `in force`, `shipped`, `built-in rules`, `always standard` …
    pub router: &'static str,
    /// Its figures.
    #[serde(flatten)]
    pub scores: TierScores,
}

/// Why there is no new model, or no figure.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteLearningError {
    /// The sentence encoder cannot be asked.
    NoEncoder,
    /// There is nothing to measure with.
    NoExamples,
    /// Too little was said, or the new model was worse.
    Refused(RouteRefused),
    /// Feedback or weights cannot be read or written.
    Storage(StorageError),
}

impl fmt::Display for RouteLearningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for RouteLearningError {}

impl Explain for RouteLearningError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoEncoder => "route.no_encoder",
            Self::NoExamples => "route.no_examples",
            Self::Refused(refused) => refused.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        match self {
            Self::NoEncoder => no_encoder(lang),
            Self::NoExamples => lang
                .pick("there is no labelled text to measure with", "재어 볼 등급이 표시된 글이 없습니다")
                .to_owned(),
            Self::Refused(refused) => refused.message(lang),
            Self::Storage(error) => error.message(lang),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::NoEncoder => return Some(no_encoder_hint(lang)),
            Self::NoExamples => (
                "Rate answers in the console or with `nunchi route rate`, or name a file of texts with tiers.",
                "콘솔이나 `nunchi route rate`로 답을 평가하거나, 등급이 적힌 파일을 지정하세요.",
            ),
            Self::Refused(refused) => return refused.hint(lang),
            Self::Storage(error) => return error.hint(lang),
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

impl From<StorageError> for RouteLearningError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// A model and since when it is in force.
type InForce = (Arc<RouteModel>, Option<Timestamp>);

/// The model in force.
pub(crate) struct LearnedRoute {
    in_force: RwLock<Option<InForce>>,
}

impl LearnedRoute {
    pub(crate) fn new() -> Self {
        Self { in_force: RwLock::new(shipped().map(|model| (model, None))) }
    }

    /// The model to ask; `None` if what ships is damaged.
    pub(crate) fn model(&self) -> Option<Arc<RouteModel>> {
        self.read().map(|(model, _)| model)
    }

    /// When it was fitted; `None` for what ships.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.read().and_then(|(_, since)| since)
    }

    fn read(&self) -> Option<InForce> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, model: Option<InForce>) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = model;
    }
}

fn shipped() -> Option<Arc<RouteModel>> {
    RouteModel::shipped().ok().cloned().map(Arc::new)
}

/// A labelled text, read for the model.
struct Example {
    reading: PromptReading,
    features: RouteFeatures,
    vector: Vec<f32>,
    tier: Tier,
    weight: f32,
}

/// A text with its tier, and how much that counts.
type Weighed = (LabelledText, f32);

impl Gateway {
    /// Puts the weights in force that an earlier training left; what cannot be read leaves what ships.
    pub async fn load_learned(&self) {
        match self.parts.feedback.weights(WEIGHTS).await {
            Ok(Some((bytes, since))) => match RouteModel::from_bytes(&bytes) {
                Ok(model) => self.learned.put(Some((Arc::new(model), Some(since)))),
                Err(error) => tracing::warn!(%error, "the router's own weights cannot be read"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the router's own weights cannot be read"),
        }
        self.load_calibration().await;
    }

    /// Fits the router to what was said and observed of its answers and puts the new model in force, if it does no worse on
    /// texts that were held out.
    pub async fn train_route(&self) -> Result<RouteTraining, RouteLearningError> {
        let prior = self.learned.model().ok_or(RouteLearningError::NoEncoder)?;
        let examples = self.read_examples(self.known().await?).await?;
        let count = examples.len();
        let observed = examples.iter().filter(|example| example.weight < 1.0).count();
        let fitted = tokio::task::spawn_blocking(move || fit(&examples, &prior));
        let TrainedRoute { model, tiers, .. } = fitted
            .await
            .map_err(|error| StorageError::Other(error.to_string()))?
            .map_err(RouteLearningError::Refused)?;
        let now = self.parts.clock.now();
        self.parts.feedback.put_weights(WEIGHTS, Some(model.to_bytes()), now).await?;
        self.learned.put(Some((Arc::new(model), Some(now))));
        Ok(RouteTraining { examples: count, observed, tiers })
    }

    /// Goes back to the model that ships; tells whether another one was in force.
    pub async fn forget_training(&self) -> Result<bool, RouteLearningError> {
        let trained = self.learned.since().is_some();
        self.parts.feedback.put_weights(WEIGHTS, None, self.parts.clock.now()).await?;
        self.learned.put(shipped().map(|model| (model, None)));
        Ok(trained)
    }

    /// Measures the router on labelled texts, or on what was said of its answers if there are none, with others beside it.
    pub async fn evaluate_route(
        &self,
        labelled: Vec<LabelledText>,
    ) -> Result<Vec<RouteEvaluation>, RouteLearningError> {
        let labelled = if labelled.is_empty() { self.said().await? } else { labelled };
        if labelled.is_empty() {
            return Err(RouteLearningError::NoExamples);
        }
        let rules = |rules: &TierRules| {
            let said = labelled.iter().map(|known| (rules.choose(&known.text).tier, known.tier));
            tier_scores(&said.collect::<Vec<_>>())
        };
        let mut found =
            vec![RouteEvaluation { router: "built-in rules", scores: rules(&self.settings.rules) }];
        for (router, tier) in [
            ("always trivial", Tier::Trivial),
            ("always standard", Tier::Standard),
            ("always complex", Tier::Complex),
        ] {
            let said: Vec<_> = labelled.iter().map(|known| (tier, known.tier)).collect();
            found.push(RouteEvaluation { router, scores: tier_scores(&said) });
        }
        let labelled = labelled.into_iter().map(|known| (known, 1.0)).collect();
        let examples = self.read_examples(labelled).await?;
        let with = |model: &RouteModel| {
            let said = examples.iter().filter_map(|example| {
                let judged = model.judge_features(&example.features, Some(&example.vector)).tier?;
                // What the classifier is not sure of goes on to the rules; the standard tier stands for them here.
                Some((judged.tier.unwrap_or(Tier::Standard), example.tier))
            });
            tier_scores(&said.collect::<Vec<_>>())
        };
        let models = [("shipped", shipped()), ("in force", self.learned.model())];
        for (router, model) in models.into_iter().filter_map(|(name, model)| Some((name, model?))) {
            found.insert(0, RouteEvaluation { router, scores: with(&model) });
        }
        Ok(found)
    }

    /// What people said: what a router is measured with should not be guessed.
    async fn said(&self) -> Result<Vec<LabelledText>, RouteLearningError> {
        let known = self.known().await?.into_iter();
        Ok(known.filter(|(_, weight)| *weight >= 1.0).map(|(labelled, _)| labelled).collect())
    }

    /// What people said, then what was observed, as texts with their tiers, each text once: the last word counts.
    async fn known(&self) -> Result<Vec<Weighed>, RouteLearningError> {
        let said = self.parts.feedback.feedback(MOST_FEEDBACK).await?;
        let mut seen = HashSet::new();
        let labelled = said.into_iter().filter_map(|feedback| {
            let (tier, weight) = (feedback.tier()?, feedback.source.weight());
            seen.insert(feedback.text.clone()).then_some((LabelledText { text: feedback.text, tier }, weight))
        });
        Ok(labelled.collect())
    }

    async fn read_examples(&self, labelled: Vec<Weighed>) -> Result<Vec<Example>, RouteLearningError> {
        let semantic = self.cache.semantic.as_ref().ok_or(RouteLearningError::NoEncoder)?;
        let context = CallContext::new(RequestId(self.parts.ids.new_id()), Arc::new(Principal::owner()));
        let mut examples = Vec::with_capacity(labelled.len());
        for batch in labelled.chunks(BATCH) {
            let readings: Vec<PromptReading> =
                batch.iter().map(|(known, _)| read_prompt(&known.text)).collect();
            let texts: Vec<String> = readings.iter().map(|reading| reading.text.clone()).collect();
            let vectors = semantic.embed_many(&texts, &context).await.ok_or(RouteLearningError::NoEncoder)?;
            for ((reading, vector), (known, weight)) in readings.into_iter().zip(vectors).zip(batch) {
                let features = RouteFeatures::of(&reading);
                examples.push(Example { reading, features, vector, tier: known.tier, weight: *weight });
            }
        }
        Ok(examples)
    }
}

fn fit(examples: &[Example], prior: &RouteModel) -> Result<TrainedRoute, RouteRefused> {
    let examples: Vec<RouteExample<'_>> = examples
        .iter()
        .map(|example| RouteExample {
            text: &example.reading.text,
            features: &example.features,
            vector: &example.vector,
            label: RouteLabel::Tier(example.tier),
            weight: example.weight,
        })
        .collect();
    fit_route(&examples, prior)
}
