//! Runs: the list with its filters, and the box that begins one.

use super::super::Console;
use super::super::figures::{ago, count, latency, moment, short_count, usd};
use super::super::layout::{Place, badge, empty, encoded, heading, notice, page, token, visible};
use super::super::session::{Fields, Sent, Session};
use super::super::sign_in::sentence;
use super::names;
use super::scores::{mark, overall};
use super::{failed, services};
use crate::agents::{New, Which, listed, request, start};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use nunchi_agent::AgentError;
use nunchi_core::{Explain, Mode, RunDoor, RunId, RunRecord, RunScore, RunStatus, ScoreValue};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs on a page.
const ROWS: usize = 50;
/// Judgements that are looked through for those of a page.
const MOST_SCORES: u32 = 2_000;
/// The modes that can be chosen.
pub(super) const MODES: [Mode; 5] =
    [Mode::Auto, Mode::Reflexive, Mode::Deliberate, Mode::Autonomous, Mode::Ultrawork];
const STATUSES: [RunStatus; 5] =
    [RunStatus::Running, RunStatus::Parked, RunStatus::Done, RunStatus::Failed, RunStatus::Cancelled];

/// A run, and how good it was where it was judged.
pub(super) type Scored = (RunRecord, Option<ScoreValue>);

/// What the reader wants to see.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    status: Option<String>,
    mode: Option<String>,
    q: Option<String>,
    after: Option<RunId>,
}

impl Asked {
    fn status(&self) -> Option<RunStatus> {
        STATUSES.into_iter().find(|status| Some(names::status_word(*status)) == self.status.as_deref())
    }

    fn mode(&self) -> Option<Mode> {
        MODES.into_iter().find(|mode| *mode != Mode::Auto && Some(mode.as_str()) == self.mode.as_deref())
    }

    fn text(&self) -> &str {
        self.q.as_deref().unwrap_or_default().trim()
    }

    fn is_plain(&self) -> bool {
        self.status().is_none() && self.mode().is_none() && self.text().is_empty() && self.after.is_none()
    }

    /// The address of this list, with another status or place.
    fn address(&self, status: Option<RunStatus>, after: Option<RunId>) -> String {
        let mut pairs = Vec::new();
        pairs.extend(status.map(|status| format!("status={}", names::status_word(status))));
        pairs.extend(self.mode().map(|mode| format!("mode={}", mode.as_str())));
        if !self.text().is_empty() {
            pairs.push(format!("q={}", encoded(self.text())));
        }
        pairs.extend(after.map(|after| format!("after={after}")));
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("/console/runs{mark}{}", pairs.join("&"))
    }
}

/// `GET /console/runs`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Response {
    render(&console, &session, &asked, None).await
}

/// `POST /console/runs`
pub(super) async fn begin(State(console): State<Console>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let new = New {
        goal: fields.text("goal").to_owned(),
        mode: MODES.into_iter().find(|mode| mode.as_str() == fields.text("mode")).unwrap_or_default(),
        money: Some(fields.text("money")).filter(|money| !money.is_empty()).map(Value::from),
        ..New::default()
    };
    let problem = match request(new, &session.principal) {
        Ok(mut request) => {
            request.origin.door = RunDoor::Console;
            match start(agents, request).await {
                Ok(run) => return Redirect::to(&format!("/console/runs/{run}")).into_response(),
                Err(error) => sentence(&error.message(session.taste.lang)),
            }
        }
        Err((field, _)) => session.taste.words().run_invalid.replace("%s", field),
    };
    let page = render(&console, &session, &Asked::default(), Some((problem, fields))).await;
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

async fn render(
    console: &Console,
    session: &Session,
    asked: &Asked,
    wrong: Option<(String, Fields)>,
) -> Response {
    let words = session.taste.words();
    let (runs, next) = match find(console, session, asked).await {
        Ok(found) => found,
        Err(error) => return failed(console, session, Place::Runs, &error),
    };
    let none = Fields::none();
    let fields = wrong.as_ref().map_or(&none, |(_, fields)| fields);
    let rows = if asked.is_plain() { ROWS } else { 0 };
    let status = html! {
        div.status role="status" data-runs data-open=(words.live) data-lost=(words.live_lost) data-rows=(rows) {
            span.dot {} span { (words.live_connecting) }
        }
    };
    let content = html! {
        (heading(words.runs, words.runs_lead, Some(status)))
        @if let Some((problem, _)) = &wrong { (notice(problem, None, true)) }
        (start_box(session, fields))
        section.card.flush {
            (filters(session, asked))
            div #no-runs hidden[!runs.is_empty()] { (empty(words.runs_empty, words.runs_empty_note, None)) }
            table.runs hidden[runs.is_empty()] {
                thead { tr {
                    th scope="col" { (words.goal) }
                    th scope="col" { (words.status) }
                    th scope="col" { (words.mode) }
                    th.number scope="col" { (words.steps) }
                    th.number scope="col" { (words.tokens) }
                    th.number scope="col" { (words.time_at_work) }
                    th.number scope="col" { (words.score) }
                    th.number scope="col" { (words.cost) }
                } }
                tbody #runs { @for (run, score) in &runs { (row(console, session, run, *score)) } }
            }
        }
        @if let Some(next) = next { p.row.end { a.button href=(asked.address(asked.status(), Some(next))) { (words.older) } } }
    };
    page(&console.frame, session, Place::Runs, &content)
}

/// The runs of a page, each with its score, and where the next page begins.
pub(super) async fn find(
    console: &Console,
    session: &Session,
    asked: &Asked,
) -> Result<(Vec<Scored>, Option<RunId>), AgentError> {
    let Some(agents) = &console.parts.agents else { return Ok((Vec::new(), None)) };
    let which = Which {
        status: asked.status(),
        mode: asked.mode(),
        q: asked.q.clone(),
        after: asked.after,
        limit: Some(ROWS),
        ..Which::default()
    };
    let (runs, next) = listed(agents, &session.principal, which).await?;
    let oldest = runs.iter().map(|run| run.created).min().unwrap_or_else(|| console.parts.clock.now());
    let mut scores: BTreeMap<RunId, Vec<RunScore>> = BTreeMap::new();
    for score in agents.scores.scores_since(oldest, MOST_SCORES).await? {
        scores.entry(score.run).or_default().push(score);
    }
    let scored = |run: RunRecord| {
        let score = scores.get(&run.id).and_then(|scores| overall(scores));
        (run, score)
    };
    Ok((runs.into_iter().map(scored).collect(), next))
}

fn start_box(session: &Session, fields: &Fields) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let chosen = |mode: Mode| fields.text("mode") == mode.as_str();
    html! {
        form.card.start method="post" action="/console/runs" {
            (token(session))
            label.visually-hidden for="goal" { (words.ask_to_do) }
            textarea #goal name="goal" rows="2" required maxlength="20000" placeholder=(words.ask_to_do) { (fields.text("goal")) }
            div.row.between {
                div.row {
                    label.inline { span { (words.mode) }
                        select name="mode" { @for mode in MODES { option value=(mode.as_str()) selected[chosen(mode)] { (names::mode(lang, mode)) } } } }
                    label.inline { span { (words.most_money) }
                        input name="money" inputmode="decimal" placeholder="0.50" size="6" autocomplete="off" value=(fields.text("money")); }
                }
                button.primary type="submit" { (words.begin_run) }
            }
        }
    }
}

