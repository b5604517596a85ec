//! Questions beside their answers: found by entry, read through in pages, gone with their answers, sealed with a key.

use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    CacheEntry, CacheFilter, CacheKey, CacheStore, NanoUsd, PackedVector, QuestionStore, StoredQuestion,
    Usage,
};
use nunchi_store::{CacheOptions, SqliteCache};
use std::path::Path;

fn open(folder: &Path, encryption_key: Option<[u8; 32]>) -> SqliteCache {
    SqliteCache::open(&folder.join("cache.db"), CacheOptions { cap_bytes: 1 << 30, encryption_key }).unwrap()
}

fn question(number: u8) -> StoredQuestion {
    StoredQuestion {
        key: CacheKey([number; 32]),
        kin: CacheKey([7; 32]),
        text: format!("서울의 {number}번째 질문은?"),
        vector: PackedVector::pack(&[f32::from(number), -1.0, 0.5]),
        encoder: "e".into(),
        evidence: String::new(),
        expires: Timestamp::from_second(4_000_000_000 + i64::from(number)).unwrap(),
    }
}

fn entry(now: Timestamp) -> CacheEntry {
    CacheEntry {
        frames: bytes(b"{}"),
        provider: "p".into(),
        model: "m".into(),
        usage: Usage::default(),
        cost: NanoUsd(1),
        preview: String::new(),
        created: now,
        expires: now + SignedDuration::from_hours(1),
        hits: 0,
    }
}

fn bytes(text: &'static [u8]) -> bytes::Bytes {
    bytes::Bytes::from_static(text)
}

#[tokio::test]
async fn they_come_back_and_learn() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    cache.put_questions((1..=5).map(question).collect()).await.unwrap();
    let keys = vec![CacheKey([4; 32]), CacheKey([9; 32]), CacheKey([2; 32])];
    assert_eq!(cache.questions(keys.clone()).await.unwrap(), [question(4), question(2)]);
    cache.learn(CacheKey([2; 32]), "{\"seen\":1}".into()).await.unwrap();
    let again = open(folder.path(), None).questions(vec![CacheKey([2; 32])]).await.unwrap();
    assert_eq!(again[0].evidence, "{\"seen\":1}");
    let replaced = StoredQuestion { text: "다른 질문".into(), ..question(2) };
    cache.put_questions(vec![replaced.clone()]).await.unwrap();
    assert_eq!(cache.questions(vec![replaced.key]).await.unwrap(), [replaced]);
}

#[tokio::test]
async fn pages_hold_each_question_of_an_encoder_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    cache.put_questions((1..=25).map(question).collect()).await.unwrap();
    let other = StoredQuestion { encoder: "other".into(), ..question(99) };
    cache.put_questions(vec![other]).await.unwrap();
    let now = Timestamp::from_second(4_000_000_003).unwrap();
    let (mut after, mut found) = (i64::MIN, Vec::new());
    loop {
        let page = cache.scan_questions("e".into(), now, after, 10).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        found.extend(page.into_iter().map(|(_, question)| question));
    }
    assert_eq!(found, (4..=25).map(question).collect::<Vec<_>>(), "three have expired");
}

#[tokio::test]
async fn a_question_goes_with_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path(), None);
    let keys = [CacheKey([1; 32]), CacheKey([2; 32])];
    cache.put(keys.map(|key| (key, entry(Timestamp::now()))).to_vec()).await.unwrap();
    cache.put_questions(vec![question(1), question(2)]).await.unwrap();
    cache.remove(keys[0]).await.unwrap();
    assert_eq!(cache.questions(keys.to_vec()).await.unwrap(), [question(2)]);
    cache.clear(CacheFilter::default()).await.unwrap();
    assert!(cache.questions(keys.to_vec()).await.unwrap().is_empty());
}

#[tokio::test]
async fn sealed_questions_need_their_key() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), Some([1; 32])).put_questions(vec![question(1)]).await.unwrap();
    let key = vec![CacheKey([1; 32])];
    assert_eq!(open(folder.path(), Some([1; 32])).questions(key.clone()).await.unwrap(), [question(1)]);
    assert!(open(folder.path(), Some([2; 32])).questions(key.clone()).await.unwrap().is_empty());
    assert!(open(folder.path(), None).questions(key).await.unwrap().is_empty());
    let raw: Vec<u8> = ["cache.db", "cache.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default())
        .collect();
    let text = "번째 질문은".as_bytes();
    assert!(!raw.windows(text.len()).any(|window| window == text), "nothing readable is on the disk");
}
