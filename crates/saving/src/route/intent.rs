//! What a question is about: patterns in Korean and English first, then a classifier over the sentence vector.

use regex::Regex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::LazyLock;

/// What a question is about. The first five choose the skill groups of the trading pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// News and what they mean.
    NewsAnalysis,
    /// Orders, balances, executions.
    TradingExecution,
    /// Investment and business strategies.
    StrategyGeneration,
    /// Companies, prices, markets.
    MarketResearch,
    /// Anything else.
    GeneralQuery,
    /// Programs.
    Coding,
    /// Texts to write or improve.
    Writing,
    /// Texts to carry into another language.
    Translation,
    /// Calculation and proof.
    Math,
    /// Greetings and talk.
    Smalltalk,
    /// Texts to shorten.
    Summarise,
    /// Calendars, reminders, rosters.
    Schedule,
    /// Things to find.
    Search,
}

/// All intents, in the order of the classifier's outputs.
pub const INTENTS: [Intent; 13] = [
    Intent::NewsAnalysis,
    Intent::TradingExecution,
    Intent::StrategyGeneration,
    Intent::MarketResearch,
    Intent::GeneralQuery,
    Intent::Coding,
    Intent::Writing,
    Intent::Translation,
    Intent::Math,
    Intent::Smalltalk,
    Intent::Summarise,
    Intent::Schedule,
    Intent::Search,
];

