//! Reads a file, whole or in parts.

use super::content::{Encoding, binary, open, read, text_of};
use super::desk::FileDesk;
use super::place::{FilePath, missing};
use crate::arguments::{arguments, blocking, cut};
use nunchi_core::{BoxFuture, ContentHash, Deed, Tool, ToolCall, ToolError, ToolOutput, ToolSpec, Touched};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// Longest text given at once, in bytes; a note of where it goes on comes behind it.
const PART: usize = 15 * 1024;
/// Longest line that is given whole, in bytes.
const LONGEST_LINE: usize = 4 * 1024;

/// The tool.
pub(super) struct ReadFile(pub(super) Arc<FileDesk>);

#[derive(Deserialize)]
struct ReadArguments {
    path: String,
    from: Option<usize>,
    lines: Option<usize>,
}

/// Collects the lines of a part.
struct Part {
    from: usize,
    most_lines: usize,
    text: String,
    taken: usize,
    total: usize,
    full: bool,
    cut_line: bool,
}

impl Part {
    fn add(&mut self, line: &str) {
        self.total += 1;
        if self.total < self.from || self.full || self.taken >= self.most_lines {
            return;
        }
        let (line, was_cut) = cut(line, LONGEST_LINE);
        if self.taken > 0 && self.text.len() + line.len() > PART {
            self.full = true;
            return;
        }
        self.cut_line |= was_cut;
        self.taken += 1;
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The part, and how the rest is got.
    fn told(mut self, path: &FilePath, whole: bool) -> Result<String, ToolError> {
        if self.taken == 0 && self.total > 0 {
            let message = format!("`{}` has {} lines.", path.spelling, self.total);
            return Err(ToolError::new("file.range", message).hint("Choose `from` within them."));
        }
        let last = self.from + self.taken.max(1) - 1;
        if self.total == 0 {
            self.text.push_str("[empty file]");
        } else if self.from > 1 || last < self.total {
            self.text.push_str(&format!("[lines {}-{last} of {}", self.from, self.total));
            if last < self.total {
                self.text.push_str(&format!("; go on with from={}", last + 1));
            }
            self.text.push(']');
        } else if whole {
            // Exactly as it is, with or without its last line end.
            self.text.pop();
        }
        if self.cut_line {
            self.text.push_str(&format!("\n[lines over {LONGEST_LINE} bytes are cut]"));
        }
        Ok(self.text)
    }
}

fn read_part(desk: &FileDesk, call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let asked: ReadArguments = arguments(call)?;
    let path = desk.roots.parse(&asked.path)?;
    let place = desk.roots.place(&path)?;
    let (file, stat) = open(&place, &path)?.ok_or_else(|| missing(&path))?;
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size > desk.caps.read_bytes {
        let message = format!("`{}` has {size} bytes, more than can be read.", path.spelling);
        return Err(ToolError::new("file.too_big", message).hint("Use search_files for what you look for."));
    }
    let from = asked.from.unwrap_or(1).max(1);
    let most_lines = asked.lines.unwrap_or(usize::MAX);
    let mut part =
        Part { from, most_lines, text: String::new(), taken: 0, total: 0, full: false, cut_line: false };
    let (version, note, whole) = if size <= desk.caps.file_bytes {
        drop(file);
        let found = read(&place, &path, desk.caps.file_bytes)?.ok_or_else(|| missing(&path))?;
        let version = found.was.version();
        let Some((text, encoding)) = text_of(&found.bytes) else {
            // It may be moved or deleted all the same, so its version counts as seen.
            let text = format!("{} It has {size} bytes and cannot be shown.", binary(&path).message);
            let touched = vec![Touched { target: path.spelling.clone(), version }];
            return Ok(ToolOutput { touched, label: desk.label(&path), ..ToolOutput::text(text) });
        };
        text.lines().for_each(|line| part.add(line));
        let note = match encoding {
            Encoding::Other(name) => format!("\n[decoded from {name}; read only]"),
            Encoding::Utf8 { .. } => String::new(),
        };
        (version, note, !text.ends_with('\n'))
    } else {
        (Some(stream(&file, &path, &mut part)?), String::new(), false)
    };
    let mut text = part.told(&path, whole)?;
    text.push_str(&note);
    let touched = vec![Touched { target: path.spelling.clone(), version }];
    Ok(ToolOutput { touched, label: desk.label(&path), ..ToolOutput::text(text) })
}

/// Reads a long file without holding it; gives its version.
fn stream(file: &File, path: &FilePath, part: &mut Part) -> Result<String, ToolError> {
    let failed =
        |error: std::io::Error| ToolError::new("file.failed", format!("`{}`: {error}.", path.spelling));
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut hash, mut line) = (Sha256::new(), Vec::new());
    loop {
        line.clear();
        let limit = (LONGEST_LINE + 1) as u64;
        let count = reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        if count == 0 {
            break;
        }
        hash.update(&line);
        if line.contains(&0) {
            return Err(binary(path));
        }
        if line.last() != Some(&b'\n') {
            skip_line(&mut reader, &mut hash).map_err(failed)?;
        }
        let text = String::from_utf8_lossy(&line);
        part.add(text.trim_end_matches(['\r', '\n']));
    }
    Ok(ContentHash(hash.finalize().into()).to_string())
}

fn skip_line(reader: &mut impl BufRead, hash: &mut Sha256) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let used = end.unwrap_or(buffer.len());
        hash.update(&buffer[..used]);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

impl Tool for ReadFile {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["path"], "additionalProperties": false,
            "properties": {
                "path": {"type": "string"},
                "from": {"type": "integer", "minimum": 1, "description": "First line."},
                "lines": {"type": "integer", "minimum": 1},
            },
        });
        let description = "Read a text file by its path relative to the working folder.";
        ToolSpec { deeds: vec![Deed::Read], ..ToolSpec::new("read_file", description, schema) }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let desk = Arc::clone(&self.0);
        Box::pin(blocking(move || read_part(&desk, &call)))
    }
}
