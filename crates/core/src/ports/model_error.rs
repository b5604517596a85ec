//! Why a model call failed, whoever failed it.

use super::ledger::Refusal;
use crate::chat::Dialect;
use crate::explain::{Explain, Lang, RetryClass};
use crate::words::Amount;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The kinds of failure, each with its own code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelErrorKind {
    /// The request is wrong in itself.
    InvalidRequest,
    /// The upstream cannot do what is asked.
    Unsupported,
    /// The prompt does not fit the model's context.
    ContextTooLong,
    /// No such model.
    UnknownModel,
    /// The key may not use this model.
    ModelNotAllowed,
    /// The upstream does not accept our credentials.
    UpstreamAuth,
    /// The upstream's rate limit.
    RateLimited,
    /// The upstream failed (5xx, overloaded).
    UpstreamFailed,
    /// The upstream could not be reached; nothing was sent.
    Unreachable,
    /// No answer in time; the upstream may charge.
    TimedOut,
    /// The stream broke off.
    Cut,
    /// The upstream answered something that is not its dialect.
    Garbage,
    /// The upstream reported an error in the middle of a stream.
    MidStream,
    /// A limit of the caller's key or route.
    LimitExceeded,
    /// A budget does not admit the call.
    BudgetRefused(Box<Refusal>),
    /// `only-if-cached`, and it is not.
    NotCached,
    /// Every candidate failed or none is ready.
    NoCandidate,
    /// The model has no price, so its cost cannot be held.
    NoPrice,
    /// The local queue is full.
    LocalBusy,
    /// Weights are missing or broken.
    LocalUnavailable,
    /// The ledger or the cache cannot be written.
    Storage,
    /// The server is shutting down.
    ShuttingDown,
    /// The client went away.
    ClientGone,
}

/// A failed model call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelError {
    /// What kind of failure.
    pub kind: ModelErrorKind,
    /// One sentence of detail, in English or the upstream's words; secrets masked.
    pub detail: String,
    /// The provider, when an upstream failed.
    pub provider: Option<String>,
    /// The upstream's HTTP status.
    pub status: Option<u16>,
    /// How long the upstream asks us to wait.
    pub retry_after: Option<Duration>,
    /// The upstream's own error body, for callers of the same dialect.
    pub body: Option<(Dialect, Bytes)>,
}

