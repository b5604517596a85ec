//! The days a page speaks of, and the choice among them.

use super::Console;
use super::session::Taste;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use serde::Deserialize;

/// Days that can be chosen; the second is the usual one.
const CHOICES: [u16; 3] = [7, 30, 90];

/// Which days were asked for.
#[derive(Deserialize)]
pub(super) struct Asked {
    days: Option<String>,
}

/// The last days, today included.
#[derive(Clone, Copy)]
pub(super) struct Period {
    pub(super) days: u16,
    pub(super) first: Date,
    /// The first day's midnight.
    pub(super) since: Timestamp,
}

impl Asked {
    /// The days; the usual ones where nothing sensible was asked for.
    pub(super) fn period(self, console: &Console) -> Period {
        let asked = self.days.and_then(|days| days.parse().ok());
        let days = asked.filter(|days| CHOICES.contains(days)).unwrap_or(CHOICES[1]);
        let zone = &console.parts.time_zone;
        let today = zone.to_datetime(console.parts.clock.now()).date();
        let first = today.checked_sub(i64::from(days - 1).days()).unwrap_or(today);
        let since = first.to_zoned(zone.clone()).map_or(Timestamp::MIN, |midnight| midnight.timestamp());
        Period { days, first, since }
    }
}

impl Period {
    /// The other choices of a page.
    pub(super) fn choices(self, path: &str, taste: Taste) -> Markup {
        let words = taste.words();
        html! {
            nav.segments aria-label=(words.period) {
                @for choice in CHOICES {
                    a href={ (path) "?days=" (choice) } aria-current=[(choice == self.days).then_some("true")] {
                        (words.last_days.replace("%d", &choice.to_string()))
                    }
                }
            }
        }
    }
}
