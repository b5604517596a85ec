//! The verdict on a pair: the probability that one answer serves both questions, and what forbids it.

use super::compare;
use super::features::{self, FEATURES};
use super::forest::Forest;
use super::question::{Question, Unshareable};
use super::slot::{Agreement, Slot, SlotVerdict};
use nunchi_core::Lang;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What forbids sharing, whatever the probability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// The two questions differ in this slot.
    Slot(Slot),
    /// The new question takes no part in sharing.
    Asked(Unshareable),
    /// The stored question takes no part in sharing.
    Stored(Unshareable),
    /// No verifier that fits this code was shipped.
    NoVerifier,
}

/// The verdict on a pair of questions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharingVerdict {
    /// The calibrated probability that the stored answer is right for the new question; 0 when blocked.
    pub share_probability: f32,
    /// What forbids sharing.
    pub blocked_by: Option<Blocked>,
    /// Every slot, in the order of [`Slot::ALL`].
    pub slots: Vec<SlotVerdict>,
    /// The cosine of the sentence vectors that the verdict was given.
    pub cosine: f32,
}

/// Judges whether the answer to `stored` may be served for `asked`. `cosine` is that of their sentence vectors.
pub fn judge(asked: &Question, stored: &Question, cosine: f32) -> SharingVerdict {
    let slots = compare::slots(asked, stored);
    let features = features::describe(asked, stored, cosine, &slots);
    let unshareable = asked.unshareable.map(Blocked::Asked).or(stored.unshareable.map(Blocked::Stored));
    let conflict = || {
        let found = slots.iter().find(|verdict| forbids(verdict, same_frame(&features)));
        found.map(|verdict| Blocked::Slot(verdict.slot))
    };
    let verifier = Forest::shipped();
    let blocked_by =
        unshareable.or_else(conflict).or_else(|| verifier.is_none().then_some(Blocked::NoVerifier));
    let share_probability = match verifier.filter(|_| blocked_by.is_none()) {
        Some(verifier) => verifier.probability(&features),
        None => 0.0,
    };
    SharingVerdict { share_probability, blocked_by, slots, cosine }
}

/// Whether a slot's verdict forbids sharing by itself. Slots that paraphrases often word otherwise (a prohibition as a
/// demand, a question as an order) forbid only where the two questions say nearly the same besides.
fn forbids(verdict: &SlotVerdict, same_frame: bool) -> bool {
    let conflict = verdict.agreement == Agreement::Conflict;
    match verdict.slot {
        Slot::Polarity | Slot::Order | Slot::Quantifier => conflict && same_frame,
        Slot::Act => false,
        _ => conflict,
    }
}

/// Whether nearly every word of both questions is found in the other.
fn same_frame(features: &[f32; FEATURES]) -> bool {
    const NEARLY: f32 = 0.7;
    features[features::COVERAGE_MIN] >= NEARLY
}

/// Describes a pair for training and for `cache explain`; [`super::FEATURE_NAMES`] names the numbers.
pub fn pair_features(asked: &Question, stored: &Question, cosine: f32) -> [f32; FEATURES] {
    features::describe(asked, stored, cosine, &compare::slots(asked, stored))
}

impl SharingVerdict {
    /// The verdict as lines for a person: the decision, then each slot that either question fills.
    pub fn explain(&self, lang: Lang) -> String {
        let percent = self.share_probability * 100.0;
        let cosine = self.cosine;
        let mut text = match self.blocked_by {
            Some(blocked) => lang.pick(
                format!("not shared: {} (cosine {cosine:.3})", blocked.reason(lang)),
                format!("공유하지 않음: {} (코사인 {cosine:.3})", blocked.reason(lang)),
            ),
            None => lang.pick(
                format!("right to share with probability {percent:.1} % (cosine {cosine:.3})"),
                format!("답을 공유해도 맞을 확률 {percent:.1} % (코사인 {cosine:.3})"),
            ),
        };
        for verdict in self.slots.iter().filter(|verdict| verdict.agreement != Agreement::Absent) {
            let (slot, agreement) = (verdict.slot.name(lang), verdict.agreement.name(lang));
            let list = |values: &[String]| if values.is_empty() { "-".to_owned() } else { values.join(", ") };
            text +=
                &format!("\n  {slot}: {agreement} ({} | {})", list(&verdict.asked), list(&verdict.stored));
        }
        text
    }
}

impl fmt::Display for SharingVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explain(Lang::En))
    }
}

