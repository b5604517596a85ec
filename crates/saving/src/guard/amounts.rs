//! Numbers in a text with what they count: amounts, prices, times of the day and dates, in both languages.

use super::english;
use super::korean_numbers as korean;
use super::lexicon::{Kind, LEXICON};
use super::slot::Slot;
use super::text::{Script, Token};

/// What a run of tokens amounts to, and the token after it.
#[derive(Debug)]
pub(super) struct Amount {
    /// Slot values.
    pub(super) values: Vec<(Slot, String)>,
    /// The first token that is not part of it.
    pub(super) next: usize,
}

/// Reads an amount at a token, if there is one.
pub(super) fn read(tokens: &[Token], at: usize) -> Option<Amount> {
    let token = &tokens[at];
    match token.script {
        Script::Digits => digits(tokens, at),
        Script::Hangul => hangul(tokens, at),
        Script::Latin => words(tokens, at),
        Script::Mark => currency(tokens, at),
        Script::Literal | Script::Other => None,
    }
}

/// `$5`, `₩3,000`.
fn currency(tokens: &[Token], at: usize) -> Option<Amount> {
    let unit = match tokens[at].text.as_str() {
        "$" => "usd",
        "₩" => "krw",
        "€" => "eur",
        "£" => "gbp",
        "¥" => "jpy",
        _ => return None,
    };
    let number = tokens.get(at + 1).filter(|token| token.script == Script::Digits && token.glued)?;
    let (value, tail) = leading_number(&number.text)?;
    let factor = english::scale(tail).unwrap_or(1.0);
    let mut next = at + 2;
    let mut value = value * factor;
    if let Some(scale) = tokens.get(next).and_then(|token| english::scale(&token.text)) {
        (value, next) = (value * scale, next + 1);
    }
    Some(Amount { values: vec![(Slot::Number, spelled(value, unit))], next })
}

fn digits(tokens: &[Token], at: usize) -> Option<Amount> {
    let text = tokens[at].text.as_str();
    if let Some(values) = calendar_date(text) {
        return Some(Amount { values, next: at + 1 });
    }
    if let Some(values) = clock(text) {
        return Some(Amount { values, next: at + 1 });
    }
    let (value, tail) = leading_number(text)?;
    let glued = tokens.get(at + 1).filter(|next| next.glued && next.script == Script::Hangul);
    if let Some(next) = glued.filter(|_| tail.is_empty()) {
        let (factor, rest) = korean::factor(&next.text);
        let after = tokens.get(at + 2);
        return Some(counted(value * factor, rest, after, at + 2, false));
    }
    if let Some(next) = tokens.get(at + 1).filter(|next| next.script == Script::Hangul && tail.is_empty())
        && korean::counter(&next.text).is_some()
    {
        return Some(counted(value, &next.text, tokens.get(at + 2), at + 2, false));
    }
    Some(english_amount(tokens, at, value, tail))
}

fn hangul(tokens: &[Token], at: usize) -> Option<Amount> {
    let next = tokens.get(at + 1).filter(|next| next.script == Script::Hangul);
    let numeral = korean::numeral(&tokens[at].text, next.map(|next| next.text.as_str()))?;
    let rest = &tokens[at].text[numeral.bytes..];
    if let Some(next) = next.filter(|next| rest.is_empty() && korean::counter(&next.text).is_some()) {
        return Some(counted(numeral.value, &next.text, tokens.get(at + 2), at + 2, numeral.article));
    }
    Some(counted(numeral.value, rest, tokens.get(at + 1), at + 1, numeral.article))
}

/// A value with the Korean counter that follows it; `after` may hold `반` (half past).
fn counted(value: f64, rest: &str, after: Option<&Token>, next: usize, article: bool) -> Amount {
    let found = korean::counter(rest);
    let tail = found.map_or(rest, |(_, length)| &rest[length..]);
    let unit = found.map_or("", |(unit, _)| unit);
    let one = |slot, value| Amount { values: vec![(slot, value)], next };
    match unit {
        "clock" if value <= 24.0 => {
            let half = tail.starts_with('반') || after.is_some_and(|token| token.text.starts_with('반'));
            let used = usize::from(half && !tail.starts_with('반'));
            let minutes = value * 60.0 + if half { 30.0 } else { 0.0 };
            Amount { values: clock_values(minutes), next: next + used }
        }
        "mon" if value <= 12.0 => one(Slot::Date, format!("mon:{value}")),
        "day" if value <= 31.0 && !tail.starts_with('동') && !tail.starts_with('간') => {
            one(Slot::Date, format!("day:{value}"))
        }
        "year" if value >= 1_000.0 => one(Slot::Date, format!("year:{value}")),
        // A bare `하나` or `한` is mostly an article.
        _ if article => Amount { values: Vec::new(), next },
        "times" if rest.starts_with("번") && (value - 1.0).abs() < f64::EPSILON => {
            Amount { values: Vec::new(), next }
        }
        _ => one(Slot::Number, spelled(value, unit)),
    }
}

