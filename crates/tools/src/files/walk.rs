//! Goes through a folder and those in it, without links, and without what `.gitignore` files leave out.

use super::desk::FileDesk;
use super::place::{FilePath, TEMPORARY, failed};
use globset::{GlobBuilder, GlobMatcher};
use nunchi_core::ToolError;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use std::io::Read;

/// Folders that hold nothing a person wrote.
const MACHINE_MADE: [&str; 7] = [".git", ".hg", ".svn", ".venv", "__pycache__", "node_modules", ".cache"];
/// Longest `.gitignore` that is read, in bytes.
const LONGEST_RULES: u64 = 64 * 1024;
/// Most entries looked at in one walk.
const MOST_ENTRIES: usize = 200_000;

/// One entry.
pub(super) struct Entry {
    pub(super) path: FilePath,
    /// Its path below the folder where the walk began.
    pub(super) below: String,
    pub(super) folder: bool,
    pub(super) size: u64,
}

/// A line of a `.gitignore`.
struct Rule {
    matcher: GlobMatcher,
    /// The folder of the file, below the beginning of the walk.
    base: String,
    folders_only: bool,
    takes_back: bool,
}

/// What to do after an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    On,
    /// Do not look into this folder.
    Over,
    Stop,
}

/// Understands a glob of a model's.
pub(super) fn glob(pattern: &str) -> Result<GlobMatcher, ToolError> {
    let pattern = if pattern.contains('/') { pattern.to_owned() } else { format!("**/{pattern}") };
    let built = GlobBuilder::new(&pattern).literal_separator(true).build();
    built.map(|glob| glob.compile_matcher()).map_err(|error| {
        ToolError::new("file.glob", format!("The pattern is not understood: {error}."))
            .hint("Write it like `*.md` or `src/**/*.rs`.")
    })
}

/// Visits all entries below a folder, in order of their names.
pub(super) fn walk(
    desk: &FileDesk,
    start: &FilePath,
    visit: &mut dyn FnMut(Entry) -> Next,
) -> Result<(), ToolError> {
    let mut rules = Vec::new();
    let mut left = MOST_ENTRIES;
    enter(desk, start, "", &mut rules, &mut left, visit).map(drop)
}

fn enter(
    desk: &FileDesk,
    path: &FilePath,
    below: &str,
    rules: &mut Vec<Rule>,
    left: &mut usize,
    visit: &mut dyn FnMut(Entry) -> Next,
) -> Result<Next, ToolError> {
    let folder = desk.roots.folder(path)?;
    let known = rules.len();
    rules.extend(rules_in(&folder, below));
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder).map_err(|error| failed(path, &error))? {
        let entry = entry.map_err(|error| failed(path, &error))?;
        // A name that is no UTF-8 cannot be written in a call.
        if let Ok(name) = entry.file_name().to_str() {
            names.push(name.to_owned());
        }
        if names.len() > *left {
            break;
        }
    }
    names.sort();
    let mut next = Next::On;
    for name in names {
        if matches!(name.as_str(), "." | "..") || name.starts_with(TEMPORARY) {
            continue;
        }
        *left = left.saturating_sub(1);
        let Ok(stat) = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let is_folder = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ => continue,
        };
        let child = desk.roots.child(path, &name);
        let below = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        if (is_folder && MACHINE_MADE.contains(&name.as_str())) || ignored(rules, &below, is_folder) {
            continue;
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        next = visit(Entry { path: child.clone(), below: below.clone(), folder: is_folder, size });
        if next == Next::On && is_folder {
            // A folder that is closed or cannot be opened is passed by.
            next = enter(desk, &child, &below, rules, left, visit).unwrap_or(Next::On);
        }
        if next == Next::Stop || *left == 0 {
            next = Next::Stop;
            break;
        }
        next = Next::On;
    }
    rules.truncate(known);
    Ok(next)
}

fn rules_in(folder: &std::os::fd::OwnedFd, base: &str) -> Vec<Rule> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut text = String::new();
    let read = rustix::fs::openat(folder, ".gitignore", flags, Mode::empty())
        .map_err(std::io::Error::from)
        .and_then(|file| std::fs::File::from(file).take(LONGEST_RULES).read_to_string(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    text.lines().filter_map(|line| rule(line, base)).collect()
}

fn rule(line: &str, base: &str) -> Option<Rule> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (takes_back, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
    let (folders_only, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
    let anchored = line.contains('/');
    let line = line.trim_start_matches('/');
    let pattern = if anchored { line.to_owned() } else { format!("**/{line}") };
    let matcher = GlobBuilder::new(&pattern).literal_separator(true).build().ok()?.compile_matcher();
    Some(Rule { matcher, base: base.to_owned(), folders_only, takes_back })
}

/// The last fitting rule decides.
fn ignored(rules: &[Rule], below: &str, is_folder: bool) -> bool {
    let fits = |rule: &&Rule| {
        let inside = if rule.base.is_empty() {
            Some(below)
        } else {
            below.strip_prefix(rule.base.as_str()).and_then(|rest| rest.strip_prefix('/'))
        };
        (is_folder || !rule.folders_only) && inside.is_some_and(|inside| rule.matcher.is_match(inside))
    };
    rules.iter().rev().find(fits).is_some_and(|rule| !rule.takes_back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gitignore_leaves_out() {
        let mut rules: Vec<_> = ["# note", "*.log", "!keep.log", "/build/", "a/*.tmp"]
            .iter()
            .filter_map(|line| rule(line, ""))
            .collect();
        rules.extend(rule("*.md", "docs"));
        for (below, folder, out) in [
            ("x.log", false, true),
            ("deep/er/x.log", false, true),
            ("keep.log", false, false),
            ("build", true, true),
            ("build", false, false),
            ("src/build", true, false),
            ("a/x.tmp", false, true),
            ("b/a/x.tmp", false, false),
            ("docs/x.md", false, true),
            ("x.md", false, false),
        ] {
            assert_eq!(ignored(&rules, below, folder), out, "{below}");
        }
    }
}
