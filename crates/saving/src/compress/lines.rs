//! Logs and diffs without their repetition: lines that differ in numbers alone are counted, unchanged context is shortened.

use regex::Regex;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Lines from which a text can be a log.
const LEAST_LINES: usize = 8;
/// Unchanged lines kept on each side of a change.
const CONTEXT: usize = 1;

/// A date and time, or a time alone, at the head of a line.
static STAMP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^\[?(?P<date>\d{4}[-/]\d\d[-/]\d\d|[A-Z][a-z]{2} +\d{1,2})?[T ]?(?P<time>\d\d:\d\d:\d\d)(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?\s*").ok()
});

/// What differs between lines of one kind: numbers, hexadecimal ids, quoted text is left.
static VARYING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*(?:[.:\-][0-9a-fA-F]+)*(?:ms|s|kb|mb|%)?").ok()
});

/// Words that make a line worth keeping as it stands.
static SERIOUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(error|warn(ing)?|fatal|panic|exception|traceback|failed|failure|critical|denied|timeout)\b|오류|실패|경고").ok()
});

/// Lines shortened, and how many were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShortLines {
    pub(crate) text: String,
    pub(crate) left_out: usize,
}

/// Whether a text looks like a unified diff.
pub(crate) fn is_diff(text: &str) -> bool {
    text.starts_with("diff --git ")
        || text.starts_with("--- ")
        || text.starts_with("Index: ")
        || text.contains("\n@@ -")
}

/// Whether most lines open with a time, or many repeat.
pub(crate) fn is_log(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().take(400).collect();
    if lines.len() < LEAST_LINES {
        return false;
    }
    let stamped = lines.iter().filter(|line| stamp(line).is_some()).count();
    let kinds = lines.iter().map(|line| kind(line)).collect::<std::collections::HashSet<_>>().len();
    stamped * 2 >= lines.len() || kinds * 2 <= lines.len()
}

/// A diff with at most one unchanged line around each change, and without the lines that name object ids.
pub(crate) fn shorten_diff(text: &str) -> ShortLines {
    let lines: Vec<&str> = text.lines().collect();
    let changed = |line: &str| !line.starts_with(' ') && !line.is_empty();
    let near = |at: usize| {
        let (first, last) = (at.saturating_sub(CONTEXT), (at + CONTEXT).min(lines.len() - 1));
        lines[first..=last].iter().any(|line| changed(line) && !line.starts_with("@@"))
    };
    let (mut out, mut run, mut left_out) = (Vec::new(), 0, 0);
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("index ") || (!changed(line) && !near(at)) {
            run += usize::from(!line.starts_with("index "));
            left_out += 1;
            continue;
        }
        if run > 0 && changed(line) != line.starts_with("@@") {
            out.push(format!(" … {run} unchanged"));
        }
        run = 0;
        out.push((*line).to_owned());
    }
    ShortLines { text: out.join("\n"), left_out }
}

/// A log in which lines that differ in numbers alone stand once with their count; the date is said when it changes.
pub(crate) fn shorten_log(text: &str) -> ShortLines {
    let lines: Vec<&str> = text.lines().collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for line in &lines {
        let (stamp, body) = stamp(line).unwrap_or((Stamp::default(), line));
        let kind = kind(body);
        // Serious lines are never folded into another that reads differently.
        let key = if is_serious(body) { body.to_owned() } else { kind };
        match places.get(&key) {
            Some(&at) => groups[at].add(stamp, body),
            None => {
                places.insert(key, groups.len());
                groups.push(Group { first: stamp, last: stamp, body, count: 1, same: true });
            }
        }
    }
    let mut date = "";
    let out: Vec<String> = groups.iter().map(|group| group.write(&mut date)).collect();
    ShortLines { text: out.join("\n"), left_out: lines.len() - groups.len() }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Stamp<'a> {
    date: &'a str,
    time: &'a str,
}

struct Group<'a> {
    first: Stamp<'a>,
    last: Stamp<'a>,
    body: &'a str,
    count: usize,
    same: bool,
}

