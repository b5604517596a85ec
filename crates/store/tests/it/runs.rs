//! Runs and what they ask people: one story for every back end; nothing acknowledged is lost to a kill.

use crate::support::{CrashTest, open};
use bytes::Bytes;
use jiff::Timestamp;
use nunchi_core::{
    Answer, Approval, ApprovalId, ApprovalState, ApprovalStore, ApprovalSubject, ContentHash, KeyId, Mode,
    NanoUsd, PermissionRule, RunChange, RunDoor, RunFilter, RunId, RunOrigin, RunRecord, RunStatus, RunStore,
    RunTotals, StepId, StepKind, StepRecord, StepStatus, StorageError, Usage, Verdict, seal_step,
    verify_steps,
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
        owner: None,
        origin: RunOrigin::default(),
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

    let key = KeyId(Uuid::from_u128(7));
    let mut call = record(6, 1);
    (call.owner, call.origin.door, call.mode) = (Some(key), RunDoor::Mcp, Mode::Reflexive);
    store.save(change(call.clone(), Bytes::from_static(b"{}"), Vec::new())).await.unwrap();
    assert_eq!(store.load(id(6)).await.unwrap().map(|(record, _)| record), Some(call));
    assert_eq!(found(RunFilter { owner: Some(key), ..all() }).await, [id(6)]);
    assert_eq!(found(RunFilter { owner: Some(KeyId(Uuid::nil())), ..all() }).await, []);
    assert_eq!(found(RunFilter { door: Some(RunDoor::Mcp), ..all() }).await, [id(6)]);
    assert_eq!(found(RunFilter { mode: Some(Mode::Reflexive), ..all() }).await, [id(6)]);
    assert_eq!(found(RunFilter { since: Some(at(5)), ..all() }).await, [6, 5].map(id));
    assert_eq!(found(RunFilter { top: true, ..all() }).await, [6, 4, 3, 2, 1].map(id));
    assert_eq!(found(RunFilter { text: Some("일 4".into()), ..all() }).await, [id(4)]);
    let page = |after| RunFilter { after: Some(id(after)), limit: Some(2), top: true, ..all() };
    assert_eq!(found(page(6)).await, [4, 3].map(id));
    assert_eq!(found(page(3)).await, [2, 1].map(id));
    assert_eq!(found(page(1)).await, []);
    assert_eq!(found(page(99)).await, [], "behind an unknown one there is nothing");
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
    assert_eq!(ledger.runs(RunFilter::default()).await.unwrap().len(), 6);
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
        grant: Some(rule()),
    };
    let question = Approval { subject: ApprovalSubject::Calls(vec![call]), ..question(1) };
    ledger.ask(question.clone()).await.unwrap();
    let grant = Answer::ApproveAndGrant(rule());
    ledger.answer(question.id, grant.clone(), "cli".into(), at(5)).await.unwrap().unwrap();
    ledger.answer(question.id, grant, "cli".into(), at(6)).await.unwrap().unwrap();
    assert_eq!(ledger.rules().await.unwrap(), [rule()]);
}

