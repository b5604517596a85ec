//! Live calls: every call as it is booked, newest first.

use super::Console;
use super::figures::{clock_time, count, latency, local, moment, percent, short_count, usd, usd_fine};
use super::layout::{Place, badge, empty, heading, notice, page, tile};
use super::session::{Session, Taste};
use super::sign_in::sentence;
use super::words::{cache, outcome, tier};
use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{StreamExt, once, unfold};
use http::StatusCode;
use maud::{Markup, html};
use nunchi_core::{
    BudgetWindow, CacheVerdict, CallFilter, CallRecord, Event, Explain, Grouping, NanoUsd, Outcome,
    StorageError, Tier, Total, window_start,
};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Rows on the page.
const ROWS: u32 = 100;
/// Rows sent at once; of a burst only the newest are shown.
const BATCH: usize = 50;
/// Rows told anew to a page that connects, so that none is lost between its loading and its listening.
const AGAIN: usize = 20;
/// Calls that end together are sent together: a page need not keep up with thousands a second.
const PACE: Duration = Duration::from_millis(200);

/// `GET /`
pub(super) async fn show(State(console): State<Console>, session: Session) -> Response {
    let words = session.taste.words();
    let filter = CallFilter { limit: Some(ROWS), ..CallFilter::default() };
    let found = async {
        let rows = console.parts.ledger.calls(filter).await?;
        Ok::<_, StorageError>((rows, today(&console).await?))
    };
    let (rows, total) = match found.await {
        Ok(found) => found,
        Err(error) => return failed(&console, &session, Place::Live, &error),
    };
    let status = html! {
        div.status role="status" data-live data-open=(words.live) data-lost=(words.live_lost) data-rows=(ROWS) {
            span.dot {} span { (words.live_connecting) }
        }
    };
    let content = html! {
        (heading(words.live_title, words.live_lead, Some(status)))
        dl.tiles #summary { (tiles(&console, session.taste, &total)) }
        section.card.flush {
            h2 { (words.newest) }
            div #no-calls hidden[!rows.is_empty()] {
                (empty(words.live_empty, words.live_empty_note, Some(html! { a.button.primary href="/console/chat" { (words.open_chat) } })))
            }
            table.calls hidden[rows.is_empty()] {
                thead { tr {
                    th scope="col" { (words.time) }
                    th scope="col" { (words.model) }
                    th scope="col" { (words.tier) }
                    th scope="col" { (words.cache) }
                    th.number scope="col" { (words.tokens) }
                    th.number scope="col" { (words.latency) }
                    th.number scope="col" { (words.cost) }
                    th scope="col" { (words.outcome) }
                } }
                tbody #calls { @for record in &rows { (row(&console, session.taste, record)) } }
            }
        }
    };
    page(&console.frame, &session, Place::Live, &content)
}

/// A page that could not be put together.
pub(super) fn failed(console: &Console, session: &Session, place: Place, error: &StorageError) -> Response {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let content = html! {
        (heading(words.failed_title, "", None))
        (notice(&sentence(&error.message(lang)), error.hint(lang).as_deref(), true))
    };
    (StatusCode::SERVICE_UNAVAILABLE, page(&console.frame, session, place, &content)).into_response()
}

async fn today(console: &Console) -> Result<Total, StorageError> {
    let since = window_start(BudgetWindow::Day, console.parts.clock.now(), &console.parts.time_zone);
    let filter = CallFilter { since: Some(since), ..CallFilter::default() };
    let totals = console.parts.ledger.totals(filter, Grouping::All).await?;
    Ok(totals.into_iter().next().unwrap_or_default())
}

/// What was saved: never negative, as it is for a single call.
pub(super) fn saved(total: &Total) -> NanoUsd {
    (total.baseline_cost - total.cost).max(NanoUsd::ZERO)
}

fn tiles(console: &Console, taste: Taste, total: &Total) -> Markup {
    let (words, currency) = (taste.words(), &console.parts.currency);
    let answered = total.calls.saturating_sub(total.failed);
    let calls_note = format!(
        "{} {} · {} {}",
        short_count(total.usage.total_tokens()),
        words.tokens.to_lowercase(),
        count(total.failed),
        words.failed
    );
    html! {
        (tile(words.spent_today, &usd(total.cost), &local(total.cost, currency), ""))
        (tile(words.saved_today, &usd(saved(total)), &format!("{} {}", local(saved(total), currency), words.saved_note), "good"))
        (tile(words.calls_today, &count(total.calls), &calls_note, ""))
        (tile(words.from_cache, &percent(total.cache_hits, answered), words.from_cache_note, ""))
    }
}

