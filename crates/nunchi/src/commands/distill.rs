//! `skills distill`: one run becomes a skill, several that did the same a workflow; what that saves is shown.

use super::{Desk, escaped, print_json, print_line};
use crate::failure::Failure;
use crate::render::{duration, grouped, table, usd};
use nunchi_agent::{CompiledWorkflow, PastRun, compile_workflow};
use nunchi_core::{
    ContentHash, Mode, NanoUsd, RunId, RunOrigin, RunOutcome, RunRecord, RunStatus, RunTotals, StepId,
    StepKind, StepRecord, StepStatus, Usage, call_hash, mask_secrets,
};
use nunchi_tools::{distill_skill, new_skill};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// What `GET /api/runs/{id}` tells of a run.
#[derive(Deserialize)]
struct Logged {
    run_id: RunId,
    user_input: String,
    mode: Mode,
    status: RunStatus,
    timestamp: jiff::Timestamp,
    outcome: Option<RunOutcome>,
    steps: Vec<LoggedStep>,
}

#[derive(Deserialize)]
struct LoggedStep {
    step: u32,
    at: jiff::Timestamp,
    kind: StepKind,
    tool: Option<String>,
    why: String,
    input: String,
    output: String,
    tokens: u64,
    cost_usd: String,
    latency_ms: u64,
    status: StepStatus,
    code: Option<String>,
    hash: ContentHash,
}

/// Makes a skill or a workflow of runs.
pub(crate) async fn distill(
    desk: &Desk,
    runs: &[String],
    name: Option<&str>,
    output: Option<&Path>,
) -> Result<(), Failure> {
    let mut past = Vec::new();
    for run in runs {
        let logged: Logged = desk.client.get(&format!("/api/runs/{}", escaped(run))).await?;
        past.push(logged.past());
    }
    let explained = |error| Failure::Explained(Box::new(error));
    if let [run] = past.as_slice() {
        let skill = distill_skill(&run.record, &run.steps, name).map_err(explained)?;
        let folder = new_skill(&desk.home.file("skills"), &skill.name, &skill.text).map_err(explained)?;
        let path = folder.join("SKILL.md").display().to_string();
        return desk.show(&json!({ "skill": skill.name, "path": path, "params": skill.params }), || {
            desk.lang.pick(
                format!("{path}\nread it before you rely on it:\n\n{}", skill.text),
                format!("{path}\n쓰기 전에 읽어 보세요:\n\n{}", skill.text),
            )
        });
    }
    let compiled = compile_workflow(name.unwrap_or("compiled"), &past)
        .map_err(|error| Failure::Explained(Box::new(error)))?;
    if let Some(path) = output {
        std::fs::write(path, &compiled.text)
            .map_err(|error| Failure::system(&path.display().to_string(), error))?;
    }
    tell(desk, &compiled, output)
}

fn tell(desk: &Desk, compiled: &CompiledWorkflow, output: Option<&Path>) -> Result<(), Failure> {
    let before = &compiled.baseline;
    if desk.json {
        return print_json(&json!({
            "workflow": compiled.text, "params": compiled.params, "path": output,
            "before": { "runs": before.runs, "tokens": before.tokens, "cost_usd": before.cost.to_string(), "latency_us": before.latency_us },
            "after": { "tokens": 0, "cost_usd": NanoUsd::ZERO.to_string(), "latency_us": compiled.tool_latency_us },
        }));
    }
    let headings = desk.lang.pick(
        ["a run", ">tokens", ">cost", ">time of its steps"],
        ["실행당", ">토큰", ">비용", ">단계 시간"],
    );
    let [with, without] = desk.lang.pick(["with a model", "without"], ["모델 사용", "모델 없이"]);
    let rows = [
        vec![with.to_owned(), grouped(before.tokens), usd(before.cost), duration(before.latency_us)],
        vec![without.to_owned(), "0".to_owned(), usd(NanoUsd::ZERO), duration(compiled.tool_latency_us)],
    ];
    match output {
        Some(path) => print_line(&path.display().to_string())?,
        None => print_line(&compiled.text)?,
    }
    print_line(&table(&headings, rows))
}

impl Logged {
    fn past(self) -> PastRun {
        let run = self.run_id;
        let steps = self.steps.into_iter().map(|step| step.record(run)).collect();
        let record = RunRecord {
            id: run,
            owner: None,
            origin: RunOrigin::default(),
            parent: None,
            session: None,
            user_input: self.user_input,
            mode: self.mode,
            status: self.status,
            reason: None,
            created: self.timestamp,
            updated: self.timestamp,
            wake_at: None,
            version: 1,
            totals: RunTotals::default(),
            outcome: self.outcome,
        };
        PastRun::new(record, steps)
    }
}

impl LoggedStep {
    fn record(self, run: RunId) -> StepRecord {
        let arguments = self.exact_arguments();
        StepRecord {
            id: StepId(run.0),
            run,
            number: self.step,
            at: self.at,
            kind: self.kind,
            tool: self.tool,
            why: self.why,
            input: self.input,
            output: self.output,
            arguments,
            usage: Usage { output: self.tokens, ..Usage::default() },
            cost: self.cost_usd.parse().unwrap_or_default(),
            latency_us: self.latency_ms.saturating_mul(1_000),
            status: self.status,
            code: self.code,
            undo: None,
            previous: ContentHash::default(),
            hash: self.hash,
        }
    }

    /// The hash of the arguments, where the log shows them whole: a mask hides what it stands for.
    fn exact_arguments(&self) -> Option<ContentHash> {
        let value: Value = serde_json::from_str(&self.input).ok()?;
        let marks = ["[key]", "[token]", "[email]", "[resident]", "[card]", "[phone]"];
        let hidden =
            marks.iter().any(|mark| self.input.contains(mark)) || mask_secrets(&self.input) != self.input;
        (!hidden).then(|| call_hash(self.tool.as_deref().unwrap_or_default(), &value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::RunLog;

    #[test]
    fn a_log_as_it_is_served_is_read_back() {
        let step = |input: &str| LoggedStep {
            step: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: StepKind::Tool,
            tool: Some("read_file".into()),
            why: String::new(),
            input: input.into(),
            output: "text".into(),
            tokens: 7,
            cost_usd: "0.000001".into(),
            latency_ms: 3,
            status: StepStatus::Ok,
            code: None,
            hash: ContentHash::default(),
        };
        let run = RunId(uuid::Uuid::nil());
        let first = Logged {
            run_id: run,
            user_input: "Read a.md".into(),
            mode: Mode::Reflexive,
            status: RunStatus::Done,
            timestamp: jiff::Timestamp::UNIX_EPOCH,
            outcome: Some(RunOutcome::default()),
            steps: vec![step(r#"{"path":"a.md"}"#), step(r#"{"to":"[email]"}"#)],
        }
        .past();
        assert_eq!(first.steps[0].arguments, Some(call_hash("read_file", &json!({"path": "a.md"}))));
        assert_eq!((first.steps[1].arguments, first.steps[0].cost), (None, NanoUsd(1_000)));
        let served = serde_json::to_value(RunLog::new(&first.record, &first.steps)).unwrap();
        let again = serde_json::from_value::<Logged>(served).unwrap().past();
        assert_eq!((again.record, again.steps), (first.record, first.steps));
    }
}
