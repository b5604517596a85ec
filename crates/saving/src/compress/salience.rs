//! Which sentences of a conversation carry it: facts, decisions, numbers, names, dates, wishes and open questions.

use crate::select::words::terms;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

/// Why a sentence must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinKind {
    /// Somebody asked that it be remembered, or it is a standing wish.
    Wish,
    /// Something was decided or promised.
    Decision,
    /// A question that nobody has answered yet.
    OpenQuestion,
    /// An amount, a date, an address or the like.
    Figure,
}

/// A sentence that must survive compression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedFact {
    /// Why.
    pub kind: PinKind,
    /// The place of its message.
    pub message: usize,
    /// The sentence as it was said.
    pub text: String,
}

static WISH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(remember (that|this|to)|don't forget|keep in mind|note that|from now on|(please|must|should) (always|never)|my name is|i prefer|i'm allergic|important:|must not)\b|^(always|never) |기억해|잊지 ?마|명심|앞으로는|항상 [^ ]+ ?(해|주세요|줘)|절대 |제 이름은|내 이름은|선호|알레르기|반드시").ok()
});
static DECISION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(we (decided|agreed|chose|settled)|i('ve| have)? decided|let's (go with|use)|we('ll| will) (use|go with)|i('ll| will) (send|do|call|fix|write|book|pay|finish)|decision|agreed|approved|confirmed|deadline|due (on|by)|final(ly)? (answer|choice))\b|하기로|결정|확정|합의|약속|마감|승인|까지 (보내|하|끝내)").ok()
});
static FIGURE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[$€£₩¥]\s?\d|\d[\d,.]*\s?(%|원|만원|억|달러|USD|KRW|EUR|kg|km|GB|MB)|\b\d{4}-\d\d-\d\d\b|\d{1,2}월 ?\d{1,2}일|\d{1,2}시|\b[\w.+-]+@[\w-]+\.\w+|https?://|\b\d{2,3}-\d{3,4}-\d{4}\b|\bv?\d+\.\d+\.\d+\b").ok()
});
static NUMBER_WORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(\d[\d,.:]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|hundred|thousand|first|second|third|last|next|yesterday|today|tonight|tomorrow|weeks?|weekend|months?|years?|(mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|may|june|july|august|september|october|november|december|ago)\b|\d+|어제|오늘|내일|지난|다음|작년|올해|내년|주말|월요일|화요일|수요일|목요일|금요일|토요일|일요일").ok()
});
static ABOUT_SELF: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(I|I'm|I've|my|we|we're|we've|our)\b|(^|\s)(나|저|내|제|우리)(는|가|도|의|를|희)?\s").ok()
});
static EVENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(went|bought|got|started|joined|visited|took|made|won|lost|met|moved|signed|planning|plan|decided|learned|found|favou?rite|named|called|used to|since|because)\b|갔|샀|만났|시작|가입|이사|배웠|찾았|좋아하|싫어하|계획|예약|왜냐|때문").ok()
});
static REACTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^(wow|oh|hey|hi|hello|yeah|yes|thanks|thank|great|awesome|cool|nice|sounds|that's|glad|good|congrats|congratulations|no problem|bye|take care|sure|absolutely|definitely|haha|lol|aww|i'm glad|so glad|you're|keep|can't wait)\b|^(네|응|와|우와|오|안녕|감사|고마|축하|좋아요|그래요|맞아|대박|ㅋㅋ|ㅎㅎ)").ok()
});

/// Words of any talk; rare or not in this one, they hardly say what it is about.
const GENERIC: &str = "great good best better amazing awesome wonderful love lovely nice fun happy excited exciting glad proud hope \
    thankful grateful lucky support supportive help helping feel feeling felt think thinking thought know see seeing look looking keep \
    keeping going go come coming work working time times day days life people world special important together always moment moments \
    memory memories journey share sharing experience inspire inspiring inspired motivate motivated strength courage give giving beautiful \
    cool super true real enjoy enjoying talk talking chat tell say hear heard found find take taking try trying wish believe mean happen \
    happened able different difference around far long past wait welcome interesting impressive incredible positive encourage encouraging \
    understand appreciate care bring helpful meaningful connect relax stay busy vibe passion passionate dream stuff rewarding powerful \
    challenge challenging tough hard idea plan question matter sound place everyone someone something anything everything nothing \
    좋아요 좋네요 대단해요 감사해요 고마워요 행복 멋져요 괜찮아요 같아요 생각 마음 정말로 응원 기대 재미 힘내 그렇군요";