impl ModelError {
    /// An error of a kind, with one sentence of detail.
    pub fn new(kind: ModelErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), provider: None, status: None, retry_after: None, body: None }
    }

    /// The same error, naming the provider that failed.
    #[must_use]
    pub fn from_provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Whether the upstream may charge although it gave no answer: such an attempt stays booked as estimated.
    pub fn may_be_charged(&self) -> bool {
        matches!(self.kind, ModelErrorKind::TimedOut)
    }

    /// Whether an answer had begun and cannot be used: it was generated, and is billed, as far as it came.
    pub fn broke_an_answer(&self) -> bool {
        matches!(self.kind, ModelErrorKind::Cut | ModelErrorKind::Garbage)
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for ModelError {}

/// Code, English and Korean message, of a kind.
type Words = (&'static str, &'static str, &'static str);

fn words(kind: &ModelErrorKind) -> Words {
    upstream_words(kind).unwrap_or_else(|| own_words(kind))
}

fn upstream_words(kind: &ModelErrorKind) -> Option<Words> {
    use ModelErrorKind as K;
    Some(match kind {
        K::UpstreamAuth => (
            "upstream.auth",
            "The provider does not accept its API key",
            "제공자가 API 키를 받아들이지 않습니다",
        ),
        K::RateLimited => (
            "upstream.rate_limited",
            "The provider's rate limit is reached",
            "제공자의 사용량 제한에 걸렸습니다",
        ),
        K::UpstreamFailed => ("upstream.failed", "The provider failed", "제공자 쪽 오류입니다"),
        K::Unreachable => {
            ("upstream.unreachable", "The provider cannot be reached", "제공자에 연결할 수 없습니다")
        }
        K::TimedOut => (
            "upstream.timed_out",
            "The provider did not answer in time",
            "제공자가 제시간에 답하지 않았습니다",
        ),
        K::Cut => ("upstream.cut", "The answer broke off", "답변이 중간에 끊겼습니다"),
        K::Garbage => {
            ("upstream.garbage", "The provider's answer cannot be read", "제공자의 답변을 읽을 수 없습니다")
        }
        K::MidStream => (
            "upstream.mid_stream",
            "The provider failed in the middle of the answer",
            "답변 도중 제공자 오류가 났습니다",
        ),
        _ => return None,
    })
}

fn own_words(kind: &ModelErrorKind) -> Words {
    use ModelErrorKind as K;
    match kind {
        K::InvalidRequest => ("request.invalid", "The request is not valid", "요청이 올바르지 않습니다"),
        K::Unsupported => {
            ("model.unsupported", "The model cannot do this", "이 모델은 이 기능을 지원하지 않습니다")
        }
        K::ContextTooLong => (
            "model.context_too_long",
            "The prompt is too long for the model",
            "프롬프트가 모델의 한도를 넘습니다",
        ),
        K::UnknownModel => ("model.unknown", "There is no such model", "그런 모델이 없습니다"),
        K::ModelNotAllowed => {
            ("key.model_not_allowed", "This key may not use the model", "이 키로는 그 모델을 쓸 수 없습니다")
        }
        K::LimitExceeded => ("limit.exceeded", "Too many requests", "요청이 너무 많습니다"),
        K::BudgetRefused(refusal) if refusal.busy => (
            "budget.busy",
            "Other calls hold the rest of the budget",
            "다른 호출이 남은 예산을 잡고 있습니다",
        ),
        K::BudgetRefused(_) => {
            ("budget.exhausted", "The budget does not allow this call", "예산이 이 호출을 허용하지 않습니다")
        }
        K::NotCached => ("cache.not_cached", "The answer is not in the cache", "캐시에 답이 없습니다"),
        K::NoCandidate => {
            ("model.no_candidate", "No model can answer now", "지금 답할 수 있는 모델이 없습니다")
        }
        K::NoPrice => (
            "price.unknown",
            "The model has no price, so its cost cannot be limited",
            "모델의 가격을 몰라 비용을 제한할 수 없습니다",
        ),
        K::LocalBusy => ("local.busy", "The embedded model is busy", "내장 모델이 바쁩니다"),
        K::LocalUnavailable => {
            ("local.unavailable", "The embedded model is not available", "내장 모델을 쓸 수 없습니다")
        }
        K::Storage => ("storage.failed", "The ledger cannot be written", "장부를 쓸 수 없습니다"),
        K::ShuttingDown => ("server.shutting_down", "The server is shutting down", "서버가 종료 중입니다"),
        K::ClientGone => ("client.gone", "The client went away", "클라이언트가 연결을 끊었습니다"),
        _ => ("model.failed", "The call failed", "호출이 실패했습니다"),
    }
}

impl Explain for ModelError {
    fn code(&self) -> &'static str {
        words(&self.kind).0
    }

    fn message(&self, lang: Lang) -> String {
        let (_, en, ko) = words(&self.kind);
        let mut text = lang.pick(en, ko).to_owned();
        if let Some(provider) = &self.provider {
            text = format!("{provider}: {text}");
        }
        if self.detail.is_empty() { text } else { format!("{text}: {}", self.detail) }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        use ModelErrorKind as K;
        let (en, ko) = match &self.kind {
            K::BudgetRefused(refusal) => return Some(budget_hint(refusal, lang)),
            K::UnknownModel => (
                "`nunchi models list` shows what can be asked for; `auto` always works.",
                "`nunchi models list`로 쓸 수 있는 모델을 보세요. `auto`는 언제나 됩니다.",
            ),
            K::ModelNotAllowed => (
                "Use an allowed model, or change the key with `nunchi keys`.",
                "허용된 모델을 쓰거나 `nunchi keys`로 키를 바꾸세요.",
            ),
            K::UpstreamAuth => (
                "Check the provider's key in the environment, then `nunchi doctor`.",
                "환경 변수의 제공자 키를 확인하고 `nunchi doctor`를 실행하세요.",
            ),
            K::RateLimited | K::LimitExceeded => (
                "Wait as long as Retry-After says, or raise the limit.",
                "Retry-After만큼 기다리거나 한도를 올리세요.",
            ),
            K::Unreachable => (
                "Check the network and the provider's base_url; `nunchi doctor` tests it.",
                "네트워크와 base_url을 확인하세요. `nunchi doctor`가 점검합니다.",
            ),
            K::NoCandidate => (
                "`nunchi doctor` shows which providers are ready and why the others are not.",
                "`nunchi doctor`로 준비된 제공자와 이유를 확인하세요.",
            ),
            K::NoPrice => (
                "`nunchi prices set PROVIDER/MODEL --input USD --output USD` (per million tokens).",
                "`nunchi prices set PROVIDER/MODEL --input USD --output USD`(백만 토큰당)로 가격을 정하세요.",
            ),
            K::LocalBusy => {
                ("Try again shortly, or add a provider.", "잠시 뒤 다시 하거나 제공자를 추가하세요.")
            }
            K::LocalUnavailable => {
                ("`nunchi models pull` fetches the weights.", "`nunchi models pull`로 가중치를 받으세요.")
            }
            K::NotCached => {
                ("Leave out `only-if-cached` to ask the model.", "`only-if-cached`를 빼면 모델에 묻습니다.")
            }
            K::ContextTooLong => (
                "Shorten the conversation or choose a model with a larger context.",
                "대화를 줄이거나 문맥이 더 긴 모델을 고르세요.",
            ),
            K::Storage => {
                ("Check disk space and `nunchi doctor`.", "디스크 공간과 `nunchi doctor`를 확인하세요.")
            }
            _ => return None,
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        use ModelErrorKind as K;
        match self.kind {
            K::UpstreamFailed | K::Unreachable | K::TimedOut | K::Garbage | K::RateLimited => {
                RetryClass::Again
            }
            K::UpstreamAuth
            | K::Unsupported
            | K::ContextTooLong
            | K::UnknownModel
            | K::NoPrice
            | K::LocalBusy
            | K::LocalUnavailable => RetryClass::Next,
            _ => RetryClass::Stop,
        }
    }
}

fn budget_hint(refusal: &Refusal, lang: Lang) -> String {
    let state = &refusal.state;
    let shown = |units: i64| match state.limit {
        Amount::Money(_) => format!("${}", crate::words::NanoUsd(units).usd_string(4)),
        Amount::Tokens(_) => format!("{units} tokens"),
    };
    let (limit, spent, held, needed) =
        (shown(state.limit_units()), shown(state.spent), shown(state.held), shown(refusal.needed));
    let resets = state.resets.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    match lang {
        Lang::En => format!(
            "Budget \"{}\": {spent} of {limit} spent, {held} held, the call may need {needed}{}. `nunchi budget` changes it.",
            state.name,
            resets.map(|at| format!("; resets {at}")).unwrap_or_default()
        ),
        Lang::Ko => format!(
            "예산 \"{}\": {limit} 중 {spent} 사용, {held} 예약, 이 호출은 최대 {needed} 필요{}. `nunchi budget`으로 바꿀 수 있습니다.",
            state.name,
            resets.map(|at| format!("; {at}에 초기화")).unwrap_or_default()
        ),
    }
}
