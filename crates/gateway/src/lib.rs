//! One model call, paid for: limit, recall, plan, hold, attempt, meter.

mod ask;
mod attempt;
mod batch;
mod breaker;
mod cache;
mod calibration;
mod call;
mod call_counters;
mod cascade;
mod compression;
mod embed;
mod encoder_error;
mod feed;
mod feedback;
mod flight;
mod gateway;
mod hold;
mod keys;
mod limits;
mod loyalty;
mod meter;
mod own_calls;
mod parts;
mod plan;
mod prices;
mod prompt_cache;
mod quotas;
mod rounds;
mod route_learning;
mod settings;
mod tiering;
mod tokens;
mod tool_selection;

pub use batch::{BatchIntake, BatchLine, BatchSettings};
pub use breaker::{BreakerSettings, CandidateHealth};
pub use cache::{
    AnswerCache, CacheFigures, Calibration, CalibrationError, CalibrationRow, QuestionPair, SemanticFigures,
    SharingReport,
};
pub use cascade::CascadeCheck;
pub use compression::{CompressionReport, ReportedPart};
pub use feed::Feed;
pub use feedback::{FeedbackEffect, FeedbackError, Opinion};
pub use gateway::Gateway;
pub use keys::{KeyError, KeyRing, NewKey, Secret};
pub use parts::{BatchParts, Parts, ProviderEntry, SemanticParts};
pub use plan::{Candidate, RoutePlan};
pub use prices::{PriceBook, PriceCatalog, free_price, undated};
pub use prompt_cache::{PrefixBreak, PromptCacheReport};
pub use route_learning::{LabelledText, RouteEvaluation, RouteLearningError, RouteTraining};
pub use settings::{
    CacheSettings, CompressSettings, LimitSettings, OnLimit, RetrySettings, SemanticSettings, Settings,
    TierModels,
};
pub use tiering::{RouteReport, RouteStage};
pub use tokens::count_prompt;
