//! The rules of memory: what is worth keeping, what is the same, what takes the place of what, what fades, what is found.

mod judging;
mod ranking;
mod retention;
mod telling;
mod terms;
mod topic;
mod worth;

pub use judging::{FactVerdict, judge_fact, same_meaning};
pub use ranking::{WEIGHT_AROUND, rank_facts, term_weight};
pub use retention::{Fading, faded, retention};
pub use telling::{fact_lines, fill_budget, rough_tokens};
pub use terms::{holds_terms, search_terms};
pub use topic::fact_topic;
pub use worth::{holds_secret, reads_as_order, worth_keeping};