impl Intent {
    /// The name on the wire, such as `news_analysis`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewsAnalysis => "news_analysis",
            Self::TradingExecution => "trading_execution",
            Self::StrategyGeneration => "strategy_generation",
            Self::MarketResearch => "market_research",
            Self::GeneralQuery => "general_query",
            Self::Coding => "coding",
            Self::Writing => "writing",
            Self::Translation => "translation",
            Self::Math => "math",
            Self::Smalltalk => "smalltalk",
            Self::Summarise => "summarise",
            Self::Schedule => "schedule",
            Self::Search => "search",
        }
    }

    /// Its place in [`INTENTS`].
    pub(super) fn index(self) -> usize {
        INTENTS.iter().position(|i| *i == self).unwrap_or(4)
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// English words (at word borders) and Korean stems of each intent, in the order of [`INTENTS`]; general questions have none.
const WORDS: [(&str, &str); 13] = [
    (
        r"news|headlines?|coverage|press|breaking|articles? about|geopolitical|reported",
        r"뉴스|속보|기사|보도|헤드라인|언론",
    ),
    (
        r"buy \d+|sell (?:all|my|\d+)|shares of|limit order|stop order|market order|my (?:account )?(?:balance|orders?|trades?|positions?|portfolio)|last order|execut(?:e|ion) algorithm|slippage|stop rules",
        r"매수|매도|지정가|시장가|계좌|잔고|주문 (?:취소|체결)|체결|손절|매매 내역|슬리피지|거래별|내 포트폴리오",
    ),
    (
        r"strateg(?:y|ies)|business plan|roadmap|go-to-market|backtest|hedg(?:e|ing)|portfolio for|dollar-cost|savings plan|promote|crossover|build, buy",
        r"전략|사업\s?계획|로드맵|백테스트|헤지|적립식|저축 계획|홍보|이동평균|리밸런싱",
    ),
    (
        r"stock price|share price|market size|(?:trading|trades) at|ticker|earnings|balance sheets?|p/e|dcf|competitive landscape|etfs?|industry|bitcoin|fundamental analysis|quarter|housing market|e-commerce market|semiconductor",
        r"주가|시세|종목|실적|코스피|코스닥|환율|재무제표|시장 (?:현황|규모|주요)|업체|ETF|PER|산업|비트코인|얼마야\??$|경쟁 구도",
    ),
    (r"\b\B", r"\b\B"),
    (
        r"python|javascript|typescript|rust|golang|java|sql|regex|regular expression|css|html|docker(?:file)?|git|npm|function|refactor|debug|compiler|stack trace|unit tests?|repository|pull request|cli|api|code|script|bash|redis|postgresql|queue|async|json|ssh|vim|segfault|deadlocks?|src/|database schema",
        r"파이썬|자바|코드|함수|쿼리|SQL|정규식|스크립트|디버|리팩|구현해|컴파일|깃|git|커밋|브랜치|데드락|저장소|API|CSS|css|html|HTML|단위 테스트|리액트|플라스크|Dockerfile|자바스크립트|vim|락 순서|\.py|엑셀|리눅스",
    ),
    (
        r"write (?:a|an|me|the|this)|draft|compose|rewrite|e-mail to|cover letter|poem|caption|essay|toast|story|slogan ideas|correct the grammar|fix the spelling|resignation|proposal|memorandum|job ad|post announcing|turn these notes|more polite|literature review",
        r"써\s?줘|써줄|작성해|초안|다듬|자기소개서|시 한 편|문구|맞춤법|띄어쓰기|존댓말|반말|축사|초대장|리뷰 써|이야기 하나|의견서|다시 써|집필",
    ),
    (
        r"translat(?:e|ion)|in (?:french|german|spanish|korean|japanese|italian|chinese)(?: please)?|(?:into|to) (?:french|german|spanish|korean|japanese|english|italian)|korean word for|how do you say|locali[sz]e",
        r"번역|영어로|일본어로|중국어로|스페인어로?|프랑스어로|독일어로|한국어로|어떻게 말해|옮겨줘|옮기",
    ),
    (
        r"prove|solve|equation|derive|theorem|integral|probability|how many (?:kilomet|met|ounces|grams)\w+|convert \d+|square root|\d+\s*(?:[-+*/x]|×)\s*\d+|percent of|\d+% of|trapezoid|primes?|calculate|decimal|round \d",
        r"증명|방정식|확률|루트|곱하기|더하기|적분|몇 (?:도|그램|제곱미터|킬로미터|분)|풀이|넓이|점화식|평균$|소수로|십진수|반올림|계산|공식|극한|섭씨|\d%",
    ),
    (
        r"^(?:hi|hello|hey|thanks?|thank you|good (?:morning|night|evening)|bye|lol|haha|ok|yes|no|sorry|cheers)|joke|i'm bored|happy new year|role-?play|you're the best|i feel|listen and",
        r"^\W*(?:안녕|고마|감사|미안|잘\s?자|응|네|아니|수고|좋은 아침|ㅋㅋ|ㅎㅎ|오 )|심심|축하해!?$|밥은|얘기 좀|이름이 뭐|떨려",
    ),
    (
        r"summari[sz]e|summary|tl;?dr|key points|condense|main arguments|bullet points",
        r"요약|줄여|간추|핵심만|중요한 것만|공통점|쉬운 말로 풀|줄거리",
    ),
    (
        r"remind|alarm|timer|calendar|schedule|wake me|meeting times?|roster|shift|study week|day plan|appointment|move lunch|on friday",
        r"알람|타이머|일정|캘린더|약속|근무표|당번|회의 시간|공부 계획|할 일|깨워|알려줘$|로 저장",
    ),
    (
        r"weather|find|look up|search|nearest|opening hours|near me|phone number|where is|postcode|which public|show me my|research the patents",
        r"날씨|찾아|검색|근처|가까운|몇 시까지|전화번호|조사해|어디 있|보여줘",
    ),
];

static PATTERNS: LazyLock<Vec<[Option<Regex>; 2]>> = LazyLock::new(|| {
    let word = |p: &str| Regex::new(&format!(r"(?i-u)\b(?:{p})\b")).ok();
    let optional = |p: &str, english: bool| match p {
        r"\b\B" => None,
        p if english => word(p),
        p => Regex::new(p).ok(),
    };
    WORDS.iter().map(|(english, korean)| [optional(english, true), optional(korean, false)]).collect()
});

/// How often the patterns of each intent match, at most three times each, in the order of [`INTENTS`].
pub(super) fn hits(text: &str) -> [f32; 13] {
    let ascii = text.is_ascii();
    let mut hits = [0.0; 13];
    for (slot, [english, korean]) in hits.iter_mut().zip(PATTERNS.iter()) {
        let korean = if ascii { None } else { korean.as_ref() };
        let found: usize =
            [english.as_ref(), korean].into_iter().flatten().map(|p| p.find_iter(text).take(3).count()).sum();
        *slot = found.min(3) as f32;
    }
    hits
}

/// The intents for which a text has words, the one with the most first.
pub fn spoken_intents(text: &str) -> Vec<Intent> {
    let hits = hits(text);
    let mut spoken: Vec<Intent> = INTENTS.into_iter().filter(|intent| hits[intent.index()] > 0.0).collect();
    spoken.sort_by(|one, other| hits[other.index()].total_cmp(&hits[one.index()]));
    spoken
}

/// The intent whose patterns match, and how clearly: 0 several intents alike, 1 one leads, 2 one alone.
pub(super) fn by_pattern(hits: &[f32; 13]) -> Option<(Intent, usize)> {
    let best = (0..13).rev().max_by(|a, b| hits[*a].total_cmp(&hits[*b]))?;
    if hits[best] <= 0.0 {
        return None;
    }
    let rest = hits.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, h)| *h);
    let second = rest.fold(0.0_f32, f32::max);
    let clarity = if second <= 0.0 { 2 } else { usize::from(hits[best] > second) };
    Some((*INTENTS.get(best)?, clarity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_compile() {
        for (index, [english, korean]) in PATTERNS.iter().enumerate() {
            let general = INTENTS[index] == Intent::GeneralQuery;
            assert_eq!((english.is_none(), korean.is_none()), (general, general), "{index}");
        }
    }

    #[test]
    fn plain_cases_in_both_languages() {
        for (text, intent) in [
            ("Any headlines today?", Intent::NewsAnalysis),
            ("오늘 뉴스 있어?", Intent::NewsAnalysis),
            ("buy 3 shares of MSFT", Intent::TradingExecution),
            ("하이닉스 2주 매수해줘", Intent::TradingExecution),
            ("Write a poem about rain", Intent::Writing),
            ("이 문장 번역해줘", Intent::Translation),
            ("Set an alarm for six", Intent::Schedule),
            ("hello!", Intent::Smalltalk),
            ("안녕!", Intent::Smalltalk),
        ] {
            assert_eq!(by_pattern(&hits(text)).map(|(i, _)| i), Some(intent), "{text}");
        }
        assert_eq!(by_pattern(&hits("Why is the sky blue?")), None);
    }

    #[test]
    fn a_text_may_speak_of_several_things() {
        assert_eq!(spoken_intents("삼성전자 뉴스를 요약해줘"), [Intent::NewsAnalysis, Intent::Summarise]);
        assert_eq!(spoken_intents("Which headlines are in the news?"), [Intent::NewsAnalysis]);
        assert_eq!(spoken_intents("zebra"), []);
    }

    #[test]
    fn names_round_trip() {
        for intent in INTENTS {
            assert_eq!(serde_json::to_value(intent).unwrap(), intent.as_str());
            assert_eq!(INTENTS[intent.index()], intent);
        }
    }
}
