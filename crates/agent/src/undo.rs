//! Taking back what a run did: by the records of its steps, the last one first, and each undo is a step itself.
//!
//! A step is undone or not as its run's own chain says, so a second undo finds nothing to do and an undo can be undone.

use crate::driver::{Agent, AgentError, change};
use crate::machine::Machine;
use crate::record::Draft;
use crate::state::RunState;
use futures_util::FutureExt;
use nunchi_core::{
    BoxFuture, EffectClass, Lang, RunFilter, RunId, RunStatus, RunStore, StepKind, StepRecord, StepStatus,
    StorageError, ToolError, UndoCall, UndoOrder, UndoRefused, UndoReport, UndoRuns, UndoStatus, Undone,
    UndoneStep,
};
use serde_json::{Value, json};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Steps read at once.
const PAGE: u32 = 500;
/// Why an undo is recorded, and an undo of an undo.
const UNDO: &str = "undo";
const REDO: &str = "redo";

/// A step that changed something, and where its undo stands.
#[derive(Clone, Debug)]
struct Deed {
    step: StepRecord,
    /// What takes it back, or takes its undo back; `None` when nothing does.
    record: Option<Value>,
    /// The language of its run.
    lang: Lang,
    undone: bool,
    /// Undos so far.
    turns: usize,
}

impl UndoRuns for Agent {
    fn undo(&self, order: UndoOrder) -> BoxFuture<'_, Result<UndoReport, UndoRefused>> {
        Box::pin(async move { self.undo_run(&order).await.map_err(|error| Box::new(error) as UndoRefused) })
    }
}

impl Agent {
    async fn undo_run(&self, order: &UndoOrder) -> Result<UndoReport, AgentError> {
        let mut deeds = Vec::new();
        let runs = if order.step.is_some() { vec![order.run] } else { self.family(order.run).await? };
        for run in runs {
            let lang = self.stands_still(run).await?;
            deeds.extend(self.deeds(run, lang).await?);
        }
        deeds.retain(|deed| order.step.is_none_or(|number| deed.step.number == number));
        if let (Some(number), true) = (order.step, deeds.is_empty()) {
            return Err(AgentError::NothingToUndo(order.run, number));
        }
        // What was done last is taken back first; what was taken back last is put again first, which is the other way round.
        deeds.sort_by_key(|deed| (deed.step.at, deed.step.number));
        if !order.redo {
            deeds.reverse();
        }
        let mut steps = Vec::with_capacity(deeds.len());
        let mut taken_back = Vec::new();
        for deed in deeds {
            if order.step.is_some() || deed.undone == order.redo {
                let record = deed.record.clone();
                let step = self.turn(order, deed, &taken_back).await?;
                // A look leaves the world as it is, so the tools are told what would be different by then.
                if order.dry_run && matches!(step.status, UndoStatus::Undone | UndoStatus::Partly) {
                    taken_back.extend(record);
                }
                steps.push(step);
            }
        }
        Ok(UndoReport { dry_run: order.dry_run, steps })
    }

    /// A run and its sub-agents.
    async fn family(&self, run: RunId) -> Result<Vec<RunId>, AgentError> {
        let mut family = vec![run];
        let mut at = 0;
        while let Some(parent) = family.get(at).copied() {
            let children = RunFilter { parent: Some(parent), ..RunFilter::default() };
            family.extend(self.parts().runs.runs(children).await?.iter().map(|child| child.id));
            at += 1;
        }
        Ok(family)
    }

    /// The language of a run that is not at work.
    async fn stands_still(&self, run: RunId) -> Result<Lang, AgentError> {
        let Some((record, state)) = self.stored(run).await? else {
            return Err(StorageError::NotFound(format!("run {run}")).into());
        };
        if record.status == RunStatus::Running { Err(AgentError::AtWork(run)) } else { Ok(state.order.lang) }
    }

