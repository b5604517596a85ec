//! Why two questions do or do not share an answer, for a person.

use super::Semantic;
use nunchi_core::{CallContext, Lang};
use nunchi_saving::{
    Question, SharingDecision, SharingRecord, SharingVerdict, is_plain_question, judge, languages_fit,
    same_words,
};
use serde::Serialize;

/// Why two questions do or do not share an answer.
#[derive(Clone, Debug, Serialize)]
pub struct SharingReport {
    /// Whether they do.
    pub shared: bool,
    /// Whether their languages may share at all.
    pub languages_fit: bool,
    /// Whether they are plain questions in which no weighty word stands alone, as far as that is asked for.
    pub same_words: bool,
    /// The probability that is asked for.
    pub needed: f32,
    /// What the guard found.
    pub verdict: SharingVerdict,
}

impl SharingReport {
    /// The report as lines for a person.
    pub fn explain(&self, lang: Lang) -> String {
        let head = if self.shared {
            lang.pick("They share an answer.", "두 질문은 답을 공유합니다.")
        } else if !self.languages_fit {
            lang.pick(
                "They do not share an answer: answers are not shared across languages (cache.across_languages).",
                "답을 공유하지 않습니다: 언어가 다르면 공유하지 않습니다(cache.across_languages).",
            )
        } else if !self.same_words && self.verdict.blocked_by.is_none() {
            lang.pick(
                "They do not share an answer: a word has no counterpart, or something is quoted or pasted (cache.semantic_strict).",
                "답을 공유하지 않습니다: 짝이 없는 낱말이 있거나 인용·붙여넣기가 있습니다(cache.semantic_strict).",
            )
        } else {
            lang.pick("They do not share an answer.", "두 질문은 답을 공유하지 않습니다.")
        };
        let needed = self.needed * 100.0;
        let bar = lang.pick(format!("needed: {needed:.1} %"), format!("필요한 확률: {needed:.1} %"));
        format!("{head}\n{}\n{bar}", self.verdict.explain(lang))
    }
}

impl Semantic {
    /// Why two questions do or do not share an answer.
    pub(crate) async fn explain(&self, a: &str, b: &str, context: &CallContext) -> Option<SharingReport> {
        self.ready(context).await;
        let (asked, stored) = (Question::read(a), Question::read(b));
        let cosine = self.embed(a, context).await?.cosine(&self.embed(b, context).await?);
        let verdict = judge(&asked, &stored, cosine);
        let languages = languages_fit(asked.tongue(), stored.tongue(), self.rules());
        let delta = f64::from(self.settings.error_rate);
        let decision = SharingRecord::default().decide(&self.prior(), verdict.share_probability, delta, 1.0);
        let plain = is_plain_question(a) && is_plain_question(b);
        let words = !self.settings.strict || plain && same_words(&asked, &stored, cosine);
        let sure = decision == SharingDecision::Serve && words;
        Some(SharingReport {
            shared: languages && verdict.blocked_by.is_none() && sure,
            languages_fit: languages,
            same_words: words,
            needed: self.needed(delta),
            verdict,
        })
    }

    /// The probability from which an answer is shared of which nothing was learned yet.
    fn needed(&self, delta: f64) -> f32 {
        let prior = self.prior();
        let measured = prior.floors.iter().flatten().filter(|(promise, _)| *promise <= delta + 1e-6);
        measured.map(|(_, score)| *score).min_by(f32::total_cmp).unwrap_or(1.0 - self.settings.error_rate)
    }
}
