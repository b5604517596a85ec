//! How an answer is stored: compressed, perhaps encrypted, with a checksum.

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use nunchi_core::{CacheKey, StorageError};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

/// Compression level: answers are written often and read seldom.
const LEVEL: i32 = 1;
/// Answers that would unpack to more are damaged.
const MOST_BYTES: usize = 64 << 20;

/// Answers up to this size are unpacked one after the other with the same memory; a larger one would keep others waiting.
const SMALL: usize = 64 << 10;

/// A compressor's memory, which costs more to set up than a small answer costs to compress.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(super) fn new() -> Result<Self, StorageError> {
        zstd::bulk::Compressor::new(LEVEL).map(Self).map_err(|error| StorageError::Other(error.to_string()))
    }
}

/// Packs and unpacks answers.
pub(super) struct Sealer {
    cipher: Option<XChaCha20Poly1305>,
    /// A decompressor's memory costs more to set up than a small answer costs to unpack.
    unpacker: Mutex<Option<zstd::bulk::Decompressor<'static>>>,
}

impl Sealer {
    pub(super) fn new(key: Option<[u8; 32]>) -> Self {
        let cipher = key.map(|key| XChaCha20Poly1305::new(&key.into()));
        Self { cipher, unpacker: Mutex::new(None) }
    }

    /// Compresses, and encrypts where that is switched on. The key of the entry is bound to it, so that entries cannot be swapped.
    pub(super) fn seal(
        &self,
        packer: &mut Packer,
        key: &CacheKey,
        frames: &[u8],
    ) -> Result<Vec<u8>, StorageError> {
        let failed = |error: String| StorageError::Other(error);
        let packed = packer.0.compress(frames).map_err(|error| failed(error.to_string()))?;
        let Some(cipher) = &self.cipher else { return Ok(std::iter::once(0).chain(packed).collect()) };
        let nonce = XNonce::try_generate().map_err(|error| failed(error.to_string()))?;
        let sealed = cipher
            .encrypt(&nonce, Payload { msg: &packed, aad: &key.0 })
            .map_err(|error| failed(error.to_string()))?;
        Ok(std::iter::once(1).chain(nonce.iter().copied()).chain(sealed).collect())
    }

    /// Undoes [`Sealer::seal`]; `None` when it cannot be undone, for instance as the key is another one now.
    pub(super) fn open(&self, key: &CacheKey, sealed: &[u8]) -> Option<Vec<u8>> {
        let (kind, rest) = sealed.split_first()?;
        let packed = match (kind, &self.cipher) {
            (0, _) => Cow::Borrowed(rest),
            (1, Some(cipher)) => {
                let (nonce, body) = rest.split_at_checked(24)?;
                let nonce = XNonce::try_from(nonce).ok()?;
                Cow::Owned(cipher.decrypt(&nonce, Payload { msg: body, aad: &key.0 }).ok()?)
            }
            _ => return None,
        };
        let size = zstd::zstd_safe::get_frame_content_size(&packed).ok()??;
        let size = usize::try_from(size).ok().filter(|size| *size <= MOST_BYTES)?;
        if size > SMALL {
            return zstd::bulk::decompress(&packed, size).ok();
        }
        let mut kept = self.unpacker.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = zstd::bulk::Decompressor::new().ok();
        }
        kept.as_mut()?.decompress(&packed, size).ok()
    }
}

/// The checksum of an entry.
pub(super) fn checksum(about: &str, sealed: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(about).chain_update(sealed).finalize().to_vec()
}
