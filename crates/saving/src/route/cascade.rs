//! A cheap model first, a check, the strong model only if the check fails: when that pays, and what the check decides.

use nunchi_core::{Lang, NanoUsd};

/// What the checks found on a cheap answer; `None` for a check that was not made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckResults {
    /// Whether the answer fits the schema asked for.
    pub schema: Option<bool>,
    /// How alike two cheap samples are, 0 to 1.
    pub agreement: Option<f32>,
    /// A judge's score, 0 to 1.
    pub judge: Option<f32>,
}

/// From where on a check is passed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CascadePolicy {
    /// Least agreement of two samples.
    pub agreement: f32,
    /// Least score of the judge.
    pub judge: f32,
}

impl Default for CascadePolicy {
    fn default() -> Self {
        Self { agreement: 0.8, judge: 0.7 }
    }
}

/// What becomes of a cheap answer, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CascadeVerdict {
    /// It stands: every check made was passed.
    Accept,
    /// It breaks the schema.
    BrokenSchema,
    /// Two samples differ: the agreement found.
    Disagreement(f32),
    /// The judge's score is too low.
    LowScore(f32),
    /// No check was made, so nothing vouches for it.
    Unchecked,
}

impl CascadeVerdict {
    /// Whether the strong model is asked.
    pub fn escalates(self) -> bool {
        self != Self::Accept
    }

    /// The reason as a sentence.
    pub fn message(self, lang: Lang) -> String {
        match self {
            Self::Accept => lang.pick("every check was passed".into(), "모든 검사를 통과했습니다".into()),
            Self::BrokenSchema => {
                lang.pick("the answer breaks the schema".into(), "답이 스키마에 맞지 않습니다".into())
            }
            Self::Disagreement(found) => lang.pick(
                format!("two samples agree only {:.0} %", found * 100.0),
                format!("두 답이 {:.0}%만 일치합니다", found * 100.0),
            ),
            Self::LowScore(score) => {
                lang.pick(format!("the judge gave {score:.2}"), format!("심판 점수가 {score:.2}입니다"))
            }
            Self::Unchecked => lang.pick("no check was made".into(), "검사가 없었습니다".into()),
        }
    }
}

/// Decides from the checks. The surest proof of a fault is named first; a value that is no number fails.
pub fn verify_answer(checks: CheckResults, policy: CascadePolicy) -> CascadeVerdict {
    if checks.schema == Some(false) {
        return CascadeVerdict::BrokenSchema;
    }
    if let Some(found) = checks.agreement.filter(|a| a.is_nan() || *a < policy.agreement) {
        return CascadeVerdict::Disagreement(found);
    }
    if let Some(score) = checks.judge.filter(|s| s.is_nan() || *s < policy.judge) {
        return CascadeVerdict::LowScore(score);
    }
    // A schema says that an answer has the right form, not that it is right; it vouches alone only where it is all that is asked.
    let checked = checks.schema.is_some() || checks.agreement.is_some() || checks.judge.is_some();
    if checked { CascadeVerdict::Accept } else { CascadeVerdict::Unchecked }
}

/// What the steps of a cascade cost for one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CascadeCosts {
    /// The cheap answer (both samples, if two are drawn).
    pub cheap: NanoUsd,
    /// The check.
    pub check: NanoUsd,
    /// The strong answer.
    pub strong: NanoUsd,
}

/// How a cascade fares, from past cascades or from the router's own odds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CascadeOdds {
    /// Probability that the cheap answer is right.
    pub cheap_right: f32,
    /// Probability that the strong answer is right.
    pub strong_right: f32,
    /// Probability that the check passes a right answer.
    pub passes_right: f32,
    /// Probability that the check passes a wrong answer.
    pub passes_wrong: f32,
}

/// What to expect of a cascade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CascadeForecast {
    /// Probability that the cheap answer stands.
    pub stands: f32,
    /// Expected cost of a question.
    pub cost: NanoUsd,
    /// Expected saving against asking the strong model at once; negative when the cascade costs more.
    pub saving: NanoUsd,
    /// Expected share of right answers.
    pub quality: f32,
    /// The probability of standing from which the cascade is cheaper than the strong model; above 1 it never is.
    pub break_even: f32,
}

impl CascadeForecast {
    /// Whether the cascade is cheaper and keeps this share of the strong model's quality.
    pub fn pays(&self, odds: CascadeOdds, least_quality: f32) -> bool {
        self.saving > NanoUsd::ZERO && self.quality >= least_quality * odds.strong_right
    }
}

