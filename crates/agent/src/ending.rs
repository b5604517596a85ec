//! The end of a run: an answer with what it rests on and what it lacks, or why there is none.

use crate::effect::{Effect, Notice, Work};
use crate::guards::{parse_json, unbacked_claims};
use crate::machine::Machine;
use crate::modes::asks_for_deed;
use crate::record::Draft;
use nunchi_core::{RunOutcome, RunStatus, StepKind, StepStatus};

impl Machine {
    /// Ends with an answer.
    pub(crate) fn finish_done(&mut self, text: String) {
        let lang = self.state.order.lang;
        let text = self.state.masks.show(&text);
        let mut told = text.clone();
        for (title, lines) in [
            (lang.pick("Not reached", "이루지 못한 것"), &self.state.unmet),
            (lang.pick("Unknown whether it happened", "실행 여부를 알 수 없는 것"), &self.state.uncertain),
        ] {
            if !lines.is_empty() {
                told.push_str(&format!("\n\n{title}:\n- {}", lines.join("\n- ")));
            }
        }
        let written = || self.state.order.output_schema.as_ref().and_then(|_| parse_json(&text).ok());
        let output = self.flow_output().or_else(written);
        let unbacked = unbacked_claims(&text, &self.state.receipts, asks_for_deed(&self.state.order.goal));
        self.end(RunStatus::Done, RunOutcome { text: told, output, unbacked, ..RunOutcome::default() });
    }

    /// Ends without an answer.
    pub(crate) fn fail(&mut self, code: &str, why: String) {
        let outcome = RunOutcome { text: why, code: Some(code.to_owned()), ..RunOutcome::default() };
        self.end(RunStatus::Failed, outcome);
    }

    /// Stops what is under way. What was being done in the world is named, as nobody knows how far it came.
    pub(crate) fn cancel(&mut self, by: &str) {
        let under_way: Vec<_> = self.state.pending.values().cloned().collect();
        for work in under_way {
            if let Work::RunTool(call) | Work::CheckFate(call) = work
                && self.leaves_traces(&call.tool)
            {
                let what = format!("{} {}", call.tool, call.arguments);
                let draft = Draft::new(StepKind::Tool, "cancelled").tool(call.tool).input(what.clone());
                self.record(draft.status(StepStatus::Uncertain, "run.cancelled"));
                self.state.uncertain.push(what);
            }
        }
        let text =
            self.state.order.lang.pick(format!("Cancelled by {by}."), format!("{by}이(가) 취소했습니다."));
        let code = Some("run.cancelled".to_owned());
        self.end(RunStatus::Cancelled, RunOutcome { text, code, ..RunOutcome::default() });
    }

    fn end(&mut self, status: RunStatus, outcome: RunOutcome) {
        self.record_answer(&outcome);
        self.close(status, outcome);
    }

    fn record_answer(&mut self, outcome: &RunOutcome) {
        let draft = Draft::new(StepKind::Message, "answer").output(outcome.text.clone());
        let draft = match (&outcome.code, outcome.unbacked.is_empty()) {
            (Some(code), _) => draft.status(StepStatus::Failed, code.clone()),
            (None, false) => draft.status(StepStatus::Failed, "claim.unbacked"),
            (None, true) => draft,
        };
        self.record(draft);
    }

    /// Ends without a word beside what the steps say.
    pub(crate) fn close(&mut self, status: RunStatus, outcome: RunOutcome) {
        for id in std::mem::take(&mut self.state.pending).into_keys() {
            self.effects.push(Effect::Abort(id));
        }
        self.state.held.clear();
        self.state.worked_ms = self.state.at_work_ms(self.at);
        self.state.working_since = None;
        self.state.status = status;
        self.state.reason.clone_from(&outcome.code);
        let outcome = RunOutcome {
            unmet: self.state.unmet.clone(),
            uncertain: self.state.uncertain.clone(),
            sources: self.state.sources.clone(),
            receipts: self.state.receipts.clone(),
            ..outcome
        };
        self.state.outcome = Some(outcome.clone());
        self.tell(Notice::Finished { status, outcome: Box::new(outcome) });
    }
}
