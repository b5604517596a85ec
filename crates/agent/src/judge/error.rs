//! Why there is no judgement.

use nunchi_core::{Explain, Lang, ModelError, RetryClass, RunId, StorageError};

/// A failed judgement.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JudgeError {
    /// The judge was not reached, or may not be asked.
    #[error(transparent)]
    Model(#[from] Box<ModelError>),
    /// Twice the judge said nothing that is a judgement.
    #[error("{judge} gave no judgement: {problem}")]
    Unusable {
        /// The model that was asked.
        judge: String,
        /// What was wrong the second time.
        problem: String,
    },
    /// The judge took too long.
    #[error("{0} gave no judgement in time")]
    TimedOut(String),
    /// The run has not ended.
    #[error("run {0} has not ended")]
    Unfinished(RunId),
    /// Scores cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Explain for JudgeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::Unusable { .. } => "judge.unusable",
            Self::TimedOut(_) => "judge.timed_out",
            Self::Unfinished(_) => "judge.unfinished",
            Self::Storage(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Model(error), _) => error.message(lang),
            (Self::Storage(error), _) => error.message(lang),
            (_, Lang::En) => self.to_string(),
            (Self::Unusable { judge, problem }, Lang::Ko) => {
                format!("{judge}의 답을 판정으로 읽을 수 없습니다: {problem}")
            }
            (Self::TimedOut(judge), Lang::Ko) => format!("{judge}이(가) 제때 판정하지 않았습니다"),
            (Self::Unfinished(run), Lang::Ko) => format!("실행 {run}이(가) 아직 끝나지 않았습니다"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Model(error) => return error.hint(lang),
            Self::Storage(error) => return error.hint(lang),
            Self::Unusable { .. } | Self::TimedOut(_) => (
                "Name another judge with `--model` or `[agent] judge`.",
                "`--model`이나 `[agent] judge`로 다른 모델을 정하세요.",
            ),
            Self::Unfinished(_) => (
                "Judge it once it is done; `nunchi runs show` tells what it waits for.",
                "끝난 뒤에 평가하세요. 무엇을 기다리는지는 `nunchi runs show`에 나옵니다.",
            ),
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Model(error) => error.retry_class(),
            Self::Storage(error) => error.retry_class(),
            Self::TimedOut(_) | Self::Unfinished(_) => RetryClass::Again,
            Self::Unusable { .. } => RetryClass::Next,
        }
    }
}
