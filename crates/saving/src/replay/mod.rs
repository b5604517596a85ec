//! A workload under another policy: what it would have cost, what saved how much, and what that may have cost in quality.
//!
//! Calls, prices and vectors come in, a report goes out. Every decision is made by the functions that the gateway calls.

mod floors;
mod kept;
mod outgoing;
mod report;
mod routing;
mod sharing;
mod texts;
mod walk;
mod words;

#[cfg(test)]
mod tests;

pub use report::{ReplayFloor, ReplayQuality, ReplayReport, ReplayTokens, WrongAmong};
pub use texts::{Meanings, texts_to_embed};
pub use walk::{ReplayInput, replay};
pub use words::{ReplayBody, ReplayCache, ReplayCall, ReplayLabel, ReplayModel, ReplayPolicy, ReplaySharing};
