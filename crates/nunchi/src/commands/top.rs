//! `top`: calls and budgets, live.

use super::{Desk, escaped, print_json, print_line};
use crate::cli::Top;
use crate::failure::Failure;
use crate::render::{bar, duration, grouped, local, table, units, usd};
use jiff::Timestamp;
use nunchi_core::{BudgetState, CallRecord, Total};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table};
use ratatui::{DefaultTerminal, Frame};
use serde::Deserialize;
use serde_json::Value;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two looks.
const PACE: Duration = Duration::from_millis(500);

/// Time between two readings of the day's sums.
const SUMS_EVERY: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Overview {
    budgets: Vec<BudgetState>,
    recent: Vec<CallRecord>,
    cache: Lookups,
}

/// What tells how many requests came since the server began.
#[derive(Clone, Copy, Deserialize)]
struct Lookups {
    lookups: u64,
    bypassed: u64,
}

#[derive(Deserialize)]
struct Today {
    total: Total,
}

/// Figures that a single look does not show.
#[derive(Default)]
struct Pulse {
    /// When the last look was, and how many requests there had been.
    before: Option<(Instant, u64)>,
    /// Requests in ten seconds.
    per_ten_seconds: u64,
    /// Booked since midnight, and when that was read.
    today: Option<(Instant, Total)>,
}

impl Pulse {
    /// Takes a look into account. Sums of a day cost the server more than a look; they are read less often.
    async fn beat(&mut self, desk: &Desk, overview: &Overview) -> Result<(), Failure> {
        let (now, requests) = (Instant::now(), overview.cache.lookups + overview.cache.bypassed);
        if let Some((then, before)) = self.before.replace((now, requests)) {
            let millis = u64::try_from((now - then).as_millis()).unwrap_or(u64::MAX).max(1);
            self.per_ten_seconds = requests.saturating_sub(before).saturating_mul(10_000) / millis;
        }
        if self.today.as_ref().is_none_or(|(read, _)| read.elapsed() >= SUMS_EVERY) {
            let midnight = Timestamp::now().to_zoned(desk.config.time_zone.clone()).start_of_day();
            let since = midnight.map_err(|error| Failure::system("midnight", error))?.timestamp();
            let path = format!("/api/stats?by=all&since={}", escaped(&since.to_string()));
            self.today = Some((now, desk.client.get::<Today>(&path).await?.total));
        }
        Ok(())
    }
}

/// Watches until `q`, or shows it once.
pub(crate) async fn top(desk: &Desk, flags: &Top) -> Result<(), Failure> {
    // Into a file or a pipe there is nothing to keep up to date.
    if flags.once || desk.json || !std::io::stdout().is_terminal() {
        let value: Value = desk.client.get("/api/overview").await?;
        if desk.json {
            return print_json(&value);
        }
        let overview: Overview =
            serde_json::from_value(value).map_err(|error| Failure::system("the overview", error))?;
        let mut pulse = Pulse::default();
        pulse.beat(desk, &overview).await?;
        return print_line(&format!("{}\n{}", headline(desk, &pulse).trim_start(), plain(desk, &overview)));
    }
    let mut terminal = ratatui::try_init().map_err(|error| Failure::system("the terminal", error))?;
    let ended = watch(desk, &mut terminal).await;
    ratatui::restore();
    ended
}

async fn watch(desk: &Desk, terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    let mut pulse = Pulse::default();
    loop {
        let overview: Overview = desk.client.get("/api/overview").await?;
        pulse.beat(desk, &overview).await?;
        terminal
            .draw(|frame| draw(frame, desk, &overview, &pulse))
            .map_err(|error| Failure::system("the terminal", error))?;
        let pressed = tokio::task::spawn_blocking(|| -> std::io::Result<Option<Event>> {
            if event::poll(PACE)? { event::read().map(Some) } else { Ok(None) }
        });
        let pressed = pressed.await.map_err(|error| Failure::system("the terminal", error))?;
        if let Some(Event::Key(key)) = pressed.map_err(|error| Failure::system("the terminal", error))? {
            let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(());
            }
        }
    }
}

fn draw(frame: &mut Frame<'_>, desk: &Desk, overview: &Overview, pulse: &Pulse) {
    let gauges = u16::try_from(overview.budgets.len().min(6)).unwrap_or(6);
    let [head, budgets, calls] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(gauges + 2), Constraint::Min(5)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(headline(desk, pulse)), head);
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
    let rows = overview.recent.iter().map(|call| Row::new(cells(desk, call)));
    // At 80 columns the figures stay whole; model and reason share what is left.
    let [at, tier, cache, cost, took] = [8, 8, 8, 12, 7].map(Constraint::Length);
    let widths = [at, Constraint::Fill(3), tier, cache, cost, took, Constraint::Fill(2)];
    let headings = desk.lang.pick(HEADINGS, HEADINGS_KO);
    let table = Table::new(rows, widths)
        .header(Row::new(headings).style(Style::new().bold()))
        .block(Block::bordered().title(desk.lang.pick("calls (q quits)", "호출 (q로 종료)")));
    frame.render_widget(table, calls);
}

const HEADINGS: [&str; 7] = ["time", "model", "tier", "cache", "cost", "took", "why"];
const HEADINGS_KO: [&str; 7] = ["시각", "모델", "단계", "캐시", "비용", "시간", "이유"];

fn headline(desk: &Desk, pulse: &Pulse) -> String {
    let rate = format!("{}.{}", pulse.per_ten_seconds / 10, pulse.per_ten_seconds % 10);
    let nothing = Total::default();
    let today = pulse.today.as_ref().map_or(&nothing, |(_, total)| total);
    let (spent, own) = (usd(today.cost), local(today.cost, &desk.config.rate.currency));
    let (calls, hits) = (grouped(today.calls), grouped(today.cache_hits));
    desk.lang.pick(
        format!(" nunchi · {rate} requests/s · today {spent} ({own}), {calls} calls, {hits} from the cache"),
        format!(" nunchi · 초당 {rate}건 · 오늘 {spent} ({own}), 호출 {calls}개, 캐시 {hits}개"),
    )
}

fn cells(desk: &Desk, call: &CallRecord) -> [String; 7] {
    let started = call.started.to_zoned(desk.config.time_zone.clone());
    [
        started.strftime("%H:%M:%S").to_string(),
        format!("{}/{}", call.provider, call.model),
        call.tier.map_or("-", nunchi_core::Tier::as_str).to_owned(),
        call.cache.as_str().to_owned(),
        usd(call.cost),
        duration(call.latency_us),
        call.error_code.clone().unwrap_or_else(|| call.reason.clone()),
    ]
}

fn plain(desk: &Desk, overview: &Overview) -> String {
    let budgets = overview.budgets.iter().map(|state| {
        vec![
            state.name.clone(),
            bar(state.percent()),
            units(state, state.spent),
            units(state, state.limit_units()),
        ]
    });
    let calls = overview.recent.iter().map(|call| cells(desk, call).to_vec());
    let of_budgets = desk.lang.pick(["budget", "", ">spent", ">limit"], ["예산", "", ">지출", ">한도"]);
    let of_calls = desk.lang.pick(HEADINGS, HEADINGS_KO);
    format!("{}\n{}", table(&of_budgets, budgets), table(&of_calls, calls))
}
