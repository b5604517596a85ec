//! Words that say what kind of work is asked for, in English and Korean: evidence for the tier, weighed by a learned model.

use regex::Regex;
use std::sync::LazyLock;

/// English words (at word borders) and Korean stems of each kind of work.
const KINDS: [(&str, &str); CUES] = [
    // Proof and derivation.
    (
        r"prove|proof|proves|derive|derivation|theorem|lemma|rigorous(?:ly)?|justif(?:y|ying)|induction|convex|classify|formulate|show that",
        r"증명|유도|정리를|엄밀|논증|정당화|반례|정식화|귀납",
    ),
    // Systems to design or build.
    (
        r"design|architect(?:ure)?|implement|refactor|restructure|migrat(?:e|ion)|port|build|compiler|schema|distributed|concurren(?:t|cy)|lock-free|scal(?:e|es|able)|end to end",
        r"설계|구현|리팩|아키텍처|마이그레이션|분산|동시성|구조를|재설계|무중단|스키마",
    ),
    // Faults to find.
    (
        r"debug|root causes?|race|deadlocks?|segfaults?|stack ?trace|leak|memory grows|reproduc\w+|bisect|diagnos\w+|bottleneck|profile|flaky|heisenbug|why does|figure out|investigate|find out why|track down|crash(?:es)?",
        r"디버|근본 원인|원인|경쟁 상태|데드락|세그폴트|누수|병목|스택 트레이스|진단|규명|추적|결함|재현",
    ),
    // Analysis and judgement.
    (
        r"analy[sz]e|analysis|evaluate|assess|critique|critically|in depth|in-depth|compare|contrast|weigh|trade-?offs?|judge|argue|infer|interpret|reconcile|synthesi[sz]e|decompose|scenarios?|stress-test|sensitivity|second-round",
        r"분석|평가|비평|심층|비판적|비교|따져|견주|판단|논해|추론|해석|종합|분해|시나리오|민감도|대조|검토",
    ),
    // Long plans.
    (
        r"strateg(?:y|ic|ies)|business plan|road ?maps?|go-to-market|five-year|contingency|milestones|portfolio|backtest|hedg(?:e|es|ing)|pricing|unit economics|cash flow",
        r"전략|사업 ?계획|로드맵|5개년|수립|포트폴리오|백테스트|헤지|단위 경제|현금흐름|비상계획|시장 진입",
    ),
    // Law, medicine, finance.
    (
        r"legal|law|lawyer|contract|clauses?|liabilit(?:y|ies)|licen[cs]e|patent|compliance|gdpr|tax|clinical|differential diagnosis|dcf|valuation|balance sheets?|unenforceable|doctrines?|regulat(?:ion|ory)",
        r"법률|법적|법리|노동법|계약서|조항|특허|판례|세금|소송|감별|재무제표|규제|의견서|배상|책임",
    ),
    // Breadth of what must be covered.
    (
        r"including|include|as well as|each of|without|subject to|constraints?|such that|at most|at least|failure modes?|edge cases|requirements|risks?|recommend",
        r"포함|까지|고려|제약|각각|조건|리스크|위험|요구사항|장애|권고|제시|반영",
    ),
    // The whole of something large.
    (
        r"repository|codebase|entire|whole|all the files|pull request|transcripts?|reports?|papers?|studies|literature|dataset|logs?|module",
        r"저장소|전체|전부|모듈|보고서|논문|문헌|녹취|자료|데이터|로그|코드베이스",
    ),
    // Something to write.
    (r"write|draft|compose|create|make|give me|help me", r"써\s?줘|써\s?주|작성|만들어|지어|초안|글"),
    // Something to explain.
    (
        r"explain|describe|how do(?:es)?|how can|why|difference|pros and cons|what are the|tell me about|what should|background",
        r"설명|차이|원리|어떻게|왜|장단점|소개|배경|궁금|방법",
    ),
    // Texts to shorten.
    (r"summari[sz]e|summary|key points|condense|tl;?dr|bullet", r"요약|정리|줄여|간추|핵심"),
    // Texts to translate.
    (
        r"translat(?:e|ion)|in (?:french|german|spanish|korean|japanese|italian|english|chinese)|to (?:english|korean|spanish|german|french)",
        r"번역|영어로|한국어로|일본어로|중국어로|스페인어|프랑스어",
    ),
    // Facts to look up.
    (
        r"what(?:'s| is)|who|when|which|where|how (?:many|much|tall|old|far|long)|capital|synonym|antonym|opposite|plural|spell|mean|stand for|command",
        r"뭐야|뭐지|뭐예요|무엇|누구|누가|언제|어디|몇|며칠|무슨|뜻|수도|반대말|비슷한말|약자|명령어|맞아",
    ),
    // Small talk.
    (
        r"hi|hello|hey|thanks?|thank you|bye|good (?:morning|night|evening)|lol|haha|ok(?:ay)?|sorry|cheers|yes|no|please",
        r"안녕|고마|감사|미안|잘\s?자|응|네|아니|수고|축하|ㅋㅋ|ㅎㅎ|오케이",
    ),
    // Orders to a device or an account.
    (
        r"set|remind|timer|alarm|wake|calendar|open|cancel|turn (?:on|off)|find|move|buy|sell|add|play|call",
        r"알람|타이머|일정|켜\s?줘|꺼\s?줘|열어|찾아|취소|매수|매도|추가|옮겨|맞춰|보여",
    ),
    // One small edit.
    (
        r"fix (?:the )?(?:spelling|grammar|typo)|correct|lower-?case|upper-?case|capitali[sz]e|shorten|rename|replace|convert|alphabetical|duplicates|past tense|polite|extract|sort|round|format",
        r"맞춤법|띄어쓰기|고쳐|바꿔|바꾸|오타|존댓말|반말|중복|뽑아|순으로|변환",
    ),
    // Ideas and picks.
    (
        r"suggest|ideas?|list|recommend|tips?|propose|names?|itinerary|recipe|plan|options|advice|overview|briefing",
        r"추천|아이디어|목록|조언|코스|레시피|식단|계획|제안|루틴|개요|브리핑",
    ),
    // Everyday code.
    (
        r"python|javascript|sql|regex|regular expression|css|html|function|script|dockerfile|unit tests?|csv|bash|api|readme|error",
        r"파이썬|자바스크립트|자바|함수|코드|쿼리|정규식|스크립트|단위 테스트|에러|오류|엑셀|수식",
    ),
    // An example or the steps are wanted.
    (
        r"with an example|example|show (?:the|your) (?:steps|work)|simple terms|step by step|short|brief(?:ly)?|simple",
        r"예시|예를|예제|과정|풀이|쉽게|간단|짧|단계",
    ),
    // Sums of school.
    (
        r"solve|equation|probability|area|percent|average|square root|times|integral|matrix|calculate",
        r"확률|넓이|평균|곱하기|더하기|나누|소수|루트|방정식|계산|퍼센트|적분",
    ),
    // Hard methods.
    (
        r"optimi[sz]e|optimal|algorithm|complexity|asymptotic|model|statistical|causal|cointegration|regression|estimate|hypothes[ei]s|randomi[sz]ed|methodology|equilibrium|game theory",
        r"최적|알고리즘|모델을|통계|인과|공적분|회귀|추정|가설|무작위|방법론|게임이론|검정|공정성",
    ),
    // Length asked for.
    (
        r"\d+[- ]words?|\d+[- ]pages?|one[- ]line|one word|in (?:one|five|three) (?:words?|lines?|sentences?)|paragraphs?|chapter|bullet points",
        r"\d+자|한\s?줄|한 문장|한 문단|문단|세 줄|다섯 단어|한 장|제목",
    ),
];

