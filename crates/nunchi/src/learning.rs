//! What the owner's runs teach: each one that ended well is learned from once, also where the process was killed in between or many ended
//! at the same time.

use jiff::{SignedDuration, Timestamp};
use nunchi_agent::{Agent, Conversation, MemoryKeeper, Notice, RunEvent, RunState, SaidTurn};
use nunchi_core::{
    Clock, Label, Model, Role, RunDoor, RunFilter, RunId, RunRecord, RunStatus, RunStore, StorageError,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

/// A run that was ordered so long before is not looked for any more.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Ends are told about in almost the order in which they are stored.
const DISORDER: SignedDuration = SignedDuration::from_secs(60);
/// Runs that are known to have been learned from.
const MOST_LATELY: usize = 256;
/// Runs of one page of a list.
const PAGE: u32 = 200;

/// Learns from runs. Without a model only what the owner asked to be remembered is learned, and that costs nothing.
pub(crate) struct Learner {
    pub(crate) agent: Arc<Agent>,
    pub(crate) runs: Arc<dyn RunStore>,
    pub(crate) memory: Arc<MemoryKeeper>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The model that proposes what is worth it, and its name.
    pub(crate) by_model: Option<(Arc<dyn Model>, String)>,
    /// Where it is written how far it has come.
    pub(crate) file: PathBuf,
}

/// How far it has come.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// All that ended a while before then is learned from.
    until: Timestamp,
    /// Of the rest, those that are as well, the latest last.
    lately: VecDeque<RunId>,
}

impl Learner {
    /// Learns from runs as they end, and first from those that ended unheard, until the process ends.
    pub(crate) async fn learn(self) {
        // What ends from now on is told; what ended before is in the list.
        let mut feed = self.agent.watch();
        let mut mark = self.read();
        self.catch_up(&mut mark).await;
        loop {
            match feed.recv().await {
                Ok((run, RunEvent::Notice(notice))) if matches!(*notice, Notice::Finished { .. }) => {
                    self.learn_from(run, &mut mark).await;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.catch_up(&mut mark).await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Learns from what has ended since the mark.
    async fn catch_up(&self, mark: &mut Mark) {
        let ended = match self.ended_since(mark.until.checked_sub(DISORDER).unwrap_or(mark.until)).await {
            Ok(ended) => ended,
            Err(error) => return tracing::warn!(%error, "runs that ended unheard are not learned from yet"),
        };
        for run in ended {
            self.learn_from(run.id, mark).await;
        }
    }

    /// The runs that ended well then or later, the first to end first.
    async fn ended_since(&self, then: Timestamp) -> Result<Vec<RunRecord>, StorageError> {
        let since = then.checked_sub(LONGEST_RUN).ok();
        let mut filter = RunFilter {
            status: Some(RunStatus::Done),
            top: true,
            since,
            limit: Some(PAGE),
            ..RunFilter::default()
        };
        let mut ended = Vec::new();
        loop {
            let page = self.runs.runs(filter.clone()).await?;
            filter.after = page.last().map(|run| run.id);
            ended.extend(page.into_iter().filter(|run| run.updated >= then));
            if filter.after.is_none() {
                break;
            }
        }
        ended.sort_by_key(|run| run.updated);
        Ok(ended)
    }

    async fn learn_from(&self, run: RunId, mark: &mut Mark) {
        if mark.lately.contains(&run) {
            return;
        }
        let Ok(Some((record, state))) = self.agent.stored(run).await else { return };
        // A call of somebody else's agent is no conversation.
        if record.origin.door == RunDoor::Mcp || record.parent.is_some() || record.status != RunStatus::Done {
            return;
        }
        let model = self.by_model.as_ref().map(|(model, name)| (&**model, name.as_str()));
        if let Err(error) = self.memory.learn(&conversation(&record, &state), model).await {
            tracing::warn!(%run, %error, "nothing was learned from a run");
        }
        mark.until = mark.until.max(record.updated);
        mark.lately.push_back(run);
        if mark.lately.len() > MOST_LATELY {
            mark.lately.pop_front();
        }
        self.write(mark);
    }

    /// The mark; whoever begins to learn begins now.
    fn read(&self) -> Mark {
        let written = std::fs::read(&self.file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        written.unwrap_or_else(|| {
            let mark = Mark { until: self.clock.now(), lately: VecDeque::new() };
            self.write(&mark);
            mark
        })
    }

    fn write(&self, mark: &Mark) {
        let draft = self.file.with_extension("draft");
        let written = serde_json::to_vec(mark)
            .map_err(io::Error::from)
            .and_then(|bytes| std::fs::write(&draft, bytes))
            .and_then(|()| std::fs::rename(&draft, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, "how far runs were learned from cannot be written down");
        }
    }
}

/// What was said around a run: the turns before it, what was asked for, the answer.
fn conversation(record: &RunRecord, state: &RunState) -> Conversation {
    let order = state.order();
    let turn = |who: &str, text: String, label| SaidTurn { who: who.to_owned(), text, label };
    let before = order.said_before().iter().filter_map(|message| match message.role {
        Role::User => Some(turn("owner", message.plain_text(), order.asked_by)),
        Role::Assistant => Some(turn("assistant", message.plain_text(), Label::Tool)),
        _ => None,
    });
    let answer = record.outcome.as_ref().map(|outcome| outcome.text.clone()).unwrap_or_default();
    // An answer that was given with a stranger's text in sight may be the stranger's word.
    let label = if state.has_stranger() { Label::Stranger } else { Label::Tool };
    let said = [turn("owner", order.goal.clone(), order.asked_by), turn("assistant", answer, label)];
    let turns = before.chain(said).filter(|turn| !turn.text.is_empty()).collect();
    Conversation { session: record.session.clone(), run: Some(record.id), turns }
}
