//! Rules that choose a tier from the words of the person: the first step of routing, no model needed.

use crate::words::Tier;
use regex::Regex;

/// One rule: a pattern over the human text and the tier it means.
#[derive(Clone, Debug)]
pub struct TierRule {
    /// What it recognises.
    pub pattern: Regex,
    /// What that means.
    pub tier: Tier,
    /// Why, for the reason header.
    pub name: String,
}

/// Why the rules chose a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierChoice {
    /// The tier.
    pub tier: Tier,
    /// The rule's name.
    pub reason: String,
}

/// Ordered rules; the first match wins, and what matches nothing is standard.
#[derive(Clone, Debug, Default)]
pub struct TierRules {
    /// The rules.
    pub rules: Vec<TierRule>,
}

/// The rules in force when the owner gives none. Korean endings follow their stems, so Korean asks for no word border.
const BUILT_IN: [(Tier, &str, &str); 5] = [
    (
        Tier::Complex,
        "code or proof",
        r"(?is)```|\b(?:refactor|debug|stack ?trace|implement|prove|proof|derive|theorem|algorithm|architecture|race condition|deadlock|migrat(?:e|ion)|segfault|optimi[sz]e)\b|증명|리팩터|리팩토|디버그|디버깅|구현해|알고리즘|아키텍처|설계해",
    ),
    (
        Tier::Complex,
        "deep work",
        r"(?is)\b(?:analy[sz]e|analysis|compare and contrast|trade-?offs?|strateg(?:y|ic)|business plan|in[- ]depth|step[- ]by[- ]step plan|due diligence|research (?:report|paper)|legal|contract|diagnos(?:e|is)|root cause|evaluate|critique)\b|분석|전략|사업\s*계획|심층|비교\s*분석|보고서|논문|계약서|진단|원인을|평가해|로드맵",
    ),
    (
        Tier::Trivial,
        "small talk",
        r"(?is)^\W*(?:hi|hello|hey|thanks?|thank you|ok(?:ay)?|yes|no|good (?:morning|night|evening)|bye|ping|test|안녕(?:하세요)?|고마워(?:요)?|감사합니다|네|아니요?|응|좋아|잘\s*자|테스트)\b.{0,24}$",
    ),
    (
        Tier::Trivial,
        "a short lookup",
        r"(?is)^\s*(?:what(?:'s| is| are)|who (?:is|was)|when (?:is|was|did)|where is|how many|how do you (?:say|spell)|define|spell|translate|convert|capital of).{1,90}$",
    ),
    (
        Tier::Trivial,
        "a short lookup in Korean",
        r"(?s)^.{1,50}(?:뭐야|뭐예요|무엇인가요|무엇입니까|뭔가요|누구야|누구예요|언제야|어디야|몇\s*개야|뜻(?:은|이)?|번역해\s*줘?|알려\s*줘)\s*[?.!]*\s*$",
    ),
];

impl TierRules {
    /// The built-in rules in Korean and English.
    pub fn built_in() -> Self {
        let rules = BUILT_IN.iter().filter_map(|(tier, name, pattern)| {
            Some(TierRule { pattern: Regex::new(pattern).ok()?, tier: *tier, name: (*name).to_owned() })
        });
        Self { rules: rules.collect() }
    }

    /// The tier of a human text; standard when no rule matches.
    pub fn choose(&self, human_text: &str) -> TierChoice {
        let nothing = || TierChoice { tier: Tier::Standard, reason: "no rule matched".into() };
        self.matching(human_text).unwrap_or_else(nothing)
    }

    /// The tier of a human text by the first rule that matches. Text longer than `LONG_TEXT` characters is never trivial.
    pub fn matching(&self, human_text: &str) -> Option<TierChoice> {
        const LONG_TEXT: usize = 400;
        let long = human_text.chars().nth(LONG_TEXT).is_some();
        self.rules
            .iter()
            .find(|rule| !(long && rule.tier == Tier::Trivial) && rule.pattern.is_match(human_text))
            .map(|rule| TierChoice { tier: rule.tier, reason: rule.name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers() {
        let rules = TierRules::built_in();
        assert_eq!(rules.rules.len(), BUILT_IN.len(), "every built-in pattern compiles");
        for (text, tier) in [
            ("What is 2+2?", Tier::Trivial),
            ("안녕하세요!", Tier::Trivial),
            ("수도가 어디야?", Tier::Trivial),
            ("Prove that there are infinitely many primes", Tier::Complex),
            ("이 회사의 재무제표를 분석하고 전략을 세워줘", Tier::Complex),
            ("Write a friendly e-mail to my landlord about the heating", Tier::Standard),
            ("엄마 생신 축하 메시지를 써줘", Tier::Standard),
        ] {
            assert_eq!(rules.choose(text).tier, tier, "{text}");
        }
    }

    #[test]
    fn long_text_is_not_trivial() {
        let text = format!("hi {}", "x ".repeat(600));
        assert_eq!(TierRules::built_in().choose(&text).tier, Tier::Standard);
    }
}
