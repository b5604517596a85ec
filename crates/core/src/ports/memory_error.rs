//! Why something is not remembered, or cannot be changed.

use super::storage_error::StorageError;
use crate::explain::{Explain, Lang, RetryClass};
use crate::words::FactId;

/// Why memory says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// It holds a key, a password or the like.
    #[error("secrets are not remembered")]
    Secret,
    /// It is a question, a courtesy, empty or the like.
    #[error("that is not worth remembering: {0}")]
    NotWorth(&'static str),
    /// The owner said that it must never be learned.
    #[error("the owner has vetoed this (fact {0})")]
    Vetoed(FactId),
    /// It contradicts a fact whose source is trusted more.
    #[error("it contradicts fact {0}, whose source is trusted more")]
    Outranked(FactId),
    /// There is no such fact.
    #[error("there is no fact {0}")]
    Unknown(FactId),
    /// The store failed.
    #[error("{0}")]
    Storage(#[from] StorageError),
}

impl Explain for MemoryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Secret => "memory.secret",
            Self::NotWorth(_) => "memory.not_worth",
            Self::Vetoed(_) => "memory.vetoed",
            Self::Outranked(_) => "memory.outranked",
            Self::Unknown(_) => "memory.unknown",
            Self::Storage(error) => error.code(),
        }
    }

    fn message(&self, lang: Lang) -> String {
        if lang == Lang::En {
            return self.to_string();
        }
        match self {
            Self::Secret => "비밀 값은 기억하지 않습니다".into(),
            Self::NotWorth(why) => format!("기억할 만한 내용이 아닙니다({why})"),
            Self::Vetoed(id) => format!("소유자가 금지한 내용입니다(사실 {id})"),
            Self::Outranked(id) => format!("더 믿을 만한 사실 {id}과(와) 어긋납니다"),
            Self::Unknown(id) => format!("사실 {id}이(가) 없습니다"),
            Self::Storage(error) => error.message(lang),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Secret => (
                "Put it among the secrets; tools get it from there.",
                "비밀 저장소에 넣으세요. 도구는 거기서 가져갑니다.",
            ),
            Self::NotWorth(_) => {
                ("Say it as a statement that will still hold.", "나중에도 맞을 문장으로 쓰세요.")
            }
            Self::Vetoed(_) => (
                "`nunchi memory restore ID` lifts the veto.",
                "`nunchi memory restore ID`로 금지를 풀 수 있습니다.",
            ),
            Self::Outranked(_) => (
                "The owner can change it: `nunchi memory edit ID \"…\"`.",
                "소유자가 바꿀 수 있습니다: `nunchi memory edit ID \"…\"`.",
            ),
            Self::Unknown(_) => ("`nunchi memory list` shows them.", "`nunchi memory list`로 확인하세요."),
            Self::Storage(error) => return error.hint(lang),
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Storage(error) => error.retry_class(),
            _ => RetryClass::Stop,
        }
    }
}
