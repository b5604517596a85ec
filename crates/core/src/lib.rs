//! The words, ports and pure rules of Nunchi. Nothing here runs, waits, reads a clock or touches the outside.

mod chat;
mod explain;
mod ports;
mod rules;
mod words;

pub use chat::{
    CacheTtl, Choice, Citation, ConversationChanges, Dialect, EmbedReply, EmbedRequest, Frame, ImageDetail,
    Json, JsonSchemaFormat, Media, MediaSource, Message, ModelRequest, Note, Origin, PackedVector, Part,
    Quota, RawFrame, ReasoningEffort, ReasoningRequest, ReplacedRun, Reply, ReplyBody, ReplyEvent, ReplyInfo,
    ReplyStream, ResponseFormat, Role, Sampling, ShortenedResult, StopReason, ToolChoice, ToolDefinition,
    assemble_reply,
};
pub use explain::{Explain, Lang, RetryClass};
pub use ports::{
    BatchAnswer, BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchOutcome, BatchSearch, BatchStatus,
    BatchTerms, BatchTicket, BoxFuture, BudgetStore, ByteStream, CacheEntry, CacheFilter, CacheKey,
    CacheStats, CacheStore, CallFilter, Clock, Embedder, Event, EventSink, FeedbackStore, FileStore,
    Grouping, HoldError, HoldRequest, Ids, Job, JobAnswer, JobCounts, JobHead, JobPlace, JobResult, JobState,
    JobStore, KeyStore, Ledger, LedgerReader, Model, ModelCard, ModelError, ModelErrorKind, ModelList,
    Original, OriginalStore, QuestionStore, Refusal, Settlement, Spawn, StorageError, StoredBatch,
    StoredFile, StoredJob, StoredQuestion, TaskName, Total, Weights,
};
pub use rules::{
    Account, Admission, Booked, BudgetBook, CacheScope, Charge, Decision, Kinship, RateState, SpendWish,
    Ticket, TierChoice, TierRule, TierRules, admit_rate, cost, exact_key, human_text, in_tool_loop, kinship,
    live_word, mask_secrets, original_key, pattern_matches, plain_cost, prompt_token_bound, upper_bound,
    window_end, window_start,
};
pub use words::{
    AccessRole, Amount, BatchId, Budget, BudgetAction, BudgetId, BudgetNotice, BudgetScope, BudgetState,
    BudgetWindow, CacheDirective, CacheVerdict, CallContext, CallId, CallRecord, CallSummary, CompressMode,
    ContextProposal, ContextTier, ContextUse, Feedback, FileId, KeyId, KeyLimits, ModelPrice, NanoUsd,
    OWN_TASKS, Outcome, ParseMoneyError, Posture, Principal, Rates, Rating, RequestId, RunId, Saved, Savings,
    Served, SpendScope, StepId, Threshold, Tier, Usage, UserId, VirtualKey,
};