/// English number words: `twenty three`, `two hundred thousand`.
fn words(tokens: &[Token], at: usize) -> Option<Amount> {
    if let Some(amount) = month_and_day(tokens, at) {
        return Some(amount);
    }
    let (mut value, mut next) = (0.0, at);
    let mut ones = None;
    while let Some(token) = tokens.get(next).filter(|token| token.script == Script::Latin) {
        if let Some(small) = english::small_number(&token.text)
            .filter(|_| ones.is_none_or(|o: f64| o >= 20.0 && o % 10.0 == 0.0))
        {
            ones = Some(ones.unwrap_or(0.0) + small);
        } else if let Some(scale) = english::scale(&token.text).filter(|_| next > at && token.text.len() > 1)
        {
            value = (value + ones.take().unwrap_or(if value > 0.0 { 0.0 } else { 1.0 })) * scale;
        } else {
            break;
        }
        next += 1;
    }
    let value = value + ones.unwrap_or(0.0);
    let alone = next == at + 1;
    // `one`, `first` and `second` are mostly no amounts; `a second` is a unit.
    if next == at || (alone && matches!(tokens[at].text.as_str(), "one" | "first" | "second")) {
        return None;
    }
    let mut amount = english_amount(tokens, next - 1, value, "");
    amount.next = amount.next.max(next);
    Some(amount)
}

/// `March 5th`, `5 March`, `May 3`.
fn month_and_day(tokens: &[Token], at: usize) -> Option<Amount> {
    let month = |token: &Token| {
        let name = token.text.as_str();
        let entry = LEXICON.phrase(&english::stem(name)).filter(|entry| entry.kind == Kind::Date)?;
        entry.concept.strip_prefix("mon:").map(str::to_owned)
    };
    let month = month(&tokens[at])
        .or_else(|| (tokens[at].text == "may" && tokens[at].capital).then(|| "5".to_owned()))?;
    let day = tokens.get(at + 1).filter(|next| next.script == Script::Digits);
    let day = day.and_then(|day| leading_number(&day.text)).filter(|(day, _)| *day <= 31.0);
    let Some((day, _)) = day else {
        return (tokens[at].text != "may")
            .then(|| Amount { values: vec![(Slot::Date, format!("mon:{month}"))], next: at + 1 });
    };
    let values = vec![(Slot::Date, format!("mon:{month}")), (Slot::Date, format!("day:{day}"))];
    Some(Amount { values, next: at + 2 })
}

/// A value with what follows it in English: am or pm, a scale, a unit.
fn english_amount(tokens: &[Token], at: usize, value: f64, tail: &str) -> Amount {
    let next = tokens.get(at + 1).filter(|token| token.script != Script::Mark);
    let after = next.map_or("", |token| token.text.as_str());
    let (word, used) = if tail.is_empty() { (after, 1) } else { (tail, 0) };
    let meridiem = match word {
        "am" | "a.m" => Some("am"),
        "pm" | "p.m" => Some("pm"),
        _ => None,
    };
    if let Some(half) = meridiem.filter(|_| value <= 12.0) {
        let mut values = clock_values(value * 60.0);
        values.push((Slot::Time, format!("half:{half}")));
        return Amount { values, next: at + 1 + used };
    }
    if word == "o'clock" {
        return Amount { values: clock_values(value * 60.0), next: at + 1 + used };
    }
    if let Some(scale) = english::scale(word) {
        let mut amount = english_amount(tokens, at + used, value * scale, "");
        amount.next = amount.next.max(at + 1 + used);
        return amount;
    }
    if matches!(tail, "st" | "nd" | "rd" | "th") {
        let following = next.and_then(|token| LEXICON.phrase(&english::stem(&token.text)));
        let value = following.and_then(|entry| entry.concept.strip_prefix("mon:")).map_or_else(
            || vec![(Slot::Number, spelled(value, ""))],
            |month| vec![(Slot::Date, format!("mon:{month}")), (Slot::Date, format!("day:{value}"))],
        );
        let used = usize::from(value.len() == 2);
        return Amount { values: value, next: at + 1 + used };
    }
    if (1900.0..2100.0).contains(&value)
        && tail.is_empty()
        && value.fract() == 0.0
        && unit_of(after).is_none()
    {
        return Amount { values: vec![(Slot::Date, format!("year:{value}"))], next: at + 1 };
    }
    let unit = unit_of(word);
    let next = at + 1 + if unit.is_some() { used } else { 0 };
    Amount { values: vec![(Slot::Number, spelled(value, unit.unwrap_or("")))], next }
}

