//! Why the embedded models cannot do what is asked.

use crate::weights::WeightsError;
use nunchi_core::{Explain, Lang, ModelError, ModelErrorKind, RetryClass};
use std::sync::Arc;
use thiserror::Error;

/// A failure of the embedded chat model or sentence encoder.
#[derive(Clone, Debug, Error)]
pub enum LocalError {
    /// The weights are missing or damaged.
    #[error(transparent)]
    Weights(#[from] Arc<WeightsError>),
    /// The weights are whole but not of a kind this engine runs.
    #[error("the model file cannot be run: {0}")]
    Format(String),
    /// The queue of waiting requests is full.
    #[error("the embedded model has too many requests waiting")]
    Overloaded,
    /// The prompt and the wanted answer do not fit.
    #[error("the prompt has {prompt_tokens} tokens; the embedded model takes {limit}")]
    ContextTooLong {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens of prompt and answer that fit.
        limit: usize,
    },
    /// The request asks for something the embedded model cannot do.
    #[error("the embedded model cannot do this: {0}")]
    Unsupported(String),
    /// The engine ended before it answered.
    #[error("the embedded model has been stopped")]
    Stopped,
    /// The system refused a thread or a file.
    #[error("the system refused: {0}")]
    System(String),
}

impl From<WeightsError> for LocalError {
    fn from(error: WeightsError) -> Self {
        Self::Weights(Arc::new(error))
    }
}

impl Explain for LocalError {
    fn code(&self) -> &'static str {
        match self {
            Self::Weights(error) => error.code(),
            Self::Format(_) => "local.format",
            Self::Overloaded => "local.busy",
            Self::ContextTooLong { .. } => "model.context_too_long",
            Self::Unsupported(_) => "model.unsupported",
            Self::Stopped => "local.stopped",
            Self::System(_) => "local.system",
        }
    }

    fn message(&self, lang: Lang) -> String {
        if let Self::Weights(error) = self {
            return error.message(lang);
        }
        if lang == Lang::En {
            return self.to_string();
        }
        match self {
            Self::Weights(error) => error.message(lang),
            Self::Format(detail) => format!("모델 파일을 실행할 수 없습니다: {detail}"),
            Self::Overloaded => "내장 모델에 대기 중인 요청이 너무 많습니다".to_owned(),
            Self::ContextTooLong { prompt_tokens, limit } => {
                format!("프롬프트가 {prompt_tokens}토큰입니다. 내장 모델의 한도는 {limit}토큰입니다")
            }
            Self::Unsupported(detail) => format!("내장 모델은 이 기능을 지원하지 않습니다: {detail}"),
            Self::Stopped => "내장 모델이 멈췄습니다".to_owned(),
            Self::System(detail) => format!("시스템이 거부했습니다: {detail}"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Weights(error) => return error.hint(lang),
            Self::Format(_) => (
                "`nunchi models rm` and `nunchi models pull` fetch the weights anew.",
                "`nunchi models rm` 후 `nunchi models pull`로 가중치를 다시 받으세요.",
            ),
            Self::Overloaded => {
                ("Try again shortly, or add a provider.", "잠시 뒤 다시 하거나 제공자를 추가하세요.")
            }
            Self::ContextTooLong { .. } => (
                "Shorten the conversation or choose a model with a larger context.",
                "대화를 줄이거나 문맥이 더 긴 모델을 고르세요.",
            ),
            Self::Unsupported(_) => {
                ("Choose a provider's model for this request.", "이 요청에는 제공자의 모델을 고르세요.")
            }
            Self::Stopped => ("Start Nunchi again.", "Nunchi를 다시 시작하세요."),
            Self::System(_) => {
                ("Check memory and disk space; `nunchi doctor` helps.", "메모리와 디스크 공간을 확인하세요.")
            }
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Weights(error) => error.retry_class(),
            _ => RetryClass::Next,
        }
    }
}

impl From<LocalError> for ModelError {
    fn from(error: LocalError) -> Self {
        let kind = match &error {
            LocalError::Overloaded => ModelErrorKind::LocalBusy,
            LocalError::ContextTooLong { .. } => ModelErrorKind::ContextTooLong,
            LocalError::Unsupported(_) => ModelErrorKind::Unsupported,
            LocalError::Stopped => ModelErrorKind::ShuttingDown,
            LocalError::Weights(_) | LocalError::Format(_) | LocalError::System(_) => {
                ModelErrorKind::LocalUnavailable
            }
        };
        Self::new(kind, error.to_string()).from_provider(crate::adapter::PROVIDER)
    }
}
