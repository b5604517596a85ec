//! Memory across conversations: the rules in front of a store. Learns from what was said, finds what fits a question, tells runs
//! what they should know.

mod keeper;
mod learning;
mod said;
mod telling;

pub use keeper::{MemoryEncoder, MemoryKeeper, MemoryParts, MemorySettings};
pub use learning::{Conversation, LearnReport, SaidTurn};
