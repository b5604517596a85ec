//! One model call, paid for: limit, recall, plan, hold, attempt, meter.

mod attempt;
mod breaker;
mod cache;
mod call;
mod compression;
mod conversation;
mod embed;
mod feed;
mod flight;
mod gateway;
mod keys;
mod limits;
mod loyalty;
mod meter;
mod parts;
mod plan;
mod prices;
mod prompt_cache;
mod rounds;
mod settings;
mod tiering;
mod tokens;
mod tool_selection;

pub use breaker::{BreakerSettings, CandidateHealth};
pub use cache::{AnswerCache, CacheFigures, SemanticFigures, SharingReport};
pub use compression::{CompressionReport, ReportedPart};
pub use feed::Feed;
pub use gateway::Gateway;
pub use keys::{KeyError, KeyRing, NewKey, Secret};
pub use parts::{Parts, ProviderEntry, SemanticParts};
pub use plan::{Candidate, RoutePlan};
pub use prices::{PriceBook, PriceCatalog};
pub use prompt_cache::{PrefixBreak, PromptCacheReport};
pub use settings::{
    CacheSettings, CompressSettings, LimitSettings, OnLimit, RetrySettings, SemanticSettings, Settings,
    TierModels,
};
pub use tiering::{RouteReport, RouteStage};
