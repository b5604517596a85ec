//! What an answer cache is opened with, whatever it is kept in.

/// Options of every back end.
#[derive(Clone)]
pub struct CacheOptions {
    /// Bytes of stored answers; beyond it the least recently used go.
    pub cap_bytes: u64,
    /// Encrypts answers with this key.
    pub encryption_key: Option<[u8; 32]>,
}
