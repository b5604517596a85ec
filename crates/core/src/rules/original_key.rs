//! The key of an original: whose it is, and which one.

use crate::ports::CacheKey;
use crate::words::Principal;
use sha2::{Digest, Sha256};

/// Computes the key. Only who holds the same virtual key arrives at it: nobody else can recall the text.
pub fn original_key(principal: &Principal, id: &str) -> CacheKey {
    let mut hash = Sha256::new();
    hash.update(b"nunchi original 1");
    let holder = principal.key.as_ref().map_or(&[][..], |key| key.0.as_bytes());
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
    }
}
