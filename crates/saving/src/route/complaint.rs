//! Whether a follow-up says that the answer before it was no good, in English and Korean.

use regex::Regex;
use std::sync::LazyLock;

/// A longer text is a request of its own, whatever it begins with.
const LONGEST: usize = 160;

/// What people write under a bad answer. Asking for more, or for the same with a change, is no complaint.
const COMPLAINT: &str = concat!(
    r"(?i)^\W*(?:(?:no+|nope|sorry|hm+|ok(?:ay)?|but|well)\b\W*)*",
    r"(?:(?:that(?:'?s| is| was)|it(?:'?s| is| was)|this is|you(?:'re| are)) (?:\w+ ){0,2}?(?:wrong|incorrect|not (?:right|correct|true|it|what i (?:asked|meant|wanted|said)))",
    r"|(?:that|it|this) (?:still )?(?:doesn'?t|does not|didn'?t|did not) (?:work|help|answer|make (?:any )?sense)",
    r"|you (?:misunderstood|missed (?:the point|it|that)|ignored|didn'?t (?:answer|understand|read|do|listen))",
    r"|still (?:wrong|not working|broken|fails|failing|the same error|doesn'?t work)",
    r"|wrong(?: answer)?\W*$|wrong[,.!]|try (?:it |that )?(?:again|harder)|(?:do|answer|solve) (?:it|that) again|again\W*$|regenerate\W*$)",
    r"|^\W*(?:아니\s?|아뇨\s?|음+\s?)?\W*(?:그게 아니|그거 아니|그런 (?:뜻|말)이? 아니|(?:또 |여전히 |완전 )?틀렸|(?:또 |여전히 )?틀린 (?:것 같|거|답)|(?:잘못|엉뚱)|말이 안 ?(?:돼|되)|이상해|이상한데)",
    r"|(?:여전히|아직도|그래도|또) (?:안 ?(?:돼|되|맞)|틀|오류|에러|똑같)|질문(?:에|을) (?:제대로 )?(?:답|이해).{0,8}(?:안|못)|(?:잘못|제대로) (?:이해|읽).{0,6}(?:못|안|했)",
    r"|^\W*(?:처음부터 |제대로 )?다시(?: ?(?:한번|한 번))?\s?(?:해|써|풀어|답해|대답해|생각해|계산해|시도해|만들어)?\s?(?:봐|줘|주세요|줄래)?\W*$",
);

static COMPLAINTS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(COMPLAINT).ok());

/// Whether the one who writes this is not content with the answer before.
pub fn is_complaint(follow_up: &str) -> bool {
    let text = follow_up.trim();
    text.chars().count() <= LONGEST && COMPLAINTS.as_ref().is_some_and(|known| known.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::is_complaint;

    #[test]
    fn complaints_are_told_from_follow_ups() {
        for text in [
            "that's wrong",
            "No, that is not what I asked.",
            "It still doesn't work",
            "you misunderstood me",
            "try again",
            "Again!",
            "Wrong answer.",
            "hmm, this is not correct",
            "틀렸어",
            "아니 그게 아니라 작년 매출을 물어본 거야",
            "아직도 안 돼",
            "다시 해줘",
            "제대로 다시 풀어봐",
            "질문을 이해 못 한 것 같아",
            "그래도 에러가 나",
        ] {
            assert!(is_complaint(text), "{text}");
        }
        for text in [
            "",
            "thanks, that's right",
            "and again tomorrow at nine please",
            "make it shorter",
            "What is wrong with my car?",
            "that's not bad at all",
            "고마워, 맞아",
            "내일 아침에 다시 알려줘",
            "더 짧게 해줘",
            "틀린 그림 찾기 게임 추천해줘",
            "이 문장에서 맞춤법 틀린 데를 찾아줘",
        ] {
            assert!(!is_complaint(text), "{text}");
        }
        assert!(!is_complaint(&format!("that's wrong {}", "and so on ".repeat(40))));
    }
}
