//! A failed command: any error that explains itself, or a text with a code; shown in the reader's language.

use crate::config::ConfigError;
use nunchi_agent::AgentError;
use nunchi_core::{Explain, Lang, ModelError, StorageError};
use nunchi_gateway::KeyError;
use std::fmt;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error with its own words.
    Explained(Box<dyn Explain + Send + Sync>),
    /// An error that came over HTTP, already in the reader's language.
    Remote { code: String, message: String, hint: Option<String> },
    /// An error of the command itself.
    Plain { code: &'static str, en: String, ko: String, hint: Option<[&'static str; 2]> },
}

impl Failure {
    /// An error of the command itself.
    pub(crate) fn plain(code: &'static str, en: impl Into<String>, ko: impl Into<String>) -> Self {
        Self::Plain { code, en: en.into(), ko: ko.into(), hint: None }
    }

    /// The same with a hint.
    pub(crate) fn with_hint(self, en: &'static str, ko: &'static str) -> Self {
        match self {
            Self::Plain { code, en: message, ko: message_ko, .. } => {
                Self::Plain { code, en: message, ko: message_ko, hint: Some([en, ko]) }
            }
            other => other,
        }
    }

    /// Something the system said.
    pub(crate) fn system(what: &str, error: impl fmt::Display) -> Self {
        Self::plain("system.failed", format!("{what}: {error}"), format!("{what}: {error}"))
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Explained(error) => error.code(),
            Self::Remote { code, .. } => code,
            Self::Plain { code, .. } => code,
        }
    }

    /// What happened.
    pub(crate) fn message(&self, lang: Lang) -> String {
        match self {
            Self::Explained(error) => error.message(lang),
            Self::Remote { message, .. } => message.clone(),
            Self::Plain { en, ko, .. } => lang.pick(en, ko).clone(),
        }
    }

    /// What helps.
    pub(crate) fn hint(&self, lang: Lang) -> Option<String> {
        match self {
            Self::Explained(error) => error.hint(lang),
            Self::Remote { hint, .. } => hint.clone(),
            Self::Plain { hint, .. } => hint.map(|[en, ko]| lang.pick(en, ko).to_owned()),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Explained(Box::new(error))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Explained(Box::new(error))
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::Explained(Box::new(error))
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        Self::Explained(Box::new(error))
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Explained(Box::new(error))
    }
}
