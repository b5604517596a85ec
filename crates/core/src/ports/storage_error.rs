//! What can go wrong with durable state.

use crate::explain::{Explain, Lang, RetryClass};

/// A failure of durable state. Nothing that was acknowledged is lost by any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The database is damaged; nothing is guessed.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Another process owns the home folder.
    #[error("another process owns this home folder{}", .0.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Locked(Option<u32>),
    /// The database was written by a newer version.
    #[error("the database was written by a newer version: {0}")]
    TooNew(String),
    /// The thing does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The thing exists already.
    #[error("{0} exists already")]
    Exists(String),
    /// More bytes than are taken.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// Anything else the database or the file system said.
    #[error("storage failed: {0}")]
    Other(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl Explain for StorageError {
    fn code(&self) -> &'static str {
        match self {
            Self::DiskFull => "storage.disk_full",
            Self::Damaged(_) => "storage.damaged",
            Self::Locked(_) => "storage.locked",
            Self::TooNew(_) => "storage.too_new",
            Self::NotFound(_) => "storage.not_found",
            Self::Exists(_) => "storage.exists",
            Self::TooLarge(_) => "storage.too_large",
            Self::Other(_) => "storage.failed",
            Self::Closed => "storage.closed",
        }
    }

    fn message(&self, lang: Lang) -> String {
        if lang == Lang::En {
            return self.to_string();
        }
        match self {
            Self::DiskFull => "디스크가 가득 찼습니다".into(),
            Self::Damaged(what) => format!("데이터베이스가 손상되었습니다: {what}"),
            Self::Locked(Some(pid)) => format!("다른 프로세스({pid})가 이 홈 폴더를 쓰고 있습니다"),
            Self::Locked(None) => "다른 프로세스가 이 홈 폴더를 쓰고 있습니다".into(),
            Self::TooNew(what) => format!("더 새로운 버전이 만든 데이터베이스입니다: {what}"),
            Self::NotFound(what) => format!("{what}이(가) 없습니다"),
            Self::Exists(what) => format!("{what}이(가) 이미 있습니다"),
            Self::TooLarge(limit) => format!("{limit}바이트보다 큽니다"),
            Self::Other(what) => format!("저장소 오류: {what}"),
            Self::Closed => "저장소가 닫혔습니다".into(),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::DiskFull => (
                "Free some space; calls are refused until the ledger can be written.",
                "공간을 비우세요. 장부를 쓸 수 있을 때까지 호출은 거절됩니다.",
            ),
            Self::Damaged(_) => (
                "Stop the server, run `nunchi backup --salvage FILE`, then `nunchi restore FILE`. Nothing was changed.",
                "서버를 멈추고 `nunchi backup --salvage FILE` 후 `nunchi restore FILE`을 실행하세요. 아무것도 바뀌지 않았습니다.",
            ),
            Self::Locked(_) => (
                "Stop the other process, or use another folder with --home.",
                "다른 프로세스를 멈추거나 --home으로 다른 폴더를 쓰세요.",
            ),
            Self::TooNew(_) => ("Use the newer version.", "더 새로운 버전을 쓰세요."),
            Self::NotFound(_) | Self::Exists(_) | Self::TooLarge(_) | Self::Closed | Self::Other(_) => {
                return None;
            }
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        match self {
            Self::DiskFull | Self::Locked(_) | Self::Other(_) => RetryClass::Again,
            _ => RetryClass::Stop,
        }
    }
}
