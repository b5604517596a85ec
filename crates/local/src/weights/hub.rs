//! Ranged, resumable downloads from a model hub.

use super::catalog::WeightFile;
use super::error::WeightsError;
use super::fetch::{Fetch, FetchOptions, FetchSource, FetchStage, put_in_place};
use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// Times a download that broke off is continued, as long as each brought some bytes.
const RESUMES: usize = 5;

/// A client for the hub.
pub(super) struct Hub {
    client: Client,
}

/// Why a download failed.
pub(super) enum HubFailure {
    /// The hub cannot be reached: no use asking it for other files.
    Away(String),
    /// It answered, but not with the file.
    Other(String),
    /// A wrong hash or a file-system error.
    Weights(WeightsError),
}

impl From<WeightsError> for HubFailure {
    fn from(error: WeightsError) -> Self {
        Self::Weights(error)
    }
}

impl Hub {
    pub(super) fn new(options: &FetchOptions) -> Result<Self, String> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // The error means that another thread was faster.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let client = Client::builder()
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            .user_agent(concat!("nunchi/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { client: client.map_err(|e| chain(&e))? })
    }

    /// Downloads one file into place, continuing a partial one.
    pub(super) async fn download(
        &self,
        fetch: &Fetch<'_>,
        url: &str,
        file: &WeightFile,
    ) -> Result<(), HubFailure> {
        let partial = fetch.store.path(fetch.entry, file).with_added_extension("part");
        let mut resumes = 0;
        loop {
            let before = length(&partial);
            match self.attempt(fetch, url, file, &partial).await {
                Ok(()) => break,
                Err(HubFailure::Other(why)) => {
                    let grew = length(&partial) > before;
                    resumes += 1;
                    if !grew || resumes > RESUMES {
                        return Err(HubFailure::Other(why));
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok(put_in_place(fetch, FetchSource::Hub, &partial, file).await?)
    }

    /// One request; `Ok` when the partial file is complete.
    async fn attempt(
        &self,
        fetch: &Fetch<'_>,
        url: &str,
        file: &WeightFile,
        partial: &Path,
    ) -> Result<(), HubFailure> {
        let mut start = length(partial);
        if start == file.size {
            return Ok(());
        }
        if start > file.size {
            std::fs::remove_file(partial).map_err(WeightsError::io(partial))?;
            start = 0;
        }
        let mut request = self.client.get(url);
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let response = request.send().await.map_err(|error| {
            let away = error.is_connect() || error.is_timeout();
            if away { HubFailure::Away(chain(&error)) } else { HubFailure::Other(chain(&error)) }
        })?;
        let continued = continues(&response, start)?;
        let mut options = OpenOptions::new();
        let opened = if continued {
            options.append(true).open(partial)
        } else {
            start = 0;
            options.write(true).create(true).truncate(true).open(partial)
        };
        let out = opened.map_err(WeightsError::io(partial))?;
        self.copy(fetch, response, file, start, (out, partial)).await
    }

    async fn copy(
        &self,
        fetch: &Fetch<'_>,
        response: Response,
        file: &WeightFile,
        mut have: u64,
        (mut out, partial): (File, &Path),
    ) -> Result<(), HubFailure> {
        let mut body = response.bytes_stream();
        let (mut shown, step) = (have, (file.size / 200).max(1 << 16));
        fetch.report(FetchSource::Hub, FetchStage::Downloading, have);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| HubFailure::Other(chain(&e)))?;
            have += chunk.len() as u64;
            if have > file.size {
                drop(out);
                std::fs::remove_file(partial).map_err(WeightsError::io(partial))?;
                return Err(HubFailure::Other(format!("longer than the {} bytes expected", file.size)));
            }
            out.write_all(&chunk).map_err(WeightsError::io(partial))?;
            if have - shown >= step {
                shown = have;
                fetch.report(FetchSource::Hub, FetchStage::Downloading, have);
            }
        }
        if have == file.size { Ok(()) } else { Err(HubFailure::Other("the connection was cut".to_owned())) }
    }
}

/// Whether the answer continues at `start` (else it begins anew); an error if it is no file at all.
fn continues(response: &Response, start: u64) -> Result<bool, HubFailure> {
    match response.status() {
        StatusCode::OK => Ok(false),
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok());
            let from = range.and_then(|r| r.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
            if from == Some(start) {
                Ok(true)
            } else {
                Err(HubFailure::Other(format!("asked to continue at {start}, the hub sent {range:?}")))
            }
        }
        status => Err(HubFailure::Other(format!("HTTP {status}"))),
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// An error with its causes: reqwest's own text leaves out why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
