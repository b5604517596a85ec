//! Runs and what they ask people: one story for every back end; nothing acknowledged is lost to a kill.

use crate::support::{CrashTest, open};
use bytes::Bytes;
use jiff::Timestamp;
use nunchi_core::{
    Answer, Approval, ApprovalId, ApprovalState, ApprovalStore, ApprovalSubject, ContentHash, Mode, NanoUsd,
    PermissionRule, RunChange, RunFilter, RunId, RunRecord, RunStatus, RunStore, RunTotals, StepId, StepKind,
    StepRecord, StepStatus, StorageError, Usage, Verdict, seal_step, verify_steps,
};
use nunchi_testkit::{MemoryApprovals, MemoryRuns, SequentialIds};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

const CHILD: &str = "NUNCHI_RUNS_CHILD";
const CRASH: CrashTest = CrashTest {
    name: "runs::a_killed_process_loses_no_step_and_doubles_none",
    variable: CHILD,
    word: "saved ",
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn id(number: u64) -> RunId {
    RunId(SequentialIds::nth(number))
}

fn record(number: u64, version: u64) -> RunRecord {
    RunRecord {
        id: id(number),
        parent: None,
        session: (number % 2 == 1).then(|| "대화".into()),
        user_input: format!("할 일 {number}"),
        mode: Mode::Deliberate,
        status: RunStatus::Running,
        reason: None,
        created: at(i64::try_from(number).unwrap()),
        updated: at(1_000),
        wake_at: None,
        version,
        totals: RunTotals::default(),
        outcome: None,
    }
}

fn step(run: RunId, number: u32, previous: ContentHash) -> StepRecord {
    let step = StepRecord {
        id: StepId(Uuid::from_u128(u128::from(number))),
        run,
        number,
        at: at(i64::from(number)),
        kind: StepKind::Tool,
        tool: Some("write_file".into()),
        why: "act".into(),
        input: "{}".into(),
        output: "썼습니다".into(),
        arguments: None,
        usage: Usage::default(),
        cost: NanoUsd(3),
        latency_us: 5,
        status: StepStatus::Ok,
        code: None,
        undo: None,
        previous: ContentHash::default(),
        hash: ContentHash::default(),
    };
    seal_step(step, previous)
}

fn change(record: RunRecord, state: Bytes, steps: Vec<StepRecord>) -> RunChange {
    RunChange { record, state, steps }
}

/// What every store of runs must do.
async fn story(store: &dyn RunStore) {
    for number in 1..=4 {
        store.save(change(record(number, 1), Bytes::from_static(b"{}"), Vec::new())).await.unwrap();
    }
    // Longer than what is kept unpacked, and not compressible to nothing.
    let state: Bytes = (0..9_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let state: Bytes = [b"{".as_slice(), &state].concat().into();
    let first = step(id(1), 1, ContentHash::default());
    let second = step(id(1), 2, first.hash);
    let mut parked = record(1, 2);
    (parked.status, parked.wake_at) = (RunStatus::Parked, Some(at(50)));
    store.save(change(parked.clone(), state.clone(), vec![first.clone(), second.clone()])).await.unwrap();

    // Somebody else has written this version: nothing of it stays.
    let late =
        store.save(change(record(1, 2), Bytes::from_static(b"{}"), vec![step(id(1), 3, second.hash)])).await;
    assert!(matches!(late, Err(StorageError::Exists(_))), "{late:?}");
    let ahead = store.save(change(record(9, 2), Bytes::from_static(b"{}"), Vec::new())).await;
    assert!(matches!(ahead, Err(StorageError::Exists(_))), "{ahead:?}");
    assert_eq!(store.load(id(1)).await.unwrap(), Some((parked.clone(), state)));
    assert_eq!(store.load(id(9)).await.unwrap(), None);
    assert_eq!(store.steps(id(1), 0, 100).await.unwrap(), [first, second.clone()]);
    assert_eq!(store.steps(id(1), 1, 1).await.unwrap(), [second]);

    let mut child = record(5, 1);
    child.parent = Some(id(1));
    store.save(change(child, Bytes::from_static(b"{}"), Vec::new())).await.unwrap();
    let found = async |filter: RunFilter| -> Vec<RunId> {
        store.runs(filter).await.unwrap().iter().map(|run| run.id).collect()
    };
    let all = RunFilter::default;
    assert_eq!(found(all()).await, [5, 4, 3, 2, 1].map(id));
    assert_eq!(found(RunFilter { limit: Some(2), ..all() }).await, [5, 4].map(id));
    assert_eq!(found(RunFilter { status: Some(RunStatus::Parked), ..all() }).await, [id(1)]);
    assert_eq!(found(RunFilter { session: Some("대화".into()), ..all() }).await, [5, 3, 1].map(id));
    assert_eq!(found(RunFilter { parent: Some(id(1)), ..all() }).await, [id(5)]);
    assert_eq!(found(RunFilter { wake_by: Some(at(50)), ..all() }).await, [id(1)]);
    assert_eq!(found(RunFilter { wake_by: Some(at(49)), ..all() }).await, []);
}

fn question(number: u64) -> Approval {
    Approval {
        id: ApprovalId(SequentialIds::nth(number)),
        run: id(number),
        session: None,
        subject: ApprovalSubject::Question("언제로 할까요?".into()),
        batch: "b".into(),
        asked: at(0),
        expires: at(100),
        state: ApprovalState::Open,
    }
}

fn rule() -> PermissionRule {
    PermissionRule {
        name: "mail to me".into(),
        tool: "send_mail".into(),
        arguments: BTreeMap::from([("to".to_owned(), "me@example.org".to_owned())]),
        verdict: Verdict::Allow,
    }
}

/// What every queue of questions must do.
async fn queue_story(store: &dyn ApprovalStore) {
    let asked = store.ask(question(1)).await.unwrap();
    assert_eq!(asked, question(1));
    store.ask(question(2)).await.unwrap();
    let answered =
        store.answer(asked.id, Answer::Reply("내일".into()), "cli".into(), at(5)).await.unwrap().unwrap();
    // Asked again after a restart, it brings its answer along.
    assert_eq!(store.ask(question(1)).await.unwrap(), answered);
    // The same answer twice is one; another one is refused; so is a late one.
    let again = store.answer(asked.id, Answer::Reply("내일".into()), "console".into(), at(6)).await.unwrap();
    assert_eq!(again, Ok(answered));
    assert!(
        store.answer(asked.id, Answer::Reply("모레".into()), "cli".into(), at(7)).await.unwrap().is_err()
    );
    let late =
        store.answer(question(2).id, Answer::Reply("내일".into()), "cli".into(), at(100)).await.unwrap();
    assert!(late.is_err());
    let unknown = store.answer(question(3).id, Answer::Approve, "cli".into(), at(1)).await;
    assert!(matches!(unknown, Err(StorageError::NotFound(_))), "{unknown:?}");
    let open: Vec<_> =
        store.approvals(None, true).await.unwrap().iter().map(|question| question.run).collect();
    assert_eq!(open, [id(2)]);
    assert_eq!(store.approvals(None, false).await.unwrap().len(), 2);
    assert_eq!(store.approvals(Some(id(1)), false).await.unwrap().len(), 1);
    assert_eq!(store.approvals(Some(id(1)), true).await.unwrap(), []);
    assert_eq!(store.rules().await.unwrap(), []);
}

#[tokio::test]
async fn every_back_end_tells_the_same_story() {
    story(&MemoryRuns::new()).await;
    queue_story(&MemoryApprovals::new(Vec::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    story(&ledger).await;
    queue_story(&ledger).await;
    ledger.close().await;
    // And the next process hears the same.
    let (ledger, _) = open(folder.path());
    assert_eq!(ledger.runs(RunFilter::default()).await.unwrap().len(), 5);
    assert_eq!(ledger.approvals(None, true).await.unwrap(), [question(2)]);
}

#[tokio::test]
async fn a_grant_is_stored_with_the_answer_that_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let call = nunchi_core::CallToApprove {
        hash: ContentHash::of("x"),
        tool: "send_mail".into(),
        arguments: "{}".into(),
        diff: None,
        effect: nunchi_core::EffectClass::Final,
        decision: nunchi_core::PermissionDecision {
            verdict: Verdict::Ask,
            ground: nunchi_core::Ground::Grave,
            labels: BTreeMap::new(),
        },
        grant: rule(),
    };
    let question = Approval { subject: ApprovalSubject::Calls(vec![call]), ..question(1) };
    ledger.ask(question.clone()).await.unwrap();
    let grant = Answer::ApproveAndGrant(rule());
    ledger.answer(question.id, grant.clone(), "cli".into(), at(5)).await.unwrap().unwrap();
    ledger.answer(question.id, grant, "cli".into(), at(6)).await.unwrap().unwrap();
    assert_eq!(ledger.rules().await.unwrap(), [rule()]);
}

/// Forty runs at the same time, each step acknowledged before the next.
async fn write_until_killed(folder: &Path, round: u64) {
    let (ledger, _) = open(folder);
    let runs = (0..40).map(|number| {
        let ledger = ledger.clone();
        async move {
            let run = id(round * 100 + number);
            let mut previous = ContentHash::default();
            for version in 1..=500 {
                let step = step(run, u32::try_from(version).unwrap(), previous);
                previous = step.hash;
                let mut record = record(round * 100 + number, version);
                record.id = run;
                ledger.save(change(record, Bytes::from_static(b"{}"), vec![step])).await.unwrap();
                println!("saved {run} {version}");
            }
        }
    });
    futures_util::future::join_all(runs).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_killed_process_loses_no_step_and_doubles_none() {
    if let Ok(folder) = std::env::var(CHILD) {
        let round = std::env::var("NUNCHI_CRASH_ROUND").unwrap().parse().unwrap();
        return write_until_killed(Path::new(&folder), round).await;
    }
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=5 {
        let lines = 90 * usize::try_from(round).unwrap();
        let heard = CRASH.kill_after(folder.path(), round, lines);
        let (ledger, _) = open(folder.path());
        let mut acknowledged = BTreeMap::new();
        for line in heard {
            let (run, version) = line.split_once(' ').unwrap();
            let version: u64 = version.parse().unwrap();
            let last = acknowledged.entry(run.parse::<Uuid>().unwrap()).or_insert(version);
            *last = version.max(*last);
        }
        assert!(acknowledged.len() >= 40, "{}", acknowledged.len());
        for (run, version) in acknowledged {
            let (record, _) = ledger.load(RunId(run)).await.unwrap().unwrap();
            let steps = ledger.steps(RunId(run), 0, u32::MAX).await.unwrap();
            assert!(record.version >= version, "{} of {version}", record.version);
            assert_eq!(u64::try_from(steps.len()).unwrap(), record.version);
            verify_steps(&steps).unwrap();
        }
        ledger.close().await;
    }
}
