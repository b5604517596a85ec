//! The machine's clock and its source of ids.

use jiff::Timestamp;
use nunchi_core::{Clock, Ids};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The machine's clock.
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Random UUIDv7s.
pub(crate) struct UuidIds;

impl Ids for UuidIds {
    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
