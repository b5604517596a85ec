//! Tables, bars and amounts for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use nunchi_api::Currency;
use nunchi_core::{Amount, BudgetState, NanoUsd};

/// Cells of a full bar.
const BAR: usize = 20;

/// A table; columns whose heading begins with `>` are aligned to the right.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().map(|heading| Cell::new(heading.trim_start_matches('>'))));
    for row in rows {
        let cells = row.into_iter().zip(headings).map(|(text, heading)| {
            let right = heading.starts_with('>');
            Cell::new(text).set_alignment(if right { CellAlignment::Right } else { CellAlignment::Left })
        });
        table.add_row(cells);
    }
    table.to_string()
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
