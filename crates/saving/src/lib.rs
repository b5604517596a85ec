//! Judgements that save money: whether two questions share an answer, which tier a question needs, which tools it needs, and
//! what of a conversation can be left out. Pure: texts and vectors go in, a verdict with its reason comes out.

mod compress;
mod conversation;
mod guard;
mod prefix;
mod replay;
mod route;
mod select;
mod sharing;

pub use compress::{
    CompressedHistory, CompressedResult, CompressionPlan, CompressionReach, CompressionVerdict,
    ContextAdvice, DEFAULT_TRIM_TOKENS, FrozenHistory, HISTORY_ID, HistoryPolicy, PinKind, PinnedFact,
    RECALL, RecallCall, RecallOptions, Recalled, ResultKind, ResultPolicy, SessionShortener, SummaryRequest,
    compress_history, compress_result, compression_reach, compression_verdict, content_id, context_advice,
    history_passages, message_tokens, missing_facts, pinned_facts, recall, recall_definition, recall_lines,
    recall_passages, summary_request, trim_messages,
};
pub use conversation::{conversation_name, conversation_of, used_tools};
pub use guard::{
    Agreement, Blocked, FEATURE_NAMES, FEATURES, Forest, Freshness, GUARD_WEIGHTS_VERSION, Node, Question,
    SharingDecision, SharingPrior, SharingRecord, SharingVerdict, Slot, SlotVerdict, Tongue, Unshareable,
    freshness, judge, pair_features,
};
pub use prefix::{
    MarkPlan, PREFIX_LIFE, PrefixDifference, PrefixKeeping, PrefixOutlook, PrefixTraffic, PrefixUse,
    PromptBytes, SHORTEST_PREFIX, SeenPrompt, first_reuse_guess, mark_prefix, marking_pays, plan_marks,
    prefix_id, prefix_is_marked, reuse_chance,
};
pub use replay::{
    Meanings, ReplayBody, ReplayCache, ReplayCall, ReplayFloor, ReplayInput, ReplayLabel, ReplayModel,
    ReplayPolicy, ReplayQuality, ReplayReport, ReplaySharing, ReplayTokens, WrongAmong, replay,
    texts_to_embed,
};
pub use route::{
    CascadeCosts, CascadeForecast, CascadeOdds, CascadePolicy, CascadeVerdict, CheckResults, Difficulty,
    Estimate, FeatureScaler, FitLoss, FitOptions, INTENTS, Intent, IntentSource, IntentVerdict,
    LEAST_EXAMPLES, LinearInputs, LinearModel, ModelWish, OutcomeExample, Outlook, PromptReading, Proposal,
    ROUTE_VECTOR, RouteComparison, RouteExample, RouteFeatures, RouteJudgement, RouteLabel, RouteModel,
    RouteRefused, Routed, SUBJECTS, SessionChoice, SessionReason, SessionState, TierExample, TierScores,
    TierVerdict, TrainedRoute, WORD_PROBLEM, WeightsError, apgr, bootstrap, choose_tier, fit_linear,
    fit_route, fit_tier, forecast_cascade, is_complaint, keep_or_switch, model_wish, part_of, read_prompt,
    session_cost, share_of, spoken_intents, strong_share_for, subject_index, sure_tier, tier_order,
    tier_scores, verify_answer,
};
pub use select::{
    ConceptVectors, CutPolicy, ExampleMemory, FEWEST_TOOLS, FIND_TOOLS, FoundTool, GroupRule, GroupTable,
    ListPrefix, PromptCacheState, RankedTool, SelectionChange, SelectionRequest, ToolCatalog, ToolGroup,
    ToolQuery, ToolReason, ToolSelection, ToolSession, asking_part, choose_or_send_all, definition_tokens,
    estimate_tokens, find_tools_answer, find_tools_definition, find_tools_query, regrouping_gain,
    select_tools, whole_list_id,
};
pub use sharing::{
    BestShare, NEIGHBOURS, QuestionIndex, SharingRules, StoredMeaning, best_share, is_plain_question,
    languages_fit, meaning_text, same_words, shareable_question,
};
