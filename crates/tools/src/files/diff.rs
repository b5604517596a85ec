//! The difference of two texts, for a person who is asked.

use crate::arguments::cut;
use similar::TextDiff;
use std::time::Duration;

/// Longest difference in bytes.
const LONGEST: usize = 8 * 1024;

/// A unified diff; empty when nothing differs.
pub(crate) fn unified(path: &str, before: &str, after: &str) -> String {
    let mut config = TextDiff::configure();
    // Beyond it the difference is coarser, not wrong.
    config.timeout(Duration::from_secs(2));
    let diff = config.diff_lines(before, after);
    let text = diff.unified_diff().context_radius(2).header(path, path).to_string();
    match cut(&text, LONGEST) {
        (whole, false) => whole.to_owned(),
        (head, true) => format!("{head}\n… ({} bytes in all)", text.len()),
    }
}

/// How many lines came and went.
pub(crate) fn counts(before: &str, after: &str) -> (usize, usize) {
    let mut config = TextDiff::configure();
    config.timeout(Duration::from_secs(2));
    let diff = config.diff_lines(before, after);
    let mut counts = (0, 0);
    for change in diff.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Insert => counts.0 += 1,
            similar::ChangeTag::Delete => counts.1 += 1,
            similar::ChangeTag::Equal => {}
        }
    }
    counts
}
