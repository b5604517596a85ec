//! A run as the reply of a model: text as it comes, steps as reasoning, at the end what the whole run used and cost.

use super::AgentServices;
use super::parked::waits;
use super::watch::{RunWatch, Told, open_questions};
use futures_util::stream::unfold;
use nunchi_agent::{AgentError, Notice};
use nunchi_core::{
    CallId, CallSummary, Citation, Explain, Frame, Lang, ModelError, ModelErrorKind, NanoUsd, Outcome,
    ReplyEvent, ReplyStream, RunFilter, RunId, RunRecord, RunStatus, StepKind, StepRecord, StepStatus,
    StopReason, Usage,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Longest input of a step that is told, in characters.
const MOST_INPUT: usize = 160;

/// How a run is told.
pub(super) struct Telling {
    pub(super) services: AgentServices,
    pub(super) run: RunId,
    /// Where the console is.
    pub(super) base: String,
    /// Whether text is told as it comes; else only the answer is.
    pub(super) streams: bool,
}

struct Teller {
    telling: Telling,
    watch: RunWatch,
    lang: Lang,
    /// Text told of the model turn under way.
    turn: String,
    /// Text of the last whole turn.
    last: String,
    /// Whether text was told, so that more of it needs a gap.
    begun: bool,
    out: VecDeque<Result<Frame, ModelError>>,
    over: bool,
}

/// The events of a run as a reply.
pub(super) fn stream(telling: Telling, watch: RunWatch) -> ReplyStream {
    let start = ReplyEvent::Start { id: format!("run-{}", telling.run), model: super::model::NAME.into() };
    let teller = Teller {
        telling,
        watch,
        lang: Lang::En,
        turn: String::new(),
        last: String::new(),
        begun: false,
        out: VecDeque::from([Ok(Frame::of(vec![start]))]),
        over: false,
    };
    Box::pin(unfold(teller, |mut teller| async move {
        let frame = teller.next().await?;
        Some((frame, teller))
    }))
}

impl Teller {
    async fn next(&mut self) -> Option<Result<Frame, ModelError>> {
        loop {
            if let Some(frame) = self.out.pop_front() {
                return Some(frame);
            }
            if self.over {
                return None;
            }
            let told = self.watch.next().await?;
            if let Err(error) = self.hear(told).await {
                self.over = true;
                return Some(Err(broken(&error)));
            }
        }
    }

    async fn hear(&mut self, told: Told) -> Result<(), AgentError> {
        match told {
            Told::Text(text) => self.text(&text),
            Told::Step(step) => self.step(&step),
            Told::Ended(run) => return self.end(&run).await,
            Told::Stopped(error) => {
                self.over = true;
                self.out.push_back(Err(broken(&error)));
            }
            Told::Standing(run) => {
                self.learn_language().await?;
                if run.status == RunStatus::Parked {
                    return self.parked().await;
                }
            }
            Told::Notice(notice) => match &*notice {
                Notice::Parked { .. } => return self.parked().await,
                Notice::Planned(plan) => {
                    let goals: Vec<_> = plan.nodes.iter().map(|node| format!("- {}\n", node.goal)).collect();
                    self.think(goals.concat());
                }
                Notice::Estimate(_) | Notice::Finished { .. } => {}
            },
            Told::Asked(question) if question.run != self.telling.run => return self.below_parked().await,
            Told::Asked(_) => {}
        }
        Ok(())
    }

    async fn learn_language(&mut self) -> Result<(), AgentError> {
        if let Some((_, state)) = self.telling.services.agent.stored(self.telling.run).await? {
            self.lang = state.order().lang;
        }
        Ok(())
    }

    fn push(&mut self, event: ReplyEvent) {
        self.out.push_back(Ok(Frame::of(vec![event])));
    }

    fn think(&mut self, text: String) {
        if self.telling.streams {
            self.push(ReplyEvent::Thinking(text));
        }
    }

    fn text(&mut self, text: &str) {
        if !self.telling.streams {
            return;
        }
        let gap = if self.begun && self.turn.is_empty() { "\n\n" } else { "" };
        self.turn.push_str(text);
        self.begun = true;
        self.push(ReplyEvent::Text(format!("{gap}{text}")));
    }

    fn step(&mut self, step: &StepRecord) {
        if step.kind == StepKind::Model {
            self.last = std::mem::take(&mut self.turn);
        }
        if let Some(line) = line(step) {
            self.think(line);
        }
    }

    /// The run waits for people. The notice comes before the questions are stored, so this waits for them.
    async fn parked(&mut self) -> Result<(), AgentError> {
        let run = self.telling.services.agent.wait(self.telling.run).await?;
        if run.status == RunStatus::Parked { self.tell_waiting(&run).await } else { Ok(()) }
    }

    /// A sub-agent asks: unless others are still at work, nothing more happens until somebody answers.
    async fn below_parked(&mut self) -> Result<(), AgentError> {
        let services = &self.telling.services;
        let below = RunFilter {
            status: Some(RunStatus::Running),
            parent: Some(self.telling.run),
            ..RunFilter::default()
        };
        if !services.runs.runs(below).await?.is_empty() {
            return Ok(());
        }
        match services.agent.stored(self.telling.run).await? {
            Some((run, _)) if !run.status.is_final() => self.tell_waiting(&run).await,
            _ => Ok(()),
        }
    }

    async fn tell_waiting(&mut self, run: &RunRecord) -> Result<(), AgentError> {
        self.learn_language().await?;
        let questions = open_questions(&self.telling.services, run).await?;
        let text = waits(run.id, &questions, &self.telling.base, self.lang);
        self.answer(&text);
        self.close(run, Outcome::Ok).await
    }

    async fn end(&mut self, run: &RunRecord) -> Result<(), AgentError> {
        self.learn_language().await?;
        let (lang, outcome) = (self.lang, run.outcome.clone().unwrap_or_default());
        let code = outcome.code.as_deref().map(|code| format!(" [{code}]")).unwrap_or_default();
        match run.status {
            RunStatus::Done => self.answer(&outcome.text),
            RunStatus::Cancelled => {
                let head = lang.pick("The run was stopped.", "실행이 중지되었습니다.");
                self.answer(&format!("{head} {}", outcome.text));
            }
            _ => {
                let head = lang.pick("The run did not succeed:", "실행이 성공하지 못했습니다:");
                self.answer(&format!("{head} {}{code}", outcome.text));
            }
        }
        if !outcome.unbacked.is_empty() {
            let head = lang.pick("No receipt proves:", "실행 기록으로 확인되지 않은 내용:");
            self.push(ReplyEvent::Text(format!("\n\n{head}\n- {}", outcome.unbacked.join("\n- "))));
        }
        for url in outcome.sources {
            self.push(ReplyEvent::Citation(Citation { url, ..Citation::default() }));
        }
        let how = match run.status {
            RunStatus::Done => Outcome::Ok,
            RunStatus::Cancelled => Outcome::Aborted,
            _ => Outcome::Failed,
        };
        self.close(run, how).await
    }

    /// Tells the answer, but for what of it was told as it came.
    fn answer(&mut self, text: &str) {
        let last = if self.turn.is_empty() { &self.last } else { &self.turn };
        let rest = if last.is_empty() { None } else { text.strip_prefix(last.as_str()) };
        match rest {
            Some("") => {}
            Some(rest) => self.push(ReplyEvent::Text(rest.to_owned())),
            None => {
                let gap = if self.begun { "\n\n" } else { "" };
                self.push(ReplyEvent::Text(format!("{gap}{text}")));
            }
        }
        self.begun = true;
    }

    async fn close(&mut self, run: &RunRecord, outcome: Outcome) -> Result<(), AgentError> {
        let below = RunFilter { parent: Some(run.id), ..RunFilter::default() };
        let below = self.telling.services.runs.runs(below).await?;
        let usage = below.iter().fold(run.totals.usage, |sum, run| sum + run.totals.usage);
        let cost = run.totals.cost;
        self.push(ReplyEvent::Usage { usage, reported_cost: Some(cost), service_tier: None });
        self.push(ReplyEvent::End(StopReason::EndTurn));
        self.push(ReplyEvent::Settled(Arc::new(summary(run.id, outcome, usage, cost))));
        self.over = true;
        Ok(())
    }
}

fn summary(run: RunId, outcome: Outcome, usage: Usage, cost: NanoUsd) -> CallSummary {
    let saved = NanoUsd::ZERO;
    CallSummary { call: CallId(run.0), outcome, usage, usage_estimated: false, cost, saved }
}

fn broken(error: &AgentError) -> ModelError {
    ModelError::new(ModelErrorKind::Storage, error.message(Lang::En))
}

/// One line of what a run does, as reasoning; nothing for what the answer shows anyway.
fn line(step: &StepRecord) -> Option<String> {
    let mark = match step.status {
        StepStatus::Ok => "✓",
        StepStatus::Failed => "✗",
        StepStatus::Refused => "⊘",
        StepStatus::Uncertain => "?",
    };
    let code = step.code.as_deref().map(|code| format!(" [{code}]")).unwrap_or_default();
    let tool = step.tool.as_deref().unwrap_or_default();
    match step.kind {
        StepKind::Message => None,
        StepKind::Model if step.status == StepStatus::Ok && matches!(step.why.as_str(), "act" | "merge") => {
            None
        }
        StepKind::Model => Some(format!("{mark} {}{code}\n", step.why)),
        StepKind::Tool => Some(format!("{mark} {tool} {}{code}\n", short(&step.input))),
        StepKind::Undo => Some(format!("{mark} {} {tool} {}{code}\n", step.why, short(&step.input))),
        StepKind::Delegated => Some(format!("{mark} {tool}: {}{code}\n", short(&step.why))),
        StepKind::Guard => Some(format!("{mark} {}{code}\n", short(&step.why))),
        StepKind::Asked => Some(format!("… {}\n", short(&step.why))),
        StepKind::Answered => Some(format!("{mark} {}{code}\n", short(&step.why))),
    }
}

fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_INPUT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
