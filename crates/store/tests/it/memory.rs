//! What is remembered, on SQLite and in the memory of tests alike: one story, and what only a file can show.

use crate::support::{open, open_with};
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{
    Fact, FactFilter, FactId, FactKind, FactQuery, FactRecord, FactSource, FactState, FactVector, Label,
    MemoryBounds, MemoryChange, MemoryStore, PackedVector, RankedFact, rank_facts,
};
use nunchi_store::SqliteMemory;
use nunchi_testkit::{MemoryFacts, SequentialIds};

fn at() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

fn id(number: u64) -> FactId {
    FactId(SequentialIds::nth(number))
}

fn record(number: u64, text: &str) -> FactRecord {
    let fact = Fact {
        id: id(number),
        kind: FactKind::Fact,
        text: text.into(),
        topic: None,
        source: FactSource::default(),
        label: Label::Owner,
        created: at(),
        changed: at(),
        last_used: at(),
        uses: 0,
        importance: Fact::USUAL,
        state: FactState::Active,
        superseded_by: None,
        valid_until: None,
    };
    FactRecord { fact, around: String::new(), vector: None }
}

fn meaning(values: &[f32]) -> FactVector {
    let mut vector = vec![0.01; 64];
    vector[..values.len()].copy_from_slice(values);
    FactVector { encoder: "e".into(), vector: PackedVector::pack(&vector) }
}

fn put(records: Vec<FactRecord>) -> MemoryChange {
    MemoryChange { put: records, ..MemoryChange::default() }
}

async fn found(store: &dyn MemoryStore, query: FactQuery) -> Vec<RankedFact> {
    let candidates = store.search(query.clone()).await.unwrap();
    rank_facts(&query, candidates)
}

async fn texts(store: &dyn MemoryStore, question: &str) -> Vec<String> {
    let ranked = found(store, FactQuery::new(question, at())).await;
    ranked.into_iter().map(|one| one.fact.text).collect()
}

/// What every store does.
async fn story(store: &dyn MemoryStore) {
    let dog = FactRecord { vector: Some(meaning(&[1.0, 0.2])), ..record(1, "My dog is called Rex") };
    let home = FactRecord {
        fact: Fact {
            topic: Some("owner/home".into()),
            source: FactSource { session: Some("첫 대화".into()), turn: Some(3), ..FactSource::default() },
            ..record(2, "나는 부산에 산다").fact
        },
        ..record(2, "")
    };
    let answer = FactRecord {
        fact: Fact { kind: FactKind::Turn, label: Label::Stranger, ..record(3, "Yes, on Friday!").fact },
        around: "When is the deploy?".into(),
        vector: Some(meaning(&[-0.5, 1.0, 0.3])),
    };
    store.change(put(vec![dog.clone(), home.clone(), answer.clone()])).await.unwrap();
    assert_eq!(store.fact(id(2)).await.unwrap(), Some(home.clone()));
    assert_eq!(store.fact(id(3)).await.unwrap(), Some(answer.clone()));
    assert_eq!(store.fact(id(9)).await.unwrap(), None);

    finding(store).await;
    listing(store).await;

    // Another takes its place; the old one is history, and found no more.
    let moved = FactRecord {
        fact: Fact { topic: Some("owner/home".into()), ..record(4, "나는 서울로 이사했다").fact },
        ..record(4, "")
    };
    let old = FactRecord {
        fact: Fact { state: FactState::Superseded, superseded_by: Some(id(4)), ..home.fact },
        ..home
    };
    store.change(put(vec![moved, old.clone()])).await.unwrap();
    assert_eq!(texts(store, "어디로 이사했지? 부산에 살았나?").await, ["나는 서울로 이사했다"]);
    assert_eq!(store.fact(id(2)).await.unwrap(), Some(old));

    // Use is counted; an erased fact is gone whole.
    let later = at() + SignedDuration::from_hours(1);
    let change = MemoryChange {
        used: vec![(id(1), later), (id(1), at()), (id(77), later)],
        remove: vec![id(3)],
        ..MemoryChange::default()
    };
    store.change(change).await.unwrap();
    let used = store.fact(id(1)).await.unwrap().unwrap();
    assert_eq!((used.fact.uses, used.fact.last_used), (2, later));
    assert_eq!(store.fact(id(3)).await.unwrap(), None);
    assert!(texts(store, "deploy friday").await.is_empty());
    let figures = store.figures().await.unwrap();
    assert_eq!((figures.facts, figures.turns, figures.superseded, figures.vetoed), (2, 0, 1, 0));
    shrinking(store).await;
}

