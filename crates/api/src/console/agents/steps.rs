//! The steps of a run as a waterfall: a bar each for when it was and how long it took, and behind it all that is known of it.

use super::super::Console;
use super::super::charts::share;
use super::super::figures::{clock_time, count, latency, moment, usd_fine};
use super::super::layout::{badge, token, visible};
use super::super::session::Session;
use super::super::words::cache;
use super::list::title;
use super::names;
use super::questions::pretty;
use maud::{Markup, html};
use nunchi_core::{
    CacheVerdict, CallFilter, CallRecord, Outcome, RunRecord, StepKind, StepRecord, StepStatus, StorageError,
};
use std::collections::BTreeMap;

/// Ledger rows that are looked through for those of a run.
const MOST_CALLS: u32 = 10_000;
/// Longest text of a step that is shown, in characters.
const MOST_TEXT: usize = 8_000;

/// Steps with what the ledger knows of their model calls.
pub(super) struct Waterfall<'a> {
    pub(super) run: &'a RunRecord,
    pub(super) steps: &'a [StepRecord],
    /// The ledger's rows of each step, the last one being what answered.
    calls: BTreeMap<u32, Vec<CallRecord>>,
    axis: Axis,
    spans: Vec<(i64, i64)>,
}

impl<'a> Waterfall<'a> {
    /// Looks up what the ledger has of the run.
    pub(super) async fn of(
        console: &Console,
        run: &'a RunRecord,
        steps: &'a [StepRecord],
        below: &[RunRecord],
    ) -> Result<Self, StorageError> {
        let filter = CallFilter {
            since: Some(run.created),
            session: run.session.clone(),
            limit: Some(MOST_CALLS),
            ..CallFilter::default()
        };
        let mut rows = console.parts.ledger.calls(filter).await?;
        rows.retain(|row| row.run == Some(run.id));
        rows.sort_by_key(|row| row.started);
        let spans: Vec<_> = steps.iter().map(|step| span(run, step, below)).collect();
        let axis = Axis::of(&spans);
        Ok(Self { run, steps, calls: paired(steps, rows), axis, spans })
    }
}

/// The rows of each model step: those begun before it was recorded, up to the one that answered.
fn paired(steps: &[StepRecord], rows: Vec<CallRecord>) -> BTreeMap<u32, Vec<CallRecord>> {
    let mut paired: BTreeMap<u32, Vec<CallRecord>> = BTreeMap::new();
    let mut rows = rows.into_iter().peekable();
    for step in steps.iter().filter(|step| step.kind == StepKind::Model) {
        while let Some(row) = rows.next_if(|row| row.started <= step.at) {
            let answered = row.outcome == Outcome::Ok;
            paired.entry(step.number).or_default().push(row);
            if answered {
                break;
            }
        }
    }
    paired
}

/// When a step began and ended, in microseconds of the run.
fn span(run: &RunRecord, step: &StepRecord, below: &[RunRecord]) -> (i64, i64) {
    let since = |at: jiff::Timestamp| at.as_microsecond() - run.created.as_microsecond();
    let end = since(step.at).max(0);
    // A sub-agent's step says nothing of its time; its run does.
    let sub_agent =
        below.iter().find(|run| step.kind == StepKind::Delegated && run.id.to_string() == step.input);
    let took = i64::try_from(step.latency_us).unwrap_or(i64::MAX);
    let begin = sub_agent.map_or_else(|| end.saturating_sub(took), |run| since(run.created));
    (begin.clamp(0, end), end)
}

/// Time as it is drawn: stretches in which nothing happened, as when people were waited for, are cut short.
struct Axis {
    /// Begin and end in the run, and where the stretch begins in the drawing.
    stretches: Vec<(i64, i64, i64)>,
    length: i64,
}

impl Axis {
    fn of(spans: &[(i64, i64)]) -> Self {
        let mut sorted = spans.to_vec();
        sorted.sort_unstable();
        let mut covered: Vec<(i64, i64)> = Vec::new();
        for (begin, end) in sorted {
            match covered.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                _ => covered.push((begin, end)),
            }
        }
        let at_work: i64 = covered.iter().map(|(begin, end)| end - begin).sum();
        let most_idle = (at_work / 20).max(1_000);
        let (mut stretches, mut length, mut before) = (Vec::new(), 0, 0);
        for (begin, end) in covered {
            length += (begin - before).clamp(0, most_idle);
            stretches.push((begin, end, length));
            length += end - begin;
            before = end;
        }
        Self { stretches, length: length.max(1) }
    }

    fn place(&self, at: i64) -> i64 {
        let stretch = self.stretches.iter().rev().find(|(begin, ..)| *begin <= at);
        stretch.map_or(0, |(begin, end, place)| place + at.min(*end) - begin)
    }
}

/// All steps.
pub(super) fn waterfall(console: &Console, session: &Session, water: &Waterfall<'_>) -> Markup {
    let words = session.taste.words();
    html! {
        div.water-head aria-hidden="true" {
            span { (words.step) } span { (words.when) } span.number { (words.latency) } span.number { (words.cost) }
        }
        ol.water {
            @for (step, span) in water.steps.iter().zip(&water.spans) { (row(console, session, water, (step, *span))) }
        }
    }
}

