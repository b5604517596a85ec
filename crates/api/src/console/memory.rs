//! Memory: what is remembered, found again, put in other words, taken out, brought back.

use super::Console;
use super::figures::{ago, count, day, moment};
use super::layout::{Place, badge, empty, encoded, heading, notice, page, tile, token, visible};
use super::session::{Fields, Sent, Session};
use super::sign_in::sentence;
use super::words::Words;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use maud::{Markup, html};
use nunchi_core::{
    Explain, Fact, FactFilter, FactId, FactKind, FactState, FactWish, Label, Memory, MemoryError,
    MemoryFigures,
};
use serde::Deserialize;
use std::sync::Arc;

/// Facts on a page.
const ROWS: u32 = 50;
const STATES: [FactState; 4] =
    [FactState::Active, FactState::Superseded, FactState::Forgotten, FactState::Vetoed];

/// What the reader wants to see, and what was just done.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    q: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    before: Option<String>,
    done: Option<String>,
}

impl Asked {
    /// As the forms of a page carry it.
    fn of(fields: &Fields) -> Self {
        let some = |name| Some(fields.text(name)).filter(|text| !text.is_empty()).map(str::to_owned);
        Self { q: some("q"), kind: some("kind"), state: some("state"), ..Self::default() }
    }

    fn text(&self) -> &str {
        self.q.as_deref().unwrap_or_default().trim()
    }

    fn kind(&self) -> FactKind {
        if self.kind.as_deref() == Some("turn") { FactKind::Turn } else { FactKind::Fact }
    }

    fn state(&self) -> FactState {
        let named = |state: &FactState| Some(state.as_str()) == self.state.as_deref();
        STATES.into_iter().find(named).unwrap_or_default()
    }

    /// The address of this list, with another kind, state, place or notice.
    fn address(&self, kind: FactKind, state: FactState, more: &str) -> String {
        let mut pairs = Vec::new();
        if kind == FactKind::Turn {
            pairs.push("kind=turn".to_owned());
        }
        if state != FactState::Active {
            pairs.push(format!("state={}", state.as_str()));
        }
        if !self.text().is_empty() {
            pairs.push(format!("q={}", encoded(self.text())));
        }
        if !more.is_empty() {
            pairs.push(more.to_owned());
        }
        let mark = if pairs.is_empty() { "" } else { "?" };
        format!("/console/memory{mark}{}", pairs.join("&"))
    }
}

fn keeper(console: &Console) -> Result<&Arc<dyn Memory>, Response> {
    console.parts.memory.as_ref().ok_or_else(|| StatusCode::NOT_FOUND.into_response())
}

/// `GET /console/memory`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Response {
    render(&console, &session, &asked, None).await
}

/// `POST /console/memory`: the owner's word.
pub(super) async fn add(State(console): State<Console>, sent: Sent) -> Response {
    let Sent { session, fields } = sent;
    let memory = match keeper(&console) {
        Ok(memory) => memory,
        Err(response) => return response,
    };
    let wish = FactWish {
        text: fields.text("text").to_owned(),
        topic: Some(fields.text("topic").to_owned()).filter(|topic| !topic.is_empty()),
        label: Some(Label::Owner),
        importance: Fact::LASTING,
        ..FactWish::default()
    };
    match memory.remember(wish).await {
        Ok(kept) => {
            let done = if kept.known { "known" } else { "added" };
            Redirect::to(&format!("/console/memory?done={done}")).into_response()
        }
        Err(error) => refused(&console, &session, &Asked::default(), (&error, fields)).await,
    }
}

