//! From which score on an answer may be shared: measured on labelled pairs of questions, or on what audits found, of this house.

use super::{PAGE, Semantic, read_record};
use crate::encoder_error::{no_encoder, no_encoder_hint};
use nunchi_core::{CallContext, Explain, Lang, PackedVector, StorageError};
use nunchi_saving::{Question, SharingPrior, judge, languages_fit, same_words, share_of, shareable_question};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::PoisonError;

/// Promises that are measured: wrong answers as a share of all look-ups.
const PROMISES: [f64; 4] = [0.005, 0.01, 0.02, 0.05];
/// Fewer labelled look-ups say nothing.
const LEAST: usize = 100;
/// Questions embedded at once.
const BATCH: usize = 32;

/// Two questions, and whether one's answer is right for the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionPair {
    /// A question.
    pub a: String,
    /// Another one.
    pub b: String,
    /// Whether they may share an answer.
    pub same: bool,
}

/// What a promise takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CalibrationRow {
    /// Wrong answers accepted, as a share of all look-ups.
    pub promise: f64,
    /// The score from which answers are shared; `None` where no score keeps the promise with 95 % certainty.
    pub score: Option<f32>,
    /// The shipped score.
    pub shipped: Option<f32>,
    /// Share of look-ups that would be served.
    pub served: f64,
    /// Share of look-ups that would be served wrongly.
    pub wrong: f64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Look-ups it rests on.
    pub lookups: usize,
    /// Each promise.
    pub rows: Vec<CalibrationRow>,
    /// Whether it is in force now.
    pub applied: bool,
}

/// Why nothing was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalibrationError {
    /// The sentence encoder cannot be asked, or sharing by meaning is off.
    NoEncoder,
    /// So few look-ups are labelled.
    TooFew(usize),
    /// The store cannot be read or written.
    Storage(StorageError),
}

impl fmt::Display for CalibrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for CalibrationError {}