fn row(
    console: &Console,
    session: &Session,
    water: &Waterfall<'_>,
    (step, span): (&StepRecord, (i64, i64)),
) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let none = Vec::new();
    let calls = water.calls.get(&step.number).unwrap_or(&none);
    let name = match step.kind {
        StepKind::Message => title(if step.input.is_empty() { &step.output } else { &step.input }, 60),
        StepKind::Model => step.why.clone(),
        StepKind::Tool | StepKind::Undo => step.tool.clone().unwrap_or_default(),
        StepKind::Asked => names::reason(lang, &step.why),
        StepKind::Delegated | StepKind::Answered | StepKind::Guard => title(&step.why, 60),
    };
    let (left, right) = (water.axis.place(span.0), water.axis.place(span.1));
    let width = (right - left).max(water.axis.length / 200).max(1);
    let left = left.min(water.axis.length - width).max(0);
    html! {
        li data-step=(step.number) class=(names::step_class(step.kind)) {
            details id={ "step-" (step.number) } {
                summary {
                    span.what {
                        span.n { (step.number) }
                        span.kind { (if tells(step) { words.answer } else { names::step(lang, step.kind) }) }
                        span.name { (name) }
                        (badges(session, step, calls))
                    }
                    svg.span width="100%" height="16" role="img" aria-label=(latency(step.latency_us)) {
                        rect.track y="7" width="100%" height="2" rx="1" {}
                        rect class={ "fill " (status_class(step.status)) } x=(share(left, water.axis.length)) y="3" width=(share(width, water.axis.length)) height="10" rx="3" {}
                    }
                    span.number.latency { @if step.latency_us > 0 { (latency(step.latency_us)) } }
                    span.number.cost { @if step.cost.0 > 0 { (usd_fine(step.cost)) } }
                }
                (detail(console, session, water.run, step, calls))
            }
        }
    }
}

/// Whether a message is the run's own, not the owner's.
fn tells(step: &StepRecord) -> bool {
    step.kind == StepKind::Message && step.input.is_empty()
}

const fn status_class(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Ok => "ok",
        StepStatus::Failed => "bad",
        StepStatus::Refused | StepStatus::Uncertain => "warn",
    }
}

/// Whether the cache answered.
fn from_cache(calls: &[CallRecord]) -> Option<CacheVerdict> {
    let verdict = calls.iter().rev().find(|row| row.outcome == Outcome::Ok).map(|row| row.cache)?;
    matches!(verdict, CacheVerdict::Exact | CacheVerdict::Semantic).then_some(verdict)
}

fn badges(session: &Session, step: &StepRecord, calls: &[CallRecord]) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    html! {
        @if let Some((name, kind)) = names::step_status(lang, step.status) { (badge(name, kind)) }
        @if let Some(verdict) = from_cache(calls) { (badge(cache(lang, verdict), "good")) }
        @if step.usage.cache_read > 0 { (badge(words.prompt_cached, "good")) }
        @if calls.len() > 1 { (badge(&words.tries.replace("%d", &calls.len().to_string()), "plain")) }
        @if step.kind == StepKind::Tool && step.status == StepStatus::Ok { (badge(words.receipt, "tint")) }
        @if step.undo.is_some() { (badge(words.can_undo, "plain")) }
    }
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", visible(&text[..end])),
        None => visible(&pretty(text)).into_owned(),
    }
}

fn detail(
    console: &Console,
    session: &Session,
    run: &RunRecord,
    step: &StepRecord,
    calls: &[CallRecord],
) -> Markup {
    let (words, zone) = (session.taste.words(), &console.parts.time_zone);
    let answered = calls.iter().rev().find(|row| row.outcome == Outcome::Ok);
    let below = (step.kind == StepKind::Delegated).then_some(&step.input);
    html! {
        div.detail {
            dl.facts {
                div { dt { (words.time) } dd title=(moment(step.at, zone)) { (clock_time(step.at, zone)) } }
                @if let Some(tool) = &step.tool { div { dt { (if step.kind == StepKind::Model { words.model } else { words.tool }) } dd { (tool) } } }
                @if step.kind == StepKind::Tool && !step.why.is_empty() { div { dt { (words.why) } dd { (visible(&step.why)) } } }
                @if let Some(row) = answered { div { dt { (words.routed) } dd { (row.provider) "/" (row.model) @if !row.reason.is_empty() { " · " (row.reason) } } } }
                @if step.usage.total_tokens() > 0 {
                    div { dt { (words.tokens) } dd {
                        (count(step.usage.prompt_tokens())) " → " (count(step.usage.completion_tokens()))
                        @if step.usage.cache_read > 0 { " · " (words.read_from_cache) " " (count(step.usage.cache_read)) }
                    } }
                }
                @if let Some(code) = &step.code { div { dt { (words.code) } dd { code { (code) } } } }
                @if step.kind == StepKind::Tool && step.status == StepStatus::Ok { div { dt { (words.receipt) } dd { code.hash { (step.hash.to_string()) } } } }
            }
            @if let Some(id) = below { p { a href={ "/console/runs/" (id) } { (words.open_sub_agent) } } }
            @else if !step.input.is_empty() { div.io { h3 { (words.input) } pre { (shown(&step.input)) } } }
            @if !step.output.is_empty() { div.io { h3 { (words.output) } pre { (shown(&step.output)) } } }
            @if step.undo.is_some() {
                form method="post" action={ "/console/runs/" (run.id) "/undo" } {
                    (token(session))
                    input type="hidden" name="step" value=(step.number);
                    button type="submit" { (words.undo_step) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_cut_short() {
        // A second of work, an hour of waiting, a second of work.
        let hour = 3_600_000_000;
        let axis = Axis::of(&[(0, 1_000_000), (hour, hour + 1_000_000), (hour + 500_000, hour + 600_000)]);
        assert_eq!(axis.length, 2_100_000);
        assert_eq!(axis.place(500_000), 500_000);
        assert_eq!(axis.place(hour / 2), 1_000_000);
        assert_eq!(axis.place(hour), 1_100_000);
        assert_eq!(axis.place(hour + 1_000_000), 2_100_000);
        assert_eq!(Axis::of(&[]).place(7), 0);
    }
}
