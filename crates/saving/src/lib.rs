//! Judgements that save money: whether two questions share an answer, which tier a question needs, which tools it needs, and
//! what of a conversation can be left out. Pure: texts and vectors go in, a verdict with its reason comes out.

mod compress;
mod guard;
mod route;
mod select;

pub use compress::{
    CompressedHistory, CompressedResult, CompressionPlan, CompressionReach, CompressionVerdict,
    ContextAdvice, DEFAULT_TRIM_TOKENS, FrozenHistory, HISTORY_ID, HistoryPolicy, PinKind, PinnedFact,
    RECALL, RecallCall, RecallOptions, Recalled, ResultKind, ResultPolicy, SummaryRequest, compress_history,
    compress_result, compression_reach, compression_verdict, content_id, context_advice, history_passages,
    message_tokens, missing_facts, pinned_facts, recall, recall_definition, recall_lines, recall_passages,
    summary_request, trim_messages,
};
pub use guard::{
    Agreement, Blocked, FEATURE_NAMES, FEATURES, Forest, Freshness, GUARD_WEIGHTS_VERSION, Node, Question,
    SharingDecision, SharingPrior, SharingRecord, SharingVerdict, Slot, SlotVerdict, Tongue, Unshareable,
    freshness, judge, pair_features,
};
pub use route::{
    CascadeCosts, CascadeForecast, CascadeOdds, CascadePolicy, CascadeVerdict, CheckResults, Difficulty,
    Estimate, FeatureScaler, FitLoss, FitOptions, INTENTS, Intent, IntentSource, IntentVerdict,
    LEAST_EXAMPLES, LinearInputs, LinearModel, OutcomeExample, Outlook, PromptReading, Proposal,
    ROUTE_VECTOR, RouteComparison, RouteExample, RouteExplanation, RouteFeatures, RouteJudgement, RouteLabel,
    RouteModel, RouteRefused, RouteStage, RouteStageName, Routed, SUBJECTS, SessionChoice, SessionReason,
    SessionState, TierExample, TierVerdict, TrainedRoute, WORD_PROBLEM, WeightsError, apgr, bootstrap,
    explain_route, fit_linear, fit_route, forecast_cascade, keep_or_switch, part_of, read_prompt,
    session_cost, share_of, strong_share_for, subject_index, verify_answer,
};
pub use select::{
    ConceptVectors, CutPolicy, ExampleMemory, FIND_TOOLS, FoundTool, GroupRule, GroupTable, PromptCacheState,
    RankedTool, SelectionChange, SelectionRequest, ToolCatalog, ToolGroup, ToolQuery, ToolReason,
    ToolSelection, ToolSession, asking_part, definition_tokens, estimate_tokens, find_tools_answer,
    find_tools_definition, find_tools_query, regrouping_gain, select_tools,
};