impl Blocked {
    /// Why, as a phrase.
    pub fn reason(self, lang: Lang) -> String {
        let why = |unshareable| match unshareable {
            Unshareable::Empty => lang.pick("is empty", "비어 있음"),
            Unshareable::TooLong => lang.pick("is too long", "너무 김"),
            Unshareable::MixedScripts => lang.pick("mixes look-alike scripts", "닮은 글자가 섞여 있음"),
        };
        match self {
            Self::Slot(slot) => {
                let name = slot.name(lang);
                lang.pick(format!("the {name} differs"), format!("{name} 항목이 다름"))
            }
            Self::Asked(unshareable) => {
                let why = why(unshareable);
                lang.pick(format!("the new question {why}"), format!("새 질문: {why}"))
            }
            Self::Stored(unshareable) => {
                let why = why(unshareable);
                lang.pick(format!("the stored question {why}"), format!("저장된 질문: {why}"))
            }
            Self::NoVerifier => lang.pick("no verifier is loaded", "검증기가 없음").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::{SharingDecision, SharingPrior, SharingRecord};

    /// What an entry without experience does for a pair at a promise of 1 %.
    fn decision(asked: &str, stored: &str, cosine: f32) -> (SharingDecision, SharingVerdict) {
        let verdict = judge(&Question::read(asked), &Question::read(stored), cosine);
        let record = SharingRecord::default();
        (record.decide(&SharingPrior::shipped(), verdict.share_probability, 0.01, 0.5), verdict)
    }

    #[test]
    fn near_misses_are_blocked_by_the_slot_that_differs() {
        for (asked, stored, slot) in [
            ("turn on dark mode", "turn off dark mode", Slot::State),
            ("다크 모드 켜줘", "다크 모드 꺼줘", Slot::State),
            ("turn the lights on", "turn the lights off", Slot::State),
            ("거실 불 켜줘", "거실 불 꺼줘", Slot::State),
            ("enable notifications", "disable notifications", Slot::State),
            ("trains from Seoul to Tokyo", "trains from Tokyo to Seoul", Slot::Order),
            ("flights Seoul to Tokyo", "flights Tokyo to Seoul", Slot::Order),
            ("서울에서 도쿄까지 가는 비행기", "도쿄에서 서울까지 가는 비행기", Slot::Order),
            ("meeting on March 5", "meeting on March 6", Slot::Date),
            ("3월 5일 회의 자료", "3월 6일 회의 자료", Slot::Date),
            ("다음주 월요일에 예약해줘", "다음주 화요일에 예약해줘", Slot::Date),
            ("set an alarm for 7 am", "set an alarm for 7 pm", Slot::Time),
            ("오전 7시 알람", "오후 7시 알람", Slot::Date),
            ("top 5 books on history", "top 10 books on history", Slot::Number),
            ("사과 세 개 주문해줘", "사과 네 개 주문해줘", Slot::Number),
            ("３만원 이하 선물", "５만원 이하 선물", Slot::Number),
            ("who is Tim Cook", "who is Bill Gates", Slot::Entity),
            ("where does Alice live", "where does Bob live", Slot::Entity),
            ("손흥민은 몇 살이야?", "메시는 몇 살이야?", Slot::Entity),
            ("삼성전자 본사 주소", "하이닉스 본사 주소", Slot::Entity),
            ("what changed in v1.2.3", "what changed in v1.2.4", Slot::Literal),
            ("translate \"good day\"", "translate \"good night\"", Slot::Literal),
            ("Is A bigger than B?", "Is A smaller than B?", Slot::Comparison),
            ("when did Rome fall", "why did Rome fall", Slot::Asked),
            ("회의는 언제야?", "회의는 어디서 해?", Slot::Asked),
            ("보고서를 삭제하지 마", "보고서를 삭제해", Slot::Polarity),
            ("email Bob that I will come", "email Bob that I will not come", Slot::Polarity),
            ("list all files in the folder", "list some files in the folder", Slot::Quantifier),
        ] {
            let (decided, verdict) = decision(asked, stored, 0.96);
            assert_eq!(decided, SharingDecision::Ask, "{asked} | {stored}");
            assert_eq!(verdict.blocked_by, Some(Blocked::Slot(slot)), "{asked} | {stored}\n{verdict}");
        }
    }

    #[test]
    fn other_names_are_refused_though_no_list_knows_them() {
        for (asked, stored) in [
            ("김철수 전화번호 알려줘", "이영희 전화번호 알려줘"),
            ("how do I prune roses", "how do I prune lilacs"),
            ("장미 키우는 방법", "백합 키우는 방법"),
        ] {
            assert_eq!(decision(asked, stored, 0.9).0, SharingDecision::Ask, "{asked} | {stored}");
        }
    }

    #[test]
    fn paraphrases_share() {
        for (asked, stored, cosine) in [
            ("enable 2FA", "turn on 2FA", 0.85),
            ("turn on 2FA", "enable 2FA", 0.67),
            ("turn on two-factor authentication", "enable two factor authentication please", 0.9),
            ("공기 청정기 사용 방법은?", "공기 청정기는 어떻게 사용해?", 0.9),
            ("서울 인구는 몇 명이야?", "What is the population of Seoul?", 0.85),
        ] {
            let (decided, verdict) = decision(asked, stored, cosine);
            assert_eq!(decided, SharingDecision::Serve, "{asked} | {stored}\n{verdict}");
        }
    }

    #[test]
    fn a_bolder_paraphrase_waits_for_experience() {
        let (decided, verdict) =
            decision("How many people live in Seoul?", "What is the population of Seoul?", 0.9);
        assert_eq!((decided, verdict.blocked_by), (SharingDecision::Ask, None), "{verdict}");
        let mut record = SharingRecord::default();
        (0..30).for_each(|_| record.observe(verdict.share_probability - 0.02, true));
        let later = record.decide(&SharingPrior::shipped(), verdict.share_probability, 0.05, 0.5);
        assert_eq!(later, SharingDecision::Serve, "{verdict}");
    }

    #[test]
    fn a_swap_of_arguments_with_the_opposite_direction_says_the_same() {
        let (_, verdict) = decision("Is Jupiter bigger than Saturn?", "Is Saturn smaller than Jupiter?", 0.9);
        assert_eq!(verdict.blocked_by, None, "{verdict}");
    }

    #[test]
    fn odd_texts_are_refused_with_a_reason() {
        let long = "word ".repeat(100_000);
        for (text, why) in [
            ("", Unshareable::Empty),
            ("?!", Unshareable::Empty),
            (long.as_str(), Unshareable::TooLong),
            ("what is p\u{430}ypal", Unshareable::MixedScripts),
        ] {
            let (decided, verdict) = decision(text, "what is paypal", 1.0);
            assert_eq!((decided, verdict.blocked_by), (SharingDecision::Ask, Some(Blocked::Asked(why))));
            let (_, verdict) = decision("what is paypal", text, 1.0);
            assert_eq!(verdict.blocked_by, Some(Blocked::Stored(why)));
        }
    }

    #[test]
    fn a_stored_question_judges_like_a_fresh_one() {
        let (a, b) = (
            Question::read("내일 오후 3시 회의실 예약해줘"),
            Question::read("회의실 내일 15:00 예약 부탁해"),
        );
        let stored = serde_json::to_string(&b).expect("serialises");
        let back: Question = serde_json::from_str(&stored).expect("reads back");
        assert_eq!(judge(&a, &back, 0.8), judge(&a, &b, 0.8));
    }

    #[test]
    fn verdicts_are_explained_in_both_languages() {
        let (_, verdict) = decision("turn on dark mode", "turn off dark mode", 0.96);
        assert!(
            verdict.to_string().starts_with("not shared: the opposite differs (cosine 0.960)"),
            "{verdict}"
        );
        assert!(verdict.explain(Lang::Ko).contains("반대말: 충돌"), "{}", verdict.explain(Lang::Ko));
    }

    #[test]
    fn a_word_said_twice_takes_no_side() {
        let (a, b) = (Question::read("b$Aa\0Ѩ Ѩ\0ㇰ"), Question::read("Ѩ\u{2ee5e}c"));
        let (one, other) = (judge(&a, &b, 0.0), judge(&b, &a, 0.0));
        assert!((one.share_probability - other.share_probability).abs() < 1e-4);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged(a in ".{0,80}", b in ".{0,80}", cosine in -1.0..1.0_f32) {
            let (a, b) = (Question::read(&a), Question::read(&b));
            let verdict = judge(&a, &b, cosine);
            proptest::prop_assert!((0.0..=1.0).contains(&verdict.share_probability));
            let turned = judge(&b, &a, cosine);
            proptest::prop_assert!((verdict.share_probability - turned.share_probability).abs() < 1e-4);
        }
    }
}
