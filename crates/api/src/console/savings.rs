//! Savings: what was not spent, by cause; how far shared answers can be trusted; how prompt caches are kept warm.

use super::Console;
use super::charts::bar;
use super::figures::{count, local, percent, short_count, usd};
use super::layout::{Place, empty, heading, page, tile};
use super::live::failed;
use super::period::Asked;
use super::session::{Session, Taste};
use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use nunchi_core::{CallFilter, NanoUsd, Savings, StorageError};
use nunchi_gateway::{CacheFigures, PromptCacheReport, SemanticFigures};

/// Sessions shown, the dearest breaks first.
const SESSIONS: usize = 12;

struct Figures {
    savings: Savings,
    cache: CacheFigures,
    sessions: Vec<PromptCacheReport>,
}

/// `GET /console/savings`
pub(super) async fn show(
    State(console): State<Console>,
    session: Session,
    Query(asked): Query<Asked>,
) -> Response {
    let period = asked.period(&console);
    let figures = match gather(&console, period.since).await {
        Ok(figures) => figures,
        Err(error) => return failed(&console, &session, Place::Savings, &error),
    };
    let (taste, words) = (session.taste, session.taste.words());
    let content = html! {
        (heading(words.savings, words.savings_lead, Some(period.choices("/console/savings", taste))))
        @if figures.savings.calls == 0 {
            section.card { (empty(words.spend_empty, words.spend_empty_note, None)) }
        } @else {
            (tiles(&console, taste, &figures.savings))
            (causes(&console, taste, &figures.savings))
            div.pair { (answers(taste, &figures.cache)) (sharing(taste, figures.cache.semantic)) }
            (prompt_caches(taste, &figures.sessions))
        }
    };
    page(&console.frame, &session, Place::Savings, &content)
}

async fn gather(console: &Console, since: jiff::Timestamp) -> Result<Figures, StorageError> {
    let filter = CallFilter { since: Some(since), ..CallFilter::default() };
    let savings = console.parts.ledger.savings(filter).await?;
    let cache = console.parts.gateway.cache().stats().await?;
    let mut sessions = console.parts.gateway.prompt_cache_report();
    sessions.sort_by_key(|report| std::cmp::Reverse((report.lost, report.saved)));
    sessions.truncate(SESSIONS);
    Ok(Figures { savings, cache, sessions })
}

fn tiles(console: &Console, taste: Taste, savings: &Savings) -> Markup {
    let (words, currency) = (taste.words(), &console.parts.currency);
    let share = percent(part(savings.total()), part(savings.baseline));
    let money = |amount| local(amount, currency);
    html! {
        dl.tiles {
            (tile(words.saved, &usd(savings.total()), &format!("{} · {share}", money(savings.total())), "good"))
            (tile(words.spent, &usd(savings.spent), &money(savings.spent), ""))
            (tile(words.baseline, &usd(savings.baseline), &format!("{} · {}", money(savings.baseline), words.baseline_note), ""))
            (tile(words.overhead, &usd(savings.overhead), words.overhead_note, ""))
        }
    }
}

/// The causes; they add up to all that was saved.
fn causes(console: &Console, taste: Taste, savings: &Savings) -> Markup {
    let (words, other) = (taste.words(), savings.other);
    let rows = [
        (words.cause_exact, savings.exact),
        (words.cause_semantic, savings.semantic),
        (words.cause_tier, savings.tier),
        (words.cause_prompt_cache, other.prompt_cache),
        (words.cause_tools, other.tools),
        (words.cause_compression, other.compression),
        (words.cause_batch, other.batch),
    ];
    let most = rows.iter().map(|(_, saved)| saved.0).max().unwrap_or(0).max(1);
    html! {
        section.card {
            h2 { (words.by_cause) }
            ul.bars {
                @for (cause, saved) in rows {
                    li {
                        span.name { (cause) }
                        strong { (usd(saved)) }
                        (bar(cause, saved.0.max(0), most, &[], ""))
                        span.more { (local(saved, &console.parts.currency)) " · " (percent(part(saved), part(savings.baseline))) }
                    }
                }
            }
        }
    }
}

fn answers(taste: Taste, cache: &CacheFigures) -> Markup {
    let words = taste.words();
    let lookups = cache.lookups.max(1);
    html! {
        section.card {
            h2 { (words.stored_answers) }
            dl.facts.column {
                div { dt { (words.stored) } dd { (count(cache.stored.entries)) } }
                div { dt { (words.hit_rate) } dd { (percent(cache.hits, lookups)) } }
                div { dt { (words.joined) } dd { (count(cache.joined)) } }
                div { dt { (words.bypassed) } dd { (count(cache.bypassed)) } }
            }
        }
    }
}

fn sharing(taste: Taste, semantic: Option<SemanticFigures>) -> Markup {
    let words = taste.words();
    html! {
        section.card {
            h2 { (words.cause_semantic) }
            @if let Some(found) = semantic {
                dl.facts.column {
                    div { dt { (words.hit_rate) } dd { (percent(found.hits, found.lookups)) } }
                    div { dt { (words.refused_neighbours) } dd { (count(found.refused)) } }
                    div { dt { (words.audited) } dd { (count(found.audited)) } }
                    div { dt { (words.false_hits) } dd { (percent(found.wrong, found.audited)) } }
                }
                p.note { (words.audited_note) }
            } @else {
                p.note { (words.semantic_off) }
            }
        }
    }
}

fn prompt_caches(taste: Taste, sessions: &[PromptCacheReport]) -> Markup {
    let words = taste.words();
    html! {
        section.card {
            h2 { (words.prompt_caches) }
            @if sessions.is_empty() {
                p.note { (words.prompt_caches_empty) }
            } @else {
                table.plain.stack {
                    thead { tr {
                        th scope="col" { (words.session) } th.number scope="col" { (words.calls) }
                        th.number scope="col" { (words.read_from_cache) } th.number scope="col" { (words.saved) }
                        th.number scope="col" { (words.lost) } th scope="col" { (words.last_break) }
                    } }
                    tbody { @for report in sessions { (prompt_cache(taste, report)) } }
                }
            }
        }
    }
}

fn prompt_cache(taste: Taste, report: &PromptCacheReport) -> Markup {
    let words = taste.words();
    html! {
        tr {
            th scope="row" { (report.session) }
            td.number data-name=(words.calls) { (count(report.calls)) }
            td.number data-name=(words.read_from_cache) { (percent(report.cached_tokens, report.prompt_tokens)) }
            td.number data-name=(words.saved) { (usd(report.saved)) }
            td.number data-name=(words.lost) { (usd(report.lost)) }
            td data-name=(words.last_break) {
                @if let Some(last) = report.breaks.last() {
                    (last.place) ", " (words.byte) " " (count(last.byte as u64)) " · " (short_count(last.lost_tokens)) " " (words.tokens.to_lowercase())
                    br; code { (last.excerpt) }
                } @else { "–" }
            }
        }
    }
}

/// A share of money counts nothing below zero.
fn part(amount: NanoUsd) -> u64 {
    u64::try_from(amount.0).unwrap_or(0)
}
