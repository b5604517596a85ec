//! The lines of a batch: each a request to one endpoint, or what is wrong with it.

use crate::answer::Inbound;
use crate::anthropic::messages::Messages;
use crate::failure::Failure;
use crate::openai::chat::Chat;
use crate::openai::responses::Responses;
use crate::problem::Problem;
use crate::state::ApiState;
use bytes::Bytes;
use http::HeaderMap;
use nunchi_core::{Explain, Lang, ModelError, ModelErrorKind, ModelRequest};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What batches can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Responses,
    Messages,
}

impl Endpoint {
    const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Messages];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    pub(super) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// A body in our words. It is answered whole, whatever it says.
    pub(super) fn translate(self, state: &ApiState, body: Bytes) -> Result<ModelRequest, Problem> {
        fn request<D: Inbound>(state: &ApiState, body: Bytes) -> Result<ModelRequest, Problem> {
            let (mut request, _) = D::translate(state, &HeaderMap::new(), body)?;
            request.stream = false;
            Ok(request)
        }
        match self {
            Self::Chat => request::<Chat>(state, body),
            Self::Responses => request::<Responses>(state, body),
            Self::Messages => request::<Messages>(state, body),
        }
    }
}

/// A line as it is written.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    custom_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// A line, read: the caller's name of it, and what is asked.
pub(super) struct Read {
    pub(super) name: String,
    pub(super) asked: Result<ModelRequest, ModelError>,
}

/// Reads a line.
pub(super) fn read(state: &ApiState, endpoint: Endpoint, line: &Bytes) -> Read {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => return wrong("", &Problem::NotUtf8 { offset: error.valid_up_to() }),
    };
    let written: Written<'_> = match serde_json::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            let detail = error.to_string();
            let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
            return wrong("", &Problem::Malformed { detail, line: 0, column: 0 });
        }
    };
    let name = written.custom_id.as_deref().unwrap_or_default();
    match checked(&written, endpoint) {
        Err(problem) => wrong(name, &problem),
        Ok(body) => match endpoint.translate(state, Bytes::copy_from_slice(body.get().as_bytes())) {
            Ok(request) => Read { name: name.to_owned(), asked: Ok(request) },
            Err(problem) => wrong(name, &problem),
        },
    }
}

fn checked<'a>(written: &Written<'a>, endpoint: Endpoint) -> Result<&'a RawValue, Problem> {
    if written.custom_id.as_deref().is_none_or(str::is_empty) {
        return Err(Problem::missing("custom_id"));
    }
    if written.method.as_deref().is_some_and(|method| method != "POST") {
        return Err(Problem::invalid("method", "it must be POST"));
    }
    if written.url.as_deref().is_some_and(|url| url != endpoint.path()) {
        let detail = format!("the batch is for {}", endpoint.path());
        return Err(Problem::invalid("url", detail));
    }
    written.body.ok_or_else(|| Problem::missing("body"))
}

/// A line that cannot be served.
pub(super) fn wrong(name: &str, problem: &Problem) -> Read {
    let detail = problem.message(Lang::En);
    Read { name: name.to_owned(), asked: Err(ModelError::new(ModelErrorKind::InvalidRequest, detail)) }
}

/// An error as the body of an answer in OpenAI's shape, with its status.
pub(super) fn error_body(error: &ModelError, lang: Lang) -> (u16, Box<RawValue>) {
    let failure = Failure::of_model(error, lang);
    let body = failure.body(crate::failure::Shape::OpenAi, None);
    let text = String::from_utf8(body).unwrap_or_default();
    (failure.status, RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
}
