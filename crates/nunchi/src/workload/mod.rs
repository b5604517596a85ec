//! Recorded workloads: one call a line, in any of the shapes that are at hand.

mod line;

pub(crate) use line::DEFAULT_OUTPUT;

use crate::failure::Failure;
use jiff::{SignedDuration, Timestamp};
use nunchi_core::Lang;
use nunchi_saving::{ReplayBody, ReplayCall};
use serde::Serialize;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A longer line is no call, in bytes.
const LONGEST_LINE: u64 = 32 << 20;
/// Calls without a time are so far apart.
const APART: SignedDuration = SignedDuration::from_secs(60);
/// The time of the first call where no call has one.
const BEGINNING: i64 = 1_767_225_600;

/// A line that is no call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BadLine {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
}

/// A workload as read.
#[derive(Debug, Default)]
pub(crate) struct Workload {
    pub(crate) calls: Vec<ReplayCall>,
    pub(crate) bad: Vec<BadLine>,
    /// Calls whose time was not given.
    pub(crate) undated: usize,
    /// Calls whose answer's length was not given.
    pub(crate) unmeasured: usize,
}

impl Workload {
    /// Reads a file. A broken line is told and left out; the others stand as if it were not there.
    pub(crate) fn read(path: &Path, lang: Lang) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::system(&path.display().to_string(), error);
        let mut reader = BufReader::new(std::fs::File::open(path).map_err(failed)?);
        let mut workload = Self::default();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(failed)?;
            if read == 0 {
                break;
            }
            if bytes.len() as u64 == LONGEST_LINE && bytes.last() != Some(&b'\n') {
                workload.refuse(number, lang.pick("the line is too long", "줄이 너무 깁니다"));
                reader.skip_until(b'\n').map_err(failed)?;
                continue;
            }
            workload.line(number, &bytes, lang);
        }
        workload.date();
        Ok(workload)
    }

    fn line(&mut self, number: usize, bytes: &[u8], lang: Lang) {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').trim(),
            Err(_) => return self.refuse(number, lang.pick("it is not UTF-8", "UTF-8이 아닙니다")),
        };
        if text.is_empty() {
            return;
        }
        match line::read(text, lang) {
            Ok(read) => {
                self.undated += usize::from(read.at.is_none());
                self.unmeasured += usize::from(read.output.is_none());
                self.calls.push(ReplayCall {
                    at: read.at.unwrap_or(Timestamp::MIN),
                    body: read.body,
                    output_tokens: read.output.unwrap_or(DEFAULT_OUTPUT),
                    can_wait: read.can_wait,
                    label: read.label,
                });
            }
            Err(what) => self.refuse(number, &what),
        }
    }

    fn refuse(&mut self, line: usize, what: &str) {
        self.bad.push(BadLine { line, what: what.to_owned() });
    }

    /// Gives every call without a time one, a minute behind the call before it.
    fn date(&mut self) {
        let beginning = Timestamp::from_second(BEGINNING).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut before: Option<Timestamp> = None;
        for call in &mut self.calls {
            if call.at == Timestamp::MIN {
                call.at = before.map_or(beginning, |at| at.checked_add(APART).unwrap_or(Timestamp::MAX));
            }
            before = Some(call.at);
        }
    }

    /// The models that calls name.
    pub(crate) fn named_models(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .calls
            .iter()
            .map(|call| match &call.body {
                ReplayBody::Asked(asked) => asked.0.model.clone(),
                ReplayBody::Booked(record) => format!("{}/{}", record.provider, record.model),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
