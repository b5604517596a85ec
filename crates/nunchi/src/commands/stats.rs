//! `stats`: what was spent.

use super::export::export;
use super::{Desk, escaped};
use crate::cli::{GroupingArg, Stats};
use crate::config::parse_time;
use crate::failure::Failure;
use crate::render::{bar, duration, grouped, local, table, usd};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use nunchi_core::{Grouping, NanoUsd, Savings, Total};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Answer {
    by: Grouping,
    groups: Vec<Total>,
    total: Total,
}

/// Fields of the savings that are amounts.
const SAVINGS: [&str; 10] = [
    "baseline",
    "spent",
    "exact",
    "semantic",
    "tier",
    "overhead",
    "prompt_cache",
    "tools",
    "compression",
    "batch",
];

/// Shows totals by group.
pub(crate) async fn stats(desk: &Desk, flags: &Stats) -> Result<(), Failure> {
    let (since, until) = period(&flags.period, &desk.config.time_zone)?;
    if let Some(file) = &flags.export {
        return export(desk, file, (since, until)).await;
    }
    let mut path =
        if flags.savings { "/api/savings?".to_owned() } else { format!("/api/stats?by={}", name(flags.by)) };
    for (key, time) in [("since", since), ("until", until)] {
        if let Some(time) = time {
            path.push_str(&format!("&{key}={}", escaped(&time.to_string())));
        }
    }
    if flags.savings {
        let saved: Savings = desk.client.get(&path).await?;
        return desk.show_money(&saved, &SAVINGS, || savings(desk, &saved));
    }
    let answer: Answer = desk.client.get(&path).await?;
    desk.show_money(&answer, &["cost", "baseline_cost"], || text(desk, flags, &answer))
}

fn text(desk: &Desk, flags: &Stats, answer: &Answer) -> String {
    let lang = desk.lang;
    if answer.total.calls == 0 {
        return lang.pick("No calls in this period.", "이 기간에는 호출이 없습니다.").to_owned();
    }
    let headings = lang.pick(
        [
            name(flags.by),
            ">calls",
            ">hits",
            ">failed",
            ">tokens in",
            ">out",
            ">cost",
            ">local",
            ">saved",
            ">p95",
            "",
        ],
        [
            korean_name(flags.by),
            ">호출",
            ">적중",
            ">실패",
            ">입력 토큰",
            ">출력",
            ">비용",
            ">원화",
            ">절약",
            ">p95",
            "",
        ],
    );
    let most = answer.groups.iter().map(|total| total.cost.0).max().unwrap_or(0).max(1);
    let row = |total: &Total, share: i64| {
        vec![
            total.group.clone(),
            grouped(total.calls),
            grouped(total.cache_hits),
            grouped(total.failed),
            grouped(total.usage.prompt_tokens()),
            grouped(total.usage.completion_tokens()),
            usd(total.cost),
            local(total.cost, &desk.config.rate.currency),
            usd(total.baseline_cost - total.cost),
            duration(total.p95_latency_us),
            bar(u64::try_from(share).unwrap_or(0)),
        ]
    };
    let mut rows: Vec<_> = answer.groups.iter().map(|total| row(total, total.cost.0 * 100 / most)).collect();
    let mut last = row(&answer.total, 0);
    last[0] = lang.pick("total", "합계").to_owned();
    last[10].clear();
    rows.push(last);
    table(&headings, rows)
}

/// Each cause with its share of the baseline.
fn savings(desk: &Desk, saved: &Savings) -> String {
    let lang = desk.lang;
    if saved.calls == 0 {
        return lang.pick("No calls in this period.", "이 기간에는 호출이 없습니다.").to_owned();
    }
    let whole = i128::from(saved.baseline.0.max(1));
    let row = |cause: &str, money: NanoUsd| {
        let tenths = i128::from(money.0) * 1_000 / whole;
        let share = u64::try_from(tenths / 10).unwrap_or(0);
        let (sign, tenths) = (if tenths < 0 { "-" } else { "" }, tenths.unsigned_abs());
        vec![
            cause.to_owned(),
            usd(money),
            local(money, &desk.config.rate.currency),
            format!("{sign}{}.{} %", tenths / 10, tenths % 10),
            bar(share),
        ]
    };
    let rows = [
        (lang.pick("baseline, no cache", "기준 모델, 캐시 없음"), saved.baseline),
        (lang.pick("exact cache", "정확 캐시"), saved.exact),
        (lang.pick("shared by meaning", "의미로 공유"), saved.semantic),
        (lang.pick("cheaper models", "더 싼 모델"), saved.tier),
        (lang.pick("prompt cache", "프롬프트 캐시"), saved.other.prompt_cache),
        (lang.pick("tools not sent", "보내지 않은 도구"), saved.other.tools),
        (lang.pick("compression", "압축"), saved.other.compression),
        (lang.pick("batches", "배치"), saved.other.batch),
        (lang.pick("saved in all", "절약 합계"), saved.total()),
        (lang.pick("spent", "지출"), saved.spent),
        (lang.pick("of that, in order to save", "그중 절약을 위한 지출"), saved.overhead),
    ];
    let headings =
        lang.pick(["", ">USD", ">local", ">of the baseline", ""], ["", ">달러", ">원화", ">기준 대비", ""]);
    table(&headings, rows.map(|(cause, money)| row(cause, money)))
}

