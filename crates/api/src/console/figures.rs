//! How money, tokens, durations and moments are written for people.

use super::Currency;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::{Lang, NanoUsd};

/// Dollars as a headline figure: the smaller the amount, the more decimals.
pub(crate) fn usd(amount: NanoUsd) -> String {
    let size = amount.0.unsigned_abs();
    let digits = match size {
        0 => 2,
        size if size < 10_000_000 => 6,
        size if size < 1_000_000_000 => 4,
        _ => 2,
    };
    dollars(amount, digits)
}

/// Dollars of one call, always with six decimals so that columns line up.
pub(crate) fn usd_fine(amount: NanoUsd) -> String {
    if (1..500).contains(&amount.0) { "< $0.000001".to_owned() } else { dollars(amount, 6) }
}

fn dollars(amount: NanoUsd, digits: u32) -> String {
    let text = amount.usd_string(digits);
    match text.strip_prefix('-') {
        Some(rest) => format!("-${}", grouped_decimal(rest)),
        None => format!("${}", grouped_decimal(&text)),
    }
}

fn grouped_decimal(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped_digits(whole)),
        None => grouped_digits(text),
    }
}

fn grouped_digits(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An amount in the owner's currency, in whole units.
pub(crate) fn local(amount: NanoUsd, currency: &Currency) -> String {
    let sign = match currency.code.as_str() {
        "KRW" => "₩".to_owned(),
        "JPY" | "CNY" => "¥".to_owned(),
        "EUR" => "€".to_owned(),
        "GBP" => "£".to_owned(),
        code => format!("{code} "),
    };
    let units = amount.to_local(currency.milli_units_per_usd);
    if units == 0 && amount.0 > 0 {
        return format!("< {sign}1");
    }
    let minus = if units < 0 { "-" } else { "" };
    format!("{minus}{sign}{}", grouped_digits(&units.unsigned_abs().to_string()))
}

/// A count with thousands apart.
pub(crate) fn count(number: u64) -> String {
    grouped_digits(&number.to_string())
}

/// A count in a few letters: `1.2M`.
pub(crate) fn short_count(number: u64) -> String {
    let scaled = |unit: u64, letter: char| {
        let tenths = number / (unit / 10);
        if tenths >= 1_000 {
            format!("{}{letter}", tenths / 10)
        } else {
            format!("{}.{}{letter}", tenths / 10, tenths % 10)
        }
    };
    match number {
        0..10_000 => count(number),
        10_000..1_000_000 => scaled(1_000, 'k'),
        1_000_000..1_000_000_000 => scaled(1_000_000, 'M'),
        _ => scaled(1_000_000_000, 'G'),
    }
}

/// A duration given in microseconds.
pub(crate) fn latency(micros: u64) -> String {
    let millis = micros / 1_000;
    match micros {
        0..1_000 => "< 1 ms".to_owned(),
        1_000..1_000_000 => format!("{millis} ms"),
        1_000_000..100_000_000 => format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10),
        _ => format!("{} s", count(millis / 1_000)),
    }
}

/// A share in per cent, with one decimal.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = u128::from(part) * 1_000 / u128::from(whole);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// The time of day.
pub(crate) fn clock_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The calendar day.
pub(crate) fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// Day and time, for titles.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// How long ago something was.
pub(crate) fn ago(at: Timestamp, now: Timestamp, lang: Lang) -> String {
    let span = now.duration_since(at);
    if span.as_secs() < 60 {
        return lang.pick("just now", "방금").to_owned();
    }
    let span = rough(span, lang);
    lang.pick(format!("{span} ago"), format!("{span} 전"))
}

/// When a budget starts anew.
pub(crate) fn resets_in(at: Timestamp, now: Timestamp, lang: Lang) -> String {
    let span = rough(at.duration_since(now), lang);
    lang.pick(format!("resets in {span}"), format!("{span} 후 초기화"))
}

/// How long it is until a moment.
pub(crate) fn time_until(at: Timestamp, now: Timestamp, lang: Lang) -> String {
    rough(at.duration_since(now), lang)
}

fn rough(span: SignedDuration, lang: Lang) -> String {
    let minutes = span.as_secs().max(0) / 60;
    match minutes {
        0..60 => lang.pick(format!("{minutes} min"), format!("{minutes}분")),
        60..2_880 => lang.pick(format!("{} h", minutes / 60), format!("{}시간", minutes / 60)),
        _ => lang.pick(format!("{} days", minutes / 1_440), format!("{}일", minutes / 1_440)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let won = Currency { code: "KRW".into(), milli_units_per_usd: 1_390_500 };
        for (nanos, headline, fine, in_won) in [
            (0, "$0.00", "$0.000000", "₩0"),
            (3, "$0.000000", "< $0.000001", "< ₩1"),
            (420_000, "$0.000420", "$0.000420", "₩1"),
            (14_500_000, "$0.0145", "$0.014500", "₩20"),
            (1_234_567_000_000, "$1,234.57", "$1,234.567000", "₩1,716,665"),
            (-2_000_000_000, "-$2.00", "-$2.000000", "-₩2,781"),
        ] {
            let amount = NanoUsd(nanos);
            assert_eq!((usd(amount).as_str(), usd_fine(amount).as_str()), (headline, fine));
            assert_eq!(local(amount, &won), in_won);
        }
        let other = Currency { code: "CHF".into(), milli_units_per_usd: 900 };
        assert_eq!(local(NanoUsd::from_usd(10), &other), "CHF 9");
    }

    #[test]
    fn counts_and_durations() {
        for (number, shown) in [
            (7, "7"),
            (9_999, "9,999"),
            (12_345, "12.3k"),
            (456_789, "456k"),
            (1_250_000, "1.2M"),
            (3_000_000_000, "3.0G"),
        ] {
            assert_eq!(short_count(number), shown);
        }
        for (micros, shown) in [
            (999, "< 1 ms"),
            (1_500, "1 ms"),
            (999_999, "999 ms"),
            (1_240_000, "1.24 s"),
            (3_600_000_000, "3,600 s"),
        ] {
            assert_eq!(latency(micros), shown);
        }
        assert_eq!(percent(1, 3), "33.3%");
        assert_eq!(percent(0, 0), "–");
        let now = Timestamp::from_second(1_000_000).unwrap();
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        assert_eq!(resets_in(later(3_599), now, Lang::En), "resets in 59 min");
        assert_eq!(resets_in(later(5 * 3_600), now, Lang::Ko), "5시간 후 초기화");
        assert_eq!(ago(now, later(3 * 86_400), Lang::En), "3 days ago");
        assert_eq!(ago(later(60), now, Lang::En), "just now");
    }
}