/// `POST /console/memory/{id}/{action}`
pub(super) async fn change(
    State(console): State<Console>,
    Path((id, action)): Path<(FactId, String)>,
    sent: Sent,
) -> Response {
    let Sent { session, fields } = sent;
    let memory = match keeper(&console) {
        Ok(memory) => memory,
        Err(response) => return response,
    };
    let asked = Asked::of(&fields);
    let (changed, done) = match action.as_str() {
        "edit" => (memory.edit(id, fields.text("text").to_owned(), Label::Owner).await.map(drop), "edited"),
        "forget" => (memory.forget(id).await.map(drop), "forgotten"),
        "veto" => (memory.veto(id).await.map(drop), "vetoed"),
        "restore" => (memory.restore(id).await.map(drop), "restored"),
        "erase" => (memory.erase(id).await, "erased"),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match changed {
        Ok(()) => {
            let back = asked.address(asked.kind(), asked.state(), &format!("done={done}"));
            Redirect::to(&back).into_response()
        }
        Err(error) => refused(&console, &session, &asked, (&error, Fields::none())).await,
    }
}

async fn refused(
    console: &Console,
    session: &Session,
    asked: &Asked,
    (error, fields): (&MemoryError, Fields),
) -> Response {
    let lang = session.taste.lang;
    let told = notice(&sentence(&error.message(lang)), error.hint(lang).as_deref(), true);
    let status = match error {
        MemoryError::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
        MemoryError::Unknown(_) => StatusCode::NOT_FOUND,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, render(console, session, asked, Some((told, fields))).await).into_response()
}

/// Facts of a page, and whether there may be more behind them.
async fn find(memory: &dyn Memory, asked: &Asked) -> Result<(Vec<Fact>, bool), MemoryError> {
    if !asked.text().is_empty() {
        let found = memory.search(asked.text(), Some(asked.kind()), ROWS).await?;
        return Ok((found.into_iter().map(|found| found.fact).collect(), false));
    }
    let filter = FactFilter {
        kind: Some(asked.kind()),
        state: Some(asked.state()),
        before: asked.before.as_deref().and_then(|id| id.parse().ok()),
        limit: Some(ROWS),
        ..FactFilter::default()
    };
    let facts = memory.facts(filter).await?;
    let more = facts.len() == ROWS as usize;
    Ok((facts, more))
}

async fn render(
    console: &Console,
    session: &Session,
    asked: &Asked,
    wrong: Option<(Markup, Fields)>,
) -> Response {
    let words = session.taste.words();
    let memory = match keeper(console) {
        Ok(memory) => memory,
        Err(response) => return response,
    };
    let read = async { Ok::<_, MemoryError>((memory.figures().await?, find(&**memory, asked).await?)) };
    let (figures, (facts, more)) = match read.await {
        Ok(read) => read,
        Err(MemoryError::Storage(error)) => {
            return super::live::failed(console, session, Place::Memory, &error);
        }
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let none = Fields::none();
    let fields = wrong.as_ref().map_or(&none, |(_, fields)| fields);
    let content = html! {
        (heading(words.memory, words.memory_lead, None))
        @match &wrong { Some((told, _)) => (told), None => (told(words, asked.done.as_deref())) }
        (tiles(words, &figures))
        details.card.add open[!fields.text("text").is_empty()] {
            summary { h2 { (words.memory_add) } }
            (add_form(session, fields))
        }
        section.card.flush {
            (filters(session, asked))
            @if facts.is_empty() { (empty(words.memory_empty, words.memory_empty_note, None)) }
            ul.facts-list { @for fact in &facts { (row(console, session, asked, fact)) } }
        }
        @if let Some(last) = facts.last().filter(|_| more) {
            p.row.end { a.button href=(asked.address(asked.kind(), asked.state(), &format!("before={}", last.id))) { (words.older_facts) } }
        }
    };
    page(&console.frame, session, Place::Memory, &content)
}

fn told(words: &Words, done: Option<&str>) -> Markup {
    let text = match done {
        Some("added") => words.memory_added,
        Some("known") => words.memory_known,
        Some("edited") => words.memory_edited,
        Some("forgotten") => words.memory_forgotten,
        Some("vetoed") => words.memory_vetoed,
        Some("restored") => words.memory_restored,
        Some("erased") => words.memory_erased,
        _ => return html! {},
    };
    notice(text, None, false)
}

fn tiles(words: &Words, figures: &MemoryFigures) -> Markup {
    let gone = format!(
        "{} {} · {} {}",
        count(figures.superseded),
        words.superseded.to_lowercase(),
        count(figures.forgotten),
        words.forgotten.to_lowercase()
    );
    html! {
        dl.tiles {
            (tile(words.facts, &count(figures.facts), &gone, ""))
            (tile(words.said, &count(figures.turns), "", ""))
            (tile(words.vetoed, &count(figures.vetoed), "", ""))
        }
    }
}

fn add_form(session: &Session, fields: &Fields) -> Markup {
    let words = session.taste.words();
    html! {
        form.grid method="post" action="/console/memory" {
            (token(session))
            label.span-2 { span { (words.memory_text) } textarea name="text" rows="2" required maxlength="2000" { (fields.text("text")) } }
            label { span { (words.memory_topic) } input name="topic" maxlength="200" autocomplete="off" value=(fields.text("topic")); }
            div.row.end.span-2 { button.primary type="submit" { (words.save) } }
        }
    }
}

fn filters(session: &Session, asked: &Asked) -> Markup {
    let words = session.taste.words();
    let searching = !asked.text().is_empty();
    let plain = Asked::default();
    html! {
        div.filters {
            nav.segments aria-label=(words.status) {
                @for state in STATES {
                    @let here = !searching && asked.kind() == FactKind::Fact && asked.state() == state;
                    a href=(plain.address(FactKind::Fact, state, "")) aria-current=[here.then_some("true")] { (state_name(words, state)) }
                }
                @let here = !searching && asked.kind() == FactKind::Turn;
                a href=(plain.address(FactKind::Turn, FactState::Active, "")) aria-current=[here.then_some("true")] { (words.said) }
            }
            form.row method="get" action="/console/memory" role="search" {
                @if asked.kind() == FactKind::Turn { input type="hidden" name="kind" value="turn"; }
                label.visually-hidden for="q" { (words.search) }
                input #q type="search" name="q" placeholder=(words.search) value=(asked.text());
                button type="submit" { (words.search) }
            }
        }
    }
}

const fn state_name(words: &Words, state: FactState) -> &'static str {
    match state {
        FactState::Active => words.holds,
        FactState::Superseded => words.superseded,
        FactState::Forgotten => words.forgotten,
        FactState::Vetoed => words.vetoed,
    }
}

/// Whose words something is, and how far that is to be trusted.
pub(super) fn label_badge(words: &Words, label: Label) -> Markup {
    match label {
        Label::Owner => badge(words.words_owner, "good"),
        Label::Tool => badge(words.words_tool, "plain"),
        Label::Stranger => badge(words.words_stranger, "warn"),
    }
}

fn row(console: &Console, session: &Session, asked: &Asked, fact: &Fact) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let (now, zone) = (console.parts.clock.now(), &console.parts.time_zone);
    html! {
        li data-fact=(fact.id) {
            p.fact-text { (visible(&fact.text)) }
            p.note.meta {
                (label_badge(words, fact.label))
                @if fact.state != FactState::Active { (badge(state_name(words, fact.state), "plain")) }
                @if let Some(topic) = &fact.topic { code { (visible(topic)) } }
                span title=(moment(fact.created, zone)) { (words.learned.replace("%s", &ago(fact.created, now, lang))) }
                @if fact.uses > 0 { span { (words.uses.replace("%d", &fact.uses.to_string())) } }
                @if let Some(until) = fact.valid_until { span { (words.valid_until) " " (day(until, zone)) } }
                @if let Some(run) = fact.source.run { span { (words.source) " " a href={ "/console/runs/" (run) } { (words.from_run) } } }
                @if let Some(id) = &fact.source.session { span { (words.session) " " a href={ "/console/sessions?id=" (encoded(id)) } { (visible(id)) } } }
            }
            div.row.fact-actions {
                @if fact.state == FactState::Active {
                    details.edit {
                        summary.button { (words.edit) }
                        form.reply method="post" action={ "/console/memory/" (fact.id) "/edit" } {
                            (carried(session, asked))
                            label.visually-hidden for={ "text-" (fact.id) } { (words.memory_text) }
                            textarea id={ "text-" (fact.id) } name="text" rows="2" required maxlength="2000" { (fact.text) }
                            div.row { button.primary type="submit" { (words.save) } }
                        }
                    }
                    (action(session, asked, fact, ("forget", words.forget), None))
                    (action(session, asked, fact, ("veto", words.veto), Some(words.veto_ask)))
                } @else {
                    (action(session, asked, fact, ("restore", words.restore), None))
                    @if fact.state != FactState::Vetoed { (action(session, asked, fact, ("erase", words.erase), Some(words.erase_ask))) }
                }
            }
        }
    }
}

