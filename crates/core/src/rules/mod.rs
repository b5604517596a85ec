//! The rules: pure functions over the words.

mod approving;
mod budget_book;
mod canonical_json;
mod exact_key;
mod human_text;
mod label;
mod live_question;
mod located;
mod mask;
mod memory;
mod model_pattern;
mod normalise;
mod original_key;
mod own_words;
mod permission;
mod pricing;
mod prompt_bound;
mod rate;
mod service_tier;
mod step_chain;
mod tier_rules;
mod window;

pub use approving::{AnswerError, answer_approval};
pub use budget_book::{Account, Admission, Booked, BudgetBook, Charge, Decision, SpendWish, Ticket};
pub use canonical_json::{call_hash, canonical_json};
pub use exact_key::{CacheScope, exact_key, kin_key, lone_question};
pub use human_text::{human_text, in_tool_loop};
pub use label::label_of;
pub use live_question::live_word;
pub use located::{Located, LocatedEntry, LocatedValue, Position, SyntaxError, read_toml, read_yaml};
pub use mask::{mask_secrets, mask_start, mask_with};
pub use memory::{
    FactVerdict, Fading, WEIGHT_AROUND, fact_lines, fact_topic, faded, fill_budget, holds_secret,
    holds_terms, judge_fact, rank_facts, reads_as_order, retention, rough_tokens, same_meaning, search_terms,
    term_weight, worth_keeping,
};
pub use model_pattern::pattern_matches;
pub use original_key::{original_key, result_key};
pub use own_words::own_words;
pub use permission::{decide_permission, never_allowed, offer_grant};
pub use pricing::{cost, dearest, most_tool_uses, plain_cost, upper_bound};
pub use prompt_bound::{PromptBound, prompt_token_bound};
pub use rate::{RateState, admit_rate};
pub use service_tier::asked_service_tier;
pub use step_chain::{ChainBreak, seal_step, verify_steps};
pub use tier_rules::{TierChoice, TierRule, TierRules};
pub use window::{window_end, window_start};
