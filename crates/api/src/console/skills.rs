//! Skills: what each is for, what it costs in prompts, the group it belongs to, and what is wrong with it.

use super::Console;
use super::figures::count;
use super::layout::{Place, badge, empty, heading, page, tile, visible};
use super::memory::label_badge;
use super::session::Session;
use crate::skill_card::SkillCard;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::{Markup, html};
use nunchi_core::{Label, Lang};
use std::collections::BTreeMap;

/// `GET /console/skills`
pub(super) async fn show(State(console): State<Console>, session: Session) -> Response {
    let words = session.taste.words();
    let Some(shelf) = &console.parts.skills else { return StatusCode::NOT_FOUND.into_response() };
    let cards = match shelf.skills().await {
        Ok(cards) => cards,
        Err(error) => return super::live::failed(&console, &session, Place::Skills, &error),
    };
    let mut groups: BTreeMap<Option<&str>, Vec<&SkillCard>> = BTreeMap::new();
    for card in &cards {
        groups.entry(card.group.as_deref()).or_default().push(card);
    }
    let grouped = groups.len() > 1 || groups.keys().any(Option::is_some);
    let content = html! {
        (heading(words.skills, words.skills_lead, None))
        @if cards.is_empty() { section.card { (empty(words.skills_empty, words.skills_empty_note, None)) } }
        @else { (tiles(&session, &cards)) }
        // Named groups first, then what belongs to none.
        @for (group, cards) in groups.iter().filter(|(group, _)| group.is_some()).chain(groups.iter().filter(|(group, _)| group.is_none())) {
            section.skill-group {
                @if grouped { h2 { @match group { Some(group) => { (words.group) ": " (visible(group)) }, None => (words.no_group) } } }
                @for card in cards { (skill(&session, card)) }
            }
        }
    };
    page(&console.frame, &session, Place::Skills, &content)
}

fn tokens(session: &Session, number: u64) -> String {
    session.taste.words().about_tokens.replace("%d", &count(number))
}

fn tiles(session: &Session, cards: &[SkillCard]) -> Markup {
    let words = session.taste.words();
    let usable = cards.iter().filter(|card| card.usable).count() as u64;
    let broken =
        cards.iter().filter(|card| card.problems.iter().any(|problem| problem.severe)).count() as u64;
    let catalog: u64 = cards.iter().map(|card| card.catalog_tokens).sum();
    let body: u64 = cards.iter().filter(|card| card.usable).map(|card| card.body_tokens).sum();
    html! {
        dl.tiles {
            (tile(words.usable, &count(usable), &format!("{} {}", count(broken), words.broken), ""))
            (tile(words.in_every_prompt, &count(catalog), &words.tokens.to_lowercase(), ""))
            (tile(words.on_use, &count(body), &words.tokens.to_lowercase(), ""))
        }
    }
}

fn origin(lang: Lang, origin: &str) -> String {
    let korean = match origin {
        "home" => "홈",
        "project" => "프로젝트",
        "pack" => "팩",
        other => other,
    };
    lang.pick(origin, korean).to_owned()
}

fn skill(session: &Session, card: &SkillCard) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let severe = card.problems.iter().any(|problem| problem.severe);
    html! {
        article.card.skill data-skill=(card.name) {
            div.row.between {
                h3 { code.tool { (visible(&card.name)) } }
                div.row {
                    @if severe { (badge(words.broken, "bad")) } @else if card.shadowed { (badge(words.shadowed, "warn")) }
                    @else if !card.problems.is_empty() { (badge(words.advice, "warn")) }
                    (label_badge(words, if card.label == Label::Stranger { Label::Stranger } else { Label::Owner }))
                    (badge(&origin(lang, &card.origin), "plain"))
                    @if card.usable { (badge(&format!("{} {}", words.cost.to_lowercase(), cost(lang, &card.cost)), "plain")) }
                }
            }
            @if !card.description.is_empty() { p { (visible(&card.description)) } }
            @for problem in &card.problems {
                p class={ "problem " (if problem.severe { "bad" } else { "warn" }) } { (visible(lang.pick(&problem.message, &problem.message_ko))) }
            }
            dl.facts {
                @if let Some(line) = &card.catalog {
                    div.span { dt { (words.in_every_prompt) } dd { code { (visible(line)) } " " (tokens(session, card.catalog_tokens)) } }
                }
                (list(words.keywords, &card.keywords))
                (list(words.intents, &card.intents))
                @if let Some(tools) = &card.allowed_tools { (list(words.tools, tools)) }
                @if let Some(source) = &card.source { div { dt { (words.source) } dd { (visible(source)) } } }
            }
            @if card.usable { (more(session, card)) }
        }
    }
}

fn cost(lang: Lang, cost: &str) -> &str {
    match cost {
        "low" => lang.pick("low", "낮음"),
        "medium" => lang.pick("medium", "보통"),
        "high" => lang.pick("high", "높음"),
        other => other,
    }
}

fn list(name: &str, items: &[String]) -> Markup {
    html! { @if !items.is_empty() { div { dt { (name) } dd { (visible(&items.join(", "))) } } } }
}

/// The instructions and parameters, folded away.
fn more(session: &Session, card: &SkillCard) -> Markup {
    let words = session.taste.words();
    html! {
        details.whole {
            summary { (words.instructions) " · " (tokens(session, card.body_tokens)) }
            @if !card.params.is_empty() {
                h4 { (words.parameters) }
                dl.facts.column {
                    @for param in &card.params {
                        div { dt { code { (visible(&param.name)) } " " (visible(&param.description)) } dd { @match &param.default { Some(default) => { code { (visible(default)) } }, None => (words.needed) } } }
                    }
                }
            }
            pre tabindex="0" aria-label=(words.instructions) { (visible(&card.body)) }
        }
    }
}
