//! Runs and questions to people in memory: they outlive an agent, as a database outlives a process.

use jiff::Timestamp;
use nunchi_core::{
    Answer, AnswerError, Approval, ApprovalId, ApprovalState, ApprovalStore, BoxFuture, GrantedRule,
    PermissionRule, Revocation, RunChange, RunFilter, RunId, RunRecord, RunStore, StepRecord, StorageError,
    answer_approval,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A run's record, its last state and its steps.
type Stored = (RunRecord, Vec<u8>, Vec<StepRecord>);

/// A run store that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryRuns(Mutex<BTreeMap<RunId, Stored>>);

impl MemoryRuns {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The steps of a run.
    pub fn all_steps(&self, run: RunId) -> Vec<StepRecord> {
        self.lock().get(&run).map(|stored| stored.2.clone()).unwrap_or_default()
    }

    /// All runs, the oldest first.
    pub fn all(&self) -> Vec<RunRecord> {
        self.lock().values().map(|stored| stored.0.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Stored>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, change: RunChange) -> Result<(), StorageError> {
        let mut all = self.lock();
        let stored = all.get(&change.record.id);
        let version = stored.map_or(0, |stored| stored.0.version);
        if change.record.version != version + 1 {
            return Err(StorageError::Exists(format!(
                "version {} of run {}",
                change.record.version, change.record.id
            )));
        }
        let mut steps = stored.map(|stored| stored.2.clone()).unwrap_or_default();
        steps.extend(change.steps);
        all.insert(change.record.id, (change.record, change.state.to_vec(), steps));
        Ok(())
    }
}

impl RunStore for MemoryRuns {
    fn save(&self, change: RunChange) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            // The durable store waits for its disk here.
            tokio::task::yield_now().await;
            self.put(change)
        })
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<(RunRecord, bytes::Bytes)>, StorageError>> {
        let found = self.lock().get(&run).map(|(record, state, _)| (record.clone(), state.clone().into()));
        Box::pin(std::future::ready(Ok(found)))
    }

    fn steps(
        &self,
        run: RunId,
        after: u32,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<StepRecord>, StorageError>> {
        let steps = self.all_steps(run).into_iter().filter(|step| step.number > after);
        let steps = steps.take(limit as usize).collect();
        Box::pin(std::future::ready(Ok(steps)))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRecord>, StorageError>> {
        let mut all = self.all();
        all.sort_by_key(|run| std::cmp::Reverse((run.created, run.id)));
        if let Some(after) = filter.after {
            let behind = all.iter().position(|run| run.id == after);
            all.drain(..behind.map_or(all.len(), |at| at + 1));
        }
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let runs = all.into_iter().filter(|run| filter.fits(run)).take(limit).collect();
        Box::pin(std::future::ready(Ok(runs)))
    }
}

#[derive(Debug, Default)]
struct Queue {
    questions: BTreeMap<ApprovalId, Approval>,
    /// The owner's own.
    rules: Vec<PermissionRule>,
    granted: Vec<GrantedRule>,
}

impl Queue {
    fn grant(
        &mut self,
        rule: PermissionRule,
        approval: ApprovalId,
        run: RunId,
        (by, at): (String, Timestamp),
    ) {
        if self.granted.iter().any(|granted| granted.revoked.is_none() && granted.rule == rule) {
            return;
        }
        let id = self.granted.len() as u64 + 1;
        let run = Some(run).filter(|run| !run.0.is_nil());
        let approval = Some(approval);
        self.granted.push(GrantedRule { id, rule, by, at, approval, run, revoked: None });
    }
}

/// A queue of questions to people that forgets with its test.
#[derive(Debug, Default)]
pub struct MemoryApprovals(Mutex<Queue>);

impl MemoryApprovals {
    /// With these rules of the owner's.
    pub fn new(rules: Vec<PermissionRule>) -> Self {
        Self(Mutex::new(Queue { rules, ..Queue::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApprovalStore for MemoryApprovals {
    fn ask(&self, approval: Approval) -> BoxFuture<'_, Result<Approval, StorageError>> {
        let stored = self.lock().questions.entry(approval.id).or_insert(approval).clone();
        Box::pin(std::future::ready(Ok(stored)))
    }

    fn answer(
        &self,
        id: ApprovalId,
        answer: Answer,
        by: String,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<Result<Approval, AnswerError>, StorageError>> {
        let mut queue = self.lock();
        let Some(question) = queue.questions.get(&id) else {
            return Box::pin(std::future::ready(Err(StorageError::NotFound(format!("question {id}")))));
        };
        let answered = answer_approval(question, answer.clone(), &by, at);
        let was_open = question.state == ApprovalState::Open;
        if let Ok(question) = &answered {
            let run = question.run;
            queue.questions.insert(id, question.clone());
            if let (true, Answer::ApproveAndGrant(rule)) = (was_open, answer) {
                queue.grant(rule, id, run, (by, at));
            }
        }
        Box::pin(std::future::ready(Ok(answered)))
    }

    fn approvals(
        &self,
        run: Option<RunId>,
        open: bool,
    ) -> BoxFuture<'_, Result<Vec<Approval>, StorageError>> {
        let fits = |question: &&Approval| {
            run.is_none_or(|run| question.run == run) && (!open || question.state == ApprovalState::Open)
        };
        let found = self.lock().questions.values().filter(fits).cloned().collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn rules(&self) -> BoxFuture<'_, Result<Vec<PermissionRule>, StorageError>> {
        let queue = self.lock();
        let granted = queue.granted.iter().filter(|granted| granted.revoked.is_none());
        let rules = queue.rules.iter().cloned().chain(granted.map(|granted| granted.rule.clone())).collect();
        Box::pin(std::future::ready(Ok(rules)))
    }

    fn grants(&self, revoked: bool) -> BoxFuture<'_, Result<Vec<GrantedRule>, StorageError>> {
        let granted = self.lock().granted.clone();
        let found = granted.into_iter().filter(|granted| revoked || granted.revoked.is_none()).collect();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn revoke(
        &self,
        grant: u64,
        by: String,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<GrantedRule, StorageError>> {
        let mut queue = self.lock();
        let found = queue.granted.iter_mut().find(|granted| granted.id == grant).map(|granted| {
            granted.revoked.get_or_insert(Revocation { by, at });
            granted.clone()
        });
        let gone = || StorageError::NotFound(format!("granted rule {grant}"));
        Box::pin(std::future::ready(found.ok_or_else(gone)))
    }
}