fn filters(session: &Session, asked: &Asked) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let status = asked.status();
    html! {
        div.filters {
            nav.segments aria-label=(words.status) {
                a href=(asked.address(None, None)) aria-current=[status.is_none().then_some("true")] { (words.all) }
                @for choice in STATUSES {
                    a href=(asked.address(Some(choice), None)) aria-current=[(status == Some(choice)).then_some("true")] { (names::status(lang, choice)) }
                }
            }
            form.row method="get" action="/console/runs" role="search" {
                @if let Some(status) = status { input type="hidden" name="status" value=(names::status_word(status)); }
                label.visually-hidden for="mode-filter" { (words.mode) }
                select #mode-filter name="mode" {
                    option value="" { (words.every_mode) }
                    @for mode in MODES.into_iter().skip(1) { option value=(mode.as_str()) selected[asked.mode() == Some(mode)] { (names::mode(lang, mode)) } }
                }
                label.visually-hidden for="q" { (words.search) }
                input #q type="search" name="q" placeholder=(words.search) value=(asked.text());
                button type="submit" { (words.search) }
            }
        }
    }
}

/// One run, and how good it was.
pub(super) fn row(
    console: &Console,
    session: &Session,
    run: &RunRecord,
    score: Option<ScoreValue>,
) -> Markup {
    let (lang, words, zone) = (session.taste.lang, session.taste.words(), &console.parts.time_zone);
    let now = console.parts.clock.now();
    let why = run.reason.as_deref().map(|reason| names::reason(lang, reason));
    html! {
        tr data-id=(run.id) {
            th.what scope="row" {
                a.name href={ "/console/runs/" (run.id) } { (title(&run.user_input, 90)) }
                span.why title=(moment(run.created, zone)) {
                    (ago(run.created, now, lang))
                    @if let Some(from) = names::stranger(&run.origin) { " · " (visible(&from)) }
                    @if let Some(session) = &run.session { " · " (session) }
                    @if let Some(why) = &why { " · " (why) }
                }
            }
            td.state { (badge(names::status(lang, run.status), names::status_kind(run.status))) }
            td.mode data-name=(words.mode) { (names::mode(lang, run.mode)) }
            td.number.steps data-name=(words.steps) { (count(u64::from(run.totals.steps))) }
            td.number.tokens data-name=(words.tokens) { (short_count(run.totals.usage.total_tokens())) }
            td.number.latency data-name=(words.time_at_work) { (latency(run.totals.latency_us)) }
            td.number.score data-name=(words.score) { (mark(score)) }
            td.number.cost data-name=(words.cost) { (usd(run.totals.cost)) }
        }
    }
}

/// The first line of a goal, cut to a length in characters.
pub(super) fn title(goal: &str, most: usize) -> String {
    let line = goal.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", visible(&line[..end])),
        None => visible(line).into_owned(),
    }
}
