//! Stored answers, one story for every back end: whole, expired, evicted, damaged, encrypted.

use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CacheEntry, CacheFilter, CacheKey, CacheStore, NanoUsd, Usage};
use nunchi_store::{CacheOptions, RedisCache, SqliteCache};
use nunchi_testkit::RedisServer;
use std::path::Path;

/// Where answers are kept; opening it again finds what was stored.
enum Backend {
    Sqlite(tempfile::TempDir),
    Redis(RedisServer),
}

impl Backend {
    fn all() -> [Self; 2] {
        [Self::Sqlite(tempfile::tempdir().unwrap()), Self::Redis(RedisServer::start())]
    }

    fn open(&self, cap_bytes: u64, encryption_key: Option<[u8; 32]>) -> Box<dyn CacheStore> {
        let options = CacheOptions { cap_bytes, encryption_key };
        match self {
            Self::Sqlite(folder) => Box::new(open_file(folder.path(), options)),
            Self::Redis(server) => Box::new(RedisCache::open(&server.url(), options).unwrap()),
        }
    }

    /// Changes a stored answer behind the cache's back.
    async fn damage(&self) {
        match self {
            Self::Sqlite(folder) => {
                let raw = rusqlite::Connection::open(folder.path().join("cache.db")).unwrap();
                raw.execute("UPDATE entries SET about = replace(about, '7', '8')", []).unwrap();
            }
            Self::Redis(server) => {
                let client = redis::Client::open(server.url()).unwrap();
                let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                let entry = format!("nunchi:{{cache}}:entry:{KEY}");
                let changed: u64 = redis::cmd("HSET")
                    .arg(entry)
                    .arg("about")
                    .arg("{}")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                assert_eq!(changed, 0, "the field was there");
            }
        }
    }
}

fn open_file(folder: &Path, options: CacheOptions) -> SqliteCache {
    SqliteCache::open(&folder.join("cache.db"), options).unwrap()
}

