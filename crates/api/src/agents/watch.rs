//! One run from outside: what it did so far, then what it does, without a gap and with nothing told twice.

use super::AgentServices;
use nunchi_agent::{AgentError, Notice, RunEvent};
use nunchi_core::{Approval, ApprovalId, RunFilter, RunId, RunRecord, RunStatus, StepRecord};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Steps read at once.
const PAGE: u32 = 50;

/// What a watcher is told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Where the run stands; told once what was stored has been told.
    Standing(Box<RunRecord>),
    /// More of an answer.
    Text(String),
    /// A step, in order of its number.
    Step(Arc<StepRecord>),
    /// A person is asked, by the run or by one of its sub-agents.
    Asked(Arc<Approval>),
    /// Estimate, plan, parking.
    Notice(Arc<Notice>),
    /// The end; nothing follows.
    Ended(Box<RunRecord>),
    /// The run stopped as it was, or cannot be read.
    Stopped(Arc<AgentError>),
}

/// Watches one run.
pub(crate) struct RunWatch {
    services: AgentServices,
    run: RunId,
    feed: Receiver<(RunId, RunEvent)>,
    /// The number of the last step told.
    last: u32,
    asked: BTreeSet<ApprovalId>,
    waiting: VecDeque<Told>,
    /// Whether the store holds what was not told.
    behind: bool,
    over: bool,
}

impl RunWatch {
    /// Begins behind the step of this number; 0 tells the run from its beginning.
    pub(crate) fn begin(services: AgentServices, run: RunId, after: u32) -> Self {
        // Listens before it looks, so that nothing falls between.
        let feed = services.agent.watch();
        Self {
            services,
            run,
            feed,
            last: after,
            asked: BTreeSet::new(),
            waiting: VecDeque::new(),
            behind: true,
            over: false,
        }
    }

    /// The next thing; `None` after the end.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
            }
            if self.over {
                return None;
            }
            if self.behind {
                if let Err(error) = self.read_on().await {
                    self.over = true;
                    return Some(Told::Stopped(Arc::new(error)));
                }
                continue;
            }
            match self.feed.recv().await {
                Ok((run, event)) if run == self.run => self.take(event),
                Ok((run, RunEvent::Asked(approval))) if self.is_below(run).await => self.ask(approval),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => self.over = true,
            }
        }
    }

    fn take(&mut self, event: RunEvent) {
        match event {
            RunEvent::Text(text) => self.waiting.push_back(Told::Text(text)),
            RunEvent::Step(step) if step.number <= self.last => {}
            RunEvent::Step(step) if step.number == self.last + 1 => {
                self.last = step.number;
                self.waiting.push_back(Told::Step(step));
            }
            // A step was missed; the store has it.
            RunEvent::Step(_) => self.behind = true,
            RunEvent::Asked(approval) => self.ask(approval),
            // The store has the end with all that belongs to it.
            RunEvent::Notice(notice) if matches!(*notice, Notice::Finished { .. }) => self.behind = true,
            RunEvent::Notice(notice) => self.waiting.push_back(Told::Notice(notice)),
            RunEvent::Stopped(error) => self.waiting.push_back(Told::Stopped(error)),
        }
    }

    fn ask(&mut self, approval: Arc<Approval>) {
        if self.asked.insert(approval.id) {
            self.waiting.push_back(Told::Asked(approval));
        }
    }

    /// Reads a page of what is stored. The record is read first: the steps of an end are stored together with it.
    async fn read_on(&mut self) -> Result<(), AgentError> {
        let runs = &self.services.runs;
        let Some((record, _)) = runs.load(self.run).await? else {
            self.over = true;
            return Ok(());
        };
        let steps = runs.steps(self.run, self.last, PAGE).await?;
        let full = steps.len() >= PAGE as usize;
        self.last = steps.last().map_or(self.last, |step| step.number);
        self.waiting.extend(steps.into_iter().map(|step| Told::Step(Arc::new(step))));
        if full {
            return Ok(());
        }
        if record.status.is_final() {
            self.over = true;
            self.waiting.push_back(Told::Ended(Box::new(record)));
            return Ok(());
        }
        let open = open_questions(&self.services, &record).await?;
        self.behind = false;
        open.into_iter().for_each(|approval| self.ask(Arc::new(approval)));
        self.waiting.push_back(Told::Standing(Box::new(record)));
        Ok(())
    }

    /// Whether a run is a sub-agent of the watched one.
    async fn is_below(&self, run: RunId) -> bool {
        let stored = self.services.runs.load(run).await;
        matches!(stored, Ok(Some((record, _))) if record.parent == Some(self.run))
    }
}

/// What a run and its sub-agents wait for.
pub(crate) async fn open_questions(
    services: &AgentServices,
    run: &RunRecord,
) -> Result<Vec<Approval>, AgentError> {
    let mut open = services.approvals.approvals(Some(run.id), true).await?;
    let below = RunFilter { status: Some(RunStatus::Parked), parent: Some(run.id), ..RunFilter::default() };
    for sub_agent in services.runs.runs(below).await? {
        open.extend(services.approvals.approvals(Some(sub_agent.id), true).await?);
    }
    Ok(open)
}