impl<'a> Group<'a> {
    fn add(&mut self, stamp: Stamp<'a>, body: &str) {
        self.last = stamp;
        self.count += 1;
        self.same &= body == self.body;
    }

    fn write(&self, date: &mut &'a str) -> String {
        let mut line = String::new();
        if !self.first.date.is_empty() && self.first.date != *date {
            *date = self.first.date;
            line.push_str(&format!("{date} "));
        }
        line.push_str(self.first.time);
        if !self.first.time.is_empty() {
            line.push(' ');
        }
        line.push_str(self.body);
        if self.count > 1 {
            let other = if self.same { "" } else { " like it" };
            let until = if self.last.time.is_empty() || self.last == self.first {
                String::new()
            } else {
                format!(" until {}", self.last.time)
            };
            line.push_str(&format!(" (x{}{other}{until})", self.count));
        }
        line
    }
}

fn stamp(line: &str) -> Option<(Stamp<'_>, &str)> {
    let found = STAMP.as_ref()?.captures(line)?;
    let part = |name: &str| found.name(name).map_or("", |part| part.as_str());
    let end = found.get(0)?.end();
    Some((Stamp { date: part("date"), time: part("time") }, &line[end..]))
}

fn kind(body: &str) -> String {
    VARYING.as_ref().map_or_else(|| body.to_owned(), |varying| varying.replace_all(body, "#").into_owned())
}

fn is_serious(body: &str) -> bool {
    SERIOUS.as_ref().is_some_and(|serious| serious.is_match(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_log_says_things_once() {
        let mut log: String = (0..50)
            .map(|s| format!("2026-03-01T10:00:{s:02}Z INFO request {s} took {}ms\n", s * 7))
            .collect();
        log.push_str("2026-03-01T10:01:00Z ERROR disk 3 full\n2026-03-02T10:01:01Z ERROR disk 4 full\n");
        assert!(is_log(&log));
        let short = shorten_log(&log);
        assert_eq!(
            short.text,
            "2026-03-01 10:00:00 INFO request 0 took 0ms (x50 like it until 10:00:49)\n10:01:00 ERROR disk 3 full\n2026-03-02 10:01:01 ERROR disk 4 full"
        );
        assert_eq!(short.left_out, 49);
    }

    #[test]
    fn a_diff_keeps_its_changes() {
        let diff = "diff --git a/x b/x\nindex 12ab..34cd 100644\n--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@ fn x\n one\n two\n three\n-four\n+FOUR\n five\n six\n seven\n@@ -20,3 +20,2 @@\n a\n-b\n c";
        assert!(is_diff(diff) && !is_diff("plain"));
        let short = shorten_diff(diff);
        for line in ["-four", "+FOUR", "-b", " three", " five", "@@ -20,3 +20,2 @@"] {
            assert!(short.text.lines().any(|own| own == line), "{line} in {}", short.text);
        }
        assert!(!short.text.contains("index ") && !short.text.contains(" two") && short.left_out >= 4);
    }

    #[test]
    fn prose_is_no_log() {
        assert!(!is_log(
            "One line.\nAnother line.\nA third.\nAnd so on.\nFive.\nSix words.\nSeventh.\nEighth one."
        ));
    }

    proptest! {
        #[test]
        fn any_lines_are_safe(text in "(?s)(.{0,30}\n){0,30}") {
            let _ = (is_log(&text), shorten_log(&text), shorten_diff(&text));
        }

        #[test]
        fn changes_of_a_diff_survive(lines in prop::collection::vec("[ +-][a-z]{0,6}", 1..40)) {
            let short = shorten_diff(&lines.join("\n")).text;
            let kept: Vec<&str> = short.lines().filter(|line| line.starts_with(['+', '-'])).collect();
            let real: Vec<&str> = lines.iter().map(String::as_str).filter(|line| line.starts_with(['+', '-'])).collect();
            prop_assert_eq!(kept, real);
        }
    }
}
