//! Lists files and searches in them.

use super::content::{read, text_of};
use super::desk::FileDesk;
use super::place::FilePath;
use super::walk::{Entry, Next, glob, walk};
use crate::arguments::{arguments, blocking, cut};
use globset::GlobMatcher;
use nunchi_core::{BoxFuture, Deed, Label, Tool, ToolCall, ToolError, ToolOutput, ToolSpec};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Most lines of an answer.
const MOST_LINES: usize = 400;
/// Most lines found by a search.
const MOST_HITS: usize = 100;
/// Longest answer in bytes.
const LONGEST: usize = 12 * 1024;
/// Longest line shown of a hit, in bytes.
const LONGEST_LINE: usize = 240;
/// Longest file that is searched, in bytes.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;
/// Depth of a list when none is asked for.
const DEPTH: usize = 2;

/// Lists files.
pub(super) struct ListFiles(pub(super) Arc<FileDesk>);

/// Searches in files.
pub(super) struct SearchFiles(pub(super) Arc<FileDesk>);

#[derive(Deserialize)]
struct ListArguments {
    path: Option<String>,
    glob: Option<String>,
    depth: Option<usize>,
}

#[derive(Deserialize)]
struct SearchArguments {
    text: String,
    path: Option<String>,
    glob: Option<String>,
    #[serde(default)]
    regex: bool,
    #[serde(default)]
    ignore_case: bool,
}

/// Lines up to a cap, and how many there are beyond it.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
    more: bool,
}

impl Lines {
    fn add(&mut self, line: &str, most: usize) -> Next {
        if self.count >= most || self.text.len() + line.len() > LONGEST {
            self.more = true;
            return Next::Stop;
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.count += 1;
        Next::On
    }

    fn told(mut self, nothing: &str) -> String {
        if self.count == 0 {
            self.text.push_str(nothing);
        } else if self.more {
            self.text.push_str("[there is more: narrow `path` or `glob`]");
        }
        self.text
    }
}

/// Where to begin: the path asked for, or every root.
fn starts(desk: &FileDesk, path: Option<&str>) -> Result<Vec<FilePath>, ToolError> {
    match path {
        None | Some("") => Ok(desk.roots.all().collect()),
        Some(path) => Ok(vec![desk.roots.parse(path)?]),
    }
}

fn list(desk: &FileDesk, call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let asked: ListArguments = arguments(call)?;
    let wanted = asked.glob.as_deref().map(glob).transpose()?;
    let deepest = asked.depth.unwrap_or(if wanted.is_some() { usize::MAX } else { DEPTH });
    let mut lines = Lines::default();
    let starts = starts(desk, asked.path.as_deref())?;
    for start in &starts {
        let mut show = |entry: Entry| {
            let line = if entry.folder {
                format!("{}/", entry.path.spelling)
            } else {
                format!("{} {}", entry.path.spelling, size(entry.size))
            };
            let depth = entry.below.matches('/').count() + 1;
            let shown = wanted.as_ref().is_none_or(|wanted| !entry.folder && wanted.is_match(&entry.below));
            let next = if shown { lines.add(&line, MOST_LINES) } else { Next::On };
            if next == Next::On && depth >= deepest { Next::Over } else { next }
        };
        walk(desk, start, &mut show)?;
    }
    let label = worst_label(desk, &starts);
    Ok(ToolOutput { label, ..ToolOutput::text(lines.told("Nothing is there.")) })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..1_048_576 => format!("{}K", bytes / 1024),
        _ => format!("{}M", bytes / 1_048_576),
    }
}

fn worst_label(desk: &FileDesk, paths: &[FilePath]) -> Option<Label> {
    paths.iter().filter_map(|path| desk.label(path)).max()
}

fn pattern(asked: &SearchArguments) -> Result<Regex, ToolError> {
    let text = if asked.regex { asked.text.clone() } else { regex::escape(&asked.text) };
    let built = RegexBuilder::new(&text).case_insensitive(asked.ignore_case).size_limit(1 << 20).build();
    built.map_err(|error| {
        ToolError::new("file.pattern", format!("The expression is not understood: {error}."))
            .hint("Leave `regex` out to search for the text as it is.")
    })
}

fn search(desk: &FileDesk, call: &ToolCall) -> Result<ToolOutput, ToolError> {
    let asked: SearchArguments = arguments(call)?;
    let pattern = pattern(&asked)?;
    let wanted: Option<GlobMatcher> = asked.glob.as_deref().map(glob).transpose()?;
    let mut lines = Lines::default();
    let mut bytes_left = desk.caps.search_bytes;
    let mut label = None;
    for start in starts(desk, asked.path.as_deref())? {
        let mut look = |entry: Entry| {
            let unwanted = wanted.as_ref().is_some_and(|wanted| !wanted.is_match(&entry.below));
            if entry.folder || unwanted || entry.size > LONGEST_FILE {
                return Next::On;
            }
            if bytes_left < entry.size {
                lines.more = true;
                return Next::Stop;
            }
            bytes_left -= entry.size;
            let found = hits(desk, &entry.path, &pattern, &mut lines);
            if found.0 {
                label = label.max(desk.label(&entry.path));
            }
            found.1
        };
        match desk.roots.place(&start).ok().filter(|_| desk.roots.folder(&start).is_err()) {
            // A single file.
            Some(_) => {
                if hits(desk, &start, &pattern, &mut lines).0 {
                    label = label.max(desk.label(&start));
                }
            }
            None => walk(desk, &start, &mut look)?,
        }
    }
    Ok(ToolOutput { label, ..ToolOutput::text(lines.told("Nothing was found.")) })
}

/// Adds the fitting lines of a file; whether there were any.
fn hits(desk: &FileDesk, path: &FilePath, pattern: &Regex, lines: &mut Lines) -> (bool, Next) {
    let found = desk.roots.place(path).and_then(|place| read(&place, path, LONGEST_FILE));
    let Some((text, _)) = found.ok().flatten().and_then(|found| text_of(&found.bytes)) else {
        return (false, Next::On);
    };
    let mut any = false;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| pattern.is_match(line)) {
        any = true;
        let (shown, was_cut) = cut(line.trim(), LONGEST_LINE);
        let dots = if was_cut { "…" } else { "" };
        if lines.add(&format!("{}:{}: {shown}{dots}", path.spelling, at + 1), MOST_HITS) == Next::Stop {
            return (any, Next::Stop);
        }
    }
    (any, Next::On)
}

impl Tool for ListFiles {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "path": {"type": "string"},
                "glob": {"type": "string", "description": "Such as **/*.md"},
                "depth": {"type": "integer", "minimum": 1},
            },
        });
        ToolSpec { deeds: vec![Deed::Read], ..ToolSpec::new("list_files", "List files and folders.", schema) }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let desk = Arc::clone(&self.0);
        Box::pin(blocking(move || list(&desk, &call)))
    }
}

impl Tool for SearchFiles {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["text"], "additionalProperties": false,
            "properties": {
                "text": {"type": "string", "minLength": 1},
                "path": {"type": "string"},
                "glob": {"type": "string"},
                "regex": {"type": "boolean"},
                "ignore_case": {"type": "boolean"},
            },
        });
        let description = "Find lines in files; answers path:line: text.";
        ToolSpec { deeds: vec![Deed::Read], ..ToolSpec::new("search_files", description, schema) }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        let desk = Arc::clone(&self.0);
        Box::pin(blocking(move || search(&desk, &call)))
    }
}