fn unit_of(word: &str) -> Option<&'static str> {
    if word.is_empty() {
        return None;
    }
    LEXICON.phrase(&english::stem(word)).filter(|entry| entry.kind == Kind::Unit).map(|entry| entry.concept)
}

/// `2024-03-05`, `2024/3/5`, `3/5`.
fn calendar_date(text: &str) -> Option<Vec<(Slot, String)>> {
    let parts: Vec<u32> = text.split(['-', '/', '.']).map(str::parse).collect::<Result<_, _>>().ok()?;
    let date = |name: &str, value: u32| (Slot::Date, format!("{name}:{value}"));
    match parts.as_slice() {
        [year, month, day] if (1000..3000).contains(year) && *month <= 12 && *day <= 31 => {
            Some(vec![date("year", *year), date("mon", *month), date("day", *day)])
        }
        [month, day] if text.contains('/') && (1..=12).contains(month) && (1..=31).contains(day) => {
            Some(vec![date("mon", *month), date("day", *day)])
        }
        _ => None,
    }
}

/// `15:30`, `3:30pm`.
fn clock(text: &str) -> Option<Vec<(Slot, String)>> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, tail) = rest.split_at_checked(2)?;
    let (hours, minutes): (f64, f64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 24.0 || minutes >= 60.0 {
        return None;
    }
    let mut values = clock_values(hours * 60.0 + minutes);
    if matches!(tail, "am" | "pm") {
        values.push((Slot::Time, format!("half:{tail}")));
    }
    Some(values)
}

/// Minutes on a face of twelve hours; hours after noon on a face of 24 say which half.
fn clock_values(minutes: f64) -> Vec<(Slot, String)> {
    let mut values = vec![(Slot::Time, format!("clock:{}", minutes % 720.0))];
    if minutes >= 780.0 {
        values.push((Slot::Time, "half:pm".to_owned()));
    }
    values
}

/// The number that a text begins with, commas dropped, and what follows it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(text.len());
    let number: String = text[..end].chars().filter(|c| *c != ',').collect();
    let value: f64 = number.parse().ok()?;
    value.is_finite().then_some((value, &text[end..]))
}

fn spelled(value: f64, unit: &str) -> String {
    if unit.is_empty() { format!("{value}") } else { format!("{value} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Question;

    fn values(text: &str) -> Vec<String> {
        let question = Question::read(text);
        [Slot::Number, Slot::Date, Slot::Time]
            .into_iter()
            .flat_map(|slot| question.values(slot).map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn both_languages_give_the_same_values() {
        for (text, expected) in [
            ("3만원 이하", vec!["30000 krw"]),
            ("삼만 원짜리", vec!["30000 krw"]),
            ("30,000 won", vec!["30000 krw"]),
            ("$5 million", vec!["5000000 usd"]),
            ("twenty three people", vec!["23 person"]),
            ("사람 스물세 명", vec!["23 person"]),
            ("3월 5일", vec!["day:5", "mon:3"]),
            ("March 5th", vec!["day:5", "mon:3"]),
            ("2024-03-05", vec!["day:5", "mon:3", "year:2024"]),
            ("15:30", vec!["clock:210", "half:pm"]),
            ("3:30pm", vec!["clock:210", "half:pm"]),
            ("세 시 반에", vec!["clock:210"]),
            ("5 km", vec!["5 km"]),
            ("5km", vec!["5 km"]),
            ("two hundred thousand won", vec!["200000 krw"]),
            ("in 1997", vec!["year:1997"]),
            ("1997년에", vec!["year:1997"]),
            ("３개", vec!["3 item"]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }
}