const fn name(by: GroupingArg) -> &'static str {
    match by {
        GroupingArg::Provider => "provider",
        GroupingArg::Model => "model",
        GroupingArg::Session => "session",
        GroupingArg::Phase => "phase",
        GroupingArg::Task => "task",
        GroupingArg::Key => "key",
        GroupingArg::Tier => "tier",
        GroupingArg::Day => "day",
        GroupingArg::Outcome => "outcome",
        GroupingArg::Cache => "cache",
    }
}

const fn korean_name(by: GroupingArg) -> &'static str {
    match by {
        GroupingArg::Provider => "제공자",
        GroupingArg::Model => "모델",
        GroupingArg::Session => "대화",
        GroupingArg::Phase => "단계",
        GroupingArg::Task => "작업",
        GroupingArg::Key => "키",
        GroupingArg::Tier => "등급",
        GroupingArg::Day => "날짜",
        GroupingArg::Outcome => "결과",
        GroupingArg::Cache => "캐시",
    }
}

type Period = (Option<Timestamp>, Option<Timestamp>);

/// `today`, `week`, `month`, `all`, `24h`, `7d`, `2026-01-01..2026-02-01` (the second day is included).
fn period(text: &str, zone: &TimeZone) -> Result<Period, Failure> {
    let now = Timestamp::now().to_zoned(zone.clone());
    let bad = || {
        let (en, ko) = (format!("`{text}` is no period"), format!("`{text}`은(는) 기간이 아닙니다"));
        Failure::plain("stats.period", en, ko).with_hint(
            "today, week, month, all, 24h, 7d, or 2026-01-01..2026-01-31",
            "today, week, month, all, 24h, 7d 또는 2026-01-01..2026-01-31",
        )
    };
    let midnight = |day: Date| day.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
    let start = |zoned: Zoned| midnight(zoned.date()).map_err(|_| bad());
    match text {
        "all" => Ok((None, None)),
        "today" => Ok((Some(start(now)?), None)),
        "week" => {
            let back = i64::from(now.weekday().to_monday_zero_offset());
            Ok((Some(start(now.saturating_sub(back.days()))?), None))
        }
        "month" => Ok((Some(start(now.first_of_month().map_err(|_| bad())?)?), None)),
        _ => match text.split_once("..") {
            Some((from, to)) => {
                let from: Date = from.parse().map_err(|_| bad())?;
                let to: Date = to.parse().map_err(|_| bad())?;
                let after = to.tomorrow().map_err(|_| bad())?;
                Ok((Some(midnight(from).map_err(|_| bad())?), Some(midnight(after).map_err(|_| bad())?)))
            }
            None => {
                let length = parse_time(text).filter(|length| !length.is_zero()).ok_or_else(bad)?;
                Ok((Some(now.timestamp().checked_sub(length).map_err(|_| bad())?), None))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        let (since, until) = period("2026-01-01..2026-01-31", &zone).unwrap();
        assert_eq!(since.unwrap().to_string(), "2025-12-31T15:00:00Z");
        assert_eq!(until.unwrap().to_string(), "2026-01-31T15:00:00Z");
        for good in ["today", "week", "month", "all", "24h", "7d"] {
            assert!(period(good, &zone).is_ok(), "{good}");
        }
        for bad in ["yesterdayish", "", "0h", "2026-13-01..2026-01-01", "7y"] {
            assert!(period(bad, &zone).is_err(), "{bad}");
        }
    }
}
