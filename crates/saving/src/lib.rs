//! Judgements that save money: whether two questions share an answer, which tier a question needs, which tools it needs, and
//! what of a conversation can be left out. Pure: texts and vectors go in, a verdict with its reason comes out.

mod compress;
mod guard;
mod route;
mod select;

pub use guard::{
    Agreement, Blocked, FEATURE_NAMES, FEATURES, Forest, Freshness, GUARD_WEIGHTS_VERSION, Node, Question,
    SharingDecision, SharingPrior, SharingRecord, SharingVerdict, Slot, SlotVerdict, Tongue, Unshareable,
    freshness, judge, pair_features,
};
