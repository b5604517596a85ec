//! What the process runs on: named tasks, the clock, ids, signals.

mod clock;
mod signals;
mod tasks;

pub(crate) use clock::{SystemClock, UuidIds};
pub(crate) use signals::{Hangup, Signals};
pub(crate) use tasks::Tasks;
