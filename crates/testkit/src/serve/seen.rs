//! What an upstream was sent.

use crate::dialect::{Dialect, Endpoint};
use crate::reading::Reading;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

/// One request as it arrived, and how its answer ended.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The dialect of the server.
    pub dialect: Dialect,
    /// What was asked; `None` for a path the provider does not have.
    pub endpoint: Option<Endpoint>,
    /// HTTP method.
    pub method: Method,
    /// Path without the query.
    pub path: String,
    /// The query, if any.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when it was none.
    pub body: Value,
    /// The body as it came.
    pub raw: Bytes,
    /// The status that was answered; 0 when nothing was (yet).
    pub status: u16,
    /// The client went away before the answer was complete.
    pub aborted: bool,
    /// The answer went out as scripted (a scripted break counts).
    pub finished: bool,
}

impl Seen {
    /// The value of a header, where it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The text of the last message that a person wrote, in any dialect.
    pub fn last_user_text(&self) -> String {
        self.reading().user_text
    }

    /// The model that was asked for, in the body or in the path.
    pub fn model(&self) -> Option<&str> {
        let from_path = || self.path.rsplit_once("/models/")?.1.split(':').next();
        self.body["model"].as_str().or_else(from_path)
    }

    /// Whether a stream was asked for, by the dialect's own default.
    pub fn stream(&self) -> bool {
        match self.dialect {
            Dialect::Gemini => self.path.ends_with(":streamGenerateContent"),
            Dialect::Ollama => self.body["stream"] != false,
            _ => self.body["stream"] == true,
        }
    }

    pub(crate) fn reading(&self) -> Reading {
        Reading::of(self.dialect, self.endpoint.unwrap_or(Endpoint::Chat), &self.body)
    }
}
