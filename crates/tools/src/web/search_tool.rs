//! The tool that searches the web.

use super::client::WebClient;
use super::hosts::HostList;
use super::search::{Found, SearchEndpoint};
use super::{BadWebSetting, WebCaps};
use crate::arguments::{arguments, blocking, cut};
use nunchi_core::{BoxFuture, Deed, Label, Reach, Tool, ToolCall, ToolError, ToolOutput, ToolSpec, Zone};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::json;

/// Longest title or snippet in bytes.
const LONGEST: usize = 400;

pub(super) struct WebSearch {
    endpoint: SearchEndpoint,
    headers: HeaderMap,
    client: WebClient,
    caps: WebCaps,
}

#[derive(Deserialize)]
struct Asked {
    query: String,
}

impl WebSearch {
    pub(super) fn new(endpoint: SearchEndpoint, caps: WebCaps) -> Result<Self, BadWebSetting> {
        let client = WebClient::new(HostList::only(&endpoint.address()?)?, caps)?;
        let headers = endpoint.headers()?;
        Ok(Self { endpoint, headers, client, caps })
    }

    async fn answer(&self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        let Asked { query } = arguments(call)?;
        let url = self.endpoint.ask(&query, self.caps.results).map_err(|bad| {
            ToolError::new("search.settings", format!("The search engine's address is wrong: {}.", bad.0))
        })?;
        let fetched = self.client.get(url, self.headers.clone()).await?;
        let endpoint = self.endpoint.clone();
        let mut found = blocking(move || endpoint.read(&fetched.body)).await?;
        found.retain(|found| found.url.starts_with("http"));
        found.truncate(self.caps.results);
        Ok(ToolOutput::text(told(&found)))
    }
}

fn told(found: &[Found]) -> String {
    if found.is_empty() {
        return "Nothing was found. Try other words.".into();
    }
    let one = |(at, found): (usize, &Found)| {
        let short = |text: &str| cut(text, LONGEST).0.to_owned();
        format!("{}. {}\n{}\n{}", at + 1, short(&found.title), found.url, short(&found.snippet))
    };
    found.iter().enumerate().map(one).collect::<Vec<_>>().join("\n\n")
}

impl Tool for WebSearch {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["query"], "additionalProperties": false,
            "properties": {"query": {"type": "string", "minLength": 1, "maxLength": 400}},
        });
        ToolSpec {
            reach: Reach::Outside,
            zone: Zone::Data,
            output: Label::Stranger,
            deeds: vec![Deed::Read],
            ..ToolSpec::new("web_search", "Search the web: titles, addresses, snippets.", schema)
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move { self.answer(&call).await })
    }
}
