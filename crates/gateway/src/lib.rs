//! One model call, paid for: limit, recall, plan, hold, attempt, meter.

mod attempt;
mod batch;
mod breaker;
mod cache;
mod call;
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
mod settings;
mod tiering;
mod tokens;
mod tool_selection;

pub use batch::{BatchIntake, BatchLine, BatchSettings};
pub use breaker::{BreakerSettings, CandidateHealth};
pub use cache::{AnswerCache, CacheFigures, SemanticFigures, SharingReport};
pub use feed::Feed;
pub use gateway::Gateway;
pub use keys::{KeyError, KeyRing, NewKey, Secret};
pub use parts::{BatchParts, Parts, ProviderEntry, SemanticParts};
pub use plan::{Candidate, RoutePlan};
pub use prices::{PriceBook, PriceCatalog};
pub use prompt_cache::{PrefixBreak, PromptCacheReport};
pub use settings::{CacheSettings, LimitSettings, RetrySettings, SemanticSettings, Settings, TierModels};
pub use tiering::{RouteReport, RouteStage};
