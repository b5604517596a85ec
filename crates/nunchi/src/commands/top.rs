//! `top`: calls and budgets, live.

use super::{Desk, print_json, print_line};
use crate::cli::Top;
use crate::failure::Failure;
use crate::render::{bar, duration, table, units, usd};
use nunchi_core::{BudgetState, CacheVerdict, CallRecord, NanoUsd};
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Time between two looks.
const PACE: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct Overview {
    budgets: Vec<BudgetState>,
    recent: Vec<CallRecord>,
}

/// Watches until `q`, or shows it once.
pub(crate) async fn top(desk: &Desk, flags: &Top) -> Result<(), Failure> {
    if flags.once || desk.json {
        let value: Value = desk.client.get("/api/overview").await?;
        if desk.json {
            return print_json(&value);
        }
        let overview: Overview =
            serde_json::from_value(value).map_err(|error| Failure::system("the overview", error))?;
        return print_line(&plain(&overview));
    }
    let mut terminal = ratatui::try_init().map_err(|error| Failure::system("the terminal", error))?;
    let ended = watch(desk, &mut terminal).await;
    ratatui::restore();
    ended
}

async fn watch(desk: &Desk, terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    loop {
        let overview: Overview = desk.client.get("/api/overview").await?;
        terminal
            .draw(|frame| draw(frame, desk, &overview))
            .map_err(|error| Failure::system("the terminal", error))?;
        let pressed = tokio::task::spawn_blocking(|| -> std::io::Result<Option<Event>> {
            if event::poll(PACE)? { event::read().map(Some) } else { Ok(None) }
        });
        let pressed = pressed.await.map_err(|error| Failure::system("the terminal", error))?;
        if let Some(Event::Key(key)) = pressed.map_err(|error| Failure::system("the terminal", error))?
            && matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        {
            return Ok(());
        }
    }
}

fn draw(frame: &mut Frame<'_>, desk: &Desk, overview: &Overview) {
    let gauges = u16::try_from(overview.budgets.len().min(6)).unwrap_or(6);
    let [head, budgets, calls] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(gauges + 2), Constraint::Min(5)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(headline(desk, overview)), head);
    let block = Block::bordered().title(desk.lang.pick("budgets", "예산"));
    let inner = block.inner(budgets);
    frame.render_widget(block, budgets);
    let lines = Layout::vertical(vec![Constraint::Length(1); usize::from(gauges)]).split(inner);
    for (state, area) in overview.budgets.iter().zip(lines.iter()) {
        let percent = u16::try_from(state.percent().min(100)).unwrap_or(100);
        let colour = match percent {
            0..75 => Color::Green,
            75..100 => Color::Yellow,
            _ => Color::Red,
        };
        let label =
            format!("{}: {} / {}", state.name, units(state, state.spent), units(state, state.limit_units()));
        frame.render_widget(
            Gauge::default().percent(percent).label(label).gauge_style(Style::new().fg(colour)),
            *area,
        );
    }
    let rows = overview.recent.iter().map(|call| Row::new(cells(call)));
    let widths = [12, 34, 10, 8, 14, 10, 40].map(Constraint::Length);
    let headings = desk.lang.pick(HEADINGS, HEADINGS_KO);
    let table = Table::new(rows, widths)
        .header(Row::new(headings).style(Style::new().bold()))
        .block(Block::bordered().title(desk.lang.pick("calls (q quits)", "호출 (q로 종료)")));
    frame.render_widget(table, calls);
}

const HEADINGS: [&str; 7] = ["time", "model", "tier", "cache", "cost", "took", "why"];
const HEADINGS_KO: [&str; 7] = ["시각", "모델", "단계", "캐시", "비용", "시간", "이유"];

fn headline(desk: &Desk, overview: &Overview) -> String {
    let spent: NanoUsd = overview.recent.iter().map(|call| call.cost).sum();
    let hits = overview.recent.iter().filter(|call| call.cache == CacheVerdict::Exact).count();
    let calls = overview.recent.len();
    desk.lang.pick(
        format!(" nunchi · last {calls} calls: {} spent, {hits} from the cache", usd(spent)),
        format!(" nunchi · 최근 {calls}개 호출: {} 사용, 캐시 {hits}개", usd(spent)),
    )
}

fn cells(call: &CallRecord) -> [String; 7] {
    [
        call.started.strftime("%H:%M:%S").to_string(),
        format!("{}/{}", call.provider, call.model),
        call.tier.map_or("-", nunchi_core::Tier::as_str).to_owned(),
        call.cache.as_str().to_owned(),
        usd(call.cost),
        duration(call.latency_us),
        call.error_code.clone().unwrap_or_else(|| call.reason.clone()),
    ]
}

fn plain(overview: &Overview) -> String {
    let budgets = overview.budgets.iter().map(|state| {
        vec![
            state.name.clone(),
            bar(state.percent()),
            units(state, state.spent),
            units(state, state.limit_units()),
        ]
    });
    let calls = overview.recent.iter().map(|call| cells(call).to_vec());
    format!("{}\n{}", table(&["budget", "", ">spent", ">limit"], budgets), table(&HEADINGS, calls))
}
