//! What can be left out of tool results and histories, and how it is found again.

mod account;
mod history;
mod html;
mod lines;
mod reach;
mod recall;
mod result;
mod salience;
mod sentences;
mod session;
mod summary;
mod table;
mod telegram;

pub use account::{
    CompressionPlan, CompressionVerdict, ContextAdvice, DEFAULT_TRIM_TOKENS, compression_verdict,
    context_advice, trim_messages,
};
pub use history::{
    CompressedHistory, FrozenHistory, HISTORY_ID, HistoryPolicy, compress_history, history_passages,
    message_tokens, pinned_facts,
};
pub use reach::{CompressionReach, compression_reach};
pub use recall::{
    RECALL, RecallCall, RecallOptions, Recalled, recall, recall_definition, recall_lines, recall_passages,
};
pub use result::{CompressedResult, ResultKind, ResultPolicy, compress_result, content_id};
pub use salience::{PinKind, PinnedFact};
pub use session::SessionShortener;
pub use summary::{SummaryRequest, missing_facts, summary_request};