/// One call.
pub(super) fn row(console: &Console, taste: Taste, record: &CallRecord) -> Markup {
    let (words, zone) = (taste.words(), &console.parts.time_zone);
    let error = record.error_code.as_deref().unwrap_or_default();
    let full_name = format!("{}/{}", record.provider, record.model);
    let asked_otherwise = ![&record.model, &full_name].contains(&&record.requested_model);
    html! {
        tr data-id=(record.id) {
            td.at title=(moment(record.started, zone)) { (clock_time(record.started, zone)) }
            th.what scope="row" {
                span.name { (record.model) } " " span.by { (record.provider) }
                @if asked_otherwise { " " span.by { "← " (record.requested_model) } }
                span.why { (record.reason) @if !record.reason.is_empty() { " · " } (record.principal) }
            }
            td.tier data-name=(words.tier) { @if let Some(of) = record.tier { (badge(tier(taste.lang, of), tier_kind(of))) } }
            td.cache data-name=(words.cache) { (badge(cache(taste.lang, record.cache), cache_kind(record.cache))) }
            td.number.tokens data-name=(words.tokens) {
                (count(record.usage.prompt_tokens())) " → " (count(record.usage.completion_tokens()))
                @if record.usage_estimated { "*" }
            }
            td.number.latency data-name=(words.latency) title=[record.first_event_us.map(latency)] { (latency(record.latency_us)) }
            td.number.cost data-name=(words.cost) title=(local(record.cost, &console.parts.currency)) { (usd_fine(record.cost)) }
            td.outcome data-name=(words.outcome) title=(error) { (badge(outcome(taste.lang, record.outcome), outcome_kind(record.outcome))) }
        }
    }
}

const fn tier_kind(of: Tier) -> &'static str {
    match of {
        Tier::Trivial => "plain",
        Tier::Standard => "tint",
        Tier::Complex => "strong",
    }
}

const fn cache_kind(verdict: CacheVerdict) -> &'static str {
    match verdict {
        CacheVerdict::Exact | CacheVerdict::Semantic => "good",
        CacheVerdict::Audit | CacheVerdict::Miss | CacheVerdict::Bypass => "plain",
    }
}

const fn outcome_kind(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "dot good",
        Outcome::Aborted | Outcome::Refused => "dot warn",
        Outcome::Cut | Outcome::TimedOut | Outcome::Failed | Outcome::Crashed => "dot bad",
    }
}

/// `GET /console/live/summary`
pub(super) async fn summary(State(console): State<Console>, session: Session) -> Response {
    match today(&console).await {
        Ok(total) => tiles(&console, session.taste, &total).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// `GET /console/live/events`: rows as server-sent events, each a batch of HTML, the oldest first.
pub(super) async fn events(State(console): State<Console>, session: Session) -> Response {
    let receiver = console.parts.gateway.feed().subscribe();
    let recent: Vec<_> = console.parts.gateway.feed().recent(AGAIN).into_iter().rev().collect();
    let first = told(&console, session.taste, &recent);
    let stopping = (console.parts.stopping)();
    let later = unfold((console, session, receiver), |(console, session, mut receiver)| async {
        let batch = Vec::from(batch(&mut receiver).await?);
        // The key may have been revoked since.
        if !session.still_holds(&console) {
            return None;
        }
        let told = told(&console, session.taste, &batch);
        Some((told, (console, session, receiver)))
    });
    let stream = once(async { first }).chain(later).take_until(stopping);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

fn told(console: &Console, taste: Taste, records: &[Arc<CallRecord>]) -> Result<Sent, Infallible> {
    let rows: Vec<String> = records.iter().map(|record| row(console, taste, record).into_string()).collect();
    // A JSON list has no line ends of its own, which the event format could not carry.
    Ok(Sent::default().event("calls").json_data(rows).unwrap_or_default())
}

/// Waits for a call to end, and takes with it those that end right after.
async fn batch(receiver: &mut Receiver<Event>) -> Option<VecDeque<Arc<CallRecord>>> {
    let mut batch = VecDeque::with_capacity(BATCH);
    while batch.is_empty() {
        match receiver.recv().await {
            Ok(Event::CallFinished(record)) => batch.push_back(record),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
    tokio::time::sleep(PACE).await;
    while !receiver.is_empty() {
        if let Ok(Event::CallFinished(record)) = receiver.try_recv() {
            if batch.len() == BATCH {
                batch.pop_front();
            }
            batch.push_back(record);
        }
    }
    Some(batch)
}
