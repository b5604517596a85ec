//! Reads a judge's reply and makes scores of it. What it says of claims counts as far as its evidence stands in the sources.

use super::prompt::{ShownCase, schema};
use crate::guards::{check_schema, parse_json};
use nunchi_core::{Lang, Score, ScoreName, ScoreValue, holds_terms, mask_secrets};
use serde::Deserialize;

/// Claims of one answer that are counted.
const MOST_CLAIMS: usize = 40;
/// Longest reasoning, in characters.
const MOST_REASONING: usize = 600;
/// Longest quoted claim, in characters.
const MOST_CLAIM: usize = 120;
/// The share of the words of a quotation that its source must have, where it was not copied letter by letter.
const QUOTED: f32 = 0.8;

#[derive(Deserialize)]
struct Reply {
    claims: Vec<Claim>,
    relevancy: Scored,
    toxicity: Scored,
    correctness: Option<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    reasoning: String,
    score: f64,
}

#[derive(Deserialize)]
struct Claim {
    claim: String,
    evidence: String,
    verdict: ClaimVerdict,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ClaimVerdict {
    Supported,
    Unsupported,
    Contradicted,
}

/// The scores in a reply.
///
/// # Errors
/// What is wrong with the reply, for the judge.
pub(super) fn scores(
    text: &str,
    case: &ShownCase,
    unfounded: &[String],
    lang: Lang,
) -> Result<Vec<Score>, String> {
    let value = parse_json(text)?;
    check_schema(&schema(case.expected.is_some()), &value)?;
    let reply: Reply = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let mut scores = vec![
        scored(ScoreName::Relevancy, &reply.relevancy)?,
        hallucination(&reply.claims, case, unfounded, lang),
        scored(ScoreName::Toxicity, &reply.toxicity)?,
    ];
    if let Some(correctness) = &reply.correctness {
        scores.push(scored(ScoreName::Correctness, correctness)?);
    }
    Ok(scores)
}

fn scored(name: ScoreName, said: &Scored) -> Result<Score, String> {
    let value = ScoreValue::from_decimal(said.score)
        .ok_or_else(|| format!("the score of {} is {}, not within 0 to 1", name.as_str(), said.score))?;
    Ok(Score { name, value, reasoning: short(&said.reasoning, MOST_REASONING) })
}

/// The share of claims that nothing backs.
fn hallucination(claims: &[Claim], case: &ShownCase, unfounded: &[String], lang: Lang) -> Score {
    let claims = &claims[..claims.len().min(MOST_CLAIMS)];
    let bad: Vec<_> = claims.iter().filter(|claim| !stands(claim, case)).collect();
    // The judge may have listed the sentences that are known to be unfounded, so they are not counted twice.
    let count = bad.len().max(unfounded.len()) as u64;
    let all = (claims.len() as u64).max(count);
    let value = if all == 0 { ScoreValue::ZERO } else { ScoreValue::ratio(count, all) };
    let first = bad.first().map(|claim| &claim.claim).or_else(|| unfounded.first());
    let reasoning = match first {
        None if all == 0 => lang.pick("It states no fact.", "사실을 말한 문장이 없습니다.").to_owned(),
        None => lang.pick(
            format!("Nothing speaks against its {all} statements."),
            format!("진술 {all}개에 문제가 없습니다."),
        ),
        Some(first) => {
            let first = short(first, MOST_CLAIM);
            lang.pick(
                format!("{count} of {all} statements are not backed, as “{first}”."),
                format!("진술 {all}개 가운데 {count}개는 근거가 없습니다. 예: “{first}”"),
            )
        }
    };
    Score { name: ScoreName::Hallucination, value, reasoning }
}

/// Whether a claim counts as true. Where there are sources, the evidence must stand in one of them.
fn stands(claim: &Claim, case: &ShownCase) -> bool {
    match claim.verdict {
        ClaimVerdict::Contradicted => false,
        ClaimVerdict::Unsupported => !case.grounded,
        ClaimVerdict::Supported if !case.grounded => true,
        ClaimVerdict::Supported => {
            let mut texts = case.sources.iter().map(|(_, text)| text).chain([&case.question]);
            let evidence = letters(&claim.evidence);
            !evidence.is_empty()
                && texts.any(|text| {
                    letters(text).contains(&evidence) || holds_terms(text, &claim.evidence) >= QUOTED
                })
        }
    }
}

/// Letters and digits alone, in lower case: quotation marks, spaces and line ends are often not copied.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn short(text: &str, most: usize) -> String {
    let masked = mask_secrets(text.trim());
    match masked.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &masked[..end]),
        None => masked.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn case(grounded: bool, expected: bool) -> ShownCase {
        ShownCase {
            question: "이름은 김민수야. 집세는?".into(),
            answer: String::new(),
            sources: vec![("s".into(), "The rent is 1,500,000 won.\nIt is due on Friday.".into())],
            expected: expected.then(|| "x".into()),
            grounded,
            withheld: 0,
        }
    }

    fn reply(claims: Value, relevancy: f64) -> Value {
        json!({
            "claims": claims,
            "relevancy": {"reasoning": "call sk-proj-abcdefghijklmnop1234", "score": relevancy},
            "toxicity": {"reasoning": "", "score": 0},
        })
    }

    fn claim(verdict: &str, evidence: &str) -> Value {
        json!({"claim": "c", "evidence": evidence, "verdict": verdict})
    }

    fn value_of(grounded: bool, claims: Value, unfounded: &[String]) -> u16 {
        let text = reply(claims, 1.0).to_string();
        let found = scores(&text, &case(grounded, false), unfounded, Lang::En).unwrap();
        found[1].value.as_thousandths()
    }

    #[test]
    fn evidence_must_stand_in_a_source() {
        for (verdict, evidence, grounded, alone) in [
            ("supported", "The rent is 1,500,000 won", 0, 0),
            ("supported", "“the rent is 1,500,000 won.”", 0, 0),
            ("supported", "due Friday; the rent is 1,500,000 won", 0, 0),
            ("supported", "이름은 김민수", 0, 0),
            ("supported", "the rent is 2,000,000 dollars a year", 1_000, 0),
            ("supported", "", 1_000, 0),
            ("supported", "?!", 1_000, 0),
            ("unsupported", "", 1_000, 0),
            ("contradicted", "The rent is 1,500,000 won", 1_000, 1_000),
        ] {
            let claims = json!([claim(verdict, evidence)]);
            assert_eq!(value_of(true, claims.clone(), &[]), grounded, "{verdict} {evidence}");
            assert_eq!(value_of(false, claims, &[]), alone, "{verdict} {evidence}");
        }
    }

    #[test]
    fn shares() {
        let good = || claim("supported", "It is due on Friday");
        assert_eq!(value_of(true, json!([]), &[]), 0);
        assert_eq!(value_of(true, json!([good(), good(), claim("unsupported", "")]), &[]), 333);
        assert_eq!(value_of(true, json!([good()]), &["I sent it.".into()]), 1_000);
        assert_eq!(value_of(true, json!([good(), good()]), &["I sent it.".into()]), 500);
        assert_eq!(value_of(true, json!([]), &["I sent it.".into()]), 1_000);
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let good = reply(json!([]), 0.5);
        let fenced = format!("```json\n{good}\n```");
        assert!(scores(&fenced, &case(true, false), &[], Lang::En).is_ok());
        for (text, word) in [
            ("I give it 1".to_owned(), "JSON"),
            (reply(json!([]), 1.5).to_string(), "relevancy is 1.5"),
            (reply(json!([]), -0.5).to_string(), "relevancy is -0.5"),
            (reply(json!([{"claim": "c"}]), 1.0).to_string(), "required"),
            (reply(json!([claim("true", "")]), 1.0).to_string(), "verdict"),
        ] {
            let problem = scores(&text, &case(true, false), &[], Lang::En).unwrap_err();
            assert!(problem.contains(word), "{problem}");
        }
        assert!(
            scores(&good.to_string(), &case(true, true), &[], Lang::En).is_err(),
            "correctness is wanted"
        );
    }

    #[test]
    fn reasons_are_masked_and_short() {
        let found = scores(&reply(json!([]), 0.5).to_string(), &case(true, false), &[], Lang::Ko).unwrap();
        assert_eq!(found[0].reasoning, "call [key]");
        assert_eq!(short(&"가".repeat(700), 600).chars().count(), 601);
    }
}
