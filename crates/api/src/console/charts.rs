//! Charts as plain SVG: columns over time, and bars. They scale with the page, so widths are per cent and heights pixels.

use maud::{Markup, html};

/// Height of a column chart, in pixels.
const HEIGHT: i64 = 220;
/// Where its bottom line lies, in pixels from above.
const FLOOR: i64 = 192;
/// Room above the tallest column, in pixels.
const HEAD: i64 = 12;
/// Most labels below the columns.
const LABELS: usize = 6;

/// One column: two amounts, one on the other.
pub(crate) struct Column {
    /// What stands below it.
    pub(crate) label: String,
    /// The lower amount (>= 0).
    pub(crate) lower: i64,
    /// The amount stacked on it (>= 0).
    pub(crate) upper: i64,
    /// What is shown when it is pointed at.
    pub(crate) tip: String,
}

/// A column chart; `tick` writes the amounts on the axis.
pub(crate) fn columns(title: &str, columns: &[Column], tick: impl Fn(i64) -> String) -> Markup {
    let tallest = columns.iter().map(|column| column.lower.saturating_add(column.upper)).max().unwrap_or(0);
    let step = tick_step(tallest);
    let top = divided_up(tallest.max(1), step).saturating_mul(step);
    let lines: Vec<i64> = (0..=top / step).map(|line| line * step).collect();
    let spacing = columns.len().div_ceil(LABELS).max(1);
    html! {
        div.chart {
            svg.axis width="64" height=(HEIGHT) aria-hidden="true" {
                @for line in &lines {
                    text x="56" y=(height_of(*line, top) + 4) text-anchor="end" { (tick(*line)) }
                }
            }
            svg.plot width="100%" height=(HEIGHT) role="img" aria-label=(title) {
                @for line in &lines {
                    line.grid x1="0" x2="100%" y1=(height_of(*line, top)) y2=(height_of(*line, top)) {}
                }
                @for (index, column) in columns.iter().enumerate() {
                    (drawn(column, index, columns.len(), top))
                    @if (columns.len() - 1 - index).is_multiple_of(spacing) {
                        text x=(share((2 * index + 1) as i64, 2 * columns.len() as i64)) y=(HEIGHT - 8) text-anchor="middle" {
                            (column.label)
                        }
                    }
                }
            }
        }
    }
}

fn drawn(column: &Column, index: usize, all: usize, top: i64) -> Markup {
    let (index, all) = (index as i64, all as i64);
    // A fifth of each slot stays free, so that neighbours stay apart.
    let (left, width) = (share(10 * index + 1, 10 * all), share(8, 10 * all));
    let (low, high) =
        (height_of(column.lower, top), height_of(column.lower.saturating_add(column.upper), top));
    html! {
        g data-tip=(column.tip) {
            rect.reach x=(share(index, all)) y="0" width=(share(1, all)) height=(FLOOR) {}
            @if high < low { rect.upper x=(left) y=(high) width=(width) height=(low - high) rx="2" {} }
            @if column.lower > 0 {
                rect.lower x=(left) y=(low.min(FLOOR - 1)) width=(width) height=((FLOOR - low).max(1)) rx="2" {}
            }
        }
    }
}

/// A bar of `part` in `whole`, with marks at some per cent of it.
pub(crate) fn bar(label: &str, part: i64, whole: i64, marks: &[u8], kind: &str) -> Markup {
    let filled = part.clamp(0, whole.max(0));
    html! {
        svg class={ "bar " (kind) } width="100%" height="10" role="img" aria-label=(label) {
            rect.track width="100%" height="10" rx="5" {}
            @if filled > 0 { rect.fill width=(share(filled, whole)) height="10" rx="5" {} }
            @for mark in marks.iter().filter(|mark| **mark < 100) {
                rect.mark x=(share(i64::from(*mark), 100)) y="0" width="2" height="10" {}
            }
        }
    }
}

