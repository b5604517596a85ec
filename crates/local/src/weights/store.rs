//! The folder that holds weights, shared by all homes of a user.

use super::catalog::{WeightEntry, WeightFile, known_weights};
use super::error::WeightsError;
use super::hash::sha256_of;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of weights and the catalog they are checked against.
#[derive(Clone, Debug)]
pub struct WeightStore {
    dir: PathBuf,
    catalog: Vec<WeightEntry>,
}

/// What is known of one set of weights without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightStatus {
    /// The weights.
    pub entry: WeightEntry,
    /// Whether all files are there with the right length. The hash is checked when they are loaded.
    pub present: bool,
    /// Bytes on disk, partial downloads included.
    pub bytes: u64,
}

/// The folder used by default: `nunchi/weights` in the user's cache folder (XDG). `None` when neither `XDG_CACHE_HOME`
/// nor `HOME` is set.
pub fn default_weights_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").filter(|p| p.is_absolute());
    Some(cache.or_else(|| Some(set("HOME")?.join(".cache")))?.join("nunchi").join("weights"))
}

impl WeightStore {
    /// A store of the known weights in `dir`, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self::with_catalog(dir, known_weights())
    }

    /// A store with a catalog of its own.
    pub fn with_catalog(dir: impl Into<PathBuf>, catalog: Vec<WeightEntry>) -> Self {
        Self { dir: dir.into(), catalog }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One entry of the catalog.
    pub fn entry(&self, id: &str) -> Result<&WeightEntry, WeightsError> {
        let entry = self.catalog.iter().find(|entry| entry.id == id);
        entry.ok_or_else(|| WeightsError::Unknown(id.to_owned()))
    }

    /// Every set of weights in the catalog and whether it is here.
    pub fn list(&self) -> Vec<WeightStatus> {
        let status = |entry: &WeightEntry| WeightStatus {
            present: self.is_present(entry),
            bytes: folder_size(&self.folder(entry)),
            entry: entry.clone(),
        };
        self.catalog.iter().map(status).collect()
    }

    /// Whether all files are here with the right length.
    pub fn has(&self, id: &str) -> bool {
        self.entry(id).is_ok_and(|entry| self.is_present(entry))
    }

    /// Checks the hash of every file. Blocks for as long as reading them takes.
    pub fn verify(&self, id: &str) -> Result<(), WeightsError> {
        self.verified_files(id).map(drop)
    }

    /// The main file, after checking the hash of all files. Blocks for as long as reading them takes.
    pub fn verified_file(&self, id: &str) -> Result<PathBuf, WeightsError> {
        let first = self.verified_files(id)?.into_iter().next();
        first.ok_or_else(|| WeightsError::Missing(id.to_owned()))
    }

    /// All files in the catalog's order, after checking their hashes. A file with a wrong hash is set aside (`.bad`).
    pub fn verified_files(&self, id: &str) -> Result<Vec<PathBuf>, WeightsError> {
        let entry = self.entry(id)?;
        if !self.is_present(entry) && entry.files.iter().any(|f| !self.path(entry, f).exists()) {
            let arriving = self.is_being_fetched(entry);
            return Err(if arriving { WeightsError::Arriving } else { WeightsError::Missing }(id.to_owned()));
        }
        entry.files.iter().map(|file| self.check(entry, file)).collect()
    }

    /// Deletes the files, partial downloads and everything derived from them. Returns the bytes freed.
    pub fn remove(&self, id: &str) -> Result<u64, WeightsError> {
        let folder = self.folder(self.entry(id)?);
        let bytes = folder_size(&folder);
        match fs::remove_dir_all(&folder) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(WeightsError::io(folder)(error)),
        }
    }

    pub(super) fn folder(&self, entry: &WeightEntry) -> PathBuf {
        self.dir.join(&entry.id)
    }

    pub(super) fn path(&self, entry: &WeightEntry, file: &WeightFile) -> PathBuf {
        self.folder(entry).join(&file.name)
    }

    pub(super) fn is_present(&self, entry: &WeightEntry) -> bool {
        let right = |file: &WeightFile| {
            fs::metadata(self.path(entry, file)).is_ok_and(|m| m.is_file() && m.len() == file.size)
        };
        entry.files.iter().all(right)
    }

    /// The file that whoever fetches these weights holds a lock on. Beside the folder, not in it: `remove` deletes the folder.
    pub(super) fn lock_path(&self, entry: &WeightEntry) -> PathBuf {
        self.dir.join(format!("{}.lock", entry.id))
    }

    fn is_being_fetched(&self, entry: &WeightEntry) -> bool {
        let lock = fs::File::open(self.lock_path(entry));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// One file's path once its hash is right.
    pub(super) fn check(&self, entry: &WeightEntry, file: &WeightFile) -> Result<PathBuf, WeightsError> {
        let path = self.path(entry, file);
        check_file(&path, file)?;
        Ok(path)
    }
}

/// Checks a file against the catalog; one that differs is renamed to `.bad`, so that it is never loaded.
pub(super) fn check_file(path: &Path, file: &WeightFile) -> Result<(), WeightsError> {
    let found = sha256_of(path).map_err(WeightsError::io(path))?;
    if found == file.sha256 {
        return Ok(());
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".bad");
    fs::rename(path, &aside).map_err(WeightsError::io(path))?;
    Err(WeightsError::Hash { path: path.to_owned(), expected: file.sha256.clone(), found })
}

pub(super) fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => folder_size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
