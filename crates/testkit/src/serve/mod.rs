//! The server around a script: takes requests, keeps them, answers with the next turn.

mod admin;
mod batches;
mod check;
mod handle;
mod known;
mod pour;
mod seen;
mod state;
mod upstream;

pub use seen::Seen;
pub use upstream::Upstream;