/// What every queue must do with grants.
async fn grant_story(store: &dyn ApprovalStore) {
    let grant = Answer::ApproveAndGrant(rule());
    for number in [11, 12] {
        let asked = Approval { subject: ApprovalSubject::Calls(Vec::new()), ..question(number) };
        store.ask(asked.clone()).await.unwrap();
        store.answer(asked.id, grant.clone(), "cli".into(), at(5)).await.unwrap().unwrap();
    }
    let granted = store.grants(false).await.unwrap();
    assert_eq!(granted.len(), 1, "a rule in force is granted once: {granted:?}");
    let first = &granted[0];
    assert_eq!((&first.rule, first.by.as_str(), first.at), (&rule(), "cli", at(5)));
    assert_eq!((first.approval, first.run), (Some(question(11).id), Some(id(11))));
    let revoked = store.revoke(first.id, "console".into(), at(6)).await.unwrap();
    assert_eq!(revoked.revoked.map(|revoked| (revoked.by, revoked.at)), Some(("console".into(), at(6))));
    let again = store.revoke(first.id, "other".into(), at(7)).await.unwrap();
    assert_eq!(again.revoked.map(|revoked| revoked.by).as_deref(), Some("console"));
    assert_eq!((store.rules().await.unwrap(), store.grants(false).await.unwrap()), (vec![], vec![]));
    assert_eq!(store.grants(true).await.unwrap().len(), 1);
    let unknown = store.revoke(99, "cli".into(), at(8)).await;
    assert!(matches!(unknown, Err(StorageError::NotFound(_))), "{unknown:?}");
    // The answer that granted it, told once more, brings nothing back; a new one does, as another grant.
    store.answer(question(11).id, grant.clone(), "cli".into(), at(9)).await.unwrap().unwrap();
    assert_eq!(store.rules().await.unwrap(), []);
    let asked = Approval { subject: ApprovalSubject::Calls(Vec::new()), ..question(13) };
    store.ask(asked.clone()).await.unwrap();
    store.answer(asked.id, grant, "cli".into(), at(10)).await.unwrap().unwrap();
    assert_eq!(store.rules().await.unwrap(), [rule()]);
    assert_ne!(store.grants(false).await.unwrap()[0].id, first.id);
}

#[tokio::test]
async fn a_grant_can_be_taken_back_and_stays_on_the_record() {
    grant_story(&MemoryApprovals::new(Vec::new())).await;
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    grant_story(&ledger).await;
}

/// A ledger of the version before lists and records of grants: what is in it gets both.
#[tokio::test]
async fn an_older_ledger_learns_owners_and_grants() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = open(folder.path());
    let key = KeyId(Uuid::from_u128(7));
    let state = format!(r#"{{"order": {{"principal": {{"key": "{key}"}}}}}}"#);
    ledger.save(change(record(1, 1), Bytes::from(state), Vec::new())).await.unwrap();
    ledger.save(change(record(2, 1), Bytes::from_static(b"{}"), Vec::new())).await.unwrap();
    let asked = Approval { subject: ApprovalSubject::Calls(Vec::new()), ..question(1) };
    ledger.ask(asked.clone()).await.unwrap();
    ledger.answer(asked.id, Answer::ApproveAndGrant(rule()), "cli".into(), at(5)).await.unwrap().unwrap();
    ledger.close().await;
    // As it was before the tenth migration.
    let older = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
    let body = serde_json::to_string(&rule()).unwrap();
    older
        .execute_batch(
            "DROP INDEX runs_by_owner; DROP INDEX runs_by_mode; DROP INDEX runs_by_door;
             ALTER TABLE runs DROP COLUMN owner; ALTER TABLE runs DROP COLUMN mode; ALTER TABLE runs DROP COLUMN door;
             DROP TABLE reminders; DROP TABLE grants; CREATE TABLE grants (number INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
             PRAGMA user_version = 9;",
        )
        .unwrap();
    older.execute("INSERT INTO grants VALUES (4, ?)", [body]).unwrap();
    drop(older);
    let (ledger, _) = open(folder.path());
    let own = ledger.runs(RunFilter { owner: Some(key), ..RunFilter::default() }).await.unwrap();
    assert_eq!(own.iter().map(|run| (run.id, run.owner)).collect::<Vec<_>>(), [(id(1), Some(key))]);
    let both = RunFilter { mode: Some(Mode::Deliberate), ..RunFilter::default() };
    assert_eq!(ledger.runs(both).await.unwrap().len(), 2);
    let granted = ledger.grants(false).await.unwrap();
    assert_eq!((granted.len(), granted[0].id, granted[0].by.as_str(), granted[0].at), (1, 4, "cli", at(5)));
    assert_eq!((granted[0].approval, granted[0].run), (Some(asked.id), Some(id(1))));
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
