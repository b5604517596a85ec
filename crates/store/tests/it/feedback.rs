//! Feedback: kept once a request, sealed with a key, bounded; weights come and go.

use crate::support::open_with;
use jiff::Timestamp;
use nunchi_core::{Feedback, FeedbackSource, FeedbackStore, Rating, RequestId, Tier};
use nunchi_testkit::SequentialIds;

fn said(number: u64, rating: Rating) -> Feedback {
    Feedback {
        request: RequestId(SequentialIds::nth(number)),
        at: Timestamp::from_second(1_767_225_600 + i64::try_from(number).unwrap()).unwrap(),
        key: None,
        model: "up/m".into(),
        answered_by: Tier::Standard,
        rating,
        source: FeedbackSource::Person,
        right_tier: number.is_multiple_of(2).then_some(Tier::Complex),
        text: format!("{number}번째 비밀 질문"),
    }
}

#[tokio::test]
async fn the_last_word_on_a_request_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open_with(folder.path(), None);
    for number in 1..=3 {
        ledger.put_feedback(said(number, Rating::Good)).await.unwrap();
    }
    ledger.put_feedback(said(2, Rating::Bad)).await.unwrap();
    let expected = [said(3, Rating::Good), said(2, Rating::Bad), said(1, Rating::Good)];
    assert_eq!(ledger.feedback(10).await.unwrap(), expected);
    assert_eq!(ledger.feedback(1).await.unwrap(), expected[..1]);
    ledger.close().await;
    let (ledger, _) = open_with(folder.path(), None);
    assert_eq!(ledger.feedback(10).await.unwrap(), expected);
}

#[tokio::test]
async fn what_people_say_outranks_what_was_observed() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open_with(folder.path(), None);
    let seen = |number, source| Feedback { source, ..said(number, Rating::Bad) };
    ledger.put_feedback(said(1, Rating::Good)).await.unwrap();
    ledger.put_feedback(seen(1, FeedbackSource::Retry)).await.unwrap();
    assert_eq!(ledger.feedback(10).await.unwrap(), [said(1, Rating::Good)], "a person has spoken");
    ledger.put_feedback(seen(2, FeedbackSource::Check)).await.unwrap();
    ledger.put_feedback(seen(2, FeedbackSource::Retry)).await.unwrap();
    let expected = [said(1, Rating::Good), seen(2, FeedbackSource::Retry)];
    assert_eq!(ledger.feedback(10).await.unwrap(), expected, "what people say comes first");
    ledger.put_feedback(said(2, Rating::Good)).await.unwrap();
    assert_eq!(ledger.feedback(10).await.unwrap(), [said(2, Rating::Good), said(1, Rating::Good)]);
}

#[tokio::test]
async fn texts_are_sealed_with_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open_with(folder.path(), Some([7; 32]));
    ledger.put_feedback(said(1, Rating::Good)).await.unwrap();
    assert_eq!(ledger.feedback(10).await.unwrap(), [said(1, Rating::Good)]);
    ledger.close().await;
    let holds = |name: &str| {
        let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
        bytes.windows(6).any(|window| window == "비밀".as_bytes())
    };
    assert!(!holds("ledger.db") && !holds("ledger.db-wal"));
    let (other, _) = open_with(folder.path(), Some([8; 32]));
    assert_eq!(other.feedback(10).await.unwrap(), [], "another key opens nothing");
}

#[tokio::test]
async fn weights_are_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open_with(folder.path(), None);
    let at = Timestamp::from_second(1_767_225_600).unwrap();
    assert_eq!(ledger.weights("route").await.unwrap(), None);
    for weights in [vec![1, 2], vec![3]] {
        ledger.put_weights("route", Some(weights.clone()), at).await.unwrap();
        assert_eq!(ledger.weights("route").await.unwrap(), Some((weights, at)));
    }
    ledger.put_weights("route", None, at).await.unwrap();
    assert_eq!(ledger.weights("route").await.unwrap(), None);
}
