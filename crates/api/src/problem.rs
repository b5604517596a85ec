//! What can be wrong with a request before any model is asked.

use nunchi_core::{Explain, Lang};
use std::fmt;

/// A request that cannot be served as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The body is no JSON; line and column are 0 when unknown.
    Malformed { detail: String, line: usize, column: usize },
    /// The body is not UTF-8 from this byte on.
    NotUtf8 { offset: usize },
    /// A field holds the wrong kind of value.
    WrongType { path: String, detail: String },
    /// A field must be given.
    Missing { path: String },
    /// A field holds a value that makes no sense.
    Invalid { path: String, detail: String },
    /// A field that Nunchi cannot honour.
    Unsupported { path: String, detail: String },
    /// A header holds a value that makes no sense.
    Header { name: &'static str, detail: String },
    /// The body is larger than allowed.
    TooLarge { limit: usize },
    /// The body is compressed.
    Encoding { encoding: String },
    /// The body did not arrive in time.
    TooSlow,
    /// The connection broke while the body was read.
    Broken,
    /// No such address.
    NoRoute { path: String },
    /// The address exists, the method does not.
    NoMethod { method: String, path: String },
    /// No such model in the list.
    NoModel { model: String },
    /// Nunchi itself failed.
    Internal,
}

impl Problem {
    /// An invalid value.
    pub(crate) fn invalid(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { path: path.into(), detail: detail.into() }
    }

    /// A missing field.
    pub(crate) fn missing(path: impl Into<String>) -> Self {
        Self::Missing { path: path.into() }
    }

    /// A field that cannot be honoured.
    pub(crate) fn unsupported(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Unsupported { path: path.into(), detail: detail.into() }
    }

    /// The field of the body that is at fault.
    pub(crate) fn param(&self) -> Option<&str> {
        match self {
            Self::WrongType { path, .. }
            | Self::Missing { path }
            | Self::Invalid { path, .. }
            | Self::Unsupported { path, .. }
                if !path.is_empty() =>
            {
                Some(path)
            }
            Self::Header { name, .. } => Some(name),
            Self::NoModel { .. } => Some("model"),
            _ => None,
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::Encoding { .. } => 415,
            Self::TooSlow => 408,
            Self::NoRoute { .. } | Self::NoModel { .. } => 404,
            Self::NoMethod { .. } => 405,
            Self::Internal => 500,
            _ => 400,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Lang::En))
    }
}

impl std::error::Error for Problem {}

