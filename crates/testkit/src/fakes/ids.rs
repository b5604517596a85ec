//! Ids that count from one.

use nunchi_core::Ids;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::{Builder, Uuid};

/// The millisecond that all ids carry: 2026-01-01T00:00:00Z.
const MILLIS: u64 = 1_767_225_600_000;

/// Valid UUIDv7s that differ in their last digits only, and sort in the order they were made.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    /// Begins with 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of this number, without making it.
    pub fn nth(number: u64) -> Uuid {
        let mut low = [0; 10];
        low[2..].copy_from_slice(&number.to_be_bytes());
        Builder::from_unix_timestamp_millis(MILLIS, &low).into_uuid()
    }
}

impl Ids for SequentialIds {
    fn new_id(&self) -> Uuid {
        Self::nth(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
