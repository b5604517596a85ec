//! Tables, bars and amounts for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use nunchi_api::Currency;
use nunchi_core::{Amount, BudgetState, NanoUsd};
use std::borrow::Cow;
use std::io::IsTerminal;

/// Cells of a full bar.
const BAR: usize = 20;
/// Columns below which a table is not made to fit.
const LEAST_COLUMNS: u16 = 40;

/// A table as wide as the terminal at most; columns whose heading begins with `>` are aligned to the right. In a file or a pipe lines
/// are as long as they need to be, so that nothing that is searched for is broken up.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let terminal = std::io::stdout().is_terminal().then(ratatui::crossterm::terminal::size);
    let width =
        terminal.and_then(Result::ok).map(|(columns, _)| columns).filter(|columns| *columns >= LEAST_COLUMNS);
    drawn(headings, rows, width)
}

fn drawn(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(headings.iter().map(|heading| Cell::new(heading.trim_start_matches('>'))));
    for row in rows {
        let cells = row.into_iter().zip(headings).map(|(text, heading)| {
            let right = heading.starts_with('>');
            Cell::new(printable(&text)).set_alignment(if right {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            })
        });
        table.add_row(cells);
    }
    table.to_string()
}

/// Text that a terminal shows as it is: what came from models, files and strangers must not move the cursor, change colours or turn
/// the direction of what is read.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let bad = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
    };
    if text.contains(bad) { Cow::Owned(text.replace(bad, "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// What is said beside an answer: dimmed on a terminal, unless its owner wants no colours (no-color.org).
pub(crate) fn dimmed(text: &str, on_terminal: bool) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match (on_terminal, plain) {
        (false, _) => text.to_owned(),
        (true, true) => printable(text).into_owned(),
        (true, false) => format!("\x1b[2m{}\x1b[0m", printable(text)),
    }
}

/// A bar of a share from 0 to 100.
pub(crate) fn bar(percent: u64) -> String {
    let full = usize::try_from(percent.min(100)).unwrap_or(100) * BAR / 100;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

/// Dollars, as exactly as they deserve: four decimals, or more below a cent.
pub(crate) fn usd(amount: NanoUsd) -> String {
    let digits = match amount.0.unsigned_abs() {
        0 => 2,
        1..100_000 => 9,
        100_000..10_000_000 => 6,
        _ => 4,
    };
    format!("${}", amount.usd_string(digits))
}

/// The local currency, with thousands apart: `₩1,390`.
pub(crate) fn local(amount: NanoUsd, currency: &Currency) -> String {
    let units = amount.to_local(currency.milli_units_per_usd);
    let sign = if units < 0 { "-" } else { "" };
    let symbol = if currency.code == "KRW" { "₩".to_owned() } else { format!("{} ", currency.code) };
    format!("{sign}{symbol}{}", grouped(units.unsigned_abs()))
}

/// A number with thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount in a budget's unit.
pub(crate) fn units(state: &BudgetState, units: i64) -> String {
    match state.limit {
        Amount::Money(_) => usd(NanoUsd(units)),
        Amount::Tokens(_) => grouped(units.unsigned_abs()),
    }
}

/// Microseconds as people say them.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        assert_eq!(printable("plain 한글\n"), "plain 한글\n");
        assert_eq!(printable("a\u{1b}[2Jb\u{202E}c\r"), "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}");
        let drawn = table(&["goal", ">steps"], [vec!["\u{1b}]0;x\u{7}회의록 정리".into(), "12".into()]]);
        assert!(!drawn.contains('\u{1b}') && drawn.contains("회의록 정리"), "{drawn}");
    }

    #[test]
    fn tables_keep_to_their_width_in_columns() {
        let rows = vec![
            vec![
                "회의록을 정리해서 팀 전체에 공유하고, 빠진 사람에게는 따로 알려 주세요".to_owned(),
                "12".to_owned(),
            ],
            vec![
                "Summarise the notes of the week and mail them to everybody who was away".to_owned(),
                "3".to_owned(),
            ],
        ];
        for width in [None, Some(80), Some(40)] {
            let drawn = drawn(&["목표", ">단계"], rows.clone(), width);
            // Hangul is two columns wide.
            let widths: Vec<_> = drawn.lines().map(|line| ratatui::text::Span::raw(line).width()).collect();
            assert!(widths.iter().all(|wide| *wide == widths[0]), "{drawn}");
            assert!(width.is_none_or(|width| widths[0] <= usize::from(width)), "{drawn}");
        }
    }

    #[test]
    fn amounts() {
        let won = Currency { code: "KRW".into(), milli_units_per_usd: 1_390_000 };
        assert_eq!(local(NanoUsd::from_usd(1_000), &won), "₩1,390,000");
        assert_eq!(usd(NanoUsd(0)), "$0.00");
        assert_eq!(usd(NanoUsd(1_234)), "$0.000001234");
        assert_eq!(usd(NanoUsd::from_usd(12)), "$12.0000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        assert_eq!(bar(50).chars().filter(|c| *c == '█').count(), 10);
        assert_eq!(duration(1_500_000), "1.5 s");
    }
}
