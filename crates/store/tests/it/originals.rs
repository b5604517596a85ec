//! Originals: found by key until they expire, evicted in order, sealed with a key, kept by another opening of the file.

use jiff::{SignedDuration, Timestamp};
use nunchi_core::{CacheKey, Original, OriginalStore};
use nunchi_store::{CacheOptions, SqliteCache};
use std::path::Path;

fn open(folder: &Path, cap_bytes: u64, encryption_key: Option<[u8; 32]>) -> SqliteCache {
    SqliteCache::open(&folder.join("cache.db"), CacheOptions { cap_bytes, encryption_key }).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(2_000_000_000).unwrap()
}

fn original(number: u8, text: &str) -> Original {
    let expires = now() + SignedDuration::from_secs(i64::from(number));
    Original { key: CacheKey([number; 32]), text: text.to_owned(), expires }
}

async fn found(cache: &SqliteCache, numbers: &[u8], at: Timestamp) -> Vec<u8> {
    let keys = numbers.iter().map(|number| CacheKey([*number; 32])).collect();
    let originals = cache.originals(keys, at).await.unwrap();
    originals.iter().map(|original| original.key.0[0]).collect()
}

#[tokio::test]
async fn they_are_kept_until_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 1 << 30, None);
    cache.put_originals(vec![original(1, "하나"), original(9, "nine"), original(9, "neun")]).await.unwrap();
    drop(cache);
    let cache = open(folder.path(), 1 << 30, None);
    let kept = cache.originals(vec![CacheKey([9; 32]), CacheKey([2; 32])], now()).await.unwrap();
    assert_eq!(kept, [original(9, "neun")]);
    assert_eq!(found(&cache, &[1, 9], now()).await, [1, 9]);
    assert_eq!(found(&cache, &[1, 9], now() + SignedDuration::from_secs(1)).await, [9]);
}

#[tokio::test]
async fn those_kept_longest_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), 40_000, None);
    // Random-looking text, so that its size on disk is its own.
    let text = |number: u8| -> String {
        let mut state = u64::from(number);
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(33 + u8::try_from((state >> 33) % 90).unwrap())
        };
        (0..1_000).map(|_| next()).collect()
    };
    for number in 1..=30 {
        cache.put_originals(vec![original(number, &text(number))]).await.unwrap();
    }
    let all: Vec<u8> = (1..=30).collect();
    let left = found(&cache, &all, now()).await;
    assert!(left.len() < 30 && left.contains(&30) && !left.contains(&1), "{left:?}");
    assert!(left.windows(2).all(|pair| pair[1] == pair[0] + 1), "{left:?}");
}

#[tokio::test]
async fn another_key_opens_nothing_and_the_text_is_not_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "the-recipe-of-the-secret-sauce";
    open(folder.path(), 1 << 30, Some([1; 32])).put_originals(vec![original(3, secret)]).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    assert_eq!(found(&open(folder.path(), 1 << 30, Some([2; 32])), &[3], now()).await, [] as [u8; 0]);
    assert_eq!(found(&open(folder.path(), 1 << 30, Some([1; 32])), &[3], now()).await, [3]);
}
