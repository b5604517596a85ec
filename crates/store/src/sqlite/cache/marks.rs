//! Tells most keys that are not stored without a query, in memory that does not grow.

use nunchi_core::CacheKey;
use std::sync::atomic::{AtomicU64, Ordering};

/// Marks, a power of two: a million keys leave 94 of 100 unmarked.
const MARKS: usize = 1 << 24;

/// One bit for many keys. Keys that were removed leave their mark.
pub(super) struct Marks(Box<[AtomicU64]>);

impl Marks {
    pub(super) fn new() -> Self {
        Self((0..MARKS / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// Marks a key; tells whether it may have been there before.
    pub(super) fn add(&self, key: &CacheKey) -> bool {
        let (word, bit) = Self::place(key);
        self.0[word].fetch_or(bit, Ordering::AcqRel) & bit != 0
    }

    /// Whether a key may be there.
    pub(super) fn may_hold(&self, key: &CacheKey) -> bool {
        let (word, bit) = Self::place(key);
        self.0[word].load(Ordering::Acquire) & bit != 0
    }

    /// Keys are hashes, so any of their bits spread evenly.
    fn place(key: &CacheKey) -> (usize, u64) {
        let number = key.0.iter().take(3).fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        (number / 64, 1 << (number % 64))
    }
}
