//! Jobs, files and batches: their states stay, and the holds of jobs outlive the process that made them.

use crate::support::{CrashTest, call_id, cap, open, row, wish};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use nunchi_core::{
    BatchId, BatchTicket, BudgetStore, CallFilter, Clock, FileId, FileStore, Frame, HoldRequest, Job,
    JobAnswer, JobCounts, JobPlace, JobResult, JobState, JobStore, Ledger, LedgerReader, Message, ModelError,
    ModelErrorKind, ModelRequest, NanoUsd, Outcome, ReplyEvent, Role, Settlement, StorageError, StoredBatch,
    StoredFile,
};
use nunchi_store::SqliteLedger;
use nunchi_testkit::{TokioClock, owner_context};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

/// Tells a copy of this test binary to be the process that is killed.
const CHILD: &str = "NUNCHI_JOBS_CHILD";
const CRASH: CrashTest = CrashTest {
    name: "jobs::killed_processes_leave_jobs_and_holds_that_fit_together",
    variable: CHILD,
    word: "over ",
};

fn job(number: u64, place: Option<JobPlace>) -> Job {
    let now = TokioClock::start().now();
    Job {
        id: call_id(number),
        place,
        request: ModelRequest::new("up/m", vec![Message::text(Role::User, format!("질문 {number}"))]),
        context: owner_context(),
        created: now,
        deadline: now + Duration::from_secs(3_600),
        key: Some("ab".repeat(32).parse().unwrap()),
        terms: None,
    }
}

fn place(line: u32) -> JobPlace {
    JobPlace { batch: BatchId(Uuid::from_u128(9)), line, name: format!("line {line}") }
}

fn answered(text: &str) -> JobAnswer {
    let frames = vec![Frame::of(vec![ReplyEvent::Text(text.into())])];
    JobAnswer::Answered { provider: "p".into(), model: "m".into(), frames }
}

fn lasting(number: u64) -> HoldRequest {
    HoldRequest { outlives: true, ..wish(number, 900, Duration::ZERO) }
}

async fn standing(ledger: &SqliteLedger) -> (i64, i64) {
    let state = ledger.budgets(TokioClock::start().now()).await.unwrap().remove(0).1;
    (state.spent, state.held)
}

