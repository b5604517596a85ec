//! An answer that says something was done must point to a receipt: "Done" without a tool call is no answer.

use nunchi_core::{Deed, EffectClass, Receipt};
use regex::Regex;
use std::sync::LazyLock;

/// `I`, `we`, or the thing done, and small words up to the verb.
const DOER: &str = r"(?:\b(?:I|we)(?:['’]ve| have)?|\b(?:has|have) been|\b(?:was|were|is|are)|^)\s+(?:just\s+|now\s+|already\s+|successfully\s+)*";
/// Things outside an answer that can be made; a draft or a plan stands in the answer itself.
const THING: &str = r"[^.!?\n]{0,60}?(?:\b(?:file|folder|record|row|entry|database|table|note|ticket|page|calendar)\b|\.\w{1,4}\b)";
/// Endings of a Korean sentence about what has happened.
const KOREAN_END: &str = r"(?:습니다|어요|아요|네요|음|다)(?:[\s.!,)]|$)";

/// Verbs of each deed: English participles, and Korean stems in the past.
const VERBS: [(Option<Deed>, &str, &str); 8] = [
    (
        Some(Deed::Send),
        "sent|e-?mailed|messaged|notified|forwarded|posted|published",
        "보냈|발송했|전송했|전달했|알렸|게시했|발송됐|전송됐|발송되었|전송되었",
    ),
    (Some(Deed::Delete), "deleted|removed|erased", "삭제했|지웠|제거했|삭제됐|삭제되었"),
    (
        Some(Deed::Write),
        "saved|updated|modified|renamed|moved|edited|overwritten",
        "저장했|수정했|변경했|업데이트했|옮겼|바꿨|저장됐|저장되었|수정되었|변경되었|업데이트되었",
    ),
    (
        Some(Deed::Schedule),
        "scheduled|set (?:a|the|your) (?:reminder|alarm)",
        "예약했|일정에 추가했|알림을 설정했|예약됐|예약되었",
    ),
    (
        Some(Deed::Order),
        "ordered|bought|purchased|sold|booked|paid",
        "주문했|구매했|매수했|매도했|결제했|주문되었|결제되었",
    ),
    (Some(Deed::Execute), "executed|deployed|installed|restarted", "실행했|배포했|설치했|재시작했"),
    (
        Some(Deed::Read),
        "checked|searched|looked up|verified|read through|browsed",
        "검색했|조회했|찾아봤|검색해 봤|읽어 봤",
    ),
    (None, "done|finished|completed|taken care of", "완료했|완료됐|완료되었|처리했|처리되었|끝냈|마쳤"),
];

/// Verbs that are claims only of a thing outside the answer.
const MAKING: (&str, &str) =
    ("written|created|added|made|generated", "작성했|만들었|생성했|추가했|작성되었|생성되었");

struct Pattern {
    deed: Option<Deed>,
    text: Regex,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let of = |deed, english: &str, korean: &str| {
        let text = format!(r"(?im){DOER}(?:{english})\b|(?:{korean}){KOREAN_END}");
        Regex::new(&text).ok().map(|text| Pattern { deed, text })
    };
    let mut all: Vec<_> =
        VERBS.iter().filter_map(|(deed, english, korean)| of(*deed, english, korean)).collect();
    let (english, korean) = MAKING;
    let thing = r"(?:파일|폴더|문서함|데이터베이스|DB|행|레코드|노트|티켓|일정|\.\w{1,4})[^.!?\n]{0,30}?";
    let text = format!(r"(?im){DOER}(?:{english})\b{THING}|{thing}(?:{korean}){KOREAN_END}");
    all.extend(Regex::new(&text).ok().map(|text| Pattern { deed: Some(Deed::Write), text }));
    all.extend(Regex::new(r"(?im)^\W*(?:all )?done\b").ok().map(|text| Pattern { deed: None, text }));
    all
});

/// Sentences that speak of what may be, was asked, or was not.
static UNREAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:if|once|when|after|until|before|unless|would|could|should|will|not|never|cannot|you have)\b|n['’]t\b|다면|려면|않았|못했|못 했|없었|아직|\?$").ok()
});