impl Explain for Problem {
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "request.malformed_json",
            Self::NotUtf8 { .. } => "request.not_utf8",
            Self::WrongType { .. } => "request.wrong_type",
            Self::Missing { .. } => "request.missing_field",
            Self::Invalid { .. } => "request.invalid_value",
            Self::Unsupported { .. } => "request.unsupported_field",
            Self::Header { .. } => "request.invalid_header",
            Self::TooLarge { .. } => "request.too_large",
            Self::Encoding { .. } => "request.unsupported_encoding",
            Self::TooSlow => "request.too_slow",
            Self::Broken => "request.broken",
            Self::NoRoute { .. } => "request.unknown_route",
            Self::NoMethod { .. } => "request.method_not_allowed",
            Self::NoModel { .. } => "model.unknown",
            Self::Internal => "server.internal",
        }
    }

    fn message(&self, lang: Lang) -> String {
        let en = lang == Lang::En;
        match self {
            Self::Malformed { detail, line: 0, .. } if en => format!("The body is not valid JSON: {detail}"),
            Self::Malformed { detail, line: 0, .. } => format!("본문이 올바른 JSON이 아닙니다: {detail}"),
            Self::Malformed { detail, line, column } if en => {
                format!("The body is not valid JSON: {detail} at line {line}, column {column}")
            }
            Self::Malformed { detail, line, column } => {
                format!("본문이 올바른 JSON이 아닙니다: {line}번째 줄 {column}번째 글자: {detail}")
            }
            Self::NotUtf8 { offset } if en => format!("The body is not UTF-8 (from byte {offset})"),
            Self::NotUtf8 { offset } => format!("본문이 UTF-8이 아닙니다({offset}번째 바이트부터)"),
            Self::WrongType { .. }
            | Self::Missing { .. }
            | Self::Invalid { .. }
            | Self::Unsupported { .. } => self.field_message(en),
            Self::Header { name, detail } if en => format!("The header {name} is not valid: {detail}"),
            Self::Header { name, detail } => format!("{name} 헤더가 올바르지 않습니다: {detail}"),
            _ => self.transport_message(en),
        }
    }

    fn hint(&self, lang: Lang) -> Option<String> {
        let (en, ko) = match self {
            Self::NotUtf8 { .. } => ("Send the JSON encoded as UTF-8.", "JSON을 UTF-8로 인코딩해 보내세요."),
            Self::TooLarge { .. } => (
                "Send less, or raise `server.max_body_bytes`.",
                "더 작게 보내거나 `server.max_body_bytes`를 올리세요.",
            ),
            Self::Encoding { .. } => ("Send the body uncompressed.", "본문을 압축하지 말고 보내세요."),
            Self::NoRoute { .. } => {
                ("`/openapi.json` lists what there is.", "`/openapi.json`에 목록이 있습니다.")
            }
            Self::NoModel { .. } => {
                ("`GET /v1/models` lists what there is.", "`GET /v1/models`로 목록을 볼 수 있습니다.")
            }
            Self::Internal => (
                "This is a fault of Nunchi; the log holds the details under the request id.",
                "Nunchi의 오류입니다. 요청 id로 로그에서 자세한 내용을 찾을 수 있습니다.",
            ),
            _ => return None,
        };
        Some(lang.pick(en, ko).to_owned())
    }
}

impl Problem {
    fn field_message(&self, en: bool) -> String {
        match self {
            Self::WrongType { path, detail } | Self::Invalid { path, detail } if path.is_empty() => {
                if en {
                    format!("The body is not valid: {detail}")
                } else {
                    format!("본문이 올바르지 않습니다: {detail}")
                }
            }
            Self::WrongType { path, detail } | Self::Invalid { path, detail } if en => {
                format!("`{path}` is not valid: {detail}")
            }
            Self::WrongType { path, detail } | Self::Invalid { path, detail } => {
                format!("`{path}` 값이 올바르지 않습니다: {detail}")
            }
            Self::Missing { path } if en => format!("`{path}` is missing"),
            Self::Missing { path } => format!("`{path}` 값이 없습니다"),
            Self::Unsupported { path, detail } if en => format!("`{path}` cannot be honoured: {detail}"),
            Self::Unsupported { path, detail } => format!("`{path}` 값은 지원하지 않습니다: {detail}"),
            _ => String::new(),
        }
    }

    fn transport_message(&self, en: bool) -> String {
        match self {
            Self::TooLarge { limit } if en => format!("The body is larger than {limit} bytes"),
            Self::TooLarge { limit } => format!("본문이 {limit}바이트보다 큽니다"),
            Self::Encoding { encoding } if en => format!("Bodies encoded as {encoding} are not read"),
            Self::Encoding { encoding } => format!("{encoding}(으)로 인코딩된 본문은 읽지 않습니다"),
            Self::TooSlow if en => "The body did not arrive in time".into(),
            Self::TooSlow => "본문이 제시간에 도착하지 않았습니다".into(),
            Self::Broken if en => "The connection broke while the body was read".into(),
            Self::Broken => "본문을 읽는 중에 연결이 끊겼습니다".into(),
            Self::NoRoute { path } if en => format!("There is nothing at {path}"),
            Self::NoRoute { path } => format!("{path}에는 아무것도 없습니다"),
            Self::NoMethod { method, path } if en => format!("{path} does not answer {method}"),
            Self::NoMethod { method, path } => format!("{path}은(는) {method} 요청을 받지 않습니다"),
            Self::NoModel { model } if en => format!("There is no model \"{model}\""),
            Self::NoModel { model } => format!("\"{model}\" 모델이 없습니다"),
            _ if en => "The server failed".into(),
            _ => "서버 오류입니다".into(),
        }
    }
}
