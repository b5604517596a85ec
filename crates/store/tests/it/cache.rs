//! Stored answers: whole, expired, evicted, damaged, encrypted.

use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CacheEntry, CacheFilter, CacheKey, CacheStore, Clock, NanoUsd, Usage};
use nunchi_store::{CacheOptions, SqliteCache};
use nunchi_testkit::TokioClock;
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path, cap_bytes: u64, encryption_key: Option<[u8; 32]>) -> SqliteCache {
    let options = CacheOptions { cap_bytes, encryption_key, clock: Arc::new(TokioClock::start()) };
    SqliteCache::open(&folder.join("cache.db"), options).unwrap()
}

fn now() -> Timestamp {
    TokioClock::start().now()
}

fn entry(text: &str) -> CacheEntry {
    CacheEntry {
        frames: text.to_owned().into(),
        provider: "p".into(),
        model: "m".into(),
        usage: Usage { input: 3, ..Usage::default() },
        cost: NanoUsd(7),
        preview: "질문".into(),
        created: now(),
        expires: now() + SignedDuration::from_hours(1),
        hits: 0,
    }
}

const KEY: CacheKey = CacheKey([7; 32]);

#[tokio::test]
async fn an_answer_comes_back_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20, None);
    assert_eq!(cache.get(KEY, now()).await.unwrap(), None);
    cache.put(vec![(KEY, entry("답"))]).await.unwrap();
    cache.touch(vec![(KEY, 3)], now()).await.unwrap();
    drop(cache);
    let again = open(folder.path(), 1 << 20, None);
    let found = again.get(KEY, now()).await.unwrap().unwrap();
    assert_eq!((found.frames.as_ref(), found.hits), ("답".as_bytes(), 3));
    assert_eq!(again.get(KEY, now() + SignedDuration::from_hours(2)).await.unwrap(), None);
    assert_eq!(again.list(CacheFilter::default()).await.unwrap()[0].1.preview, "질문");
    assert!(again.remove(KEY).await.unwrap());
    assert!(!again.remove(KEY).await.unwrap());
}

#[tokio::test]
async fn the_least_recently_used_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 20_000, None);
    for n in 0..100_u8 {
        let at = now() + SignedDuration::from_secs(i64::from(n));
        let entry = CacheEntry { created: at, ..entry("an answer") };
        cache.put(vec![(CacheKey([n; 32]), entry)]).await.unwrap();
    }
    let stats = cache.stats().await.unwrap();
    assert!(stats.stored_bytes <= 20_000 && stats.evicted > 0, "{stats:?}");
    // Writing an entry again counts it once, and the count is that of the file.
    let newest = CacheEntry { created: now() + SignedDuration::from_secs(99), ..entry("an answer") };
    cache.put(vec![(CacheKey([99; 32]), newest.clone()), (CacheKey([99; 32]), newest)]).await.unwrap();
    let after = cache.stats().await.unwrap();
    assert_eq!(after.entries, stats.entries);
    drop(cache);
    let cache = open(folder.path(), 20_000, None);
    assert_eq!(cache.stats().await.unwrap(), after);
    assert!(cache.get(CacheKey([99; 32]), now()).await.unwrap().is_some());
    assert!(cache.get(CacheKey([0; 32]), now()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_entry_is_dropped_and_counted_and_a_damaged_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.db");
    let cache = open(folder.path(), 1 << 20, None);
    cache.put(vec![(KEY, entry("an answer"))]).await.unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE entries SET about = replace(about, '7', '8')", []).unwrap();
    assert_eq!(cache.get(KEY, now()).await.unwrap(), None);
    assert_eq!(cache.stats().await.unwrap().damaged, 1);
    drop((cache, raw));
    std::fs::write(&path, vec![0x5a; 10_000]).unwrap();
    let fresh = open(folder.path(), 1 << 20, None);
    assert_eq!(fresh.stats().await.unwrap().damaged, 1);
    fresh.put(vec![(KEY, entry("works"))]).await.unwrap();
}

#[tokio::test]
async fn encrypted_answers_need_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 20, Some([1; 32]));
    cache.put(vec![(KEY, entry("a very secret answer"))]).await.unwrap();
    assert!(cache.get(KEY, now()).await.unwrap().is_some());
    drop(cache);
    let other = open(folder.path(), 1 << 20, Some([2; 32]));
    assert_eq!(other.get(KEY, now()).await.unwrap(), None);
}