/// The sentences that claim a deed for which there is no receipt. A bare "done" counts only when a deed was asked for.
pub(crate) fn unbacked_claims(text: &str, receipts: &[Receipt], deed_asked: bool) -> Vec<String> {
    let mut found = Vec::new();
    for sentence in sentences(text) {
        if UNREAL.as_ref().is_some_and(|unreal| unreal.is_match(sentence)) {
            continue;
        }
        let claims = PATTERNS.iter().filter(|pattern| pattern.text.is_match(sentence));
        let unbacked = |pattern: &Pattern| {
            (pattern.deed.is_some() || deed_asked)
                && !receipts.iter().any(|receipt| backs(receipt, pattern.deed))
        };
        if claims.into_iter().any(unbacked) {
            found.push(sentence.to_owned());
        }
    }
    found
}

fn backs(receipt: &Receipt, deed: Option<Deed>) -> bool {
    let changed = receipt.effect > EffectClass::ReadOnly;
    match deed {
        None | Some(Deed::Read) => true,
        Some(deed) if receipt.deeds.is_empty() => changed && deed != Deed::Read,
        Some(deed) => receipt.deeds.contains(&deed),
    }
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.lines()
        .filter(move |line| {
            // Code and quotations are not the model's own word.
            let fence = line.trim_start().starts_with("```");
            quoted ^= fence;
            !quoted && !fence && !line.trim_start().starts_with('>')
        })
        .flat_map(|line| line.split_inclusive(&['!', '?'][..]).flat_map(|part| part.split_inclusive(". ")))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{ContentHash, RunId, StepId};

    fn receipt(deeds: &[Deed], effect: EffectClass) -> Receipt {
        Receipt {
            step: StepId(uuid::Uuid::nil()),
            number: 1,
            run: RunId(uuid::Uuid::nil()),
            tool: "t".into(),
            deeds: deeds.to_vec(),
            effect,
            arguments: ContentHash::default(),
            at: jiff::Timestamp::UNIX_EPOCH,
            hash: ContentHash::default(),
        }
    }

    #[test]
    fn claims_without_a_receipt() {
        assert_eq!(PATTERNS.len(), 10);
        assert!(UNREAL.is_some());
        for claim in [
            "Done!",
            "Done.",
            "All done. Anything else?",
            "I've sent the report to Kim.",
            "I have successfully deleted the old files.",
            "The file was saved.",
            "Your order has been booked.",
            "I just updated the row.",
            "I've created the file notes/a.md with the summary.",
            "I searched the web for it.",
            "메일을 보냈습니다.",
            "요청하신 파일을 삭제했습니다.",
            "notes/a.md 파일을 작성했습니다.",
            "회의를 예약했어요.",
            "처리 완료되었습니다.",
            "모두 저장되었습니다!",
        ] {
            assert_eq!(unbacked_claims(claim, &[], true).len(), 1, "{claim}");
        }
    }

    #[test]
    fn what_is_no_claim() {
        for text in [
            "I have not sent it.",
            "I could not delete the file.",
            "Once I have sent it, I will tell you.",
            "Did I say it was sent?",
            "If the file was deleted, restore it.",
            "You have sent three mails.",
            "I've written a draft below:",
            "> I have sent it",
            "```\nI have sent it\n```",
            "The monad was invented by mathematicians.",
            "메일을 보내지 못했습니다.",
            "아직 저장하지 않았습니다.",
            "보냈다면 알려 주세요.",
            "아래와 같이 초안을 작성했습니다.",
            "안녕하세요.",
        ] {
            assert_eq!(unbacked_claims(text, &[], true), Vec::<String>::new(), "{text}");
        }
        assert!(unbacked_claims("Done. Here is the translation: …", &[], false).is_empty());
    }

    #[test]
    fn receipts_back_their_own_deeds() {
        let wrote = receipt(&[Deed::Write], EffectClass::Reversible);
        let looked = receipt(&[], EffectClass::ReadOnly);
        let anything = receipt(&[], EffectClass::Final);
        let unbacked =
            |text: &str, receipt: &Receipt| unbacked_claims(text, std::slice::from_ref(receipt), true).len();
        assert_eq!(unbacked("I saved it. I sent it.", &wrote), 1);
        assert_eq!(unbacked("I saved it. I sent it.", &anything), 0);
        assert_eq!(unbacked("저장했습니다. 검색했습니다.", &looked), 1);
        assert_eq!(unbacked("Done.", &looked), 0);
    }
}
