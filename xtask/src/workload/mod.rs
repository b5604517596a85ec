//! Workloads for `nunchi replay`, made from public text: the same bytes for the same data, every time.

mod day;
mod month;
mod source;

pub(crate) use day::{Hours, day};
pub(crate) use month::month;
pub(crate) use source::Source;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// When both begin: a Sunday, in seconds since 1970.
const BEGINNING: i64 = 1_793_491_200;

/// One call of a workload, before it is written.
pub(crate) struct Call {
    /// Seconds after the beginning.
    pub(crate) at: i64,
    pub(crate) session: Option<String>,
    pub(crate) messages: Vec<Value>,
    pub(crate) tools: Option<Value>,
    pub(crate) output_tokens: u64,
    pub(crate) can_wait: bool,
    pub(crate) label: Value,
}

impl Call {
    /// The line.
    pub(crate) fn line(&self) -> Value {
        let mut body = json!({ "model": "auto", "messages": self.messages });
        if let Some(tools) = &self.tools {
            body["tools"] = tools.clone();
        }
        let mut line = json!({
            "at": BEGINNING + self.at,
            "output_tokens": self.output_tokens,
            "label": self.label,
            "body": body,
        });
        if let Some(session) = &self.session {
            line["session"] = json!(session);
        }
        if self.can_wait {
            line["can_wait"] = json!(true);
        }
        line
    }
}

/// A message.
pub(crate) fn say(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

/// Writes a workload.
pub(crate) fn run(which: &str, data: &str, file: &str) -> Result<()> {
    let source = Source::read(Path::new(data))?;
    let calls = match which {
        "day" => day(&source, Hours::Office)?,
        "even-day" => day(&source, Hours::Even)?,
        "month" => month(&source)?,
        _ => bail!("`{which}` is none of day, even-day, month"),
    };
    write(&calls, Path::new(file))?;
    println!("{} calls in {file}", calls.len());
    Ok(())
}

/// Writes calls as JSON lines, in the order of their times.
pub(crate) fn write(calls: &[Call], file: &Path) -> Result<()> {
    let mut order: Vec<&Call> = calls.iter().collect();
    order.sort_by_key(|call| call.at);
    let mut writer = std::io::BufWriter::new(std::fs::File::create(file).context("the file to write")?);
    for call in order {
        writeln!(writer, "{}", call.line())?;
    }
    Ok(writer.flush()?)
}
