//! Pages that keep themselves up to date: rows of the list, parts of one run, text as it comes.

use super::super::Console;
use super::super::session::Session;
use super::list::{Asked, find, row};
use super::run::{gather, parts};
use super::scores::overall;
use super::services;
use crate::agents::{RunWatch, Told};
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::stream::{StreamExt, once, unfold};
use http::StatusCode;
use nunchi_agent::RunEvent;
use nunchi_core::RunId;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// What happens together is shown together.
const PACE: Duration = Duration::from_millis(250);
/// Rows of one event.
const MOST_ROWS: usize = 50;

fn sse(stream: impl futures_util::Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

/// `GET /console/runs/events`: rows of runs in which something happened; first the newest, for what happened while the page was on its way.
pub(super) async fn list(State(console): State<Console>, session: Session) -> Response {
    let feed = match services(&console) {
        Ok(agents) => agents.agent.watch(),
        Err(response) => return response,
    };
    let stopping = (console.parts.stopping)();
    let newest = find(&console, &session, &Asked::default()).await.map(|(runs, _)| runs).unwrap_or_default();
    let first: Vec<String> =
        newest.iter().rev().map(|(run, score)| row(&console, &session, run, *score).into_string()).collect();
    let first = Event::default().event("runs").json_data(first).unwrap_or_default();
    let later = unfold((console, session, feed), |(console, session, mut feed)| async move {
        let runs = touched(&mut feed).await?;
        if !session.still_holds(&console) {
            return None;
        }
        let mut rows = Vec::new();
        for run in runs.into_iter().take(MOST_ROWS) {
            let agents = services(&console).ok()?;
            let found = agents.runs.load(run).await.ok().flatten();
            if let Some((record, _)) = found.filter(|(record, _)| record.parent.is_none()) {
                let scores = agents.scores.scores_of(run).await.unwrap_or_default();
                rows.push(row(&console, &session, &record, overall(&scores)).into_string());
            }
        }
        let event = Event::default().event("runs").json_data(rows).unwrap_or_default();
        Some((Ok(event), (console, session, feed)))
    });
    sse(once(async { Ok(first) }).chain(later).take_until(stopping))
}

/// Waits until something happens, and tells in which runs, with those that follow right after.
async fn touched(feed: &mut Receiver<(RunId, RunEvent)>) -> Option<BTreeSet<RunId>> {
    let mut runs = BTreeSet::new();
    while runs.is_empty() {
        match feed.recv().await {
            Ok((_, RunEvent::Text(_))) | Err(RecvError::Lagged(_)) => {}
            Ok((run, _)) => drop(runs.insert(run)),
            Err(RecvError::Closed) => return None,
        }
    }
    tokio::time::sleep(PACE).await;
    while !feed.is_empty() {
        if let Ok((run, event)) = feed.try_recv()
            && !matches!(event, RunEvent::Text(_))
        {
            runs.insert(run);
        }
    }
    Some(runs)
}

/// What a page of a run is sent.
enum Change {
    /// More of the answer.
    Text(String),
    /// Something else: the parts are drawn anew.
    Parts,
    /// The end: the parts are drawn for the last time.
    Last,
}

/// A run's page that listens.
struct Listener {
    console: Console,
    session: Session,
    watch: RunWatch,
    /// What came while other things were gathered.
    kept: Option<Told>,
    over: bool,
}

/// `GET /console/runs/{id}/events`: the parts of the page, drawn anew whenever something happens; text as it comes.
pub(super) async fn one(State(console): State<Console>, session: Session, Path(id): Path<RunId>) -> Response {
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    // The parts are drawn with the first event, whatever has happened since the page was.
    let known = match agents.runs.load(id).await {
        Ok(Some((run, _))) => run.totals.steps,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let watch = RunWatch::begin(agents.clone(), id, known);
    let stopping = (console.parts.stopping)();
    let listener = Listener { console, session, watch, kept: None, over: false };
    let stream = unfold(listener, move |mut listener| async move {
        if listener.over {
            return None;
        }
        let change = listener.next().await?;
        let event = listener.drawn(id, change).await?;
        Some((Ok(event), listener))
    });
    sse(stream.take_until(stopping))
}

impl Listener {
    /// The next change. What comes together is drawn together.
    async fn next(&mut self) -> Option<Change> {
        let mut told = match self.kept.take() {
            Some(told) => told,
            None => self.watch.next().await?,
        };
        if let Told::Text(text) = told {
            return Some(Change::Text(text));
        }
        tokio::time::sleep(PACE).await;
        loop {
            if matches!(told, Told::Ended(_)) {
                return Some(Change::Last);
            }
            match self.watch.next().now_or_never().flatten() {
                None => return Some(Change::Parts),
                Some(text @ Told::Text(_)) => {
                    self.kept = Some(text);
                    return Some(Change::Parts);
                }
                Some(more) => told = more,
            }
        }
    }

    async fn drawn(&mut self, id: RunId, change: Change) -> Option<Event> {
        if !self.session.still_holds(&self.console) {
            return None;
        }
        if let Change::Text(text) = change {
            return Event::default().event("text").json_data(text).ok();
        }
        let found = gather(&self.console, services(&self.console).ok()?, id).await.ok()?;
        let drawn = parts(&self.console, &self.session, &found).await.ok()?.into_string();
        self.over = matches!(change, Change::Last);
        let name = if self.over { "end" } else { "parts" };
        Event::default().event(name).json_data(drawn).ok()
    }
}
