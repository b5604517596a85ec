//! The files of a skill's folder: read inside it only, never through a link, and known by one hash together.

use nunchi_core::{ContentHash, ToolError};
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Longest file that is read, in bytes.
pub(crate) const MOST_FILE: u64 = 256 * 1024;
/// Most files of one skill.
pub(crate) const MOST_FILES: usize = 500;
/// Most bytes of one skill.
pub(crate) const MOST_TOTAL: u64 = 20 * 1024 * 1024;

/// A regular file, whole, that is no link; `None` when it is longer than `most` bytes.
pub(crate) fn read_plain(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let about = fs::symlink_metadata(path)?;
    if !about.file_type().is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// A text of a skill's folder.
///
/// # Errors
/// When the path leads out of the folder or through a link, or there is no text of a fit length.
pub(crate) fn read_resource(folder: &Path, relative: &str) -> Result<String, ToolError> {
    let refuse = |code: &str, why: String| Err(ToolError::new(code, why));
    let path = Path::new(relative);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if relative.is_empty() || !inside || relative.contains(['\0', '\\']) {
        return refuse("skill.outside", format!("`{relative}` is not inside the skill's folder."));
    }
    let mut at = folder.to_path_buf();
    for part in path.components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Ok(about) if about.file_type().is_symlink() => {
                return refuse(
                    "skill.link",
                    format!("`{relative}` leads through a link, which is not followed."),
                );
            }
            Ok(_) => {}
            Err(_) => {
                let error = ToolError::new("skill.no_file", format!("The skill has no file `{relative}`."));
                return Err(error.hint(format!("It has: {}.", listing(folder).join(", "))));
            }
        }
    }
    match read_plain(&at, MOST_FILE) {
        Ok(Some(bytes)) => {
            String::from_utf8(bytes).or_else(|_| refuse("skill.no_text", format!("`{relative}` is no text.")))
        }
        Ok(None) => refuse("skill.too_long", format!("`{relative}` has more than {MOST_FILE} bytes.")),
        Err(error) => refuse("skill.unreadable", format!("`{relative}` cannot be read: {error}.")),
    }
}

/// The files of a skill, without `SKILL.md`, at most 50.
pub(crate) fn listing(folder: &Path) -> Vec<String> {
    let files = files_of(folder).unwrap_or_default();
    let names = files.into_iter().map(|(name, _)| name).filter(|name| name != "SKILL.md");
    names.take(50).collect()
}

/// All files below a folder, by their path within it, sorted.
///
/// # Errors
/// When there is a link or something else that is neither file nor folder, or there are too many.
pub(crate) fn files_of(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_path_buf(), String::new(), 0)];
    while let Some((at, prefix, depth)) = open.pop() {
        for entry in fs::read_dir(&at)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
                return Err(io::Error::other("a file's name is no UTF-8"));
            };
            let kind = entry.file_type()?;
            if kind.is_dir() && depth < 8 {
                open.push((entry.path(), format!("{name}/"), depth + 1));
            } else if kind.is_file() && files.len() < MOST_FILES {
                files.push((name, entry.path()));
            } else {
                return Err(io::Error::other(format!("`{name}` is a link, too deep, or one file too many")));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// One hash of all files of a skill: any change of any of them changes it.
///
/// # Errors
/// As reading them.
pub fn skill_hash(folder: &Path) -> io::Result<ContentHash> {
    let mut total = 0;
    let mut lines = String::new();
    for (name, path) in files_of(folder)? {
        let bytes =
            read_plain(&path, MOST_TOTAL)?.ok_or_else(|| io::Error::other("the skill is too large"))?;
        total += bytes.len() as u64;
        if total > MOST_TOTAL {
            return Err(io::Error::other("the skill is too large"));
        }
        lines.push_str(&format!("{} {name}\n", ContentHash::of(bytes)));
    }
    Ok(ContentHash::of(lines))
}
