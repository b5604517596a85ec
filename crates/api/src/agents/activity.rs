//! How runs went in a period: mean steps, use of tools, failures by kind of work, tokens by day.

use super::AgentServices;
use super::caller::Caller;
use super::runs::steps;
use super::task_class::task_class;
use crate::admin::{Query, Refused};
use axum::Json;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nunchi_agent::AgentError;
use nunchi_core::{
    AccessRole, MeanScore, NanoUsd, Principal, RunDoor, RunFilter, RunRecord, RunStatus, StepKind,
    StepRecord, StepStatus, mean_scores,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most runs looked through.
const MOST_RUNS: u32 = 10_000;
/// The newest runs of a period whose steps are read for the use of tools.
const MOST_READ: usize = 1_000;
/// Longest period, in days.
const MOST_DAYS: u32 = 366;

/// Runs of one kind.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Group {
    /// The kind: a mode, a class of goals, or `all`.
    pub(crate) name: String,
    pub(crate) runs: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    /// At work, or waiting for people.
    pub(crate) open: u64,
    /// Of those that ended by themselves.
    pub(crate) failure_rate: f64,
    pub(crate) mean_steps: f64,
    pub(crate) total_tokens: u64,
    #[serde(serialize_with = "dollars")]
    pub(crate) total_cost_usd: NanoUsd,
    #[serde(skip)]
    steps: u64,
}

/// How one tool was used.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ToolUse {
    pub(crate) tool: String,
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Not let through.
    pub(crate) refused: u64,
    /// Of those that were let through.
    pub(crate) failure_rate: f64,
    pub(crate) mean_latency_ms: u64,
    #[serde(skip)]
    latency_us: u64,
}

/// One day.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Day {
    pub(crate) day: Date,
    pub(crate) runs: u64,
    pub(crate) total_tokens: u64,
    #[serde(serialize_with = "dollars")]
    pub(crate) total_cost_usd: NanoUsd,
}

/// How runs went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Activity {
    pub(crate) since: Timestamp,
    pub(crate) all: Group,
    pub(crate) by_mode: Vec<Group>,
    pub(crate) by_class: Vec<Group>,
    pub(crate) tools: Vec<ToolUse>,
    pub(crate) days: Vec<Day>,
    /// What was made of these runs.
    pub(crate) scores: Vec<MeanScore>,
}

fn dollars<S: serde::Serializer>(amount: &NanoUsd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Group {
    /// Counts a run; the tokens and steps of its sub-agents are counted apart.
    fn count(&mut self, run: &RunRecord) {
        self.runs += 1;
        match run.status {
            RunStatus::Done => self.done += 1,
            RunStatus::Failed => self.failed += 1,
            RunStatus::Cancelled => self.cancelled += 1,
            RunStatus::Running | RunStatus::Parked => self.open += 1,
        }
        self.steps += u64::from(run.totals.steps);
        self.total_tokens += run.totals.usage.total_tokens();
        self.total_cost_usd += run.totals.cost;
        self.failure_rate = rate(self.failed, self.done + self.failed);
        self.mean_steps = rate(self.steps, self.runs);
    }
}

fn grouped<'a>(runs: &[&'a RunRecord], name: impl Fn(&'a RunRecord) -> &'static str) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for run in runs {
        let name = name(run);
        groups.entry(name).or_insert_with(|| Group { name: name.to_owned(), ..Group::default() }).count(run);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| b.runs.cmp(&a.runs).then_with(|| a.name.cmp(&b.name)));
    groups
}

fn days(runs: &[RunRecord], zone: &TimeZone) -> Vec<Day> {
    let mut days: BTreeMap<Date, Day> = BTreeMap::new();
    for run in runs {
        let date = run.created.to_zoned(zone.clone()).date();
        let fresh = || Day { day: date, runs: 0, total_tokens: 0, total_cost_usd: NanoUsd::ZERO };
        let day = days.entry(date).or_insert_with(fresh);
        day.total_tokens += run.totals.usage.total_tokens();
        // A sub-agent's money is in the cost of the run that began it.
        if run.parent.is_none() {
            day.runs += 1;
            day.total_cost_usd += run.totals.cost;
        }
    }
    days.into_values().collect()
}

