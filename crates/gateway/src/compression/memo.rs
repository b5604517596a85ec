//! Shortened texts, by content: a session sends its results again with every call.

use super::draft::{ShortText, shortened};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Texts that are remembered; when there are more, all are forgotten.
const MOST: usize = 2_000;
/// Shorter texts are shortened faster than they are found, in bytes.
const SHORTEST: usize = 512;

/// What a text is shortened to; `None` where it stays as it is.
type Short = Option<Arc<ShortText>>;

/// The texts.
#[derive(Default)]
pub(crate) struct ShortTexts(Mutex<HashMap<[u8; 32], Short>>);

impl ShortTexts {
    pub(super) fn get(&self, text: &str) -> Short {
        if text.len() < SHORTEST {
            return shortened(text).map(Arc::new);
        }
        let id: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if let Some(known) = self.known().get(&id) {
            return known.clone();
        }
        let short = shortened(text).map(Arc::new);
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(id, short.clone());
        short
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Short>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
