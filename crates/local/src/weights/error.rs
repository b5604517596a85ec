//! Why weights cannot be had.

use nunchi_core::{Explain, Lang, RetryClass};
use std::path::PathBuf;
use thiserror::Error;

/// A failure of the weight store.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// The catalog has no such id.
    #[error("there are no weights called `{0}`")]
    Unknown(String),
    /// They were never fetched.
    #[error("the weights `{0}` have not been fetched")]
    Missing(String),
    /// They are being fetched now, by this or another process.
    #[error("the weights `{0}` are still arriving")]
    Arriving(String),
    /// They were never fetched, and fetching is switched off.
    #[error("the weights `{0}` have not been fetched, and Nunchi is offline")]
    Offline(String),
    /// A file is not what it must be. It was set aside and nothing was loaded.
    #[error("{} has the wrong content (sha256 {found}, expected {expected}); it was set aside", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash it must have.
        expected: String,
        /// The hash it has.
        found: String,
    },
    /// No source gave them.
    #[error("the weights `{id}` could not be fetched: {}", attempts.join("; "))]
    Unavailable {
        /// The weights.
        id: String,
        /// What was tried and how it failed.
        attempts: Vec<String>,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl WeightsError {
    /// An I/O error at `path`.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl Explain for WeightsError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "local.weights_unknown",
            Self::Missing(_) => "local.weights_missing",
            Self::Arriving(_) => "local.weights_arriving",
            Self::Offline(_) => "local.weights_offline",
            Self::Hash { .. } => "local.weights_hash",
            Self::Unavailable { .. } => "local.weights_unavailable",
            Self::Io { .. } => "local.weights_io",
        }
    }

    fn message(&self, lang: Lang) -> String {
        if lang == Lang::En {
            return self.to_string();
        }
        match self {
            Self::Unknown(id) => format!("`{id}`라는 가중치는 없습니다"),
            Self::Missing(id) => format!("가중치 `{id}`를 아직 받지 않았습니다"),
            Self::Arriving(id) => format!("가중치 `{id}`를 지금 받고 있습니다"),
            Self::Offline(id) => format!("가중치 `{id}`를 아직 받지 않았고, 지금은 오프라인입니다"),
            Self::Hash { path, expected, found } => format!(
                "{}의 내용이 잘못되어 따로 치워 두었습니다(sha256 {found}, 기대값 {expected})",
                path.display()
            ),
            Self::Unavailable { id, attempts } => {
                format!("가중치 `{id}`를 받지 못했습니다: {}", attempts.join("; "))
            }
            Self::Io { path, source } => format!("{}: {source}", path.display()),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::Unknown(_) => {
                ("`nunchi models list` shows what there is.", "`nunchi models list`로 목록을 보세요.")
            }
            Self::Missing(_) => ("`nunchi models pull` fetches them.", "`nunchi models pull`로 받으세요."),
            Self::Arriving(_) => (
                "Ask again in a minute; `nunchi models list` shows how much is here.",
                "잠시 뒤에 다시 물어보세요. `nunchi models list`로 얼마나 받았는지 볼 수 있습니다.",
            ),
            Self::Offline(_) => (
                "Start once without --offline, or copy the weights folder from another machine.",
                "--offline 없이 한 번 실행하거나, 다른 기기의 가중치 폴더를 복사하세요.",
            ),
            Self::Hash { .. } => (
                "`nunchi models pull` fetches the file anew; if it happens again, do not trust the source.",
                "`nunchi models pull`로 다시 받으세요. 또 그러면 출처를 믿지 마세요.",
            ),
            Self::Unavailable { .. } => (
                "Check the network or install pip, then `nunchi models pull`; everything else works without them.",
                "네트워크를 확인하거나 pip을 설치한 뒤 `nunchi models pull`을 실행하세요. 나머지 기능은 그대로 됩니다.",
            ),
            Self::Io { .. } => ("Check disk space and permissions.", "디스크 공간과 권한을 확인하세요."),
        };
        Some(lang.pick(en, ko).to_owned())
    }

    fn retry_class(&self) -> RetryClass {
        RetryClass::Next
    }
}
