//! The words, ports and pure rules of Nunchi. Nothing here runs, waits, reads a clock or touches the outside.

mod chat;
mod explain;
mod ports;
mod rules;
mod words;

pub use chat::{
    CacheTtl, Choice, Citation, Dialect, EmbedReply, EmbedRequest, Frame, ImageDetail, Json,
    JsonSchemaFormat, Media, MediaSource, Message, ModelRequest, Note, Origin, PackedVector, Part, RawFrame,
    ReasoningEffort, ReasoningRequest, Reply, ReplyBody, ReplyEvent, ReplyInfo, ReplyStream, ResponseFormat,
    Role, Sampling, StopReason, ToolChoice, ToolDefinition, assemble_reply,
};
pub use explain::{Explain, Lang, RetryClass};
pub use ports::{
    ApprovalStore, BatchAnswer, BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchOutcome, BatchSearch,
    BatchStatus, BatchTicket, BoxFuture, BudgetStore, CacheEntry, CacheFilter, CacheKey, CacheStats,
    CacheStore, CallFilter, Clock, Embedder, Event, EventSink, Grouping, HoldError, HoldRequest, Ids,
    KeyStore, Ledger, LedgerReader, Model, ModelCard, ModelError, ModelErrorKind, ModelList, QuestionStore,
    Refusal, RunChange, RunFilter, RunStore, Settlement, Spawn, StorageError, StoredQuestion, TaskName, Tool,
    ToolBox, Total,
};
pub use rules::{
    Account, Admission, AnswerError, Booked, BudgetBook, CacheScope, ChainBreak, Charge, Decision, Kinship,
    RateState, SpendWish, Ticket, TierChoice, TierRule, TierRules, admit_rate, answer_approval, call_hash,
    canonical_json, cost, decide_permission, exact_key, human_text, in_tool_loop, kinship, label_of,
    live_word, mask_secrets, never_allowed, offer_grant, pattern_matches, prompt_token_bound, seal_step,
    upper_bound, verify_steps, window_end, window_start,
};
pub use words::{
    AccessRole, Amount, Answer, Approval, ApprovalId, ApprovalState, ApprovalSubject, Budget, BudgetAction,
    BudgetId, BudgetNotice, BudgetScope, BudgetState, BudgetWindow, CacheDirective, CacheVerdict,
    CallContext, CallId, CallRecord, CallSummary, CallToApprove, ContentHash, ContextTier, Deed, EffectClass,
    Expect, Ground, KeyId, KeyLimits, Label, LimitKind, LogStep, Mode, ModelPrice, NanoUsd, Outcome,
    ParseMoneyError, PermissionDecision, PermissionRule, Plan, PlanNode, Posture, Preview, Principal, Rates,
    Reach, Receipt, RequestId, RunEstimate, RunId, RunLimits, RunLog, RunOutcome, RunRecord, RunStatus,
    RunTotals, Saved, Savings, Served, SpendScope, StepId, StepKind, StepRecord, StepStatus, Threshold, Tier,
    ToolCall, ToolError, ToolFate, ToolOutput, ToolSpec, Touched, Usage, UserId, Verdict, VirtualKey, Zone,
};
