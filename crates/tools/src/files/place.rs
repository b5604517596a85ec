//! Paths as models write them, and the one file they name: inside the owner's folders, reached without a link.
//!
//! A file has one spelling. Rules of the owner's speak of paths, so a second spelling would be a way around them; and what was read
//! under one name is not written under another. Folders are opened one by one, each relative to the one before and never through a
//! link, so that nobody can swap a folder for a link between a check and its use.

use nunchi_core::{Label, ToolError};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Longest path in bytes.
const LONGEST_PATH: usize = 1_024;
/// Longest name in bytes, as file systems have it.
const LONGEST_NAME: usize = 255;
/// Names of files that are being written begin so; they are nobody's business.
pub(super) const TEMPORARY: &str = ".nunchi-";

/// A folder that tools may work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRoot {
    /// Its name: files of all but the first root are written `@name/…`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether files in it may be changed.
    pub writable: bool,
    /// Whose words its files are: `Stranger` for a folder of downloads or mails.
    pub label: Label,
}

/// The folders that tools may work in, and those that they never enter.
pub(super) struct Roots {
    roots: Vec<FileRoot>,
    closed: Vec<PathBuf>,
}

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilePath {
    /// Index of its root.
    root: usize,
    /// Names from the root down; none for the root itself.
    names: Vec<String>,
    /// The one spelling.
    pub(super) spelling: String,
}

/// Something in an open folder.
pub(super) struct Place {
    /// The folder.
    pub(super) folder: OwnedFd,
    /// The name in it, as it stands on the disk.
    pub(super) name: String,
}

