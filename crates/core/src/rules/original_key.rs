//! The keys of originals: whose they are, and which ones.

use crate::ports::CacheKey;
use crate::words::{Principal, RunId};
use sha2::{Digest, Sha256};

/// Computes the key. Only who holds the same virtual key arrives at it: nobody else can recall the text.
pub fn original_key(principal: &Principal, id: &str) -> CacheKey {
    key(b"nunchi original 1", principal.key.as_ref().map_or(&[][..], |key| key.0.as_bytes()), id)
}

/// Computes the key of a tool's result. Only the run that got it arrives at it.
pub fn result_key(run: RunId, id: &str) -> CacheKey {
    key(b"nunchi result 1", run.0.as_bytes(), id)
}

fn key(kind: &[u8], holder: &[u8], id: &str) -> CacheKey {
    let mut hash = Sha256::new();
    hash.update(kind);
    for field in [holder, id.as_bytes()] {
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    CacheKey(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::KeyId;
    use uuid::Uuid;

    #[test]
    fn another_key_arrives_elsewhere() {
        let owner = Principal::owner();
        let other = Principal { key: Some(KeyId(Uuid::max())), ..Principal::owner() };
        assert_eq!(original_key(&owner, "a"), original_key(&owner, "a"));
        assert_ne!(original_key(&owner, "a"), original_key(&owner, "b"));
        assert_ne!(original_key(&owner, "a"), original_key(&other, "a"));
        let (run, next) = (RunId(Uuid::nil()), RunId(Uuid::max()));
        assert_eq!(result_key(run, "a"), result_key(run, "a"));
        assert_ne!(result_key(run, "a"), result_key(next, "a"));
        assert_ne!(result_key(run, "a"), original_key(&owner, "a"));
    }
}
