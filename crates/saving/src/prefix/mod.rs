//! The beginning of a prompt, which providers keep: where two prompts part, and whether keeping one pays.

mod marks;
mod prompt;
mod traffic;

pub(crate) use marks::shared_token_rate;
pub use marks::{
    MarkPlan, PREFIX_LIFE, SHORTEST_PREFIX, first_reuse_guess, mark_prefix, marking_pays, plan_marks,
    prefix_is_marked, reuse_chance,
};
pub use prompt::{PrefixDifference, PromptBytes, SeenPrompt};
pub use traffic::{PrefixKeeping, PrefixOutlook, PrefixTraffic, PrefixUse, prefix_id};
