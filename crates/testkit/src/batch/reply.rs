//! The answer to one request of a Batch API.

use super::book::{AnswerItem, BatchBook};
use super::{anthropic, openai};
use crate::dialect::{Dialect, Endpoint};
use crate::turn::{Ending, Fault};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// One request of a Batch API.
pub(crate) struct Asked<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) raw: &'a Bytes,
    pub(crate) body: &'a Value,
}

/// What is answered.
pub(crate) enum Reply {
    /// An object.
    Json(Value),
    /// JSON lines of this content type.
    Lines(&'static str, Vec<Bytes>),
    /// An error.
    Refused(Fault),
}

/// Answers a request and keeps what it changes.
pub(crate) fn answer(
    book: &mut BatchBook,
    dialect: Dialect,
    asked: &Asked<'_>,
    answer: AnswerItem<'_>,
) -> Reply {
    let reply = match dialect {
        Dialect::Anthropic => anthropic::answer(book, asked, answer),
        _ => openai::answer(book, asked, answer),
    };
    reply.unwrap_or_else(Reply::Refused)
}

impl Reply {
    /// JSON lines as an ending breaks them: cut in the middle of a line, or with one line halved. Tells whether they are cut.
    pub(crate) fn broken(lines: &mut Vec<Bytes>, ending: &Ending) -> bool {
        let half = |line: &Bytes| line.slice(..line.len() / 2);
        match ending {
            Ending::Cut(whole) | Ending::Hang(whole) => {
                let next = lines.get(*whole).map(half);
                lines.truncate(*whole);
                lines.extend(next);
                matches!(ending, Ending::Cut(_))
            }
            Ending::Garbage(at) => {
                if let Some(line) = lines.get_mut(*at) {
                    *line = [&half(line)[..], b"\n"].concat().into();
                }
                false
            }
            _ => false,
        }
    }
}

impl Asked<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The id that stands behind `/batches/` or `/files/`.
    pub(super) fn id(&self) -> &str {
        let behind = ["/batches/", "/files/"].iter().find_map(|mark| self.path.split_once(mark));
        behind.map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default())
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.unwrap_or_default().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The page that is asked for, of ids from the latest to the oldest, and whether there are more behind it.
    pub(super) fn page<T>(
        &self,
        all: impl DoubleEndedIterator<Item = T>,
        id: impl Fn(&T) -> String,
        (cursor, most): (&str, usize),
    ) -> Result<(Vec<T>, bool), Fault> {
        let limit = self.parameter("limit").map_or(Ok(20), str::parse::<usize>);
        let limit = limit.ok().filter(|limit| (1..=most).contains(limit));
        let limit = limit.ok_or_else(|| refused(400, format!("limit: must be between 1 and {most}")))?;
        let mut rest = all.rev().peekable();
        if let Some(after) = self.parameter(cursor) {
            rest.by_ref().find(|entry| id(entry) == after);
        }
        let page: Vec<T> = rest.by_ref().take(limit).collect();
        let more = rest.peek().is_some();
        Ok((page, more))
    }
}

/// An error in the provider's shape.
pub(super) fn refused(status: u16, message: impl Into<String>) -> Fault {
    let code = (status == 404).then(|| "not_found_error".to_owned());
    Fault { message: Some(message.into()), code, ..Fault::new(status) }
}
