//! Tells the time, and reckons with dates.

use crate::arguments::arguments;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SpanRound, Timestamp, Unit, Zoned};
use nunchi_core::{BoxFuture, Clock, Deed, Tool, ToolCall, ToolError, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// The tool.
pub(crate) struct TimeTool {
    pub(crate) clock: Arc<dyn Clock>,
    /// The zone when none is asked for.
    pub(crate) zone: TimeZone,
}

#[derive(Deserialize)]
struct TimeArguments {
    zone: Option<String>,
    at: Option<String>,
    add: Option<String>,
    until: Option<String>,
}

fn told(asked: &TimeArguments, now: Timestamp, zone: &TimeZone) -> Result<String, ToolError> {
    let zone = match asked.zone.as_deref() {
        None | Some("") => zone.clone(),
        Some(name) => zone_of(name)?,
    };
    let now = now.to_zoned(zone.clone());
    let mut at = match asked.at.as_deref() {
        None | Some("" | "now") => now.clone(),
        Some(text) => moment(text, &now)?,
    };
    if let Some(add) = asked.add.as_deref().filter(|add| !add.is_empty()) {
        let span: jiff::Span = add.parse().map_err(|error| {
            ToolError::new("time.span", format!("`{add}` is no span of time: {error}."))
                .hint("Write it like `2 weeks 3 days`, `-90 minutes` or `P1M`.")
        })?;
        at = at.checked_add(span).map_err(|error| ToolError::new("time.range", format!("{error}.")))?;
    }
    let mut text = spoken(&at);
    if let Some(until) = asked.until.as_deref().filter(|until| !until.is_empty()) {
        let end = moment(until, &now)?;
        text.push_str(&format!("\nuntil {}\n{}", spoken(&end), between(&at, &end)?));
    }
    Ok(text)
}

fn zone_of(name: &str) -> Result<TimeZone, ToolError> {
    TimeZone::get(name).map_err(|_| {
        ToolError::new("time.zone", format!("There is no zone `{name}`."))
            .hint("Use an IANA name such as Asia/Seoul or UTC.")
    })
}

/// A moment as models write it: with an offset, or in the zone asked for; a date is its beginning.
pub(crate) fn moment(text: &str, now: &Zoned) -> Result<Zoned, ToolError> {
    let zone = now.time_zone().clone();
    let text = text.trim();
    match text {
        "now" => return Ok(now.clone()),
        "today" => return Ok(now.start_of_day().unwrap_or_else(|_| now.clone())),
        _ => {}
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Ok(zoned.with_time_zone(zone));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.to_zoned(zone));
    }
    let civil = text.parse::<DateTime>().and_then(|civil| civil.to_zoned(zone));
    civil.map_err(|error| {
        ToolError::new("time.moment", format!("`{text}` is no date or time: {error}."))
            .hint("Write it like 2026-11-21 or 2026-11-21T09:30.")
    })
}

fn spoken(at: &Zoned) -> String {
    let korean = ["월", "화", "수", "목", "금", "토", "일"];
    let day = korean.get(usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())).unwrap_or(&"");
    let week = at.date().iso_week_date().week();
    format!("{} {} ({day}), week {week}, day {}", at, at.strftime("%A"), at.day_of_year())
}

/// In calendar units, and in days and hours alone.
fn between(from: &Zoned, to: &Zoned) -> Result<String, ToolError> {
    let range = |error: jiff::Error| ToolError::new("time.range", format!("{error}."));
    let calendar = from.until((Unit::Year, to)).map_err(range)?;
    let round = SpanRound::new().largest(Unit::Year).smallest(Unit::Second).relative(from);
    let calendar = calendar.round(round).map_err(range)?;
    let seconds = to.timestamp().as_second() - from.timestamp().as_second();
    let days = from.date().until(to.date()).map_err(range)?.get_days();
    Ok(format!("= {calendar:#}; {days} calendar days; {seconds} seconds"))
}

impl Tool for TimeTool {
    fn spec(&self) -> ToolSpec {
        let text = json!({"type": "string"});
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "zone": {"type": "string", "description": "IANA name"},
                "at": {"type": "string", "description": "Date or time; default now"},
                "add": {"type": "string", "description": "Such as `2 weeks -3 hours`"},
                "until": text,
            },
        });
        let description = "The time now, in a zone; a date plus a span; the span between two dates.";
        ToolSpec { deeds: vec![Deed::Read], ..ToolSpec::new("time", description, schema) }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let told = arguments(&call).and_then(|asked| told(&asked, self.clock.now(), &self.zone));
        Box::pin(std::future::ready(told.map(ToolOutput::text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        zone: Option<&str>,
        at: Option<&str>,
        add: Option<&str>,
        until: Option<&str>,
    ) -> Result<String, String> {
        let text = |value: Option<&str>| value.map(str::to_owned);
        let asked = TimeArguments { zone: text(zone), at: text(at), add: text(add), until: text(until) };
        let now: Timestamp = "2026-11-21T15:30:00Z".parse().unwrap();
        told(&asked, now, &TimeZone::get("Asia/Seoul").unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn times_dates_and_spans() {
        for (zone, at, add, until, answer) in [
            (None, None, None, None, "2026-11-22T00:30:00+09:00[Asia/Seoul] Sunday (일), week 47, day 326"),
            (Some("UTC"), None, None, None, "2026-11-21T15:30:00+00:00[UTC] Saturday (토), week 47, day 325"),
            (
                None,
                Some("2028-02-28"),
                Some("1 day"),
                None,
                "2028-02-29T00:00:00+09:00[Asia/Seoul] Tuesday (화), week 9, day 60",
            ),
            (
                None,
                Some("2026-01-31"),
                Some("1 month"),
                None,
                "2026-02-28T00:00:00+09:00[Asia/Seoul] Saturday (토), week 9, day 59",
            ),
            // The night in which the clocks go forward has no 02:30.
            (
                Some("America/New_York"),
                Some("2026-03-08T01:30"),
                Some("1 hour"),
                None,
                "2026-03-08T03:30:00-04:00[America/New_York] Sunday (일), week 10, day 67",
            ),
        ] {
            assert_eq!(ask(zone, at, add, until).as_deref(), Ok(answer));
        }
        let span = ask(None, Some("2026-11-22"), None, Some("2027-01-01")).unwrap();
        assert!(span.ends_with("= 1mo 10d; 40 calendar days; 3456000 seconds"), "{span}");
    }

    #[test]
    fn what_is_not_understood() {
        assert_eq!(ask(Some("Asia/Nowhere"), None, None, None), Err("time.zone".into()));
        assert_eq!(ask(None, Some("someday"), None, None), Err("time.moment".into()));
        assert_eq!(ask(None, None, Some("a while"), None), Err("time.span".into()));
        assert_eq!(ask(None, None, Some("9000 years"), None), Err("time.range".into()));
    }
}
