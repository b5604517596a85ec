//! What can go wrong around a run.

use crate::workflow::OrderError;
use nunchi_core::{AnswerError, Explain, Lang, RetryClass, RunId, StorageError};

/// A failure of the driver. No effect was performed that is not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// Runs or questions cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The answer does not count.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// A workflow cannot be carried out so.
    #[error(transparent)]
    Workflow(#[from] OrderError),
    /// The run could not be stored and stopped as it was.
    #[error("run {0} stopped")]
    Stopped(RunId),
    /// The run has too much waiting already.
    #[error("run {0} is busy")]
    Busy(RunId),
    /// The run is at work, so what it did cannot be taken back yet.
    #[error("run {0} is at work")]
    AtWork(RunId),
    /// That step changed nothing, or is not there.
    #[error("step {1} of run {0} changed nothing")]
    NothingToUndo(RunId, u32),
}

impl Explain for AgentError {
    fn code(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.code(),
            Self::Answer(error) => error.code(),
            Self::Workflow(error) => error.code(),
            Self::Stopped(_) => "run.stopped",
            Self::Busy(_) => "run.busy",
            Self::AtWork(_) => "run.at_work",
            Self::NothingToUndo(..) => "undo.nothing",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Storage(error), _) => error.message(lang),
            (Self::Answer(error), _) => error.message(lang),
            (Self::Workflow(error), _) => error.message(lang),
            (_, Lang::En) => self.to_string(),
            (Self::AtWork(run), Lang::Ko) => format!("실행 {run}이(가) 아직 일하고 있습니다"),
            (Self::NothingToUndo(run, step), Lang::Ko) => {
                format!("실행 {run}의 {step}단계는 바꾼 것이 없습니다")
            }
            (Self::Stopped(run), Lang::Ko) => format!("실행 {run}이(가) 멈췄습니다"),
            (Self::Busy(run), Lang::Ko) => format!("실행 {run}이(가) 바쁩니다"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Storage(error) => return error.hint(lang),
            Self::Answer(error) => return error.hint(lang),
            Self::Workflow(error) => return error.hint(lang),
            Self::Stopped(_) => {
                ("It goes on once the store can be written.", "저장소를 쓸 수 있게 되면 이어집니다.")
            }
            Self::AtWork(_) => (
                "Wait for its end, or stop it with `nunchi runs cancel`.",
                "끝나기를 기다리거나 `nunchi runs cancel`로 멈추세요.",
            ),
            Self::NothingToUndo(..) => {
                ("`nunchi runs show` lists its steps.", "`nunchi runs show`가 단계를 보여 줍니다.")
            }
            Self::Busy(_) => ("Try again in a moment.", "잠시 뒤에 다시 시도하세요."),
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Storage(error) => error.retry_class(),
            Self::Answer(_) | Self::NothingToUndo(..) | Self::Workflow(_) => RetryClass::Stop,
            Self::AtWork(_) | Self::Stopped(_) | Self::Busy(_) => RetryClass::Again,
        }
    }
}
