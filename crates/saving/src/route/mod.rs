//! Which tier and intent a question has, whether a session may change its model for it, and whether a cheap answer may stand.

mod cascade;
mod choice;
mod complaint;
mod cues;
mod difficulty;
mod features;
mod intent;
mod lbfgs;
mod learn;
mod measure;
mod model;
mod reading;
mod refit;
mod session;
mod subjects;
mod surface;
mod tier;
mod weights;

pub use cascade::{
    CascadeCosts, CascadeForecast, CascadeOdds, CascadePolicy, CascadeVerdict, CheckResults,
    forecast_cascade, verify_answer,
};
pub use choice::{ModelWish, choose_tier, fit_tier, model_wish, sure_tier, tier_order};
pub use complaint::is_complaint;
pub use difficulty::{Difficulty, OutcomeExample};
pub use features::{ROUTE_VECTOR, RouteFeatures};
pub use intent::{INTENTS, Intent, spoken_intents};
pub use learn::{FeatureScaler, FitLoss, FitOptions, LinearInputs, LinearModel, fit_linear};
pub use measure::{Estimate, Routed, TierScores, apgr, bootstrap, share_of, strong_share_for, tier_scores};
pub use model::{RouteJudgement, RouteModel};
pub use reading::{PromptReading, read_prompt};
pub use refit::{
    LEAST_EXAMPLES, RouteComparison, RouteExample, RouteLabel, RouteRefused, TrainedRoute, fit_route,
};
pub use session::{
    Outlook, Proposal, SessionChoice, SessionReason, SessionState, keep_or_switch, session_cost,
};
pub use subjects::{SUBJECTS, WORD_PROBLEM, subject_index};
pub use tier::{IntentSource, IntentVerdict, TierExample, TierVerdict, part_of};
pub use weights::WeightsError;