/// By words, by what was said around, by Korean syllables, by meaning; in a stable order.
async fn finding(store: &dyn MemoryStore) {
    assert_eq!(texts(store, "what is my dog called").await, ["My dog is called Rex"]);
    assert_eq!(texts(store, "부산에서 뭐 하지").await, ["나는 부산에 산다"]);
    assert_eq!(texts(store, "when is the deploy?").await, ["Yes, on Friday!"]);
    assert!(texts(store, "quantum chromodynamics").await.is_empty());
    assert!(texts(store, "").await.is_empty());
    assert!(texts(store, "\" OR own: * NEAR(").await.is_empty(), "a question is no query language");
    let mut query = FactQuery::new("그 강아지", at());
    query.vector = Some(meaning(&[0.9, 0.3]));
    let by_meaning = found(store, query.clone()).await;
    assert_eq!(by_meaning[0].fact.id, id(1));
    assert!(by_meaning[0].likeness > 0.9);
    query.vector = Some(FactVector { encoder: "another".into(), ..meaning(&[0.9, 0.3]) });
    assert!(found(store, query).await.is_empty(), "vectors of two encoders are never compared");
    let mut facts_only = FactQuery::new("dog deploy friday", at());
    facts_only.kind = Some(FactKind::Fact);
    assert_eq!(found(store, facts_only).await.len(), 1);
}

async fn listing(store: &dyn MemoryStore) {
    let list = async |filter: FactFilter| -> Vec<FactId> {
        store.facts(filter).await.unwrap().iter().map(|fact| fact.id).collect()
    };
    let any = FactFilter::default;
    assert_eq!(list(any()).await, [id(3), id(2), id(1)]);
    assert_eq!(list(FactFilter { before: Some(id(3)), limit: Some(1), ..any() }).await, [id(2)]);
    assert_eq!(list(FactFilter { kind: Some(FactKind::Turn), ..any() }).await, [id(3)]);
    assert_eq!(list(FactFilter { label: Some(Label::Stranger), ..any() }).await, [id(3)]);
    assert_eq!(list(FactFilter { session: Some("첫 대화".into()), ..any() }).await, [id(2)]);
    assert_eq!(list(FactFilter { topic: Some("owner/home".into()), ..any() }).await, [id(2)]);
    assert!(list(FactFilter { state: Some(FactState::Vetoed), ..any() }).await.is_empty());
}

/// What has faded most goes first, and vetoes stay.
async fn shrinking(store: &dyn MemoryStore) {
    let veto = FactRecord {
        fact: Fact { state: FactState::Vetoed, ..record(5, "I was born on Mars").fact },
        ..record(5, "")
    };
    let lasting = FactRecord {
        fact: Fact { importance: Fact::LASTING, ..record(6, "Blood type A").fact },
        ..record(6, "")
    };
    store.change(put(vec![veto, lasting])).await.unwrap();
    let bounds = MemoryBounds { facts: 2, history: 0, ..MemoryBounds::default() };
    let now = at() + SignedDuration::from_hours(24 * 400);
    let mut gone = store.shrink(bounds, now).await.unwrap();
    gone.sort();
    assert_eq!(gone, [id(2), id(4)]);
    assert!(texts(store, "서울로 이사").await.is_empty());
    let left = store.facts(FactFilter::default()).await.unwrap();
    assert_eq!(left.iter().map(|fact| fact.id).collect::<Vec<_>>(), [id(6), id(5), id(1)]);
    assert!(store.shrink(bounds, now).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_story_in_memory() {
    story(&MemoryFacts::new()).await;
}

#[tokio::test]
async fn the_story_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    story(&SqliteMemory::open(&ledger).unwrap()).await;
}

#[tokio::test]
async fn the_story_on_sealed_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open_with(folder.path(), Some([3; 32]));
    story(&SqliteMemory::open(&ledger).unwrap()).await;
}

