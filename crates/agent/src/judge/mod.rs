//! Judges answers: by a model, whose word counts as far as it can be checked, and by rules that need none.

mod case;
mod desk;
mod error;
mod prompt;
mod reply;
mod rules;
mod withhold;

pub use case::{JudgeCase, JudgeSource, RunFacts};
pub use desk::{Judge, JudgeParts, JudgeWish};
pub use error::JudgeError;
pub use rules::rule_scores;
