//! What is judged: a question, an answer, and what the answer may rest on.

use crate::state::RunState;
use nunchi_core::{
    Approval, Message, ModelPrice, RunLimits, RunOutcome, RunRecord, StepKind, StepRecord, StepStatus,
    mask_secrets,
};

/// Longest question, answer and source that a judge is shown, in bytes.
pub(super) const MOST_TEXT: usize = 24 << 10;
/// Most of all sources together, in bytes.
pub(super) const MOST_SOURCES: usize = 64 << 10;

/// Something an answer may rest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgeSource {
    /// What it is, for the judge: `tool read_file, step 3`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// A question with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JudgeCase {
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
    /// What the answer may rest on; without any, the judge's own knowledge is asked.
    pub sources: Vec<JudgeSource>,
    /// Whether there should be sources: then an answer without any is unfounded.
    pub grounded: bool,
    /// What should have been answered.
    pub expected: Option<String>,
    /// Sentences of the answer that are known to be unfounded.
    pub unfounded: Vec<String>,
}

impl JudgeCase {
    /// A question and its answer; with sources the answer must rest on them.
    pub fn pair(
        question: impl Into<String>,
        answer: impl Into<String>,
        sources: Vec<String>,
        expected: Option<String>,
    ) -> Self {
        let named = |(at, text)| JudgeSource { name: format!("source {}", at + 1), text };
        let sources: Vec<_> = sources.into_iter().enumerate().map(named).collect();
        let (question, answer, grounded) = (question.into(), answer.into(), !sources.is_empty());
        Self { question, answer, sources, grounded, expected, unfounded: Vec::new() }
    }
}

/// What is known of a run that has ended.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The run.
    pub run: RunRecord,
    /// What it did.
    pub steps: Vec<StepRecord>,
    /// What it asked people.
    pub approvals: Vec<Approval>,
    /// What it was allowed to use up.
    pub limits: RunLimits,
    /// The dearest price its model may have.
    pub price: Option<ModelPrice>,
    /// Whether a stranger's text was in its context.
    pub stranger: bool,
    /// What it was told besides its goal.
    pub told: Vec<JudgeSource>,
}

impl RunFacts {
    /// The facts of a run with its last state.
    pub fn new(run: RunRecord, state: &RunState, steps: Vec<StepRecord>, approvals: Vec<Approval>) -> Self {
        let order = state.order();
        let said = order.said_before().iter().map(Message::plain_text).collect::<Vec<_>>().join("\n");
        let brief = order.brief.as_ref().map(|brief| format!("{}\n{}", brief.done, brief.data));
        let told = [
            ("what it was told", order.context.clone()),
            ("the conversation before", said),
            ("its brief", brief.unwrap_or_default()),
        ];
        let told = told.into_iter().filter(|(_, text)| !text.trim().is_empty());
        let told = told.map(|(name, text)| JudgeSource { name: name.to_owned(), text }).collect();
        let (limits, price) = (order.limits, order.price.clone());
        Self { run, steps, approvals, limits, price, stranger: state.has_stranger(), told }
    }

    /// How it ended.
    pub(super) fn outcome(&self) -> Option<&RunOutcome> {
        self.run.outcome.as_ref()
    }

    /// Its answer as a case for a judge: its sources are what its tools and sub-agents said, and what it was told.
    pub fn case(&self) -> JudgeCase {
        let outcome = self.outcome();
        let said = |step: &&StepRecord| {
            matches!(step.kind, StepKind::Tool | StepKind::Delegated | StepKind::Answered)
                && step.status == StepStatus::Ok
        };
        let source = |step: &StepRecord| {
            let tool = step.tool.as_deref().unwrap_or("answer");
            let (name, call) = (format!("{tool}, step {}", step.number), &step.input);
            JudgeSource { name, text: format!("{tool} {call}\n→ {}", step.output) }
        };
        let mut sources: Vec<_> = self.steps.iter().filter(said).map(source).collect();
        let grounded = !sources.is_empty();
        sources.extend(self.told.iter().cloned());
        let links = outcome.map(|outcome| outcome.sources.join("\n")).unwrap_or_default();
        if !links.is_empty() {
            // What stands behind them was not kept, so a claim that rests on them alone is judged by knowledge.
            sources.push(JudgeSource { name: "links it cites, their text not kept".into(), text: links });
        }
        JudgeCase {
            question: self.run.user_input.clone(),
            answer: outcome.map(|outcome| outcome.text.clone()).unwrap_or_default(),
            sources,
            grounded,
            expected: None,
            unfounded: outcome.map(|outcome| outcome.unbacked.clone()).unwrap_or_default(),
        }
    }
}

/// A text as a judge may see it: masked, and cut to a length.
pub(super) fn shown(text: &str, most: usize) -> String {
    crate::record::cut(&mask_secrets(text), most)
}