#[tokio::test]
async fn a_job_goes_through_its_states() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.add_jobs(vec![(job(1, None), None)]).await.unwrap();
    // The same id and the same place once more are left as they are.
    ledger.add_jobs(vec![(job(1, Some(place(4))), None), (job(2, Some(place(0))), None)]).await.unwrap();
    ledger.add_jobs(vec![(job(3, Some(place(0))), None)]).await.unwrap();
    let heads = ledger.open_jobs().await.unwrap();
    let ids: HashSet<_> = heads.iter().map(|head| head.id).collect();
    assert_eq!((heads.len(), ids), (2, HashSet::from([call_id(1), call_id(2)])));
    assert!(heads.iter().all(|head| head.bytes > 50 && head.state == JobState::Queued));
    let since = TokioClock::start().now();
    let marker = Uuid::from_u128(5);
    for state in [
        JobState::Submitting { marker, since },
        JobState::Submitted { marker, since, ticket: BatchTicket("b-1".into()) },
        JobState::Live,
    ] {
        ledger.advance(vec![call_id(1)], state.clone()).await.unwrap();
        let stored = ledger.jobs(vec![call_id(1), call_id(99)]).await.unwrap();
        assert_eq!((stored.len(), &stored[0].state), (1, &state));
        assert_eq!(stored[0].job.request.last_user_text().unwrap(), "질문 1");
    }
    let record = Some(Box::new(row(1, 70)));
    let result = JobResult { job: call_id(1), answer: answered("답"), record };
    ledger.answer(vec![result]).await.unwrap();
    let stored = ledger.jobs(vec![call_id(1)]).await.unwrap().remove(0);
    assert_eq!((stored.state, stored.answer), (JobState::Answered, Some(answered("답"))));
    assert_eq!(stored.record.unwrap().cost, NanoUsd(70));
    ledger.advance(vec![call_id(1)], JobState::Done).await.unwrap();
    // What is over stays as it is.
    let late = JobResult { job: call_id(1), answer: JobAnswer::Cancelled, record: None };
    ledger.answer(vec![late]).await.unwrap();
    ledger.advance(vec![call_id(1)], JobState::Queued).await.unwrap();
    let stored = ledger.jobs(vec![call_id(1)]).await.unwrap().remove(0);
    assert_eq!((stored.state, stored.answer, stored.record), (JobState::Done, Some(answered("답")), None));
    assert_eq!(ledger.forget_jobs(since).await.unwrap(), 0, "it is not older than that");
    let later = since + Duration::from_secs(60);
    assert_eq!(ledger.forget_jobs(later).await.unwrap(), 1, "open jobs and those of batches stay");
    assert_eq!(ledger.open_jobs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_with_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let id = BatchId(Uuid::from_u128(9));
    let now = TokioClock::start().now();
    let batch = StoredBatch {
        id,
        owner: None,
        input: FileId(Uuid::from_u128(1)),
        endpoint: "/v1/chat/completions".into(),
        metadata: BTreeMap::from([("name".into(), "야간".into())]),
        created: now,
        deadline: now,
        complete: true,
        cancelled: None,
        ended: None,
    };
    ledger.put_batch(batch.clone()).await.unwrap();
    let failed = JobAnswer::Failed(ModelError::new(ModelErrorKind::InvalidRequest, "no JSON"));
    let jobs = (0..5_u32).map(|line| {
        let answer = (line == 3).then(|| failed.clone());
        (job(u64::from(line), Some(place(line))), answer)
    });
    ledger.add_jobs(jobs.collect()).await.unwrap();
    let lines = ledger.lines(id, 2, 2).await.unwrap();
    let names: Vec<_> = lines.iter().map(|stored| stored.job.place.clone().unwrap().name).collect();
    assert_eq!(names, ["line 2", "line 3"]);
    assert_eq!((&lines[1].state, &lines[1].answer), (&JobState::Done, &Some(failed)));
    let counts = JobCounts { total: 5, completed: 0, failed: 1 };
    assert_eq!(ledger.counts(id).await.unwrap(), counts);
    assert!(!counts.ended());
    assert_eq!((ledger.batch(id).await.unwrap(), ledger.batches().await.unwrap().len()), (Some(batch), 1));
    assert!(ledger.remove_batch(id).await.unwrap() && !ledger.remove_batch(id).await.unwrap());
    assert!(ledger.lines(id, 0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn files_come_in_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let file = |number: u128| StoredFile {
        id: FileId(Uuid::from_u128(number)),
        owner: None,
        name: "in.jsonl".into(),
        purpose: "batch".into(),
        bytes: 0,
        created: TokioClock::start().now(),
    };
    let pieces =
        |count: usize| stream::iter((0..count).map(|_| Ok(Bytes::from(vec![b'x'; 100_000])))).boxed();
    let stored = ledger.put_file(file(1), pieces(3), 300_000).await.unwrap();
    assert_eq!((stored.bytes, ledger.file(stored.id).await.unwrap()), (300_000, Some(stored.clone())));
    let read = ledger.read_file(stored.id).await.unwrap();
    let lengths: Vec<_> = read.map(|piece| piece.unwrap().len()).collect().await;
    assert!(lengths.len() > 1 && lengths.iter().sum::<usize>() == 300_000, "{lengths:?}");
    // Too long, or broken off: nothing is left of it.
    let error = ledger.put_file(file(2), pieces(4), 300_000).await.unwrap_err();
    assert_eq!(error, StorageError::TooLarge(300_000));
    let gone = || Err(StorageError::Other("the connection broke".into()));
    let broken = stream::iter([Ok(Bytes::from_static(b"half")), gone()]).boxed();
    assert!(ledger.put_file(file(3), broken, 300_000).await.is_err());
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("files")).unwrap().collect();
    assert_eq!((kept.len(), ledger.files().await.unwrap().len()), (1, 1));
    // What a process left half way goes at the next start.
    std::fs::write(folder.path().join("files/0123.part"), b"half").unwrap();
    ledger.close().await;
    let (ledger, _) = open(folder.path());
    assert!(!folder.path().join("files/0123.part").exists());
    assert!(ledger.remove_file(stored.id).await.unwrap() && !ledger.remove_file(stored.id).await.unwrap());
    assert!(matches!(ledger.read_file(stored.id).await.err(), Some(StorageError::NotFound(_))));
}

#[tokio::test]
async fn a_jobs_hold_outlives_its_process_and_is_settled_once() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(10_000)).await.unwrap();
    ledger.hold(wish(1, 900, Duration::ZERO)).await.unwrap();
    ledger.hold(lasting(2)).await.unwrap();
    ledger.hold(lasting(3)).await.unwrap();
    // Folded into the database, and only in the journal: both are found again.
    assert!(ledger.calls(CallFilter::default()).await.unwrap().is_empty());
    ledger.hold(lasting(4)).await.unwrap();
    ledger.settle(Settlement { record: row(3, 500) }).await.unwrap();
    let mut left = killed(folder.path());
    for round in 0..3 {
        let (again, report) = open(left.path());
        assert_eq!((report.crashed_holds, report.outlived_holds), (u64::from(round == 0), 2), "{round}");
        let outlived: HashSet<_> = again.outlived().iter().map(|record| record.id).collect();
        assert_eq!(outlived, HashSet::from([call_id(2), call_id(4)]));
        assert_eq!(standing(&again).await, (500 + 900, 2 * 900), "{round}");
        left = killed(left.path());
    }
    let (again, _) = open(left.path());
    // Held again it is the same hold, and a limit that was lowered meanwhile does not matter.
    again.put_budget(cap(100)).await.unwrap();
    again.hold(lasting(2)).await.unwrap();
    for _ in 0..2 {
        again.settle(Settlement { record: row(2, 300) }).await.unwrap();
    }
    assert_eq!(standing(&again).await, (500 + 900 + 300, 900));
    let rows = again.calls(CallFilter::default()).await.unwrap();
    assert_eq!((rows.len(), rows.iter().filter(|row| row.outcome == Outcome::Crashed).count()), (3, 1));
    let (last, report) = open(killed(left.path()).path());
    assert_eq!((report.crashed_holds, report.outlived_holds), (0, 1));
    last.settle(Settlement { record: row(2, 300) }).await.unwrap();
    assert_eq!(standing(&last).await, (500 + 900 + 300, 900), "also in another process");
}

