//! The beginning of a prompt, which providers keep: where two prompts part, and whether keeping one pays.

mod marks;
mod prompt;

pub use marks::{
    PREFIX_LIFE, SHORTEST_PREFIX, first_reuse_guess, mark_prefix, marking_pays, prefix_is_marked,
    reuse_chance,
};
pub use prompt::{PrefixDifference, PromptBytes, SeenPrompt};