fn count_tool(tools: &mut BTreeMap<String, ToolUse>, step: StepRecord) {
    let (StepKind::Tool, Some(tool)) = (step.kind, step.tool) else { return };
    let used = tools.entry(tool.clone()).or_insert_with(|| ToolUse { tool, ..ToolUse::default() });
    used.calls += 1;
    match step.status {
        StepStatus::Ok => {}
        StepStatus::Failed | StepStatus::Uncertain => used.failed += 1,
        StepStatus::Refused => used.refused += 1,
    }
    used.latency_us = used.latency_us.saturating_add(step.latency_us);
    let made = used.calls - used.refused;
    used.failure_rate = rate(used.failed, made);
    used.mean_latency_ms = used.latency_us / made.max(1) / 1_000;
}

impl Activity {
    /// How the runs that somebody may see went since a moment, by days of a time zone.
    ///
    /// # Errors
    /// When runs cannot be read.
    pub(crate) async fn since(
        services: &AgentServices,
        principal: &Principal,
        since: Timestamp,
        zone: &TimeZone,
    ) -> Result<Self, AgentError> {
        let own = principal.role != AccessRole::Admin;
        let filter = RunFilter {
            since: Some(since),
            owner: principal.key.filter(|_| own),
            limit: Some(MOST_RUNS),
            ..RunFilter::default()
        };
        let nobody = own && principal.key.is_none();
        let runs = if nobody { Vec::new() } else { services.runs.runs(filter).await? };
        let mut tools = BTreeMap::new();
        for run in runs.iter().take(MOST_READ) {
            let read = steps(services, run.id).await?;
            read.into_iter().for_each(|step| count_tool(&mut tools, step));
        }
        let mut tools: Vec<_> = tools.into_values().collect();
        tools.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.tool.cmp(&b.tool)));
        // A single call of somebody else's agent says nothing of how runs go, only of its tool.
        let whole = |run: &&RunRecord| run.parent.is_none() && run.origin.door != RunDoor::Mcp;
        let top: Vec<_> = runs.iter().filter(whole).collect();
        let mut all = Group { name: "all".into(), ..Group::default() };
        top.iter().for_each(|run| all.count(run));
        Ok(Self {
            since,
            all,
            by_mode: grouped(&top, |run| run.mode.as_str()),
            by_class: grouped(&top, |run| task_class(&run.user_input)),
            tools,
            days: days(&runs, zone),
            scores: judged(services, &runs, since).await?,
        })
    }
}

/// The means of what was made of runs.
async fn judged(
    services: &AgentServices,
    runs: &[RunRecord],
    since: Timestamp,
) -> Result<Vec<MeanScore>, AgentError> {
    // A run is judged after it began.
    let mut found = services.scores.scores_since(since, MOST_RUNS).await?;
    let ids: BTreeSet<_> = runs.iter().map(|run| run.id).collect();
    found.retain(|score| ids.contains(&score.run));
    Ok(mean_scores(found.iter().map(|score| &score.judgement)))
}

/// Which period.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Period {
    days: Option<u32>,
}

/// `GET /api/runs/metrics`: the last days, in UTC.
pub(crate) async fn metrics(caller: Caller, Query(period): Query<Period>) -> Result<Json<Activity>, Refused> {
    let days = period.days.unwrap_or(30).clamp(1, MOST_DAYS);
    let now = caller.state.parts.clock.now();
    let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
    let found = Activity::since(&caller.services, &caller.principal, since, &TimeZone::UTC).await;
    found.map(Json).map_err(|error| caller.agent(&error))
}