/// A copy of the folder as a process that dies now would leave it.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort_by_key(|path| !path.to_string_lossy().contains(".journal-"));
    for path in files.iter().filter(|path| path.is_file()) {
        std::fs::copy(path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_leave_jobs_and_holds_that_fit_together() {
    if let Ok(folder) = std::env::var(CHILD) {
        return work_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    ledger.put_budget(cap(i64::MAX / 2)).await.unwrap();
    ledger.close().await;
    for round in 0..4_u64 {
        let told = CRASH.kill_after(folder.path(), round, 20 + 25 * usize::try_from(round).unwrap());
        let (ledger, _) = open(folder.path());
        let open_jobs: HashSet<_> = ledger.open_jobs().await.unwrap().iter().map(|head| head.id).collect();
        let held: HashSet<_> = ledger.outlived().iter().map(|record| record.id).collect();
        let rows = ledger.calls(CallFilter::default()).await.unwrap();
        let booked: HashSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!(booked.len(), rows.len(), "nothing is booked twice");
        assert!(rows.iter().all(|row| row.outcome == Outcome::Ok), "no job's hold is given up");
        assert!(held.is_subset(&open_jobs), "a hold belongs to a job that is open");
        assert!(held.is_disjoint(&booked));
        let over: HashSet<String> = booked.difference(&open_jobs).map(ToString::to_string).collect();
        assert!(told.iter().all(|id| over.contains(id)), "what was said to be over is booked and over");
        let spent: i64 = rows.iter().map(|row| row.cost.0).sum();
        let reserved = i64::try_from(held.len()).unwrap() * 900;
        assert_eq!(standing(&ledger).await, (spent, reserved), "the counters are the rows' and holds' sum");
        ledger.close().await;
    }
}

async fn work_until_killed(folder: &Path) {
    let (ledger, _) = open(folder);
    let round: u64 = std::env::var("NUNCHI_CRASH_ROUND").unwrap().parse().unwrap();
    let workers = (0..8_u64).map(|worker| {
        let ledger = ledger.clone();
        async move {
            for step in 0..1_000_000_u64 {
                let number = round * 100_000_000 + worker * 1_000_000 + step;
                let id = call_id(number);
                ledger.add_jobs(vec![(job(number, None), None)]).await.unwrap();
                ledger.hold(lasting(number)).await.unwrap();
                let since = TokioClock::start().now();
                let marker = Uuid::from_u128(u128::from(number));
                ledger.advance(vec![id], JobState::Submitting { marker, since }).await.unwrap();
                let record = Some(Box::new(row(number, 500)));
                let result = JobResult { job: id, answer: answered("done"), record };
                ledger.answer(vec![result]).await.unwrap();
                ledger.settle(Settlement { record: row(number, 500) }).await.unwrap();
                ledger.advance(vec![id], JobState::Done).await.unwrap();
                println!("over {id}");
            }
        }
    });
    futures_util::future::join_all(workers).await;
}
