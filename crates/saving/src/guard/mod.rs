//! The guard of the semantic cache: may the answer to one question be served for another?
//!
//! A question is read once into content words and slots. Slots that conflict forbid sharing; what is left is weighed by a
//! small verifier into a calibrated probability.

mod amounts;
mod compare;
mod english;
mod features;
mod forest;
mod freshness;
mod hangul;
mod korean_numbers;
mod lexicon;
mod question;
mod reader;
mod record;
mod slot;
mod text;
mod verdict;

pub use features::{FEATURE_NAMES, FEATURES};
pub use forest::{Forest, GUARD_WEIGHTS_VERSION, Node};
pub use freshness::{Freshness, freshness};
pub use question::{Question, Tongue, Unshareable};
pub use record::{SharingDecision, SharingPrior, SharingRecord};
pub use slot::{Agreement, Slot, SlotVerdict};
pub use verdict::{Blocked, SharingVerdict, judge, pair_features};
