//! The tool that fetches a page.

use super::WebCaps;
use super::client::WebClient;
use super::page::text_of;
use crate::arguments::{arguments, blocking, cut, lock};
use nunchi_core::{
    BoxFuture, Clock, Deed, Label, Reach, Tool, ToolCall, ToolError, ToolOutput, ToolSpec, Zone,
};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// Pages that are kept for reading on in them.
const KEPT: usize = 8;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// A page that was read.
#[derive(Clone)]
struct Page {
    asked: Url,
    url: Url,
    text: Arc<str>,
    cut: bool,
    at: Duration,
}

pub(super) struct FetchUrl {
    client: WebClient,
    caps: WebCaps,
    clock: Arc<dyn Clock>,
    /// The newest last.
    pages: Mutex<VecDeque<Page>>,
}

#[derive(Deserialize)]
struct Asked {
    url: String,
    #[serde(default)]
    from: usize,
}

impl FetchUrl {
    pub(super) fn new(client: WebClient, caps: WebCaps, clock: Arc<dyn Clock>) -> Self {
        Self { client, caps, clock, pages: Mutex::default() }
    }

    async fn answer(&self, call: &ToolCall) -> Result<ToolOutput, ToolError> {
        let asked: Asked = arguments(call)?;
        let mut url = Url::parse(asked.url.trim()).map_err(|error| {
            ToolError::new("web.address", format!("The address is not understood: {error}."))
                .hint("Write it in full, with https://.")
        })?;
        url.set_fragment(None);
        // Going on reads what was read before; a first look is always a fresh one.
        let kept = if asked.from > 0 { self.kept(&url) } else { None };
        let page = match kept {
            Some(page) => page,
            None => self.fetch(url).await?,
        };
        told(&page, asked.from, self.caps.shown_bytes).map(ToolOutput::text)
    }

    fn kept(&self, url: &Url) -> Option<Page> {
        let now = self.clock.monotonic();
        let fresh = |page: &&Page| page.asked == *url && now.saturating_sub(page.at) <= KEPT_FOR;
        lock(&self.pages).iter().rev().find(fresh).cloned()
    }

    async fn fetch(&self, asked: Url) -> Result<Page, ToolError> {
        let fetched = self.client.get(asked.clone(), HeaderMap::new()).await?;
        let (url, was_cut) = (fetched.url.clone(), fetched.cut);
        let text = blocking(move || text_of(&fetched)).await?;
        let page = Page { asked, url, text: text.into(), cut: was_cut, at: self.clock.monotonic() };
        let mut pages = lock(&self.pages);
        pages.retain(|other| other.asked != page.asked);
        pages.push_back(page.clone());
        if pages.len() > KEPT {
            pages.pop_front();
        }
        Ok(page)
    }
}

/// A part of a page, and how the rest is got.
fn told(page: &Page, from: usize, most: usize) -> Result<String, ToolError> {
    let Some(rest) = page.text.get(from..).filter(|rest| from == 0 || !rest.is_empty()) else {
        let message = format!("The page has {} bytes of text.", page.text.len());
        return Err(ToolError::new("web.range", message).hint("Use the `from` that the last part told."));
    };
    let (part, more) = cut(rest, most);
    // Better at the end of a line, if one is near.
    let part = match part.rfind('\n').filter(|at| more && *at > most / 2) {
        Some(at) => &part[..=at],
        None => part,
    };
    let mut text = format!("{}\n\n{part}", page.url);
    if more {
        text.push_str(&format!(
            "\n[{} of {} bytes; go on with from={}]",
            part.len(),
            page.text.len(),
            from + part.len()
        ));
    } else if page.cut {
        text.push_str("\n[the page is longer than is fetched]");
    }
    Ok(text)
}

impl Tool for FetchUrl {
    fn spec(&self) -> ToolSpec {
        let schema = json!({
            "type": "object", "required": ["url"], "additionalProperties": false,
            "properties": {
                "url": {"type": "string"},
                "from": {"type": "integer", "minimum": 0, "description": "Where to read on"},
            },
        });
        ToolSpec {
            reach: Reach::Outside,
            zone: Zone::Data,
            output: Label::Stranger,
            guarded: vec!["url".into()],
            deeds: vec![Deed::Read],
            ..ToolSpec::new("fetch_url", "Read a web page as Markdown.", schema)
        }
    }

    fn run(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move { self.answer(&call).await })
    }
}