/// What every form of the list carries, so that the reader returns to what they saw.
fn carried(session: &Session, asked: &Asked) -> Markup {
    html! {
        (token(session))
        @if !asked.text().is_empty() { input type="hidden" name="q" value=(asked.text()); }
        @if asked.kind() == FactKind::Turn { input type="hidden" name="kind" value="turn"; }
        @if asked.state() != FactState::Active { input type="hidden" name="state" value=(asked.state().as_str()); }
    }
}

fn action(
    session: &Session,
    asked: &Asked,
    fact: &Fact,
    (path, name): (&str, &str),
    ask: Option<&str>,
) -> Markup {
    html! {
        form method="post" action={ "/console/memory/" (fact.id) "/" (path) } data-ask=[ask] {
            (carried(session, asked))
            button.quiet type="submit" { (name) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_what_was_asked_for() {
        let asked = Asked { q: Some(" a&b 김".into()), ..Asked::default() };
        assert_eq!(
            asked.address(FactKind::Turn, FactState::Vetoed, "done=x"),
            "/console/memory?kind=turn&state=vetoed&q=a%26b%20%EA%B9%80&done=x"
        );
        assert_eq!(Asked::default().address(FactKind::Fact, FactState::Active, ""), "/console/memory");
        let strange = Asked { state: Some("<script>".into()), kind: Some("x".into()), ..Asked::default() };
        assert_eq!((strange.state(), strange.kind()), (FactState::Active, FactKind::Fact));
    }
}
