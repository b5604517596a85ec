//! One run of an agent: a pure turn machine (`step`) and the driver that performs its effects through ports.
//!
//! It is handed a `core::Model` and nothing else that can spend.

mod calls;
mod desk;
mod driver;
mod effect;
mod ending;
mod guards;
mod machine;
mod memory;
mod modes;
mod offers;
mod order;
mod people;
mod planning;
mod prompts;
mod record;
mod state;
mod thinking;
mod verifying;
mod waves;

pub use desk::{DeskParts, OrderDesk, PriceOf, RunRequest};
pub use driver::{Agent, AgentError, AgentParts, RunEvent};
pub use effect::{ChildResult, Effect, EffectId, Event, ModelAsk, ModelFailure, ModelReply, Notice, Work};
pub use machine::{Transition, step};
pub use memory::{
    Conversation, LearnReport, MemoryEncoder, MemoryKeeper, MemoryParts, MemorySettings, SaidTurn,
};
pub use modes::choose_mode;
pub use order::{Brief, RunOrder};
pub use state::{Phase, RunState};
pub use thinking::request_for;
