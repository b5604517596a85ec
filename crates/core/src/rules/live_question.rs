//! Questions whose answer changes by the hour: never served from a cache, never stored.

use super::own_words::own_words;
use regex::Regex;
use std::sync::LazyLock;

/// English words and phrases, matched at word borders.
const ENGLISH: &str = r"(?i)(?-u:\b)(?:now|right now|today|tonight|tomorrow|yesterday|currently|at the moment|these days|so far this|this (?:morning|afternoon|evening|week|weekend|month|quarter|year)|(?:last|next|past) (?:night|week|weekend|month|quarter|year|few (?:days|hours))|(?:current|latest|newest|most recent|recent|up[- ]to[- ]date|live|real[- ]?time|breaking|upcoming)|what(?:'s| is) the (?:time|date)|what (?:time|day|date|year|month) is|weather|forecast|temperature (?:in|at|outside)|stock (?:price|market)s?|share price|exchange rate|trending|(?:price|value|rate) of (?:bitcoin|btc|ether|eth|gold|oil|silver|the (?:dollar|euro|won|yen))|(?:bitcoin|btc|eth|ethereum|gold|oil) price|news|headlines|score of|who won|is .{1,40} (?:open|down|online|available)|how (?:late|long) .{0,20}open)(?-u:\b)";

/// Korean words; Korean puts particles right behind them, so no border is asked for.
const KOREAN: &str = r"지금|오늘|현재|최신|최근|요즘|방금|실시간|금일|당일|내일|모레|어제|그저께|이번\s*(?:주|달|월|분기|주말|해|년)|지난\s*(?:주|달|월|분기|주말|해|밤)|다음\s*(?:주|달|월|분기|주말|해)|올해|작년|내년|오전에|오늘밤|몇\s*시(?:야|예요|입니까|인가|니|지|죠|$|\?)|며칠|무슨\s*요일|날씨|기온|미세먼지|강수|주가|시세|환율|코스피|코스닥|비트코인|금값|유가|뉴스|속보|헤드라인|경기\s*결과|스코어|영업\s*(?:중|시간)|재고\s*있";

static LIVE: LazyLock<Option<[Regex; 2]>> =
    LazyLock::new(|| Some([Regex::new(ENGLISH).ok()?, Regex::new(KOREAN).ok()?]));

/// The bytes at either end of a long text in which its question is looked for: what lies between is what the question is about.
const ENDS: usize = 2_000;

/// The word that makes a question live, if any; what the person quotes, pastes or hands over to be worked on makes none. When in
/// doubt it is live: a needless call is cheaper than a stale answer.
pub fn live_word(text: &str) -> Option<&str> {
    own_words(text).into_iter().find_map(live_word_at_ends)
}

fn live_word_at_ends(text: &str) -> Option<&str> {
    if text.len() <= 2 * ENDS {
        return live_word_in(text);
    }
    let head = &text[..text.floor_char_boundary(ENDS)];
    let tail = &text[text.ceil_char_boundary(text.len() - ENDS)..];
    live_word_in(head).or_else(|| live_word_in(tail))
}

fn live_word_in(text: &str) -> Option<&str> {
    let [english, korean] = LIVE.as_ref()?;
    let found = english.find(text).or_else(|| if text.is_ascii() { None } else { korean.find(text) });
    found.map(|found| found.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile() {
        assert!(LIVE.is_some());
    }

    #[test]
    fn live() {
        for text in [
            "What is the weather in Seoul?",
            "bitcoin price",
            "What time is it?",
            "latest Rust release",
            "who is the current president",
            "지금 몇 시야?",
            "오늘의 날씨 알려줘",
            "삼성전자 주가",
            "최신 아이폰",
            "원달러 환율은?",
            "이번주 일정",
        ] {
            assert!(live_word(text).is_some(), "{text}");
        }
    }

    #[test]
    fn long_texts_are_asked_about_at_their_ends() {
        let document = "날씨가 좋았다 today. ".repeat(300);
        assert_eq!(live_word(&format!("{}\n{document}", "Summarise this: ".repeat(200))), Some("today"));
        let calm = "가나다 ".repeat(1_000);
        assert_eq!(live_word(&format!("{calm}{document}{calm}")), None);
        assert_eq!(live_word(&format!("{calm} 지금 어때?")), Some("지금"));
    }

    #[test]
    fn what_is_asked_stays_live_beside_what_is_pasted() {
        let notes =
            "Alice went home early because she was tired. Bob stayed and read the report twice. ".repeat(3);
        for text in [
            format!("Summarise today's news for these clients: {notes}"),
            format!("{notes}\n\nWhat is the weather now?"),
            format!("Background: {notes} Is the museum open today?"),
            format!("배경: {notes} 지금 환율이 얼마인지 알려줘"),
            format!("다음 글을 번역하고 오늘 날짜를 붙여 줘: {notes}"),
            format!("Is it going to rain today?\n```\n{notes}\n```"),
            "\"오늘 날씨\" 알려줘".to_owned(),
            "translate to Korean: what is the current price of gold?".to_owned(),
            "Tell me: what's the weather today".to_owned(),
        ] {
            assert!(live_word(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_pasted_is_not_live() {
        let talk = "I saw Bob today. He sends the latest news, and the weather was fine this week. See you tomorrow. ";
        let asked =
            format!("Summarise these notes in three bullet points:\n{}They were happy.", talk.repeat(2));
        assert_eq!(live_word(&asked), None);
        let asked = format!("Explain this code\n```\n{talk}\n```\nstep by step");
        assert_eq!(live_word(&asked), None);
        let korean = "오늘 민수를 만났다. 최신 소식과 날씨 이야기를 했다. 내일 다시 만난다. 지금은 집이다. ";
        let asked = format!("다음 내용을 영어로 자연스럽게 번역해 줘:\n{}즐거웠다.", korean.repeat(2));
        assert_eq!(live_word(&asked), None);
        let asked =
            "Who wrote “The weather of today is the child of the weather of yesterday, and of nothing else”";
        assert_eq!(live_word(asked), None);
    }

    #[test]
    fn timeless() {
        for text in [
            "What is a monad?",
            "I know that the snow is white",
            "Translate 'hello' into Korean",
            "피타고라스 정리를 설명해줘",
            "파이썬에서 리스트를 뒤집는 법",
            "What is 2+2?",
        ] {
            assert_eq!(live_word(text), None, "{text}");
        }
    }
}