/// What a generic word counts beside another.
const GENERIC_SHARE: f32 = 0.1;

static GENERIC_TERMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| terms(GENERIC).into_iter().collect());

fn says(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// Why a sentence must survive, if it must.
pub(crate) fn pin_kind(sentence: &str) -> Option<PinKind> {
    if sentence.chars().nth(300).is_some() {
        // Pasted material is searched with `recall`; it is no statement.
        None
    } else if says(&WISH, sentence) && !sentence.trim_end().ends_with('?') {
        Some(PinKind::Wish)
    } else if says(&DECISION, sentence) && !sentence.trim_end().ends_with('?') {
        Some(PinKind::Decision)
    } else if says(&FIGURE, sentence) {
        Some(PinKind::Figure)
    } else {
        None
    }
}

/// In how many messages each term occurs.
pub(crate) struct TermFrequencies {
    holders: HashMap<String, f32>,
    messages: f32,
}

impl TermFrequencies {
    pub(crate) fn new<'a>(messages: impl Iterator<Item = &'a str>) -> Self {
        let (mut holders, mut count) = (HashMap::new(), 0.0);
        for message in messages {
            count += 1.0;
            for term in terms(message).into_iter().collect::<BTreeSet<_>>() {
                *holders.entry(term).or_default() += 1.0;
            }
        }
        Self { holders, messages: count }
    }

    /// How rare a term is; bounded, for a word said once may be a slip.
    pub(crate) fn rarity(&self, term: &str) -> f32 {
        const MOST: f32 = 4.5;
        let held: f32 = self.holders.get(term).copied().unwrap_or_default();
        let rarity = (self.messages.max(8.0) / (1.0 + held)).ln().clamp(0.0, MOST);
        if GENERIC_TERMS.contains(term) { rarity * GENERIC_SHARE } else { rarity }
    }
}

/// How much a sentence carries: the rarity of what its telegram says, more for names, numbers, events and the speaker's own
/// life, less for questions and reactions. 0 for a sentence that says nothing.
pub(crate) fn salience(sentence: &str, telegram: &str, frequencies: &TermFrequencies) -> f32 {
    let content: BTreeSet<String> = terms(telegram).into_iter().collect();
    let rarity: f32 = content.iter().map(|term| frequencies.rarity(term)).sum();
    let names = sentence
        .split_whitespace()
        .skip(1)
        .filter(|word| {
            word.starts_with(|c: char| c.is_uppercase()) && !word.starts_with("I'") && *word != "I"
        })
        .count();
    let numbers = NUMBER_WORD.as_ref().map_or(0, |pattern| pattern.find_iter(sentence).take(2).count());
    let mut weight = 1.0 + 0.25 * names.min(3) as f32 + 0.3 * numbers as f32;
    if says(&ABOUT_SELF, sentence) {
        weight += 0.35;
    }
    if says(&EVENT, sentence) {
        weight += 0.25;
    }
    if sentence.trim_end().ends_with('?') {
        weight *= 0.55;
    }
    if says(&REACTION, sentence.trim_start()) && names == 0 && numbers == 0 {
        weight *= 0.5;
    }
    rarity * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_in_both_languages() {
        for (sentence, kind) in [
            ("Please remember that I'm allergic to nuts.", Some(PinKind::Wish)),
            ("앞으로는 존댓말로 답해줘.", Some(PinKind::Wish)),
            ("We agreed to ship on Friday.", Some(PinKind::Decision)),
            ("회의는 화요일에 하기로 했어.", Some(PinKind::Decision)),
            ("The budget is $4,200.", Some(PinKind::Figure)),
            ("예산은 300만원이야.", Some(PinKind::Figure)),
            ("Do you always do that?", None),
            ("It was fun.", None),
        ] {
            assert_eq!(pin_kind(sentence), kind, "{sentence}");
        }
    }

    #[test]
    fn facts_carry_more_than_reactions() {
        let messages = [
            "Wow, that is great!",
            "I went to Busan with my sister last May.",
            "How are you?",
            "어제 부산에서 자전거를 샀어요.",
        ];
        let frequencies = TermFrequencies::new(messages.iter().copied());
        let score = |text: &str| salience(text, &super::super::telegram::telegram(text, &[]), &frequencies);
        assert!(score(messages[1]) > 2.0 * score(messages[0]));
        assert!(score(messages[3]) > score(messages[2]));
        assert!(score("Oh!") < f32::EPSILON);
    }
}
