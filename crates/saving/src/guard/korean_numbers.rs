//! Korean numerals: Sino-Korean (이십삼, 만, 억), native (하나, 둘, 스무) and digits with a factor (3만).

const DIGITS: &str = "영일이삼사오육칠팔구";
const NATIVE_TENS: [(&str, u32); 10] = [
    ("열", 10),
    ("스물", 20),
    ("스무", 20),
    ("서른", 30),
    ("마흔", 40),
    ("쉰", 50),
    ("예순", 60),
    ("일흔", 70),
    ("여든", 80),
    ("아흔", 90),
];
/// Native ones that stand alone, and those that stand only before a counter.
const NATIVE_ONES: [(&str, u32); 9] = [
    ("하나", 1),
    ("둘", 2),
    ("셋", 3),
    ("넷", 4),
    ("다섯", 5),
    ("여섯", 6),
    ("일곱", 7),
    ("여덟", 8),
    ("아홉", 9),
];
const ATTRIBUTIVE: [(&str, u32); 4] = [("한", 1), ("두", 2), ("세", 3), ("네", 4)];
/// What native numerals count.
const NATIVE_COUNTERS: [&str; 37] = [
    "시간", "시", "개", "명", "번", "달", "살", "잔", "마리", "권", "대", "곳", "가지", "통", "장", "병",
    "주", "해", "사람", "판", "배", "편", "군데", "켤레", "벌", "송이", "그루", "곡", "팀", "조각", "컵",
    "스푼", "쌍", "끼", "줄", "채", "척",
];
/// What one Sino-Korean digit may count: others make ordinary words (사회, 오일, 이번).
const DIGIT_COUNTERS: [&str; 18] = [
    "월",
    "개월",
    "층",
    "학년",
    "교시",
    "호선",
    "인분",
    "주일",
    "년",
    "퍼센트",
    "킬로",
    "달러",
    "번째",
    "단계",
    "주년",
    "박",
    "시간",
    "대",
];
/// What a counter counts, longer counters first where one begins another.
const COUNTERS: [(&str, &str); 62] = [
    ("개월", "month"),
    ("시간", "hour"),
    ("주일", "week"),
    ("주간", "week"),
    ("일간", "day"),
    ("년간", "year"),
    ("분간", "minute"),
    ("인분", "serving"),
    ("학년", "grade"),
    ("교시", "period"),
    ("호선", "line"),
    ("번째", "th"),
    ("단계", "step"),
    ("주년", "year"),
    ("퍼센트", "percent"),
    ("프로", "percent"),
    ("킬로그램", "kg"),
    ("킬로미터", "km"),
    ("킬로", "kilo"),
    ("센티", "cm"),
    ("미터", "m"),
    ("그램", "g"),
    ("리터", "l"),
    ("달러", "usd"),
    ("유로", "eur"),
    ("위안", "cny"),
    ("만원", "krw"),
    ("기가", "gb"),
    ("메가", "mb"),
    ("페이지", "page"),
    ("사람", "person"),
    ("마리", "animal"),
    ("가지", "item"),
    ("인치", "inch"),
    ("도씨", "celsius"),
    ("군데", "place"),
    ("시", "clock"),
    ("월", "mon"),
    ("일", "day"),
    ("년", "year"),
    ("분", "minute"),
    ("초", "second"),
    ("원", "krw"),
    ("엔", "jpy"),
    ("개", "item"),
    ("명", "person"),
    ("번", "times"),
    ("회", "times"),
    ("달", "month"),
    ("살", "age"),
    ("세", "age"),
    ("도", "degree"),
    ("층", "floor"),
    ("대", "unit"),
    ("잔", "cup"),
    ("권", "volume"),
    ("배", "fold"),
    ("위", "rank"),
    ("등", "rank"),
    ("박", "night"),
    ("통", "piece"),
    ("주", "week"),
];
/// Words that look like a numeral and a counter.
const WORDS: [&str; 17] = [
    "두통",
    "세대",
    "한도",
    "한시",
    "한번",
    "한편",
    "한판",
    "한대",
    "사대",
    "한통",
    "한장",
    "네시",
    "이대",
    "오대",
    "만일",
    "천만에",
    "한해",
];

/// A numeral at the start of a word: its value and the bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Numeral {
    /// The value.
    pub(super) value: f64,
    /// Bytes of the word that it takes.
    pub(super) bytes: usize,
    /// Whether it is a bare one (한, 하나): often an article.
    pub(super) article: bool,
}

/// Reads a numeral at the start of a word; `next` is the word after it, for a counter that stands apart.
pub(super) fn numeral(word: &str, next: Option<&str>) -> Option<Numeral> {
    if WORDS.iter().any(|known| *known != "네시" && word.starts_with(known)) {
        return None;
    }
    native(word, next).or_else(|| sino(word, next))
}