impl Explain for CalibrationError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoEncoder => "cache.no_encoder",
            Self::TooFew(_) => "cache.calibrate.too_few",
            Self::Storage(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        match self {
            Self::NoEncoder => no_encoder(lang),
            Self::TooFew(found) => lang.pick(
                format!("there are {found} labelled look-ups; {LEAST} are needed"),
                format!("판정된 조회가 {found}개뿐입니다. {LEAST}개는 있어야 합니다"),
            ),
            Self::Storage(error) => error.message(lang),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::NoEncoder => return Some(no_encoder_hint(lang)),
            Self::TooFew(_) => (
                "Name a file of pairs with --data, or let audits gather: one shared answer in twenty is compared.",
                "--data로 질문 쌍 파일을 지정하거나, 감사가 쌓이기를 기다리세요. 공유한 답 스무 개 가운데 하나를 비교합니다.",
            ),
            Self::Storage(error) => return error.hint(lang),
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

impl From<StorageError> for CalibrationError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Semantic {
    pub(super) fn prior(&self) -> SharingPrior {
        *self.prior.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a prior in force.
    pub(crate) fn set_prior(&self, prior: SharingPrior) {
        *self.prior.write().unwrap_or_else(PoisonError::into_inner) = prior;
    }

    /// Measures which score keeps which promise, on these pairs, or on all audits if there are none.
    pub(crate) async fn calibrate(
        &self,
        pairs: &[QuestionPair],
        context: &CallContext,
    ) -> Result<Calibration, CalibrationError> {
        let mut seen =
            if pairs.is_empty() { self.audits().await? } else { self.score_pairs(pairs, context).await? };
        if seen.len() < LEAST {
            return Err(CalibrationError::TooFew(seen.len()));
        }
        seen.sort_by(|a, b| b.0.total_cmp(&a.0));
        let shipped = SharingPrior::shipped();
        let rows = PROMISES.iter().map(|promise| row(*promise, &seen, &shipped)).collect();
        Ok(Calibration { lookups: seen.len(), rows, applied: false })
    }

    /// The score and the truth of every pair; one that the guard turns away scores nothing.
    async fn score_pairs(
        &self,
        pairs: &[QuestionPair],
        context: &CallContext,
    ) -> Result<Vec<(f32, bool)>, CalibrationError> {
        let mut seen = Vec::with_capacity(pairs.len());
        for batch in pairs.chunks(BATCH / 2) {
            let texts: Vec<String> = batch.iter().flat_map(|pair| [pair.a.clone(), pair.b.clone()]).collect();
            let vectors = self.embed_many(&texts, context).await.ok_or(CalibrationError::NoEncoder)?;
            for (pair, vectors) in batch.iter().zip(vectors.chunks(2)) {
                let [a, b] = vectors else { return Err(CalibrationError::NoEncoder) };
                let cosine = PackedVector::pack(a).cosine(&PackedVector::pack(b));
                let (asked, stored) = (self.shareable(&pair.a), self.shareable(&pair.b));
                let score =
                    asked.zip(stored).map_or(0.0, |(asked, stored)| self.score(&asked, &stored, cosine));
                seen.push((score, pair.same));
            }
        }
        Ok(seen)
    }

    fn shareable(&self, text: &str) -> Option<Question> {
        shareable_question(text, self.rules())
    }

    /// How likely two questions share an answer; nothing for what the rules turn away.
    fn score(&self, asked: &Question, stored: &Question, cosine: f32) -> f32 {
        let verdict = judge(asked, stored, cosine);
        let rules = self.rules();
        let barred = verdict.blocked_by.is_some()
            || !languages_fit(asked.tongue(), stored.tongue(), rules)
            || rules.strict && !same_words(asked, stored, cosine);
        if barred { 0.0 } else { verdict.share_probability }
    }

    /// What audits found of all stored answers.
    async fn audits(&self) -> Result<Vec<(f32, bool)>, CalibrationError> {
        let (mut seen, mut after) = (Vec::new(), i64::MIN);
        loop {
            let (encoder, now) = (self.parts.encoder.clone(), self.clock.now());
            let page = self.parts.questions.scan_questions(encoder, now, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(seen) };
            after = *last;
            for (_, question) in &page {
                seen.extend(read_record(&question.evidence).seen());
            }
        }
    }
}

/// The lowest score from which wrong answers stay within a promise, by the upper end of their interval.
fn row(promise: f64, seen: &[(f32, bool)], shipped: &SharingPrior) -> CalibrationRow {
    let shipped = shipped.floors.iter().flatten().find(|(known, _)| (known - promise).abs() < 1e-6);
    let mut found = CalibrationRow {
        promise,
        score: None,
        shipped: shipped.map(|(_, score)| *score),
        served: 0.0,
        wrong: 0.0,
    };
    let (mut served, mut wrong) = (0, 0);
    for like in seen.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        served += like.len();
        wrong += like.iter().filter(|(_, right)| !right).count();
        let share = share_of(wrong, seen.len());
        if like[0].0 > 0.0 && share.high <= promise {
            found.score = Some(like[0].0);
            found.served = share_of(served, seen.len()).value;
            found.wrong = share.value;
        }
    }
    found
}

impl Calibration {
    /// The prior with the measured scores alone: a shipped score for a promise that could not be measured here might be too
    /// low. Where nothing could be measured, what ships.
    pub(crate) fn prior(&self) -> SharingPrior {
        let mut prior = SharingPrior::shipped();
        let measured: Vec<_> = self.rows.iter().filter_map(|row| Some((row.promise, row.score?))).collect();
        if !measured.is_empty() {
            let mut measured = measured.into_iter();
            prior.floors.iter_mut().for_each(|floor| *floor = measured.next());
        }
        prior
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_score_that_keeps_a_promise_for_sure() {
        // A thousand look-ups: right ones from the top, a wrong one at every fiftieth place.
        let seen: Vec<(f32, bool)> =
            (0..1_000_u16).map(|place| (1.0 - f32::from(place) / 1_001.0, place % 50 != 49)).collect();
        let shipped =
            SharingPrior { floors: [Some((0.01, 0.9)), None, None, None], ..SharingPrior::default() };
        let strict = row(0.01, &seen, &shipped);
        assert_eq!(strict.shipped, Some(0.9));
        // Four wrong of a thousand have an upper end of 1.02 %, three of 0.88 %.
        let score = strict.score.unwrap();
        assert!((score - (1.0 - 198.0 / 1_001.0)).abs() < 1e-4, "{score}");
        assert!((strict.served - 0.199).abs() < 1e-9 && (strict.wrong - 0.003).abs() < 1e-9, "{strict:?}");
        assert!(row(0.05, &seen, &shipped).score < strict.score);
        assert_eq!(row(0.002, &seen, &shipped).score, None, "a thousand look-ups cannot promise that");
    }

    #[test]
    fn what_the_guard_turns_away_is_never_shared() {
        let seen = vec![(0.0, true); 1_000];
        assert_eq!(row(0.05, &seen, &SharingPrior::default()).score, None);
    }
}