impl Roots {
    /// Roots by their real paths. Two of a name, or a root that is no folder, is an error.
    pub(super) fn open(roots: Vec<FileRoot>, closed: Vec<PathBuf>) -> io::Result<Self> {
        let mut real = Vec::new();
        for root in roots {
            let path = root.path.canonicalize()?;
            if !path.is_dir() || real.iter().any(|other: &FileRoot| other.name == root.name) {
                let message = format!("{}: no folder, or a name twice", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            real.push(FileRoot { path, ..root });
        }
        Ok(Self { roots: real, closed })
    }

    /// The roots' own paths.
    pub(super) fn all(&self) -> impl Iterator<Item = FilePath> {
        (0..self.roots.len()).map(|root| self.path_of(root, Vec::new()))
    }

    /// The root of a path.
    pub(super) fn root(&self, path: &FilePath) -> &FileRoot {
        &self.roots[path.root]
    }

    /// Understands a path, in its one spelling only.
    pub(super) fn parse(&self, text: &str) -> Result<FilePath, ToolError> {
        let refuse = |message: &str| Err(ToolError::new("file.path", message));
        if text.len() > LONGEST_PATH || text.contains(|c: char| c.is_control() || c == '\\') {
            return refuse("The path is too long, or holds a control character or a backslash.");
        }
        if !is_nfc(text) {
            let right: String = text.nfc().collect();
            return refuse("The path is not in composed Unicode (NFC).")
                .map_err(|error| error.hint(format!("Write `{right}`.")));
        }
        if text.starts_with(['/', '~']) {
            return Err(self.outside(text));
        }
        let (root, rest) = match text.strip_prefix('@') {
            None => (0, text),
            Some(named) => {
                let (name, rest) = named.split_once('/').unwrap_or((named, ""));
                let found = self.roots.iter().position(|root| root.name == name);
                (found.filter(|at| *at > 0).ok_or_else(|| self.outside(text))?, rest)
            }
        };
        let names: Vec<_> = if rest.is_empty() || rest == "." {
            Vec::new()
        } else {
            rest.split('/').map(str::to_owned).collect()
        };
        if names.iter().any(|name| name == "..") {
            return Err(self.outside(text));
        }
        if names.iter().any(|name| name.is_empty() || name == ".") {
            let right: Vec<_> = names.into_iter().filter(|name| !name.is_empty() && name != ".").collect();
            let right = self.path_of(root, right).spelling;
            return refuse("The path has an empty part or a `.` in it.")
                .map_err(|error| error.hint(format!("Write `{right}`.")));
        }
        if names.iter().any(|name| name.len() > LONGEST_NAME || name.starts_with(TEMPORARY)) {
            return refuse("A name in the path is too long or reserved.");
        }
        Ok(self.path_of(root, names))
    }

    fn path_of(&self, root: usize, names: Vec<String>) -> FilePath {
        let rest = names.join("/");
        let spelling = match (root, rest.is_empty()) {
            (0, true) => ".".to_owned(),
            (0, false) => rest,
            (_, true) => format!("@{}", self.roots[root].name),
            (_, false) => format!("@{}/{rest}", self.roots[root].name),
        };
        FilePath { root, names, spelling }
    }

    /// The path of an entry of a folder.
    pub(super) fn child(&self, folder: &FilePath, name: &str) -> FilePath {
        let mut names = folder.names.clone();
        names.push(name.nfc().collect());
        self.path_of(folder.root, names)
    }

    fn outside(&self, text: &str) -> ToolError {
        let error = ToolError::new("file.outside", "The path leads out of the folders you may use.");
        let inside = self.roots.iter().enumerate().find_map(|(at, root)| {
            let rest = Path::new(text).strip_prefix(&root.path).ok()?;
            let names = rest.iter().map(|name| name.to_str().map(str::to_owned)).collect::<Option<_>>()?;
            Some(self.path_of(at, names).spelling)
        });
        let others: Vec<_> = self.roots.iter().skip(1).map(|root| format!("@{}", root.name)).collect();
        match inside {
            Some(inside) => error.hint(format!("Write `{inside}`.")),
            None if others.is_empty() => {
                error.hint("Use a path relative to the working folder, without `..`.")
            }
            None => {
                error.hint(format!("Use a relative path without `..`, or one below {}.", others.join(", ")))
            }
        }
    }

    /// Opens a folder.
    pub(super) fn folder(&self, path: &FilePath) -> Result<OwnedFd, ToolError> {
        self.walk(path, &path.names, &mut None)
    }

    /// Opens the folder that a file is in, and finds its name there.
    pub(super) fn place(&self, path: &FilePath) -> Result<Place, ToolError> {
        self.place_making(path, &mut None)
    }

    /// The same, making the folders that are missing; `made` is told of each, the outermost first.
    pub(super) fn place_making(
        &self,
        path: &FilePath,
        made: &mut Option<Vec<FilePath>>,
    ) -> Result<Place, ToolError> {
        let Some((name, above)) = path.names.split_last() else {
            return Err(ToolError::new("file.kind", format!("`{}` is a folder.", path.spelling)));
        };
        let folder = self.walk(path, above, made)?;
        let name = on_disk(&folder, name).map_err(|error| failed(path, &error))?;
        Ok(Place { folder, name })
    }

    fn walk(
        &self,
        path: &FilePath,
        names: &[String],
        made: &mut Option<Vec<FilePath>>,
    ) -> Result<OwnedFd, ToolError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = &self.roots[path.root];
        let mut folder =
            rustix::fs::open(&root.path, flags, Mode::empty()).map_err(|error| failed(path, &error))?;
        self.refuse_closed(path, &folder)?;
        for (depth, name) in names.iter().enumerate() {
            let real = on_disk(&folder, name).map_err(|error| failed(path, &error))?;
            let open = || rustix::fs::openat(&folder, &real, flags | OFlags::NOFOLLOW, Mode::empty());
            let opened = match (open(), made.as_mut()) {
                (Err(Errno::NOENT), Some(made)) => {
                    match rustix::fs::mkdirat(&folder, &real, Mode::from_raw_mode(0o755)) {
                        Ok(()) => made.push(self.path_of(path.root, names[..=depth].to_vec())),
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(failed(path, &error)),
                    }
                    open()
                }
                (opened, _) => opened,
            };
            folder = opened.map_err(|error| match kind(&folder, &real) {
                Some(FileType::Symlink) => linked(path, name),
                Some(FileType::Directory) | None => failed(path, &error),
                Some(_) => ToolError::new("file.kind", format!("`{name}` in the path is no folder.")),
            })?;
            self.refuse_closed(path, &folder)?;
        }
        Ok(folder)
    }

    /// By device and inode: no other spelling and no bind mount leads in.
    fn refuse_closed(&self, path: &FilePath, folder: &OwnedFd) -> Result<(), ToolError> {
        let here = rustix::fs::fstat(folder).map_err(|error| failed(path, &error))?;
        let closed = self.closed.iter().filter_map(|closed| rustix::fs::stat(closed).ok());
        if closed.into_iter().any(|closed| (closed.st_dev, closed.st_ino) == (here.st_dev, here.st_ino)) {
            let message = format!("`{}` is in a folder that is closed to tools.", path.spelling);
            return Err(ToolError::new("file.closed", message).hint("Do not try other ways to it."));
        }
        Ok(())
    }
}

/// What an entry of a folder is; `None` when there is none. Links are not followed.
pub(super) fn kind(folder: &OwnedFd, name: &str) -> Option<FileType> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// The name as it stands on the disk: some systems write 한글 decomposed.
fn on_disk(folder: &OwnedFd, name: &str) -> Result<String, Errno> {
    if name.is_ascii() || kind(folder, name).is_some() {
        return Ok(name.to_owned());
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if let Ok(found) = entry.file_name().to_str()
            && found.nfc().eq(name.chars())
        {
            return Ok(found.to_owned());
        }
    }
    Ok(name.to_owned())
}

/// A link is not followed.
pub(super) fn linked(path: &FilePath, name: &str) -> ToolError {
    let message = format!("`{name}` in `{}` is a symbolic link, which is not followed.", path.spelling);
    ToolError::new("file.link", message)
        .hint("Use the path of what it points to, if that is in your folders.")
}

/// What the system said, for the model.
pub(super) fn failed(path: &FilePath, error: &Errno) -> ToolError {
    match *error {
        Errno::NOENT => missing(path),
        Errno::ACCESS | Errno::PERM => {
            ToolError::new("file.no_access", format!("The system does not let me open `{}`.", path.spelling))
        }
        other => ToolError::new("file.failed", format!("`{}`: {}.", path.spelling, io::Error::from(other))),
    }
}

/// There is no such file.
pub(super) fn missing(path: &FilePath) -> ToolError {
    let message = format!("There is no `{}`.", path.spelling);
    ToolError::new("file.missing", message).hint("See what there is with list_files.")
}
