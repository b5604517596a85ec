//! The HTTP surface: the OpenAI and Anthropic dialects inbound, health, metrics, and the description of it all.

mod admin;
mod agents;
mod answer;
mod anthropic;
mod batches;
mod body;
mod console;
mod door;
mod failure;
mod front;
mod headers;
mod health;
mod media;
mod openai;
mod openapi;
mod problem;
mod read_chat;
mod relay;
mod router;
mod sequence;
mod skill_card;
mod sse;
mod state;
mod wire;
mod write_timeout;

pub use agents::AgentServices;
pub use batches::BatchServices;
pub use console::{ConsoleParts, Currency, Stopping, with_console};
pub use openapi::openapi_document;
pub use read_chat::read_chat;
pub use router::router;
pub use skill_card::{SkillCard, SkillCardParam, SkillCardProblem, SkillShelf};
pub use state::{
    AdminServices, ApiParts, ApiSettings, ApiState, Authenticate, Catalog, KeyRefused, MetricsPage,
    ReadyCheck, ReadyProbe, Shared,
};
pub use write_timeout::WriteTimeout;
