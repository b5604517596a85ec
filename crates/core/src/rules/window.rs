//! Budget windows on the calendar of a time zone: days from midnight, weeks from Monday, months from the first.

use crate::words::BudgetWindow;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The first moment of the window that `now` lies in. A total has the start of 1970.
///
/// Where the clock change skips midnight, the day starts at the first moment after the gap; where midnight happens twice, at
/// the first of both.
pub fn window_start(window: BudgetWindow, now: Timestamp, zone: &TimeZone) -> Timestamp {
    first_day(window, now, zone)
        .map_or(Timestamp::UNIX_EPOCH, |day| midnight(day, zone).unwrap_or(Timestamp::MIN))
}

/// The first moment after the window that `now` lies in; `None` for a total, which never ends.
pub fn window_end(window: BudgetWindow, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let first = first_day(window, now, zone)?;
    let length = match window {
        BudgetWindow::Day => 1.day(),
        BudgetWindow::Week => 1.week(),
        BudgetWindow::Month => 1.month(),
        BudgetWindow::Total => return None,
    };
    let next = first.checked_add(length).ok().and_then(|day| midnight(day, zone));
    Some(next.unwrap_or(Timestamp::MAX))
}

fn first_day(window: BudgetWindow, now: Timestamp, zone: &TimeZone) -> Option<Date> {
    let today = zone.to_datetime(now).date();
    match window {
        BudgetWindow::Day => Some(today),
        BudgetWindow::Week => {
            let since_monday = i64::from(today.weekday().to_monday_zero_offset());
            Some(today.checked_sub(since_monday.days()).unwrap_or(today))
        }
        BudgetWindow::Month => Some(today.first_of_month()),
        BudgetWindow::Total => None,
    }
}

fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    #[test]
    fn table() {
        use BudgetWindow::{Day, Month, Total, Week};
        for (window, tz, now, start, end) in [
            // Seoul is nine hours ahead: 20:00 UTC is already tomorrow there.
            (Day, "Asia/Seoul", "2026-11-21T20:00:00Z", "2026-11-21T15:00:00Z", "2026-11-22T15:00:00Z"),
            (Day, "UTC", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            (Day, "UTC", "2026-11-20T23:59:59.999Z", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            // 2026-11-21 is a Saturday, 2026-11-23 a Monday.
            (Week, "UTC", "2026-11-21T12:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Week, "UTC", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            (Week, "Asia/Seoul", "2026-11-22T15:00:00Z", "2026-11-22T15:00:00Z", "2026-11-29T15:00:00Z"),
            (Month, "UTC", "2028-02-29T23:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
            (Month, "UTC", "2026-12-31T23:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            // Days of 23 and of 25 hours.
            (Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            (Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            // Midnight does not exist in Havana on this day; it happens twice on the other.
            (Day, "America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
            (Day, "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            (Day, "America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        ] {
            let zone = zone(tz);
            assert_eq!(window_start(window, at(now), &zone), at(start), "{window:?} {tz} {now}");
            assert_eq!(window_end(window, at(now), &zone), Some(at(end)), "{window:?} {tz} {now}");
        }
        let now = at("2026-11-21T12:00:00Z");
        assert_eq!(window_start(Total, now, &TimeZone::UTC), Timestamp::UNIX_EPOCH);
        assert_eq!(window_end(Total, now, &TimeZone::UTC), None);
    }

    #[test]
    fn the_ends_of_time() {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            for window in [BudgetWindow::Day, BudgetWindow::Week, BudgetWindow::Month] {
                assert!(window_start(window, now, &zone("Asia/Seoul")) <= now);
                assert!(window_end(window, now, &zone("America/Havana")).unwrap() >= now);
            }
        }
    }

    proptest! {
        #[test]
        fn windows_tile_time(
            seconds in 0_i64..4_000_000_000,
            tz in prop::sample::select(vec!["UTC", "Asia/Seoul", "America/New_York", "America/Havana", "Pacific/Apia"]),
            window in prop::sample::select(vec![BudgetWindow::Day, BudgetWindow::Week, BudgetWindow::Month]),
        ) {
            let (now, zone) = (Timestamp::from_second(seconds).unwrap(), zone(tz));
            let start = window_start(window, now, &zone);
            let end = window_end(window, now, &zone).unwrap();
            prop_assert!(start <= now && now < end, "{start} <= {now} < {end}");
            prop_assert_eq!(window_start(window, start, &zone), start);
            prop_assert_eq!(window_start(window, end, &zone), end);
        }
    }
}