/// What a cascade costs and gives on average. The strong model's chance is taken to be the same whatever the check said.
pub fn forecast_cascade(costs: CascadeCosts, odds: CascadeOdds) -> CascadeForecast {
    let chance = |p: f32| if p.is_finite() { p.clamp(0.0, 1.0) } else { 0.0 };
    let right = chance(odds.cheap_right);
    let (kept, fooled) = (right * chance(odds.passes_right), (1.0 - right) * chance(odds.passes_wrong));
    let stands = (kept + fooled).clamp(0.0, 1.0);
    // Probabilities in millionths keep the money exact.
    let rises = i128::from(1_000_000 - (f64::from(stands) * 1e6).round() as i64);
    let strong =
        i128::from(costs.strong.0).saturating_mul(rises).saturating_add(999_999).div_euclid(1_000_000);
    let first = costs.cheap + costs.check;
    let cost = first + NanoUsd::saturating_from(strong);
    let break_even = if costs.strong.0 > 0 { first.0 as f32 / costs.strong.0 as f32 } else { f32::INFINITY };
    CascadeForecast {
        stands,
        cost,
        saving: costs.strong - cost,
        quality: kept + (1.0 - stands) * chance(odds.strong_right),
        break_even,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn verdicts() {
        let policy = CascadePolicy::default();
        let checks = |schema, agreement, judge| CheckResults { schema, agreement, judge };
        for (found, verdict) in [
            (checks(Some(true), Some(0.9), Some(0.9)), CascadeVerdict::Accept),
            (checks(Some(true), None, None), CascadeVerdict::Accept),
            (checks(Some(false), Some(1.0), Some(1.0)), CascadeVerdict::BrokenSchema),
            (checks(None, Some(0.5), Some(1.0)), CascadeVerdict::Disagreement(0.5)),
            (checks(None, Some(0.9), Some(0.2)), CascadeVerdict::LowScore(0.2)),
            (checks(None, None, None), CascadeVerdict::Unchecked),
        ] {
            assert_eq!(verify_answer(found, policy), verdict);
            assert_eq!(verdict.escalates(), verdict != CascadeVerdict::Accept);
            assert!(!verdict.message(Lang::Ko).is_empty() && !verdict.message(Lang::En).is_empty());
        }
        assert!(verify_answer(checks(None, None, Some(f32::NAN)), policy).escalates());
    }

    #[test]
    fn when_a_cascade_pays() {
        let costs = CascadeCosts { cheap: NanoUsd(100), check: NanoUsd(100), strong: NanoUsd(1_000) };
        let odds = CascadeOdds { cheap_right: 0.7, strong_right: 0.9, passes_right: 0.9, passes_wrong: 0.1 };
        let seen = forecast_cascade(costs, odds);
        // 0.63 + 0.03 stand; 200 + 0.34 x 1,000.
        assert_eq!(seen.cost, NanoUsd(540));
        assert_eq!(seen.saving, NanoUsd(460));
        assert!((seen.quality - 0.936).abs() < 1e-5 && (seen.break_even - 0.2).abs() < 1e-6);
        assert!(seen.pays(odds, 0.95));
        let hopeless = CascadeOdds { cheap_right: 0.1, ..odds };
        assert!(!forecast_cascade(costs, hopeless).pays(hopeless, 0.95));
        let blind = CascadeOdds { passes_wrong: 1.0, ..odds };
        assert!(
            !forecast_cascade(costs, blind).pays(blind, 0.95),
            "a check that passes everything loses quality"
        );
    }

    proptest! {
        #[test]
        fn it_saves_exactly_from_the_break_even_on(
            cheap in 0_i64..10_000, check in 0_i64..10_000, strong in 1_000_i64..1_000_000, stands in 0.0_f32..1.0,
        ) {
            let costs = CascadeCosts { cheap: NanoUsd(cheap), check: NanoUsd(check), strong: NanoUsd(strong) };
            let odds = CascadeOdds { cheap_right: 1.0, strong_right: 1.0, passes_right: stands, passes_wrong: 0.0 };
            let seen = forecast_cascade(costs, odds);
            if stands > seen.break_even + 0.002 { prop_assert!(seen.saving > NanoUsd::ZERO) }
            if stands < seen.break_even - 0.002 { prop_assert!(seen.saving <= NanoUsd::ZERO) }
        }
    }
}
