//! Steps: the append-only, hash-chained record of what a run did; execution log, audit trail and trace at once.

use super::content_hash::ContentHash;
use super::ids::{RunId, StepId};
use super::money::NanoUsd;
use super::run::{Mode, RunOutcome, RunRecord, RunStatus};
use super::usage::Usage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Words of or to the owner.
    Message,
    /// A model call.
    Model,
    /// A tool call, made or refused.
    Tool,
    /// A person was asked.
    Asked,
    /// A person answered, or did not in time.
    Answered,
    /// A sub-agent ended.
    Delegated,
    /// A guard or a limit stepped in.
    Guard,
    /// A step was taken back, or its undo was.
    Undo,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Well.
    Ok,
    /// It was tried and failed.
    Failed,
    /// It was not let through.
    Refused,
    /// Nobody knows whether it happened.
    Uncertain,
}

/// One step. Its `hash` covers all of it and the hash of the step before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its id, made from the run's, its number and its time.
    pub id: StepId,
    /// The run.
    pub run: RunId,
    /// Counts from 1.
    pub number: u32,
    /// When it ended.
    pub at: Timestamp,
    /// What it was.
    pub kind: StepKind,
    /// The tool, or the model that answered.
    pub tool: Option<String>,
    /// What it was for.
    pub why: String,
    /// What went in, secrets masked.
    pub input: String,
    /// What came out, secrets masked.
    pub output: String,
    /// Hash of a call's exact arguments.
    pub arguments: Option<ContentHash>,
    /// Tokens.
    pub usage: Usage,
    /// Money.
    pub cost: NanoUsd,
    /// How long it took, in microseconds.
    pub latency_us: u64,
    /// How it ended.
    pub status: StepStatus,
    /// The code of what went wrong.
    pub code: Option<String>,
    /// What takes it back: the tool's own record.
    pub undo: Option<Value>,
    /// The hash of the step before; zeros for the first.
    pub previous: ContentHash,
    /// SHA-256 of `previous` and of the canonical JSON of all fields but this one.
    pub hash: ContentHash,
}

/// A run and its steps, as `runs show --json` prints them.
#[derive(Clone, Debug, Serialize)]
pub struct RunLog<'a> {
    /// The conversation.
    pub session_id: Option<&'a str>,
    /// The run.
    pub run_id: RunId,
    /// When it was ordered.
    pub timestamp: Timestamp,
    /// What was asked for.
    pub user_input: &'a str,
    /// Its mode.
    pub mode: Mode,
    /// Its steps.
    pub steps: Vec<LogStep<'a>>,
    /// Tokens of all its steps.
    pub total_tokens: u64,
    /// Dollars of all its steps, exact.
    pub total_cost_usd: String,
    /// Time of all its steps, in milliseconds.
    pub total_latency_ms: u64,
    /// Where it stands.
    pub status: RunStatus,
    /// What it waits for, or why it ended.
    pub reason: Option<&'a str>,
    /// How it ended.
    pub outcome: Option<&'a RunOutcome>,
}

/// A step as a log shows it.
#[derive(Clone, Debug, Serialize)]
pub struct LogStep<'a> {
    /// Counts from 1.
    pub step: u32,
    /// When it ended.
    pub at: Timestamp,
    /// What it was.
    pub kind: StepKind,
    /// The tool, or the model that answered.
    pub tool: Option<&'a str>,
    /// What it was for.
    pub why: &'a str,
    /// What went in.
    pub input: &'a str,
    /// What came out.
    pub output: &'a str,
    /// Tokens.
    pub tokens: u64,
    /// Dollars, exact.
    pub cost_usd: String,
    /// How long it took.
    pub latency_ms: u64,
    /// How it ended.
    pub status: StepStatus,
    /// The code of what went wrong.
    pub code: Option<&'a str>,
    /// Its link of the chain.
    pub hash: ContentHash,
}

impl<'a> RunLog<'a> {
    /// The log of a run.
    pub fn new(run: &'a RunRecord, steps: &'a [StepRecord]) -> Self {
        Self {
            session_id: run.session.as_deref(),
            run_id: run.id,
            timestamp: run.created,
            user_input: &run.user_input,
            mode: run.mode,
            steps: steps.iter().map(LogStep::of).collect(),
            total_tokens: steps.iter().map(|step| step.usage.total_tokens()).sum(),
            total_cost_usd: steps.iter().map(|step| step.cost).sum::<NanoUsd>().to_string(),
            total_latency_ms: steps.iter().map(|step| step.latency_us).sum::<u64>() / 1_000,
            status: run.status,
            reason: run.reason.as_deref(),
            outcome: run.outcome.as_ref(),
        }
    }
}

impl<'a> LogStep<'a> {
    /// A step of a log.
    pub fn of(step: &'a StepRecord) -> Self {
        Self {
            step: step.number,
            at: step.at,
            kind: step.kind,
            tool: step.tool.as_deref(),
            why: &step.why,
            input: &step.input,
            output: &step.output,
            tokens: step.usage.total_tokens(),
            cost_usd: step.cost.to_string(),
            latency_ms: step.latency_us / 1_000,
            status: step.status,
            code: step.code.as_deref(),
            hash: step.hash,
        }
    }
}
