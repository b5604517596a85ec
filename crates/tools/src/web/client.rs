//! One GET over the web: every name is judged by what it resolves to, every redirect anew, every body and wait has a limit.

use super::hosts::HostList;
use super::{BadWebSetting, WebCaps};
use futures_util::StreamExt;
use nunchi_core::ToolError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a host may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Calls hosts of a list, and no other.
#[derive(Clone)]
pub(super) struct WebClient {
    client: Client,
    hosts: Arc<HostList>,
    caps: WebCaps,
}

/// What came.
pub(super) struct Fetched {
    /// Where it came from in the end.
    pub(super) url: Url,
    /// `text/html; charset=…` as it was sent.
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
    /// Whether there was more than the limit.
    pub(super) cut: bool,
}

/// Resolves names of the list, to addresses that may be called. The connection is made to the very addresses that were judged.
struct Judging(Arc<HostList>);

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        let hosts = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            for address in &found {
                hosts.judge_address(&host, address.ip()).map_err(Refused)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A refusal on its way through the client.
#[derive(Debug)]
struct Refused(ToolError);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Refused {}

impl WebClient {
    pub(super) fn new(hosts: HostList, caps: WebCaps) -> Result<Self, BadWebSetting> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may have installed it meanwhile.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let hosts = Arc::new(hosts);
        let client = Client::builder()
            .dns_resolver(Arc::new(Judging(Arc::clone(&hosts))))
            .redirect(Policy::none())
            // A proxy would resolve names itself.
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(Duration::from_millis(caps.request_ms))
            .pool_max_idle_per_host(1)
            .user_agent(concat!("Mozilla/5.0 (compatible; nunchi/", env!("CARGO_PKG_VERSION"), ")"))
            .build()
            .map_err(|error| BadWebSetting(error.to_string()))?;
        Ok(Self { client, hosts, caps })
    }

    /// Gets what an address of the list gives.
    pub(super) async fn get(&self, url: Url, extra: HeaderMap) -> Result<Fetched, ToolError> {
        let limit = Duration::from_millis(self.caps.request_ms);
        match tokio::time::timeout(limit, self.follow(url, extra)).await {
            Ok(result) => result,
            Err(_) => {
                Err(ToolError::new("web.timed_out", format!("No answer within {} s.", limit.as_secs()))
                    .hint("Try another page."))
            }
        }
    }

    async fn follow(&self, mut url: Url, extra: HeaderMap) -> Result<Fetched, ToolError> {
        for _ in 0..=self.caps.redirects {
            self.hosts.judge(&url)?;
            let response = self.send(&url, &extra).await?;
            let status = response.status();
            if status.is_redirection()
                && let Some(location) = response.headers().get(LOCATION).and_then(|value| value.to_str().ok())
            {
                let next = url.join(location).map_err(|_| {
                    ToolError::new("web.redirect", "It leads to an address that is not understood.")
                })?;
                self.hosts.judge(&next).map_err(|error| {
                    let message = format!("It leads to {next}, which may not be fetched.");
                    ToolError { message, ..error }
                })?;
                url = next;
                continue;
            }
            if !status.is_success() {
                let error = ToolError::new("web.status", format!("{url} answered {status}."));
                return Err(error.hint("Check the address, or try another page."));
            }
            return self.read(url, response).await;
        }
        Err(ToolError::new("web.redirect", format!("It leads on more than {} times.", self.caps.redirects)))
    }

    async fn send(&self, url: &Url, extra: &HeaderMap) -> Result<Response, ToolError> {
        let request = self
            .client
            .get(url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,application/json;q=0.9,text/*;q=0.8,*/*;q=0.1")
            .header(ACCEPT_LANGUAGE, "ko,en;q=0.8")
            .headers(extra.clone());
        request.send().await.map_err(|error| failed(&error))
    }

    async fn read(&self, url: Url, response: Response) -> Result<Fetched, ToolError> {
        let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        let (mut body, mut cut) = (Vec::new(), false);
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| failed(&error))?;
            let room = self.caps.page_bytes - body.len();
            cut = piece.len() > room;
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if cut {
                break;
            }
        }
        Ok(Fetched { url, content_type, body, cut })
    }
}

/// What went wrong, without the address, which may hold a key.
fn failed(error: &reqwest::Error) -> ToolError {
    let mut source = std::error::Error::source(error);
    let mut last = String::new();
    while let Some(cause) = source {
        if let Some(Refused(refused)) = cause.downcast_ref::<Refused>() {
            return refused.clone().hint("Do not try other ways to it.");
        }
        last = cause.to_string();
        source = cause.source();
    }
    let error = ToolError::new("web.failed", format!("The page could not be had: {last}."));
    error.hint("Check the address, or try another page.")
}

/// A header that names a secret value.
pub(super) fn secret_header(name: &'static str, value: &str) -> Result<HeaderMap, BadWebSetting> {
    let mut value = HeaderValue::from_str(value).map_err(|_| BadWebSetting(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
}
