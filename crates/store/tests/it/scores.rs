//! Scores: one a judge and run, the newest first, kept over a restart; the store in memory tells the same story.

use crate::support::open_with;
use jiff::Timestamp;
use nunchi_core::{Judgement, NanoUsd, RunId, RunScore, Score, ScoreName, ScoreStore, ScoreValue};
use nunchi_testkit::{MemoryScores, SequentialIds};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

fn judged(run: u64, judge: Option<&str>, second: i64, value: u64) -> RunScore {
    let scores = vec![Score {
        name: ScoreName::Relevancy,
        value: ScoreValue::thousandths(value),
        reasoning: "질문에 답했다".into(),
    }];
    let judgement =
        Judgement { at: at(second), judge: judge.map(str::to_owned), cost: NanoUsd(7), scores, withheld: 1 };
    RunScore { run: RunId(SequentialIds::nth(run)), judgement }
}

async fn story(store: &dyn ScoreStore) {
    let run = RunId(SequentialIds::nth(1));
    assert_eq!(store.scores_of(run).await.unwrap(), []);
    let (rules, first, again) =
        (judged(1, None, 1, 900), judged(1, Some("up/judge"), 2, 400), judged(1, Some("up/judge"), 3, 500));
    let other = judged(2, Some("up/judge"), 4, 100);
    for score in [&rules, &first, &again, &other] {
        store.put_score(score.clone()).await.unwrap();
    }
    assert_eq!(store.scores_of(run).await.unwrap(), [again.clone(), rules.clone()]);
    assert_eq!(store.scores_since(at(0), 10).await.unwrap(), [other.clone(), again.clone(), rules]);
    assert_eq!(store.scores_since(at(3), 10).await.unwrap(), [other.clone(), again]);
    assert_eq!(store.scores_since(at(0), 1).await.unwrap(), [other]);
}

#[tokio::test]
async fn the_last_word_of_each_judge_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open_with(folder.path(), None);
    story(&ledger).await;
    let before = ledger.scores_since(at(0), 10).await.unwrap();
    ledger.close().await;
    let (ledger, _) = open_with(folder.path(), None);
    assert_eq!(ledger.scores_since(at(0), 10).await.unwrap(), before);
    ledger.close().await;
}

#[tokio::test]
async fn the_store_in_memory_tells_the_same() {
    story(&MemoryScores::default()).await;
}
