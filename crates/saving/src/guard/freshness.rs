//! How long an answer stays true, by the class of its question, in both languages.

use jiff::SignedDuration;
use nunchi_core::{live_word, own_words};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use std::time::Duration;

/// How long an answer to a question of this class may be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// It changes while one looks: neither stored nor served.
    Never,
    /// It changes within the hour: prices of goods, waiting times, traffic.
    Minutes,
    /// It changes within days: versions, opening hours, office holders, rankings.
    Hours,
    /// Nothing in the question says that it changes.
    #[default]
    Default,
}

impl Freshness {
    /// The longest time an answer is kept; `None` leaves it to the entry's own time to live.
    pub fn longest(self) -> Option<Duration> {
        match self {
            Self::Never => Some(Duration::ZERO),
            Self::Minutes => Some(Duration::from_secs(10 * 60)),
            Self::Hours => Some(Duration::from_secs(6 * 60 * 60)),
            Self::Default => None,
        }
    }

    /// How long an answer is kept when the caller does not say: shorter than usual for questions whose answers change.
    pub fn life(self, usual: Duration) -> Duration {
        self.longest().map_or(usual, |longest| longest.min(usual))
    }

    /// Whether an answer of this age still answers a question of this class.
    pub fn holds(self, age: SignedDuration) -> bool {
        self.longest().is_none_or(|longest| age.unsigned_abs() < longest)
    }
}

/// Questions that core calls live for one word of theirs, while their answer holds for hours.
const HOURS_DESPITE: &str = r"(?i)(?-u:\b)(?:latest|newest|current|most recent)\s+(?:stable\s+|lts\s+)?(?:versions?|releases?)(?-u:\b)|(?-u:\b)(?:latest|newest)\s+(?-u:[\w.+#-]+)\s+(?:version|release)|최신\s*(?:\S{1,12}\s*)?(?:버전|릴리[스즈]|판)|현재\s*버전|영업\s*시간|개장\s*시간";

/// Changes within the hour.
const MINUTES: &str = r"(?i)(?-u:\b)(?:in stock|sold out|availability|wait(?:ing)? time|queue|traffic|delivery status|order status|where is my (?:order|package|parcel)|track my|battery level|seats? left|price of|cost of an?|how much (?:is|are|(?:does|do|will|would) .{1,40} cost)|cheapest (?:flight|hotel|ticket)s?|flights? from|unread)(?-u:\b)|(?-u:\b)what (?:does|do|will|would) .{1,60} cost\s*(?:[?.!]|$)|재고|품절|매진|대기\s*시간|교통\s*(?:상황|정보)|막히|배송\s*(?:조회|상태|현황)|택배.{0,8}어디|주문.{0,8}어디|남은\s*좌석|가격|(?:기름|휘발유|경유|집|땅|금|은|쌀|밥|고기|커피|담배|배추|과일|채소|계란|달걀)\s?값|값이?\s*(?:얼마|비싸|비싼|싸|싼|올랐|내렸|어때)|얼마(?:야|예요|에요|인가|니|지|죠|\?|$)|최저가|항공권|안\s*읽은|읽지\s*않은";

/// Changes within days.
const HOURS: &str = r"(?i)(?-u:\b)(?:opening hours|business hours|open(?:ing)? (?:time|on)|close[sd]? (?:at|on)|what time does .{1,60} (?:open|close|start|leave|arrive)|timetable|who is the (?:ceo|president|prime minister|king|queen|mayor|chancellor|pope|chairman|owner|coach|captain)|(?:ceo|president|prime minister|mayor) of|top (?:ten|\d+)|rank(?:ing|ed)|standings|richest|best[- ]selling|box office|interest rate|minimum wage|how many (?:users|employees|subscribers|followers)|population of|schedule|deadline|agenda|appointments?|salary at|job openings?|new features?)(?-u:\b)|몇\s*시에\s*(?:열|닫|시작|출발|도착|문)|(?:여는|닫는)\s*시간|시간표|운영\s*시간|(?:대통령|총리|시장|사장|대표|CEO|감독|회장|왕)[이은는]?\s*(?:누구|이름)|순위|랭킹|1위|금리|최저\s*임금|인구|일정|스케[줄쥴]|마감일?|약속|채용|신기능|새로운\s*기능|가입자|사용자\s*수";