/// `part / whole` in per cent with two decimals.
pub(crate) fn share(part: i64, whole: i64) -> String {
    let hundredths = i128::from(part) * 10_000 / i128::from(whole.max(1));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// The distance from above of an amount, in pixels.
fn height_of(amount: i64, top: i64) -> i64 {
    let height = i128::from(amount.max(0)) * i128::from(FLOOR - HEAD) / i128::from(top.max(1));
    FLOOR - i64::try_from(height).unwrap_or(FLOOR - HEAD)
}

/// A round step (1, 2 or 5 times a power of ten) that divides the axis into at most four.
fn tick_step(tallest: i64) -> i64 {
    let mut unit = 1_i64;
    loop {
        for step in [unit, unit.saturating_mul(2), unit.saturating_mul(5)] {
            if divided_up(tallest.max(1), step) <= 4 {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// Division of positive numbers, rounded up.
fn divided_up(number: i64, by: i64) -> i64 {
    number / by + i64::from(number % by != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column(label: &str, lower: i64, upper: i64) -> Column {
        Column { label: label.into(), lower, upper, tip: format!("{label}: {lower}") }
    }

    #[test]
    fn steps_are_round() {
        for (tallest, step) in [(0, 1), (4, 1), (5, 2), (9, 5), (40, 10), (41, 20), (7_000_000, 2_000_000)] {
            assert_eq!(tick_step(tallest), step, "{tallest}");
        }
    }

    #[test]
    fn a_chart_is_drawn_to_scale() {
        let drawn = columns("t", &[column("a", 50, 50), column("b", 0, 0)], |amount| format!("${amount}"))
            .into_string();
        insta::assert_snapshot!(drawn.replace("><", ">\n<"), @r#"
        <div class="chart">
        <svg class="axis" width="64" height="220" aria-hidden="true">
        <text x="56" y="196" text-anchor="end">$0</text>
        <text x="56" y="106" text-anchor="end">$50</text>
        <text x="56" y="16" text-anchor="end">$100</text>
        </svg>
        <svg class="plot" width="100%" height="220" role="img" aria-label="t">
        <line class="grid" x1="0" x2="100%" y1="192" y2="192">
        </line>
        <line class="grid" x1="0" x2="100%" y1="102" y2="102">
        </line>
        <line class="grid" x1="0" x2="100%" y1="12" y2="12">
        </line>
        <g data-tip="a: 50">
        <rect class="reach" x="0.00%" y="0" width="50.00%" height="192">
        </rect>
        <rect class="upper" x="5.00%" y="12" width="40.00%" height="90" rx="2">
        </rect>
        <rect class="lower" x="5.00%" y="102" width="40.00%" height="90" rx="2">
        </rect>
        </g>
        <text x="25.00%" y="212" text-anchor="middle">a</text>
        <g data-tip="b: 0">
        <rect class="reach" x="50.00%" y="0" width="50.00%" height="192">
        </rect>
        </g>
        <text x="75.00%" y="212" text-anchor="middle">b</text>
        </svg>
        </div>
        "#);
    }

    #[test]
    fn hostile_labels_are_escaped() {
        let drawn = columns("\"><script>", &[column("<b>", 1, 0)], |_| "</text>".into()).into_string();
        assert!(
            !drawn.contains("<script") && !drawn.contains("<b>") && drawn.matches("</text>").count() == 3,
            "{drawn}"
        );
        assert!(drawn.contains("&lt;b&gt;"), "{drawn}");
    }

    #[test]
    fn bars_stay_within_their_track() {
        for (part, whole, width) in
            [(-5, 10, None), (0, 10, None), (5, 10, Some("50.00%")), (25, 10, Some("100.00%")), (1, 0, None)]
        {
            let drawn = bar("b", part, whole, &[50, 100], "").into_string();
            let fill =
                drawn.split("class=\"fill\" width=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
            assert_eq!(fill, width, "{part} of {whole}");
            assert_eq!(drawn.matches("class=\"mark\"").count(), 1);
        }
    }

    proptest! {
        #[test]
        fn every_column_fits(amounts in prop::collection::vec((0_i64..=i64::MAX / 2, 0_i64..=i64::MAX / 2), 1..40)) {
            let tallest = amounts.iter().map(|(lower, upper)| lower + upper).max().unwrap();
            let step = tick_step(tallest);
            let top = divided_up(tallest.max(1), step).saturating_mul(step);
            prop_assert!(top >= tallest && top / step <= 5);
            for (lower, upper) in amounts {
                let (low, high) = (height_of(lower, top), height_of(lower + upper, top));
                prop_assert!((HEAD..=FLOOR).contains(&high) && high <= low && low <= FLOOR);
            }
        }
    }
}
