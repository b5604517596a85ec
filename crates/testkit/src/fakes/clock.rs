//! Clocks for tests: one moved by hand, one that follows tokio's (pausable) time.

use jiff::Timestamp;
use nunchi_core::Clock;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// 2026-01-01T00:00:00Z, where test clocks begin.
const BEGIN: i64 = 1_767_225_600;

fn begin() -> Timestamp {
    Timestamp::from_second(BEGIN).expect("2026 is in range")
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<(Timestamp, Duration)>);

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// Stands at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self(Mutex::new((begin(), Duration::ZERO)))
    }

    /// Stands at this time, such as `2026-03-29T00:59:59Z`.
    ///
    /// # Panics
    /// When the text is no timestamp.
    pub fn at(time: &str) -> Self {
        Self(Mutex::new((time.parse().expect("a timestamp"), Duration::ZERO)))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.0 += by;
        time.1 += by;
    }

    /// The time of day jumps, either way; no time passes.
    pub fn jump(&self, to: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// A clock that begins at 2026-01-01T00:00:00Z and follows tokio's time, also when a test has paused it.
#[derive(Debug)]
pub struct TokioClock(Instant);

impl TokioClock {
    /// Begins now; needs a tokio runtime.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        begin() + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}
