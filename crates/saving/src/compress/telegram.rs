//! Writes a sentence like a telegram: the words that carry it stay, in order, the rest goes.

use std::collections::HashSet;
use std::sync::LazyLock;

/// English words a reader fills in. Negations, conditions and directions are not among them: they turn a meaning round.
const FILLERS: &str = "a an the of and is are was were be been being am i me my mine we us our you your he him his she her it its they \
    them their this that these those there here have has had having do does did so very really just also too as at in on for with \
    by about into some any all much many lot lots such like well oh wow hey hi yeah yes yep thanks thank totally definitely absolutely \
    sure course would could can will should may might let lets let's get got getting gets make makes made who which what when where \
    how why more most even still only quite pretty kind sort bit things thing stuff one ones way then now up out off because though \
    but it's that's i'm i've i'll i'd we're we've we'll you're you've they're there's he's she's what's here's who's gonna wanna";

/// Korean words that only fill.
const KOREAN_FILLERS: &str = "그냥 정말 진짜 너무 아주 매우 좀 네 예 아 어 음 글쎄 그리고 그래서 그런데 근데 그러면 그럼 이제 막 되게 뭐 와 우와";

static DROPPED: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FILLERS.split_ascii_whitespace().chain(KOREAN_FILLERS.split_whitespace()).collect());

/// The sentence without its fillers and without the names by which the speakers call each other. Words keep their spelling;
/// code, numbers and names are left alone: a capital inside a sentence is no filler ("8 May", "the US").
pub(crate) fn telegram(sentence: &str, speakers: &[&str]) -> String {
    let mut kept = String::with_capacity(sentence.len());
    let mut before = "";
    for (at, word) in sentence.split_whitespace().enumerate() {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let lower = core.to_lowercase().replace('’', "'");
        let opens = at == 0 || before.ends_with(['.', '!', '?']);
        let name = !opens && core.starts_with(char::is_uppercase) && core != "I" && !core.starts_with("I'");
        let hour = lower == "am" && before.ends_with(|c: char| c.is_ascii_digit());
        let filler = DROPPED.contains(lower.as_str()) && !name && !hour;
        before = word;
        if core.is_empty() || filler || addresses(core, word, speakers) {
            continue;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word.trim_end_matches([',', '.', '!', ';', '~']).trim_start_matches(['"', '“', '\'']));
    }
    kept
}

/// Whether a word only calls a speaker: a name or its short form, set off by punctuation or the last word.
fn addresses(core: &str, word: &str, speakers: &[&str]) -> bool {
    core.chars().nth(2).is_some()
        && word.ends_with([',', '.', '!', '?'])
        && speakers.iter().any(|speaker| speaker.starts_with(core))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_carries_a_sentence_stays() {
        for (sentence, short) in [
            (
                "I went to a LGBTQ support group yesterday and it was so powerful.",
                "went to LGBTQ support group yesterday powerful",
            ),
            ("We do not want the red one, only if it's cheap.", "not want red if cheap"),
            ("그래서 정말 내일 3시에 만나기로 했어요.", "내일 3시에 만나기로 했어요"),
            ("It costs $3.50 (see a/b.rs)!", "costs $3.50 (see a/b.rs)"),
            ("Oh wow, yeah!", ""),
            ("Thanks, Caro! We met on 8 May in the US at 9 am.", "met 8 May US 9 am"),
            ("Caroline told me.", "Caroline told"),
        ] {
            assert_eq!(telegram(sentence, &["Caroline"]), short, "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn never_longer_and_keeps_numbers(text in "[a-z ]{0,30}", number in 0..100_000_u32) {
            let sentence = format!("{text} {number} of them");
            let short = telegram(&sentence, &[]);
            prop_assert!(short.len() <= sentence.len());
            prop_assert!(short.contains(&number.to_string()));
        }
    }
}
