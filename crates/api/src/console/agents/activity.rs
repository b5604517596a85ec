//! Activity: mean steps, use of tools, failures by kind of work, tokens by day.

use super::super::Console;
use super::super::charts::{Column, columns};
use super::super::figures::{count, local, short_count, usd};
use super::super::layout::{Place, empty, heading, page, tile};
use super::super::period::Asked;
use super::super::session::Session;
use super::{failed, services};
use crate::agents::{Activity, Day, Group};
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};
use nunchi_core::{Lang, NanoUsd};

/// `GET /console/activity`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Response {
    let words = session.taste.words();
    let agents = match services(&console) {
        Ok(agents) => agents,
        Err(response) => return response,
    };
    let period = asked.period(&console);
    let zone = &console.parts.time_zone;
    let activity = match Activity::since(agents, &session.principal, period.since, zone).await {
        Ok(activity) => activity,
        Err(error) => return failed(&console, &session, Place::Activity, &error),
    };
    let content = html! {
        (heading(words.activity, words.activity_lead, Some(period.choices("/console/activity", session.taste))))
        @if activity.all.runs == 0 {
            section.card { (empty(words.activity_empty, words.runs_empty_note, None)) }
        } @else {
            (tiles(&console, &session, &activity.all))
            (trend(&session, &activity.days, period.first, period.days))
            div.pair {
                (groups(&session, words.by_class, &activity.by_class, true))
                (groups(&session, words.by_mode, &activity.by_mode, false))
            }
            (tools(&session, &activity))
        }
    };
    page(&console.frame, &session, Place::Activity, &content)
}

fn one_decimal(number: f64) -> String {
    format!("{number:.1}")
}

fn rate(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

fn tiles(console: &Console, session: &Session, all: &Group) -> Markup {
    let words = session.taste.words();
    let ended = format!("{} {} · {} {}", count(all.done), words.done, count(all.open), words.open);
    let each = NanoUsd(all.total_cost_usd.0 / i64::try_from(all.runs.max(1)).unwrap_or(1));
    html! {
        dl.tiles {
            (tile(words.runs, &count(all.runs), &ended, ""))
            (tile(words.mean_steps, &one_decimal(all.mean_steps), words.a_run, ""))
            (tile(words.failure_rate, &rate(all.failure_rate), &format!("{} {}", count(all.failed), words.failed), ""))
            (tile(words.cost, &usd(all.total_cost_usd), &format!("{} {} · {}", usd(each), words.a_run, local(all.total_cost_usd, &console.parts.currency)), ""))
        }
    }
}

/// Tokens by day.
fn trend(session: &Session, days: &[Day], first: Date, length: u16) -> Markup {
    let words = session.taste.words();
    let column = |later: i64| {
        let date = first.checked_add(later.days()).ok()?;
        let day = days.iter().find(|day| day.day == date);
        let tokens = day.map_or(0, |day| day.total_tokens);
        let label = match session.taste.lang {
            Lang::En => date.strftime("%b %-d").to_string(),
            Lang::Ko => date.strftime("%-m.%-d").to_string(),
        };
        let tip = day.map_or_else(
            || date.to_string(),
            |day| {
                format!(
                    "{date} · {} {} · {} {} · {}",
                    count(tokens),
                    words.tokens.to_lowercase(),
                    count(day.runs),
                    words.runs.to_lowercase(),
                    usd(day.total_cost_usd)
                )
            },
        );
        Some(Column { label, lower: i64::try_from(tokens).unwrap_or(i64::MAX), upper: 0, tip })
    };
    let drawn: Vec<Column> = (0..i64::from(length)).filter_map(column).collect();
    html! {
        section.card {
            h2 { (words.tokens_by_day) }
            (columns(words.tokens_by_day, &drawn, |tokens| short_count(u64::try_from(tokens).unwrap_or(0))))
        }
    }
}

fn groups(session: &Session, name: &str, groups: &[Group], classes: bool) -> Markup {
    let (lang, words) = (session.taste.lang, session.taste.words());
    let label = |group: &Group| if classes { class(lang, &group.name) } else { mode(lang, &group.name) };
    html! {
        section.card {
            h2 { (name) }
            table.plain {
                thead { tr { th scope="col" { (words.name) } th.number scope="col" { (words.runs) } th.number scope="col" { (words.mean_steps) } th.number scope="col" { (words.failure_rate) } } }
                tbody { @for group in groups {
                    tr {
                        th scope="row" { (label(group)) }
                        td.number { (count(group.runs)) }
                        td.number { (one_decimal(group.mean_steps)) }
                        td.number class=[(group.failed > 0).then_some("bad")] { (rate(group.failure_rate)) }
                    }
                } }
            }
        }
    }
}

fn tools(session: &Session, activity: &Activity) -> Markup {
    let words = session.taste.words();
    html! {
        section.card {
            h2 { (words.tool_use) }
            @if activity.tools.is_empty() { p.note { (words.none) } } @else {
                table.plain.stack {
                    thead { tr {
                        th scope="col" { (words.tool) } th.number scope="col" { (words.calls) }
                        th.number scope="col" { (words.refused) } th.number scope="col" { (words.failure_rate) }
                        th.number scope="col" { (words.latency) }
                    } }
                    tbody { @for used in &activity.tools {
                        tr {
                            th scope="row" { code { (used.tool) } }
                            td.number data-name=(words.calls) { (count(used.calls)) }
                            td.number data-name=(words.refused) { (count(used.refused)) }
                            td.number data-name=(words.failure_rate) class=[(used.failed > 0).then_some("bad")] { (rate(used.failure_rate)) }
                            td.number data-name=(words.latency) { (count(used.mean_latency_ms)) " ms" }
                        }
                    } }
                }
            }
        }
    }
}

fn mode(lang: Lang, name: &str) -> String {
    let found = super::list::MODES.into_iter().find(|mode| mode.as_str() == name);
    found.map_or_else(|| name.to_owned(), |mode| super::names::mode(lang, mode).to_owned())
}

/// The name of a kind of work.
fn class(lang: Lang, name: &str) -> String {
    let korean = match name {
        "remind" => "알림",
        "send" => "보내기",
        "delete" => "삭제",
        "change" => "변경",
        "write" => "작성",
        "summarise" => "요약",
        "research" => "조사",
        "calculate" => "계산",
        "translate" => "번역",
        "question" => "질문",
        _ => "기타",
    };
    lang.pick(name, korean).to_owned()
}
