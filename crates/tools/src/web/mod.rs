//! Tools on the web: pages of hosts that the owner named, and a search.

mod address;
mod client;
mod fetch_tool;
mod hosts;
mod page;
mod search;
mod search_tool;

#[cfg(test)]
mod tests;

pub use search::{SearchEndpoint, SearchKey};

use client::WebClient;
use fetch_tool::FetchUrl;
use hosts::HostList;
use nunchi_core::{Clock, Tool};
use search_tool::WebSearch;
use std::sync::Arc;

/// What the owner allows on the web. Without hosts nothing is fetched, without an endpoint nothing is searched.
#[derive(Clone, Debug, Default)]
pub struct WebSettings {
    /// Hosts that may be fetched from: `example.com`, `*.example.com`, `*` for any; over HTTPS and its usual port, unless
    /// written `http://example.com` or `example.com:8443`.
    pub hosts: Vec<String>,
    /// Hosts, written in full and without `*`, that may be fetched from though they are in the owner's own network.
    pub private_hosts: Vec<String>,
    /// Where searches go.
    pub search: Option<SearchEndpoint>,
    /// Limits.
    pub caps: WebCaps,
}

/// Limits of the web tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebCaps {
    /// Most bytes of a page; the rest is left.
    pub page_bytes: usize,
    /// Most bytes of text shown at once.
    pub shown_bytes: usize,
    /// Longest time of a request with all its redirects, in milliseconds.
    pub request_ms: u64,
    /// Most redirects that are followed.
    pub redirects: u32,
    /// Most results of a search.
    pub results: usize,
}

impl Default for WebCaps {
    fn default() -> Self {
        Self {
            page_bytes: 2 * 1024 * 1024,
            shown_bytes: 12 * 1024,
            request_ms: 20_000,
            redirects: 5,
            results: 10,
        }
    }
}

/// Why the settings are not understood: the text that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadWebSetting(pub(crate) String);

/// The tools on the web that the settings allow.
pub(crate) fn web_tools(
    settings: WebSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn Tool>>, BadWebSetting> {
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    if !settings.hosts.is_empty() || !settings.private_hosts.is_empty() {
        let hosts = HostList::read(&settings.hosts, &settings.private_hosts)?;
        let client = WebClient::new(hosts, settings.caps)?;
        tools.push(Arc::new(FetchUrl::new(client, settings.caps, Arc::clone(clock))));
    }
    if let Some(endpoint) = settings.search {
        tools.push(Arc::new(WebSearch::new(endpoint, settings.caps)?));
    }
    Ok(tools)
}
