//! The words, ports and pure rules of Nunchi. Nothing here runs, waits, reads a clock or touches the outside.

mod chat;
mod explain;
mod ports;
mod rules;
mod words;

pub use chat::{
    CacheTtl, Choice, Citation, ConversationChanges, Dialect, EmbedReply, EmbedRequest, Frame, ImageDetail,
    Json, JsonSchemaFormat, Media, MediaSource, Message, ModelRequest, Note, Origin, PackedVector, Part,
    RawFrame, ReasoningEffort, ReasoningRequest, ReplacedRun, Reply, ReplyBody, ReplyEvent, ReplyInfo,
    ReplyStream, ResponseFormat, Role, Sampling, ShortenedResult, StopReason, ToolChoice, ToolDefinition,
    assemble_reply,
};
pub use explain::{Explain, Lang, RetryClass};
pub use ports::{
    BatchAnswer, BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchOutcome, BatchSearch, BatchStatus,
    BatchTicket, BoxFuture, BudgetStore, CacheEntry, CacheFilter, CacheKey, CacheStats, CacheStore,
    CallFilter, Clock, Embedder, Event, EventSink, Grouping, HoldError, HoldRequest, Ids, KeyStore, Ledger,
    LedgerReader, Model, ModelCard, ModelError, ModelErrorKind, ModelList, Original, OriginalStore,
    QuestionStore, Refusal, Settlement, Spawn, StorageError, StoredQuestion, TaskName, Total,
};
pub use rules::{
    Account, Admission, Booked, BudgetBook, CacheScope, Charge, Decision, Kinship, RateState, SpendWish,
    Ticket, TierChoice, TierRule, TierRules, admit_rate, cost, exact_key, human_text, in_tool_loop, kinship,
    live_word, mask_secrets, original_key, pattern_matches, prompt_token_bound, upper_bound, window_end,
    window_start,
};
pub use words::{
    AccessRole, Amount, Budget, BudgetAction, BudgetId, BudgetNotice, BudgetScope, BudgetState, BudgetWindow,
    CacheDirective, CacheVerdict, CallContext, CallId, CallRecord, CallSummary, CompressMode,
    ContextProposal, ContextTier, ContextUse, KeyId, KeyLimits, ModelPrice, NanoUsd, Outcome,
    ParseMoneyError, Posture, Principal, Rates, RequestId, RunId, Saved, Savings, Served, SpendScope, StepId,
    Threshold, Tier, Usage, UserId, VirtualKey,
};
