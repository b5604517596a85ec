//! Which tier and intent a question has, whether a session may change its model for it, and whether a cheap answer may stand.

mod cues;
mod difficulty;
mod features;
mod intent;
mod lbfgs;
mod learn;
mod measure;
mod model;
mod reading;
mod subjects;
mod surface;
mod tier;
mod weights;

pub use difficulty::{Difficulty, OutcomeExample};
pub use features::{Features, VECTOR};
pub use intent::{INTENTS, Intent};
pub use learn::{FitOptions, Inputs, Linear, Loss, Scaler, fit_linear};
pub use measure::{Estimate, Routed, apgr, bootstrap, share, strong_share_for};
pub use model::{Judgement, RouteModel};
pub use reading::{Reading, read};
pub use subjects::{SUBJECTS, WORD_PROBLEM, subject_index};
pub use tier::{IntentSource, IntentVerdict, TierExample, TierVerdict, part_of};
pub use weights::WeightsError;