fn now() -> Timestamp {
    Timestamp::now()
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
const OTHER: CacheKey = CacheKey([8; 32]);

#[tokio::test]
async fn an_answer_comes_back_until_it_expires() {
    for backend in Backend::all() {
        let cache = backend.open(1 << 20, None);
        assert_eq!(cache.get(KEY, now()).await.unwrap(), None);
        cache.put(vec![(KEY, entry("답"))]).await.unwrap();
        cache.touch(vec![(KEY, 3), (OTHER, 1)], now()).await.unwrap();
        drop(cache);
        let again = backend.open(1 << 20, None);
        let found = again.get(KEY, now()).await.unwrap().unwrap();
        assert_eq!((found.frames.as_ref(), found.hits), ("답".as_bytes(), 3));
        assert_eq!(again.stats().await.unwrap().hits, 3);
        assert_eq!(again.get(KEY, now() + SignedDuration::from_hours(2)).await.unwrap(), None);
        assert!(again.remove(KEY).await.unwrap());
        assert!(!again.remove(KEY).await.unwrap());
        let stats = again.stats().await.unwrap();
        assert_eq!((stats.entries, stats.stored_bytes, stats.hits), (0, 0, 0));
    }
}

#[tokio::test]
async fn entries_are_listed_and_cleared_by_model_and_age() {
    for backend in Backend::all() {
        let cache = backend.open(1 << 20, None);
        let at = |seconds| now() - SignedDuration::from_secs(seconds);
        let old = CacheEntry { created: at(60), ..entry("old") };
        let new = CacheEntry { model: "n".into(), ..entry("new") };
        let expired = CacheEntry { created: at(90), expires: at(1), ..entry("expired") };
        cache.put(vec![(KEY, old), (OTHER, new), (CacheKey([9; 32]), expired)]).await.unwrap();
        let list = |filter| cache.list(filter);
        let newest = list(CacheFilter { limit: Some(1), ..CacheFilter::default() }).await.unwrap();
        assert_eq!((newest.len(), newest[0].0, newest[0].1.preview.as_str()), (1, OTHER, "질문"));
        let of_model = CacheFilter { model: Some("n".into()), ..CacheFilter::default() };
        assert_eq!(list(of_model.clone()).await.unwrap().len(), 1);
        assert_eq!(
            cache.clear(CacheFilter { expired_at: Some(now()), ..CacheFilter::default() }).await.unwrap(),
            1
        );
        assert_eq!(
            cache.clear(CacheFilter { before: Some(at(30)), ..CacheFilter::default() }).await.unwrap(),
            1
        );
        assert_eq!(cache.clear(of_model).await.unwrap(), 1);
        assert_eq!(cache.stats().await.unwrap().stored_bytes, 0);
    }
}

#[tokio::test]
async fn the_least_recently_used_go_first() {
    for backend in Backend::all() {
        let cache = backend.open(20_000, None);
        for n in 0..100_u8 {
            let at = now() + SignedDuration::from_secs(i64::from(n));
            let entry = CacheEntry { created: at, ..entry("an answer") };
            cache.put(vec![(CacheKey([n; 32]), entry)]).await.unwrap();
        }
        let stats = cache.stats().await.unwrap();
        assert!(stats.stored_bytes <= 20_000 && stats.evicted > 0, "{stats:?}");
        // Writing an entry again counts it once, and the count is that of what is stored.
        let newest = CacheEntry { created: now() + SignedDuration::from_secs(99), ..entry("an answer") };
        cache.put(vec![(CacheKey([99; 32]), newest.clone()), (CacheKey([99; 32]), newest)]).await.unwrap();
        let after = cache.stats().await.unwrap();
        assert_eq!(after.entries, stats.entries);
        drop(cache);
        let cache = backend.open(20_000, None);
        assert_eq!(cache.stats().await.unwrap(), after);
        assert!(cache.get(CacheKey([99; 32]), now()).await.unwrap().is_some());
        assert!(cache.get(CacheKey([0; 32]), now()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_damaged_entry_is_dropped_and_counted() {
    for backend in Backend::all() {
        let cache = backend.open(1 << 20, None);
        cache.put(vec![(KEY, entry("an answer"))]).await.unwrap();
        backend.damage().await;
        assert_eq!(cache.get(KEY, now()).await.unwrap(), None);
        let stats = cache.stats().await.unwrap();
        assert_eq!((stats.damaged, stats.entries, stats.stored_bytes), (1, 0, 0));
    }
}

#[tokio::test]
async fn encrypted_answers_need_their_key() {
    for backend in Backend::all() {
        let cache = backend.open(1 << 20, Some([1; 32]));
        cache.put(vec![(KEY, entry("a very secret answer"))]).await.unwrap();
        assert!(cache.get(KEY, now()).await.unwrap().is_some());
        drop(cache);
        assert_eq!(backend.open(1 << 20, Some([2; 32])).get(KEY, now()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_damaged_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let options = CacheOptions { cap_bytes: 1 << 20, encryption_key: None };
    std::fs::write(folder.path().join("cache.db"), vec![0x5a; 10_000]).unwrap();
    let fresh = open_file(folder.path(), options);
    assert_eq!(fresh.stats().await.unwrap().damaged, 1);
    fresh.put(vec![(KEY, entry("works"))]).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_is_away_is_an_error_soon_and_works_when_it_is_back() {
    let mut server = RedisServer::start();
    let cache =
        RedisCache::open(&server.url(), CacheOptions { cap_bytes: 1 << 20, encryption_key: None }).unwrap();
    cache.put(vec![(KEY, entry("before"))]).await.unwrap();
    server.stop();
    let begun = std::time::Instant::now();
    let error = cache.get(KEY, now()).await.unwrap_err();
    assert!(error.to_string().contains("Redis"), "{error}");
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    server.start_again();
    let mut back = cache.put(vec![(KEY, entry("after"))]).await;
    for _ in 0..50 {
        if back.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        back = cache.put(vec![(KEY, entry("after"))]).await;
    }
    assert_eq!(cache.get(KEY, now()).await.unwrap().unwrap().frames.as_ref(), b"after");
    let wrong = RedisCache::open("redis://:secret@", CacheOptions { cap_bytes: 1, encryption_key: None });
    assert!(!wrong.err().unwrap().to_string().contains("secret"));
}
