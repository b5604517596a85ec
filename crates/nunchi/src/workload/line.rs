//! One line of a workload: a body with what is known about it, a bare body, a line of a batch file, or a row of the ledger.

use bytes::Bytes;
use jiff::Timestamp;
use nunchi_api::read_chat;
use nunchi_core::{CallContext, CallRecord, Dialect, Lang, Principal, RequestId};
use nunchi_saving::{ReplayBody, ReplayLabel};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Tokens of an answer whose length is not given.
pub(crate) const DEFAULT_OUTPUT: u64 = 200;

/// A line, read.
pub(super) struct Line {
    pub(super) at: Option<Timestamp>,
    pub(super) body: ReplayBody,
    pub(super) output: Option<u64>,
    pub(super) can_wait: bool,
    pub(super) label: ReplayLabel,
}

/// A time as written: RFC 3339, or seconds since 1970.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(i64),
    Text(Timestamp),
}

/// A call with what is known about it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotated<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    dialect: Option<String>,
    at: Option<Time>,
    session: Option<String>,
    agent: Option<String>,
    output_tokens: Option<u64>,
    #[serde(default)]
    can_wait: bool,
    select_tools: Option<bool>,
    #[serde(default)]
    label: ReplayLabel,
}

/// A line of an OpenAI batch file.
#[derive(Deserialize)]
struct BatchLine<'a> {
    url: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Reads a line.
pub(super) fn read(text: &str, lang: Lang) -> Result<Line, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(fields) = &value else {
        return Err(lang.pick("it is no JSON object", "JSON 객체가 아닙니다").to_owned());
    };
    let has = |name: &str| fields.contains_key(name);
    if has("requested_model") && has("usage") {
        let record: CallRecord = serde_json::from_str(text).map_err(|error| error.to_string())?;
        return Ok(Line {
            at: Some(record.started),
            output: Some(record.usage.completion_tokens()),
            can_wait: record.batch,
            label: ReplayLabel::default(),
            body: ReplayBody::Booked(Box::new(record)),
        });
    }
    if has("custom_id") && has("body") {
        let line: BatchLine<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let dialect = if line.url.ends_with("/messages") { Dialect::Anthropic } else { Dialect::OpenAiChat };
        let plain = Annotated { can_wait: true, ..bare(line.body) };
        return asked(dialect, plain, lang);
    }
    if has("body") {
        let line: Annotated<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let dialect = match line.dialect.as_deref() {
            Some("openai") => Dialect::OpenAiChat,
            Some("anthropic") => Dialect::Anthropic,
            None => guess(&value["body"]),
            Some(other) => {
                return Err(lang.pick(
                    format!("`{other}` is none of the dialects openai, anthropic"),
                    format!("`{other}`은(는) openai, anthropic 중 하나가 아닙니다"),
                ));
            }
        };
        return asked(dialect, line, lang);
    }
    let body: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    asked(guess(&value), bare(body), lang)
}

fn bare(body: &RawValue) -> Annotated<'_> {
    Annotated {
        body,
        dialect: None,
        at: None,
        session: None,
        agent: None,
        output_tokens: None,
        can_wait: false,
        select_tools: None,
        label: ReplayLabel::default(),
    }
}

fn asked(dialect: Dialect, line: Annotated<'_>, lang: Lang) -> Result<Line, String> {
    let body = Bytes::copy_from_slice(line.body.get().as_bytes());
    let mut request = read_chat(dialect, body).map_err(|problem| problem.message(lang))?;
    // Nothing is sent: the caller's bytes are not needed, and a workload of them is large.
    request.origin =
        request.origin.filter(|origin| origin.dialect == Dialect::Anthropic).map(|mut origin| {
            origin.body = Bytes::new();
            origin
        });
    let mut context = CallContext::new(RequestId(uuid::Uuid::nil()), Arc::new(Principal::owner()));
    context.session = line.session.map(Arc::from);
    context.agent = line.agent.map(Arc::from);
    context.select_tools = line.select_tools;
    let at = match line.at {
        None => None,
        Some(Time::Text(at)) => Some(at),
        Some(Time::Seconds(seconds)) => {
            Some(Timestamp::from_second(seconds).map_err(|error| error.to_string())?)
        }
    };
    Ok(Line {
        at,
        body: ReplayBody::Asked(Box::new((request, context))),
        output: line.output_tokens,
        can_wait: line.can_wait,
        label: line.label,
    })
}