    /// What a run did in the world, in order.
    async fn deeds(&self, run: RunId, lang: Lang) -> Result<Vec<Deed>, AgentError> {
        let steps = all_steps(&*self.parts().runs, run).await?;
        let mut deeds: Vec<Deed> = Vec::new();
        for step in steps {
            match step.kind {
                StepKind::Tool if self.changed_something(&step) => {
                    let record = step.undo.clone();
                    deeds.push(Deed { step, record, lang, undone: false, turns: 0 });
                }
                StepKind::Undo => {
                    let number = serde_json::from_str::<Value>(&step.input).ok();
                    let number = number.and_then(|input| input["step"].as_u64());
                    let of = |deed: &&mut Deed| number == Some(u64::from(deed.step.number));
                    if let Some(deed) = deeds.iter_mut().find(of) {
                        deed.turns += 1;
                        // A refused undo changed nothing, so what takes the step back is still what it was.
                        if step.undo.is_some() {
                            deed.undone = step.why == UNDO;
                            deed.record.clone_from(&step.undo);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(deeds)
    }

    /// Whether a tool step left something: it says how to take it back, or its tool says that it leaves something.
    fn changed_something(&self, step: &StepRecord) -> bool {
        let tool = step.tool.as_deref().unwrap_or_default();
        let leaves =
            || self.parts().tools.find(tool).is_some_and(|tool| tool.spec().effect != EffectClass::ReadOnly);
        match step.status {
            StepStatus::Ok => step.undo.is_some() || leaves(),
            StepStatus::Uncertain => leaves(),
            StepStatus::Failed | StepStatus::Refused => false,
        }
    }

    /// Takes one step back, or its undo, and records that.
    async fn turn(
        &self,
        order: &UndoOrder,
        deed: Deed,
        taken_back: &[Value],
    ) -> Result<UndoneStep, AgentError> {
        let tool = deed.step.tool.clone().unwrap_or_default();
        let told = |status, summary: &str, conflicts| UndoneStep {
            number: deed.step.number,
            tool: tool.clone(),
            status,
            summary: summary.to_owned(),
            conflicts,
        };
        if deed.undone != order.redo {
            return Ok(told(UndoStatus::Already, "", Vec::new()));
        }
        let Some(record) = deed.record else {
            let why = match deed.step.status {
                StepStatus::Uncertain => {
                    deed.lang.pick("nobody knows whether it happened", "실제로 일어났는지 알 수 없습니다")
                }
                _ => deed.lang.pick("its tool cannot take it back", "도구가 이 작업을 되돌릴 수 없습니다"),
            };
            return Ok(told(UndoStatus::Impossible, "", vec![why.to_owned()]));
        };
        let key = format!("{}:{}:{}", deed.step.run, deed.step.number, deed.turns);
        let call = UndoCall {
            run: deed.step.run,
            key,
            record,
            dry_run: order.dry_run,
            taken_back: taken_back.to_vec(),
        };
        let result = self.undo_call(&tool, call).await;
        if !order.dry_run {
            self.record_undo(order, &deed.step, &result).await?;
        }
        Ok(match result {
            Ok(Undone { summary, conflicts, .. }) => {
                let status = match (conflicts.is_empty(), summary.is_empty()) {
                    (true, _) => UndoStatus::Undone,
                    (false, true) => UndoStatus::Conflict,
                    (false, false) => UndoStatus::Partly,
                };
                told(status, &summary, conflicts)
            }
            Err(error) => told(UndoStatus::Conflict, "", vec![error.to_string()]),
        })
    }

    async fn undo_call(&self, name: &str, call: UndoCall) -> Result<Undone, ToolError> {
        let Some(tool) = self.parts().tools.find(name) else {
            let message = format!("The tool `{name}` is not there any more.");
            return Err(ToolError::new("tool.gone", message));
        };
        let limit = Duration::from_millis(tool.spec().timeout_ms);
        match tokio::time::timeout(limit, AssertUnwindSafe(tool.undo(call)).catch_unwind()).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ToolError::new("tool.crashed", "The tool crashed.").uncertain()),
            Err(_) => Err(ToolError::new("tool.timed_out", "It gave no answer in time.").uncertain()),
        }
    }

    /// Appends the undo to the run's chain. A run that waits for a person hears of it when it goes on.
    async fn record_undo(
        &self,
        order: &UndoOrder,
        step: &StepRecord,
        result: &Result<Undone, ToolError>,
    ) -> Result<(), AgentError> {
        let Some((_, bytes)) = self.parts().runs.load(step.run).await? else {
            return Err(StorageError::NotFound(format!("run {}", step.run)).into());
        };
        let state: RunState = serde_json::from_slice(&bytes)
            .map_err(|error| StorageError::Damaged(format!("state of run {}: {error}", step.run)))?;
        let at = self.parts().clock.now().max(state.updated);
        let mut machine = Machine::at(state, at);
        machine.undone(order, step, result);
        machine.state.version += 1;
        machine.state.updated = at;
        self.parts().runs.save(change(&machine.state, machine.steps)?).await?;
        Ok(())
    }
}

impl Machine {
    fn undone(&mut self, order: &UndoOrder, step: &StepRecord, result: &Result<Undone, ToolError>) {
        let tool = step.tool.clone().unwrap_or_default();
        let input = json!({ "step": step.number, "by": order.by }).to_string();
        let draft = Draft::new(StepKind::Undo, if order.redo { REDO } else { UNDO }).tool(tool).input(input);
        let draft = match result {
            Ok(undone) => {
                let output = std::iter::once(&undone.summary).chain(&undone.conflicts);
                let output: Vec<_> = output.filter(|line| !line.is_empty()).cloned().collect();
                let draft = draft.output(output.join("\n")).undo(undone.redo.clone());
                match undone.redo {
                    Some(_) => draft,
                    None => draft.status(StepStatus::Refused, "undo.conflict"),
                }
            }
            Err(error) => {
                let status = if error.uncertain { StepStatus::Uncertain } else { StepStatus::Failed };
                draft.error(status, error)
            }
        };
        let record = self.record(draft);
        for touched in result.iter().flat_map(|undone| &undone.touched) {
            // What the run knew of it is no longer so: it must read it again before it writes.
            self.state.seen.remove(&touched.target);
        }
        // Between a call and its result nothing else may be said to a model.
        if !self.state.status.is_final() && self.state.calls.is_empty() {
            let text = format!("[The owner: {} of step {}] {}", record.why, step.number, record.output);
            self.say_to_model(text);
        }
    }
}

async fn all_steps(runs: &dyn RunStore, run: RunId) -> Result<Vec<StepRecord>, StorageError> {
    let mut steps: Vec<StepRecord> = Vec::new();
    loop {
        let after = steps.last().map_or(0, |step| step.number);
        let page = runs.steps(run, after, PAGE).await?;
        if page.is_empty() {
            return Ok(steps);
        }
        steps.extend(page);
    }
}
