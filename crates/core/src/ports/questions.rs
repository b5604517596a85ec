//! The durable side of the semantic cache: questions whose answers are stored, with their vectors.

use super::cache::CacheKey;
use super::runtime::BoxFuture;
use super::storage_error::StorageError;
use crate::chat::PackedVector;
use jiff::Timestamp;

/// A question whose answer is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredQuestion {
    /// The entry that holds its answer.
    pub key: CacheKey,
    /// Everything but the question: only questions of the same kin may share an answer.
    pub kin: CacheKey,
    /// The question as it was asked.
    pub text: String,
    /// Its meaning, by `encoder`.
    pub vector: PackedVector,
    /// Which encoder made the vector; vectors of two encoders are never compared.
    pub encoder: String,
    /// What was learned of sharing this answer (JSON, the gateway's); empty at first.
    pub evidence: String,
    /// When the answer is no longer served.
    pub expires: Timestamp,
}

/// Stores questions beside the answers of a cache. Removing an answer removes its question.
pub trait QuestionStore: Send + Sync {
    /// Stores questions, replacing those of the same entries.
    fn put_questions(&self, questions: Vec<StoredQuestion>) -> BoxFuture<'_, Result<(), StorageError>>;
    /// The questions of these entries; those that are gone or damaged are left out.
    fn questions(&self, keys: Vec<CacheKey>) -> BoxFuture<'_, Result<Vec<StoredQuestion>, StorageError>>;
    /// A page of all questions of an encoder that are still served at `now`, in the order of their places, which are returned
    /// with them: the next page begins behind the last one.
    fn scan_questions(
        &self,
        encoder: String,
        now: Timestamp,
        after: i64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<(i64, StoredQuestion)>, StorageError>>;
    /// Notes what was learned of an entry.
    fn learn(&self, key: CacheKey, evidence: String) -> BoxFuture<'_, Result<(), StorageError>>;
}