/// How many kinds there are.
pub(super) const CUES: usize = 22;

static PATTERNS: LazyLock<Vec<[Option<Regex>; 2]>> = LazyLock::new(|| {
    let word = |pattern: &str| Regex::new(&format!(r"(?i-u)\b(?:{pattern})\b")).ok();
    KINDS.iter().map(|(english, korean)| [word(english), Regex::new(korean).ok()]).collect()
});

/// Most hits of one kind that count.
const MOST: usize = 4;

/// For each kind: how often it is named (a logarithm), and how often among the last words, where Korean puts its verb.
pub(super) fn cues(text: &str) -> Vec<f32> {
    let ascii = text.is_ascii();
    let end = &text[text.ceil_char_boundary(text.len().saturating_sub(40))..];
    let mut found = Vec::with_capacity(2 * CUES);
    for patterns in PATTERNS.iter() {
        let count = |text: &str| -> usize {
            let [english, korean] = patterns;
            let korean = if ascii { None } else { korean.as_ref() };
            [english.as_ref(), korean]
                .into_iter()
                .flatten()
                .map(|p| p.find_iter(text).take(MOST).count())
                .sum()
        };
        found.push((count(text).min(MOST) as f32).ln_1p());
        found.push((count(end).min(MOST) as f32).ln_1p());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(PATTERNS.iter().flatten().all(Option::is_some));
        assert_eq!(PATTERNS.len(), CUES);
    }

    #[test]
    fn both_languages_give_the_same_cue() {
        for (english, korean, kind) in [
            ("Prove it", "증명해줘", 0),
            ("Design a schema", "스키마를 설계해줘", 1),
            ("Summarise this", "이거 요약해줘", 10),
            ("thanks", "고마워", 13),
        ] {
            assert!(cues(english)[2 * kind] > 0.0 && cues(korean)[2 * kind] > 0.0, "{english}");
        }
        assert!(cues("").iter().all(|v| *v == 0.0));
    }
}
