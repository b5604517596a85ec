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
    ApprovalStore, BatchAnswer, BatchAnswers, BatchItem, BatchLimits, BatchModel, BatchOutcome, BatchSearch,
    BatchStatus, BatchTerms, BatchTicket, BoxFuture, BudgetStore, ByteStream, CacheEntry, CacheFilter,
    CacheKey, CacheStats, CacheStore, CallFilter, Candidates, Clock, ContextQuery, ContextSource,
    ContextText, Embedder, Event, EventSink, FactFilter, FactQuery, FeedbackStore, FileStore, Grouping,
    HoldError, HoldRequest, Ids, Job, JobAnswer, JobCounts, JobHead, JobPlace, JobResult, JobState, JobStore,
    KeyStore, Ledger, LedgerReader, Memory, MemoryChange, MemoryError, MemoryStore, MessageStore, Model,
    ModelCard, ModelError, ModelErrorKind, ModelList, Notifier, Original, OriginalStore, OwnerMessage,
    QuestionStore, Refusal, Reminder, RemoteCall, RemoteCalls, RunChange, RunFilter, RunStore, ScoreStore,
    Settlement, ShortenHistory, ShortenedHistory, Spawn, StorageError, StoredBatch, StoredFile, StoredJob,
    StoredQuestion, TaskName, ToldMessage, Tool, ToolBox, Total, UndoOrder, UndoRefused, UndoRuns, Weights,
};
pub use rules::{
    Account, Admission, AnswerError, Booked, BudgetBook, CacheScope, ChainBreak, Charge, Decision,
    FactVerdict, Fading, Located, LocatedEntry, LocatedValue, Position, PromptBound, RateState, SpendWish,
    SyntaxError, Ticket, TierChoice, TierRule, TierRules, WEIGHT_AROUND, admit_rate, answer_approval,
    asked_service_tier, call_hash, canonical_json, cost, dearest, decide_permission, exact_key, fact_lines,
    fact_topic, faded, fill_budget, holds_secret, holds_terms, human_text, in_tool_loop, judge_fact, kin_key,
    label_of, live_word, lone_question, mask_secrets, mask_start, mask_with, most_tool_uses, never_allowed,
    offer_grant, original_key, own_words, pattern_matches, plain_cost, prompt_token_bound, rank_facts,
    read_toml, read_yaml, reads_as_order, result_key, retention, rough_tokens, same_meaning, seal_step,
    search_terms, term_weight, upper_bound, verify_steps, window_end, window_start, worth_keeping,
};
pub use words::{
    AccessRole, Amount, Answer, Approval, ApprovalId, ApprovalState, ApprovalSubject, BatchId, Budget,
    BudgetAction, BudgetId, BudgetNotice, BudgetScope, BudgetState, BudgetWindow, CacheDirective,
    CacheVerdict, CallContext, CallId, CallRecord, CallSummary, CallToApprove, CompressMode, ContentHash,
    ContextProposal, ContextTier, ContextUse, Deed, EffectClass, Expect, Fact, FactId, FactKind, FactRecord,
    FactSource, FactState, FactVector, FactWish, Feedback, FeedbackSource, FileId, GrantedRule, Ground,
    HalfLife, Judgement, KeyId, KeyLimits, Label, LimitKind, LogStep, MeanScore, MemoryBounds, MemoryFigures,
    Mode, ModelPrice, NanoUsd, OWN_TASKS, Outcome, ParseMoneyError, PermissionDecision, PermissionRule, Plan,
    PlanNode, Posture, Preview, Principal, RankedFact, Rates, Rating, Reach, Receipt, Remembered, RequestId,
    Revocation, RunDoor, RunEstimate, RunId, RunLimits, RunLog, RunOrigin, RunOutcome, RunRecord, RunScore,
    RunStatus, RunTotals, Saved, Savings, Score, ScoreName, ScoreValue, Served, ServiceTier, SpendScope,
    StepId, StepKind, StepRecord, StepStatus, Threshold, Tier, ToolCall, ToolError, ToolFate, ToolOutput,
    ToolSpec, Touched, UndoCall, UndoReport, UndoStatus, Undone, UndoneStep, Usage, UserId, Verdict,
    VirtualKey, Zone, mean_scores,
};