static PATTERNS: LazyLock<Option<[Regex; 3]>> = LazyLock::new(|| {
    Some([Regex::new(HOURS_DESPITE).ok()?, Regex::new(MINUTES).ok()?, Regex::new(HOURS).ok()?])
});

/// The bytes at either end of a long text that are looked at.
const ENDS: usize = 2_000;

/// The class of a question, by the words that ask. When in doubt the shorter time wins: a needless call is cheaper than a stale
/// answer.
pub fn freshness(text: &str) -> Freshness {
    own_words(text).into_iter().map(class).min().unwrap_or_default()
}

fn class(text: &str) -> Freshness {
    let Some([despite, minutes, hours]) = PATTERNS.as_ref() else { return Freshness::Never };
    if text.len() > 2 * ENDS {
        let head = &text[..text.floor_char_boundary(ENDS)];
        let tail = &text[text.ceil_char_boundary(text.len() - ENDS)..];
        return class(head).min(class(tail));
    }
    let excused = despite.replace_all(text, " ");
    match () {
        () if live_word(&excused).is_some() => Freshness::Never,
        () if minutes.is_match(text) => Freshness::Minutes,
        () if excused.len() != text.len() || hours.is_match(text) => Freshness::Hours,
        () => Freshness::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        use Freshness::{Default, Hours, Minutes, Never};
        for (text, class) in [
            ("What is the weather in Seoul?", Never),
            ("지금 몇 시야?", Never),
            ("bitcoin price", Never),
            ("What is the latest version of Rust today?", Never),
            ("latest version of Rust", Hours),
            ("What's the newest Node release?", Hours),
            ("파이썬 최신 버전이 뭐야?", Hours),
            ("영업시간 알려줘", Hours),
            ("What are the opening hours of the Louvre?", Hours),
            ("은행은 토요일에 몇 시에 열어?", Hours),
            ("Who is the CEO of Microsoft?", Hours),
            ("How much is a Big Mac?", Minutes),
            ("어린이 장화 가격 알려줘", Minutes),
            ("What does a Big Mac cost?", Minutes),
            ("What would two tickets to the zoo cost?", Minutes),
            ("기름값 알려줘", Minutes),
            ("배추 값 올랐어?", Minutes),
            ("함수의 반환값은 뭐야?", Default),
            ("What does this cost function do?", Default),
            ("Where is my order?", Minutes),
            ("택배가 어디까지 왔어?", Minutes),
            ("What is a monad?", Default),
            ("피타고라스 정리를 설명해줘", Default),
            ("", Default),
        ] {
            assert_eq!(freshness(text), class, "{text}");
        }
    }

    #[test]
    fn long_texts_are_read_at_their_ends() {
        let calm = "가나다 ".repeat(30_000);
        assert_eq!(freshness(&calm), Freshness::Default);
        assert_eq!(freshness(&format!("{calm} 지금 어때?")), Freshness::Never);
        assert_eq!(Freshness::Never.longest(), Some(Duration::ZERO));
        assert_eq!(Freshness::Default.longest(), None);
    }

    #[test]
    fn an_answer_is_too_old_for_a_question_of_a_shorter_life() {
        let age = SignedDuration::from_mins(30);
        assert!(Freshness::Default.holds(age) && Freshness::Hours.holds(age));
        assert!(!Freshness::Minutes.holds(age) && !Freshness::Never.holds(SignedDuration::ZERO));
        assert!(!Freshness::Hours.holds(SignedDuration::from_hours(6)));
    }
}
