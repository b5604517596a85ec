//! The rules: pure functions over the words.

mod budget_book;
mod exact_key;
mod human_text;
mod live_question;
mod mask;
mod model_pattern;
mod normalise;
mod original_key;
mod pricing;
mod prompt_bound;
mod rate;
mod tier_rules;
mod window;

pub use budget_book::{Account, Admission, Booked, BudgetBook, Charge, Decision, SpendWish, Ticket};
pub use exact_key::{CacheScope, Kinship, exact_key, kinship};
pub use human_text::{human_text, in_tool_loop};
pub use live_question::live_word;
pub use mask::mask_secrets;
pub use model_pattern::pattern_matches;
pub use original_key::original_key;
pub use pricing::{cost, plain_cost, upper_bound};
pub use prompt_bound::prompt_token_bound;
pub use rate::{RateState, admit_rate};
pub use tier_rules::{TierChoice, TierRule, TierRules};
pub use window::{window_end, window_start};
