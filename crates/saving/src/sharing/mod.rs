//! Which stored answer a new question may be served: its nearest kin, looked at closely.

mod choose;
mod index;
mod strict;

pub use choose::{
    BestShare, NEIGHBOURS, SharingRules, StoredMeaning, best_share, languages_fit, meaning_text,
    shareable_question,
};
pub use index::QuestionIndex;
pub use strict::{is_plain_question, same_words};