/// The dialect of a body that does not say: Anthropic's have instructions beside the messages, and schemas by another name.
fn guess(body: &Value) -> Dialect {
    let tools = body["tools"].as_array().into_iter().flatten();
    let schemas = tools.into_iter().any(|tool| !tool["input_schema"].is_null());
    if schemas || !body["system"].is_null() || !body["anthropic_version"].is_null() {
        Dialect::Anthropic
    } else {
        Dialect::OpenAiChat
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    use super::super::{BadLine, Workload};

    fn workload(text: &[u8]) -> Workload {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("w.jsonl");
        std::fs::write(&path, text).unwrap();
        Workload::read(&path, Lang::En).unwrap()
    }

    const GOOD: &str = r#"{"model":"auto","messages":[{"role":"user","content":"hello"}]}"#;

    #[test]
    fn every_shape_is_read() {
        let lines = [
            GOOD.to_owned(),
            format!(r#"{{"body":{GOOD},"at":"2026-11-21T09:00:00Z","session":"s","output_tokens":7,"can_wait":true,"label":{{"tier":"trivial","answer":"a"}}}}"#),
            format!(r#"{{"body":{GOOD},"at":1767225600}}"#),
            format!(r#"{{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{GOOD}}}"#),
            r#"{"model":"auto","max_tokens":9,"system":"Be brief.","messages":[{"role":"user","content":"hello"}]}"#.to_owned(),
        ];
        let read = workload(lines.join("\n").as_bytes());
        assert_eq!((read.calls.len(), read.bad.len(), read.undated, read.unmeasured), (5, 0, 3, 4));
        let ReplayBody::Asked(last) = &read.calls[4].body else { panic!("a request") };
        assert_eq!((last.0.messages.len(), last.0.origin.as_ref().unwrap().dialect), (2, Dialect::Anthropic));
        assert!(read.calls[3].can_wait && read.calls[1].label.answer.as_deref() == Some("a"));
        assert_eq!(read.calls[2].at.as_second(), 1_767_225_600);
        assert_eq!(read.calls[3].at.as_second(), 1_767_225_660, "a minute behind the one before");
    }

    #[test]
    fn broken_lines_say_what_is_wrong() {
        let lines = [
            GOOD,
            "{\"model\":",
            "[1]",
            r#"{"model":"auto"}"#,
            r#"{"body":{"model":"auto","messages":[]},"when":1}"#,
            r#"{"body":{},"dialect":"klingon"}"#,
            "",
            GOOD,
        ];
        let read = workload(lines.join("\r\n").as_bytes());
        assert_eq!(read.calls.len(), 2);
        let at: Vec<usize> = read.bad.iter().map(|bad| bad.line).collect();
        assert_eq!(at, [2, 3, 4, 5, 6]);
        let says = |at: usize, word: &str| assert!(read.bad[at].what.contains(word), "{:?}", read.bad[at]);
        says(0, "EOF");
        says(2, "messages");
        says(3, "when");
        says(4, "klingon");
        assert_eq!(workload(&[0xff, b'\n']).bad, [BadLine { line: 1, what: "it is not UTF-8".into() }]);
    }

    proptest! {
        /// A broken line never changes the others.
        #[test]
        fn others_stand(lines in prop::collection::vec((any::<bool>(), "[^\n\r]{0,40}"), 0..12)) {
            let line = |(good, junk): &(bool, String)| {
                if *good { GOOD.replace("hello", &format!("hello {}", junk.len())) } else { format!("{{{junk}") }
            };
            let all: Vec<String> = lines.iter().map(line).collect();
            let alone: Vec<String> = lines.iter().filter(|(good, _)| *good).map(line).collect();
            let (all, alone) = (workload(all.join("\n").as_bytes()), workload(alone.join("\n").as_bytes()));
            let texts = |workload: &Workload| -> Vec<String> {
                workload.calls.iter().map(|call| format!("{:?} {:?}", call.at, call.body)).collect()
            };
            prop_assert_eq!(texts(&all), texts(&alone));
            prop_assert_eq!(all.bad.len(), lines.len() - alone.calls.len());
        }
    }
}
