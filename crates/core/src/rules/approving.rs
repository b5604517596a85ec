//! When an answer to a question counts: in time, once, and only if it fits what was asked.

use crate::explain::{Explain, Lang};
use crate::words::{Answer, Approval, ApprovalState, ApprovalSubject};
use jiff::Timestamp;

/// Why an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It came after the end; nothing was done and nothing will be.
    #[error("the question expired at {0}")]
    Expired(Timestamp),
    /// Another answer was given before.
    #[error("{0} answered differently before")]
    Answered(String),
    /// It does not answer what was asked.
    #[error("the answer does not fit the question")]
    Unfit,
}

impl Explain for AnswerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Expired(_) => "approval.expired",
            Self::Answered(_) => "approval.answered",
            Self::Unfit => "approval.unfit",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (_, Lang::En) => self.to_string(),
            (Self::Expired(at), Lang::Ko) => format!("이 질문은 {at}에 만료되었습니다"),
            (Self::Answered(by), Lang::Ko) => format!("{by}이(가) 이미 다르게 답했습니다"),
            (Self::Unfit, Lang::Ko) => "질문에 맞지 않는 답입니다".into(),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Expired(_) => (
                "Nothing was done. Order the run again if it is still wanted.",
                "아무것도 하지 않았습니다. 아직 필요하면 다시 시키세요.",
            ),
            Self::Answered(_) => ("The first answer stands.", "먼저 한 답이 유효합니다."),
            Self::Unfit => (
                "Approve or deny what asks for approval; answer a question in words.",
                "승인 요청에는 승인이나 거부로, 질문에는 말로 답하세요.",
            ),
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

/// The question with its answer. The same answer a second time changes nothing and is no error.
///
/// # Errors
/// See [`AnswerError`].
pub fn answer_approval(
    approval: &Approval,
    answer: Answer,
    by: &str,
    at: Timestamp,
) -> Result<Approval, AnswerError> {
    if let ApprovalState::Answered { answer: first, by, .. } = &approval.state {
        let same = *first == answer;
        return if same { Ok(approval.clone()) } else { Err(AnswerError::Answered(by.clone())) };
    }
    if at >= approval.expires {
        return Err(AnswerError::Expired(approval.expires));
    }
    if !fits(&approval.subject, &answer) {
        return Err(AnswerError::Unfit);
    }
    let state = ApprovalState::Answered { answer, by: by.to_owned(), at };
    Ok(Approval { state, ..approval.clone() })
}

fn fits(subject: &ApprovalSubject, answer: &Answer) -> bool {
    match (subject, answer) {
        (_, Answer::Deny(_)) => true,
        (ApprovalSubject::Question(_), answer) => matches!(answer, Answer::Reply(_)),
        (_, Answer::Reply(_)) => false,
        (_, Answer::Approve) => true,
        (ApprovalSubject::Calls(calls), Answer::ApproveSome(hashes)) => {
            hashes.iter().all(|hash| calls.iter().any(|call| call.hash == *hash))
        }
        (ApprovalSubject::Calls(_), Answer::ApproveAndGrant(_)) => true,
        (_, Answer::ApproveSome(_) | Answer::ApproveAndGrant(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{ApprovalId, ContentHash, RunId};
    use uuid::Uuid;

    fn question(subject: ApprovalSubject) -> Approval {
        Approval {
            id: ApprovalId(Uuid::nil()),
            run: RunId(Uuid::nil()),
            session: None,
            subject,
            batch: String::new(),
            asked: Timestamp::UNIX_EPOCH,
            expires: second(60),
            state: ApprovalState::Open,
        }
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    #[test]
    fn once_and_in_time() {
        let open = question(ApprovalSubject::Calls(Vec::new()));
        let yes = answer_approval(&open, Answer::Approve, "cli", second(59)).unwrap();
        assert_eq!(answer_approval(&yes, Answer::Approve, "console", second(99)).as_ref(), Ok(&yes));
        let no = answer_approval(&yes, Answer::Deny(None), "console", second(50));
        assert_eq!(no, Err(AnswerError::Answered("cli".into())));
        let late = answer_approval(&open, Answer::Approve, "cli", second(60));
        assert_eq!(late, Err(AnswerError::Expired(second(60))));
    }

    #[test]
    fn only_what_was_asked() {
        let words = question(ApprovalSubject::Question("Which?".into()));
        let calls = question(ApprovalSubject::Calls(Vec::new()));
        for (asked, answer, fits) in [
            (&words, Answer::Reply("this".into()), true),
            (&words, Answer::Approve, false),
            (&words, Answer::Deny(None), true),
            (&calls, Answer::Reply("yes".into()), false),
            (&calls, Answer::ApproveSome(vec![ContentHash::of("other")]), false),
            (&calls, Answer::ApproveSome(Vec::new()), true),
        ] {
            assert_eq!(answer_approval(asked, answer.clone(), "cli", second(1)).is_ok(), fits, "{answer:?}");
        }
    }
}
