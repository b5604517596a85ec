//! What can be wrong with the configuration of a provider.

use http::Uri;
use nunchi_core::{Explain, Lang};

/// A provider that cannot be built as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The base URL is not `http://host[:port][/path]` or `https://…`.
    #[error("\"{0}\" is no http or https URL with a host")]
    BadUrl(String),
    /// A header's name is no token, or its value holds bytes that no header may have.
    #[error("the header \"{0}\" cannot be sent")]
    BadHeader(String),
    /// The API key holds bytes that no header may have.
    #[error("the API key holds characters that cannot be sent")]
    BadSecret,
    /// The cipher provider does not start.
    #[error("TLS does not start: {0}")]
    Tls(String),
}

impl ConfigError {
    /// An unusable base URL, its user name and password left out.
    pub(crate) fn bad_url(uri: &Uri) -> Self {
        Self::BadUrl(uri.path().to_owned())
    }
}

impl Explain for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "config.provider.bad_url",
            Self::BadHeader(_) => "config.provider.bad_header",
            Self::BadSecret => "config.provider.bad_secret",
            Self::Tls(_) => "config.provider.tls",
        }
    }

    fn message(&self, lang: Lang) -> String {
        match (lang, self) {
            (Lang::En, _) => self.to_string(),
            (Lang::Ko, Self::BadUrl(url)) => {
                format!("\"{url}\"은(는) 호스트가 있는 http 또는 https URL이 아닙니다")
            }
            (Lang::Ko, Self::BadHeader(name)) => format!("\"{name}\" 헤더를 보낼 수 없습니다"),
            (Lang::Ko, Self::BadSecret) => "API 키에 보낼 수 없는 문자가 있습니다".to_owned(),
            (Lang::Ko, Self::Tls(error)) => format!("TLS를 시작할 수 없습니다: {error}"),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::BadUrl(_) => (
                "Write base_url like https://api.openai.com/v1, without user name, query or fragment.",
                "base_url을 https://api.openai.com/v1 처럼 쓰세요. 사용자 이름, 쿼리, #은 쓸 수 없습니다.",
            ),
            Self::BadHeader(_) => (
                "Header names are ASCII words with dashes; values are printable ASCII.",
                "헤더 이름은 ASCII 단어와 -로, 값은 출력 가능한 ASCII로 쓰세요.",
            ),
            Self::BadSecret => {
                ("Copy the key again; it is one line of ASCII.", "키를 다시 복사하세요. ASCII 한 줄입니다.")
            }
            Self::Tls(_) => return None,
        };
        Some(lang.pick(en, ko).to_owned())
    }
}
