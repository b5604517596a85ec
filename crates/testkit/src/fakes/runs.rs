//! Runs and questions to people in memory: they outlive an agent, as a database outlives a process.

use jiff::Timestamp;
use nunchi_core::{
    Answer, AnswerError, Approval, ApprovalId, ApprovalState, ApprovalStore, BoxFuture, PermissionRule,
    RunChange, RunFilter, RunId, RunRecord, RunStore, StepRecord, StorageError, answer_approval,
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
        let fits = |run: &RunRecord| {
            filter.status.is_none_or(|status| run.status == status)
                && (filter.session.is_none() || run.session == filter.session)
                && (filter.parent.is_none() || run.parent == filter.parent)
                && filter.wake_by.is_none_or(|by| run.wake_at.is_some_and(|at| at <= by))
        };
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let runs = self.all().into_iter().rev().filter(fits).take(limit).collect();
        Box::pin(std::future::ready(Ok(runs)))
    }
}

#[derive(Debug, Default)]
struct Queue {
    questions: BTreeMap<ApprovalId, Approval>,
    rules: Vec<PermissionRule>,
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
        if let Ok(question) = &answered {
            queue.questions.insert(id, question.clone());
            if let Answer::ApproveAndGrant(rule) = answer
                && !queue.rules.contains(&rule)
            {
                queue.rules.push(rule);
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
        Box::pin(std::future::ready(Ok(self.lock().rules.clone())))
    }
}