fn counted(rest: &str, next: Option<&str>, counters: &[&str]) -> bool {
    let starts = |text: &str| counters.iter().any(|counter| text.starts_with(counter));
    if rest.is_empty() { next.is_some_and(starts) } else { starts(rest) }
}

fn native(word: &str, next: Option<&str>) -> Option<Numeral> {
    let tens = NATIVE_TENS.iter().find(|(text, _)| word.starts_with(text));
    let (mut value, mut bytes) = tens.map_or((0, 0), |(text, value)| (*value, text.len()));
    let after = &word[bytes..];
    let mut certain = value >= 20;
    if let Some((text, ones)) = NATIVE_ONES.iter().find(|(text, _)| after.starts_with(text)) {
        (value, bytes) = (value + ones, bytes + text.len());
        certain = true;
    } else if let Some((text, ones)) = ATTRIBUTIVE.iter().find(|(text, _)| after.starts_with(text))
        && counted(&after[text.len()..], next, &NATIVE_COUNTERS)
    {
        (value, bytes) = (value + ones, bytes + text.len());
        certain = true;
    }
    let rest = &word[bytes..];
    let fits = counted(rest, next, &NATIVE_COUNTERS) || (certain && super::hangul::is_ending(rest));
    (value > 0 && fits).then_some(Numeral { value: f64::from(value), bytes, article: value == 1 })
}

fn sino(word: &str, next: Option<&str>) -> Option<Numeral> {
    let (mut total, mut section, mut digit) = (0.0, 0.0, None::<f64>);
    let (mut bytes, mut syllables, mut factors) = (0, 0, 0);
    for c in word.chars() {
        let unit = match c {
            '십' => 10.0,
            '백' => 100.0,
            '천' => 1_000.0,
            '만' => 1e4,
            '억' => 1e8,
            '조' => 1e12,
            _ => 0.0,
        };
        if unit > 0.0 {
            if unit < 1e4 {
                section += digit.take().unwrap_or(1.0) * unit;
            } else {
                let whole = section + digit.take().unwrap_or(0.0);
                total += if whole > 0.0 { whole } else { 1.0 } * unit;
                section = 0.0;
            }
            factors += 1;
        } else if let Some(value) = DIGITS.chars().position(|d| d == c).filter(|_| digit.is_none()) {
            digit = Some(value as f64);
        } else {
            break;
        }
        (bytes, syllables) = (bytes + c.len_utf8(), syllables + 1);
    }
    let value = total + section + digit.unwrap_or(0.0);
    let rest = &word[bytes..];
    let fits = if syllables == 1 {
        counted(rest, next.filter(|_| factors > 0 || "삼육칠팔".contains(word)), &DIGIT_COUNTERS)
    } else {
        factors > 0
            && (counter(rest).is_some() || (syllables > 1 && rest.is_empty()) || rest == "에" || rest == "을")
    };
    (fits && value > 0.0).then_some(Numeral { value, bytes, article: false })
}

/// The factor and counter in what follows digits: `만원` is 10,000 and `원`.
pub(super) fn factor(tail: &str) -> (f64, &str) {
    for (text, factor) in [
        ("천만", 1e7),
        ("백만", 1e6),
        ("십만", 1e5),
        ("만", 1e4),
        ("천억", 1e11),
        ("백억", 1e10),
        ("억", 1e8),
        ("천", 1e3),
        ("백", 1e2),
        ("조", 1e12),
    ] {
        if let Some(rest) = tail.strip_prefix(text) {
            return (factor, rest);
        }
    }
    (1.0, tail)
}

/// The counter that a text begins with, in a form that both languages share where one exists.
pub(super) fn counter(text: &str) -> Option<(&'static str, usize)> {
    COUNTERS.iter().find(|(korean, _)| text.starts_with(korean)).map(|(korean, unit)| (*unit, korean.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals() {
        for (word, next, value) in [
            ("이십삼", None, 23.0),
            ("삼십", Some("대"), 30.0),
            ("스무", Some("살"), 20.0),
            ("열두시에", None, 12.0),
            ("네", Some("개"), 4.0),
            ("세개", None, 3.0),
            ("하나만", None, 1.0),
            ("백만원", None, 1e6),
            ("삼억오천만원", None, 3.5e8),
            ("칠월", None, 7.0),
            ("다섯명", None, 5.0),
        ] {
            assert_eq!(numeral(word, next).map(|n| n.value), Some(value), "{word}");
        }
    }

    #[test]
    fn words_that_begin_like_numerals() {
        for word in [
            "두통",
            "세탁기",
            "네이버",
            "이번",
            "사회",
            "오일",
            "일정",
            "만약",
            "구글",
            "한국",
            "천천히",
            "조명",
            "백업",
            "이상",
        ] {
            assert_eq!(numeral(word, None), None, "{word}");
        }
    }

    #[test]
    fn factors() {
        assert_eq!(factor("만원"), (1e4, "원"));
        assert_eq!(counter("개월"), Some(("month", 6)));
    }
}
