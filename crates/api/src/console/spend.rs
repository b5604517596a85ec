//! Spend: by day, model, phase and key, beside what it would have cost.

use super::Console;
use super::charts::{Column, bar, columns};
use super::figures::{count, local, short_count, usd};
use super::layout::{Place, empty, heading, page, tile};
use super::live::{failed, saved};
use super::period::Asked;
use super::session::{Session, Taste};
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use nunchi_core::{CallFilter, Grouping, Lang, NanoUsd, StorageError, Total};

/// Most bars of a list; the rest is summed up.
const BARS: usize = 8;

struct Figures {
    all: Total,
    days: Vec<Total>,
    models: Vec<Total>,
    phases: Vec<Total>,
    keys: Vec<Total>,
}

/// `GET /console/spend`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Response {
    let period = asked.period(&console);
    let figures = match gather(&console, period.since).await {
        Ok(figures) => figures,
        Err(error) => return failed(&console, &session, Place::Spend, &error),
    };
    let words = session.taste.words();
    let content = html! {
        (heading(words.spend, words.spend_lead, Some(period.choices("/console/spend", session.taste))))
        @if figures.all.calls == 0 {
            section.card { (empty(words.spend_empty, words.spend_empty_note, None)) }
        } @else {
            (report(&console, session.taste, &figures, period.first, period.days))
        }
    };
    page(&console.frame, &session, Place::Spend, &content)
}

async fn gather(console: &Console, since: Timestamp) -> Result<Figures, StorageError> {
    let totals =
        |by| console.parts.ledger.totals(CallFilter { since: Some(since), ..CallFilter::default() }, by);
    Ok(Figures {
        all: totals(Grouping::All).await?.into_iter().next().unwrap_or_default(),
        days: totals(Grouping::Day).await?,
        models: totals(Grouping::Model).await?,
        phases: totals(Grouping::Phase).await?,
        keys: totals(Grouping::Key).await?,
    })
}

fn report(console: &Console, taste: Taste, figures: &Figures, first: Date, days: u16) -> Markup {
    let (words, currency, all) = (taste.words(), &console.parts.currency, &figures.all);
    let counted = format!("{} {}", short_count(all.usage.total_tokens()), words.tokens.to_lowercase());
    let known = all.baseline_cost > NanoUsd::ZERO;
    html! {
        dl.tiles {
            (tile(words.spent, &usd(all.cost), &local(all.cost, currency), ""))
            @if known {
                (tile(words.saved, &usd(saved(all)), &local(saved(all), currency), "good"))
                (tile(words.baseline, &usd(all.baseline_cost), &format!("{} · {}", local(all.baseline_cost, currency), words.baseline_note), ""))
            } @else {
                (tile(words.saved, "–", words.baseline_missing, ""))
            }
            (tile(words.calls, &count(all.calls), &counted, ""))
        }
        (by_day(console, taste, &figures.days, first, days))
        div.pair {
            (list(console, taste, words.by_model, &figures.models))
            (list(console, taste, words.by_phase, &figures.phases))
            (list(console, taste, words.by_key, &figures.keys))
        }
    }
}

fn by_day(console: &Console, taste: Taste, totals: &[Total], first: Date, days: u16) -> Markup {
    let words = taste.words();
    let none = Total::default();
    let each: Vec<(Date, &Total)> = (0..i64::from(days))
        .filter_map(|later| first.checked_add(later.days()).ok())
        .map(|day| (day, totals.iter().find(|total| total.group == day.to_string()).unwrap_or(&none)))
        .collect();
    let drawn: Vec<Column> = each
        .iter()
        .map(|(day, total)| Column {
            label: short_day(*day, taste.lang),
            lower: total.cost.0.max(0),
            upper: saved(total).0,
            tip: format!(
                "{day} · {} {} ({}) · {} {} · {} {}",
                words.spent,
                usd(total.cost),
                local(total.cost, &console.parts.currency),
                words.saved,
                usd(saved(total)),
                count(total.calls),
                words.calls.to_lowercase()
            ),
        })
        .collect();
    html! {
        section.card {
            div.row.between {
                h2 { (words.by_day) }
                ul.legend { li.lower { (words.spent) } li.upper { (words.saved) } }
            }
            (columns(words.by_day, &drawn, |nanos| usd(NanoUsd(nanos))))
            details.table {
                summary { (words.show_table) }
                table.plain {
                    thead { tr {
                        th scope="col" { (words.day) } th.number scope="col" { (words.spent) }
                        th.number scope="col" { (words.saved) } th.number scope="col" { (words.calls) }
                    } }
                    tbody { @for (day, total) in each.iter().rev().filter(|(_, total)| total.calls > 0) {
                        tr {
                            th scope="row" { (day) } td.number { (usd(total.cost)) }
                            td.number { (usd(saved(total))) } td.number { (count(total.calls)) }
                        }
                    } }
                }
            }
        }
    }
}

fn short_day(day: Date, lang: Lang) -> String {
    day.strftime(lang.pick("%b %-d", "%-m/%-d")).to_string()
}

fn list(console: &Console, taste: Taste, title: &str, totals: &[Total]) -> Markup {
    let (words, currency) = (taste.words(), &console.parts.currency);
    let dearest = totals.iter().map(|total| total.cost.0).max().unwrap_or(0);
    let (shown, rest) = totals.split_at(totals.len().min(BARS));
    let rest_cost: NanoUsd = rest.iter().map(|total| total.cost).sum();
    html! {
        section.card {
            h2 { (title) }
            ul.bars {
                @for total in shown {
                    li {
                        span.name { @if total.group == "-" { "–" } @else { (total.group) } }
                        strong { (usd(total.cost)) }
                        (bar(&total.group, total.cost.0, dearest, &[], ""))
                        span.more {
                            (local(total.cost, currency)) " · " (count(total.calls)) " " (words.calls.to_lowercase())
                            @if saved(total) > NanoUsd::ZERO { " · " (words.saved) " " (usd(saved(total))) }
                        }
                    }
                }
                @if !rest.is_empty() { li { span.name { "+ " (rest.len()) } strong { (usd(rest_cost)) } } }
            }
        }
    }
}
