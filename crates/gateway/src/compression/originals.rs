//! Originals of what was sent shortened. The request usually holds them itself; what it no longer holds is found in the store, by the
//! hash of its content, and only for the key that sent it.

use super::draft::result_texts;
use crate::gateway::Gateway;
use jiff::Timestamp;
use nunchi_core::{CacheKey, Message, Original, Principal, TaskName, original_key};
use nunchi_saving::content_id;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Originals that are known to be kept; those noted longest ago are forgotten first.
const MOST_KNOWN: usize = 4_096;
/// Texts up to this size are held in memory as well, in bytes.
const HELD: usize = 4 << 10;
/// Larger originals are not kept, in bytes.
const LARGEST: usize = 4 << 20;

/// When each was noted, and its text where that is small.
type Known = HashMap<CacheKey, (Timestamp, Option<Arc<str>>)>;

/// What is known to be kept.
#[derive(Default)]
pub(crate) struct Originals(Mutex<Known>);

impl Originals {
    /// Keeps originals, in the background.
    pub(crate) fn keep(
        &self,
        gateway: &Gateway,
        principal: &Principal,
        texts: impl IntoIterator<Item = (String, String)>,
    ) {
        let Some(store) = gateway.parts.originals.clone() else { return };
        let now = gateway.parts.clock.now();
        let life = i64::try_from(gateway.settings.compress.keep.as_secs()).unwrap_or(i64::MAX);
        let expires = now.checked_add(jiff::SignedDuration::from_secs(life)).unwrap_or(Timestamp::MAX);
        let mut fresh = Vec::new();
        for (id, text) in texts.into_iter().filter(|(_, text)| text.len() <= LARGEST) {
            let key = original_key(principal, &id);
            let mut known = self.known();
            if known.contains_key(&key) {
                continue;
            }
            make_room(&mut known);
            known.insert(key, (now, (text.len() <= HELD).then(|| Arc::from(text.as_str()))));
            fresh.push(Original { key, text, expires });
        }
        if fresh.is_empty() {
            return;
        }
        let writing = async move {
            if let Err(error) = store.put_originals(fresh).await {
                tracing::warn!(%error, "originals cannot be kept");
            }
        };
        gateway.parts.spawn.spawn(TaskName::OriginalWriter, Box::pin(writing));
    }

    /// A kept original of this principal.
    pub(crate) async fn find(&self, gateway: &Gateway, principal: &Principal, id: &str) -> Option<String> {
        self.find_many(gateway, principal, &[id.to_owned()]).await.into_iter().next().flatten()
    }

    /// Kept originals of this principal, in the order of the ids.
    pub(crate) async fn find_many(
        &self,
        gateway: &Gateway,
        principal: &Principal,
        ids: &[String],
    ) -> Vec<Option<String>> {
        let keys: Vec<CacheKey> = ids.iter().map(|id| original_key(principal, id)).collect();
        let held = |key: &CacheKey| self.known().get(key).and_then(|(_, text)| text.clone());
        let mut found: HashMap<CacheKey, String> =
            keys.iter().filter_map(|key| Some((*key, held(key)?.as_ref().to_owned()))).collect();
        let missing: Vec<CacheKey> = keys.iter().filter(|key| !found.contains_key(*key)).copied().collect();
        if let Some(store) = gateway.parts.originals.as_ref().filter(|_| !missing.is_empty()) {
            match store.originals(missing, gateway.parts.clock.now()).await {
                Ok(stored) => found.extend(stored.into_iter().map(|original| (original.key, original.text))),
                Err(error) => tracing::warn!(%error, "originals cannot be read"),
            }
        }
        keys.iter().map(|key| found.get(key).cloned()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(known: &mut Known) {
    if known.len() < MOST_KNOWN {
        return;
    }
    let mut noted: Vec<(Timestamp, CacheKey)> = known.iter().map(|(key, (at, _))| (*at, *key)).collect();
    noted.sort_unstable();
    for (_, key) in noted.into_iter().take(MOST_KNOWN / 8) {
        known.remove(&key);
    }
}

/// The tool result of a conversation that has this id.
pub(crate) fn result_by_id<'a>(messages: &'a [Message], id: &str) -> Option<&'a str> {
    messages.iter().flat_map(result_texts).map(|(_, text)| text).find(|text| content_id(text) == id)
}