#[tokio::test]
async fn it_outlives_the_process_and_a_sealed_one_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rex = FactRecord {
        fact: Fact { topic: Some("owner/dogname".into()), ..record(1, "My dog is called Xenophanes").fact },
        vector: Some(meaning(&[1.0])),
        around: "surroundings".into(),
    };
    {
        let (ledger, _) = open_with(folder.path(), Some([3; 32]));
        let memory = SqliteMemory::open(&ledger).unwrap();
        memory.change(put(vec![rex.clone()])).await.unwrap();
        drop(memory);
        ledger.close().await;
    }
    let raw: Vec<u8> = std::fs::read_dir(folder.path())
        .unwrap()
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default())
        .collect();
    for word in ["xenophan", "Xenophanes", "surround", "dogname"] {
        assert!(!raw.windows(word.len()).any(|window| window == word.as_bytes()), "{word} is on the disk");
    }
    let (ledger, _) = open_with(folder.path(), Some([3; 32]));
    let memory = SqliteMemory::open(&ledger).unwrap();
    assert_eq!(memory.fact(id(1)).await.unwrap(), Some(rex));
    assert_eq!(texts(&memory, "xenophanes").await, ["My dog is called Xenophanes"]);
    let mut query = FactQuery::new("", at());
    query.vector = Some(meaning(&[0.9]));
    assert_eq!(found(&memory, query).await.len(), 1, "the signs are read anew");
    assert!(!memory.mend().await.unwrap());
}

#[tokio::test]
async fn a_lost_index_of_words_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let memory = SqliteMemory::open(&ledger).unwrap();
    memory
        .change(put((1..=20).map(|n| record(n, &format!("Fact number{n} about tea"))).collect()))
        .await
        .unwrap();
    drop(memory);
    ledger.close().await;
    let whole = folder.path().join("ledger.db");
    let copy = folder.path().join("salvaged").join("ledger.db");
    std::fs::create_dir(copy.parent().unwrap()).unwrap();
    let saved = nunchi_store::salvage_to(&whole, &copy).unwrap();
    assert!(saved.contains(&("memories".to_owned(), 20)), "{saved:?}");
    let (ledger, _) = open(copy.parent().unwrap());
    let memory = SqliteMemory::open(&ledger).unwrap();
    assert!(texts(&memory, "number7").await.is_empty());
    assert!(memory.mend().await.unwrap());
    assert_eq!(texts(&memory, "number7").await, ["Fact number7 about tea"]);
}

#[tokio::test]
async fn words_that_are_everywhere_find_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let memory = SqliteMemory::open(&ledger).unwrap();
    let all = (1..=8_000).map(|n| record(n, &format!("Tea again, number{n}"))).collect();
    memory.change(put(all)).await.unwrap();
    let ranked = found(&memory, FactQuery::new("tea", at())).await;
    assert_eq!(ranked.len(), FactQuery::USUAL as usize);
    assert!(ranked.iter().all(|one| one.fact.id > id(8_000 - 3_000)));
    assert_eq!(texts(&memory, "tea number17").await[0], "Tea again, number17");
}

#[tokio::test]
async fn counts_that_are_kept_follow_every_change() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let memory = SqliteMemory::open(&ledger).unwrap();
    let text = |n: u64| {
        format!("Tea of kind{} in the {} pot", n % 7, if n.is_multiple_of(2) { "red" } else { "blue" })
    };
    memory.change(put((1..=60).map(|n| record(n, &text(n))).collect())).await.unwrap();
    let question = || FactQuery::new("tea kind1 kind2 red blue green pot", at());
    for round in 0..8_u64 {
        // These counts are kept from here on; another reader of the file knows none of them.
        memory.search(question()).await.unwrap();
        let mut superseded = record(3 * round + 1, &text(3 * round + 1));
        superseded.fact.state = FactState::Superseded;
        let mut around = record(100 + round, "A green pot");
        around.around = "blue, was it?".into();
        let change = MemoryChange {
            put: vec![record(3 * round + 2, "Coffee in the green pot"), superseded, around],
            used: vec![(id(5), at())],
            remove: vec![id(60 - round), id(999)],
        };
        memory.change(change).await.unwrap();
        let (kept, fresh) = (
            memory.search(question()).await.unwrap(),
            SqliteMemory::open(&ledger).unwrap().search(question()).await.unwrap(),
        );
        assert_eq!((kept.total, &kept.holders), (fresh.total, &fresh.holders), "round {round}");
    }
}
