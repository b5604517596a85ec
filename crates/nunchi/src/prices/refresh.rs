//! Reads the owner's price source anew, now and then: a file or a URL, in our format or LiteLLM's.

use super::{Imported, PriceFile, PriceLine, import_litellm, layered, read_prices, write_prices};
use nunchi_gateway::Gateway;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The largest source that is read, in bytes.
const LARGEST: usize = 16 << 20;
/// How long a URL may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The soonest a source is read again.
const SHORTEST: Duration = Duration::from_secs(1);

/// A source and where its prices are kept until it is read again.
#[derive(Clone, Debug)]
pub(crate) struct PriceRefresh {
    /// A path, or an `http://` or `https://` address.
    pub(crate) source: String,
    /// The time between two readings.
    pub(crate) every: Duration,
    /// The prices read last, for starts without the source.
    pub(crate) kept: PathBuf,
    /// The owner's own lines, which win over everybody's.
    pub(crate) own: PathBuf,
}

impl PriceRefresh {
    /// Whether the network is needed.
    pub(crate) fn is_remote(&self) -> bool {
        self.source.starts_with("http://") || self.source.starts_with("https://")
    }

    /// Reads for as long as the process runs. What cannot be read leaves the prices as they are.
    pub(crate) async fn run(self, gateway: Arc<Gateway>) {
        loop {
            match self.once(&gateway).await {
                Ok(lines) => tracing::info!(source = self.source, lines, "prices were read"),
                Err(error) => tracing::warn!(source = self.source, error, "prices could not be read"),
            }
            tokio::time::sleep(self.every.max(SHORTEST)).await;
        }
    }

    /// Reads once and puts the prices in force; tells how many lines there are.
    async fn once(&self, gateway: &Gateway) -> Result<usize, String> {
        let text = if self.is_remote() { fetch(&self.source).await? } else { self.read_file().await? };
        let Imported { lines, unread, .. } = read_any(&text)?;
        if lines.is_empty() {
            return Err("it holds no price".into());
        }
        if !unread.is_empty() {
            tracing::info!(source = self.source, ?unread, "some prices have no place in ours");
        }
        let count = lines.len();
        let file = PriceFile { version: format!("source {}", jiff::Zoned::now().date()), models: lines };
        let catalog = layered(&file, &read_prices(&self.own)?)?;
        write_prices(&self.kept, &file)?;
        gateway.prices().replace(catalog);
        Ok(count)
    }

    async fn read_file(&self) -> Result<String, String> {
        let about = tokio::fs::metadata(&self.source).await.map_err(|error| error.to_string())?;
        if about.len() > LARGEST as u64 {
            return Err(format!("it is larger than {LARGEST} bytes"));
        }
        tokio::fs::read_to_string(&self.source).await.map_err(|error| error.to_string())
    }
}

/// A price file in our format or LiteLLM's; every line must be a price.
pub(crate) fn read_any(text: &str) -> Result<Imported, String> {
    let imported = match PriceFile::parse(text) {
        Ok(ours) => Imported { lines: ours.models, ..Imported::default() },
        Err(_) => import_litellm(text)?,
    };
    imported.lines.iter().try_for_each(|line: &PriceLine| line.price().map(drop))?;
    Ok(imported)
}

async fn fetch(url: &str) -> Result<String, String> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // The error means that another thread was faster.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .user_agent(concat!("nunchi/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answer.map_err(|error| error.without_url().to_string())?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| error.without_url().to_string())? {
        if body.len() + piece.len() > LARGEST {
            return Err(format!("it is larger than {LARGEST} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    String::from_utf8(body).map_err(|error| error.to_string())
}
