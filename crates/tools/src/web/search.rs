//! Where searches go, and how their answers are read.

use super::BadWebSetting;
use super::client::secret_header;
use html5ever::driver::ParseOpts;
use html5ever::parse_document;
use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use nunchi_core::ToolError;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::fmt;
use url::Url;

/// A search engine.
#[derive(Clone, Debug)]
pub enum SearchEndpoint {
    /// DuckDuckGo's page without scripts; the address, if it is another.
    DuckDuckGo(Option<String>),
    /// A SearXNG that gives JSON, by its address.
    SearXng(String),
    /// Brave's API: the address, if it is another, and the key.
    Brave(Option<String>, SearchKey),
}

/// A search engine's key, which does not show itself.
#[derive(Clone)]
pub struct SearchKey(String);

impl SearchKey {
    /// A key.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for SearchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SearchKey(..)")
    }
}

/// One result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) snippet: String,
}

impl SearchEndpoint {
    /// The address without the question.
    pub(super) fn address(&self) -> Result<Url, BadWebSetting> {
        let text = match self {
            Self::DuckDuckGo(address) => address.as_deref().unwrap_or("https://html.duckduckgo.com/html/"),
            Self::SearXng(address) => address,
            Self::Brave(address, _) => {
                address.as_deref().unwrap_or("https://api.search.brave.com/res/v1/web/search")
            }
        };
        let mut url = Url::parse(text).map_err(|_| BadWebSetting(text.to_owned()))?;
        if let (Self::SearXng(_), "" | "/") = (self, url.path()) {
            url.set_path("/search");
        }
        Ok(url)
    }

    /// The address of a question.
    pub(super) fn ask(&self, query: &str, most: usize) -> Result<Url, BadWebSetting> {
        let mut url = self.address()?;
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("q", query);
        match self {
            Self::DuckDuckGo(_) => {}
            Self::SearXng(_) => drop(pairs.append_pair("format", "json")),
            Self::Brave(..) => drop(pairs.append_pair("count", &most.to_string())),
        }
        drop(pairs);
        Ok(url)
    }

    /// What must be sent along.
    pub(super) fn headers(&self) -> Result<HeaderMap, BadWebSetting> {
        match self {
            Self::Brave(_, key) => secret_header("x-subscription-token", &key.0),
            Self::DuckDuckGo(_) | Self::SearXng(_) => Ok(HeaderMap::new()),
        }
    }

    /// Reads an answer.
    pub(super) fn read(&self, body: &[u8]) -> Result<Vec<Found>, ToolError> {
        match self {
            Self::DuckDuckGo(_) => duck_duck_go(&String::from_utf8_lossy(body)),
            Self::SearXng(_) => {
                let answer: SearXngAnswer = json(body)?;
                Ok(answer.results.into_iter().map(Found::from).collect())
            }
            Self::Brave(..) => {
                let answer: BraveAnswer = json(body)?;
                Ok(answer.web.unwrap_or_default().results.into_iter().map(Found::from).collect())
            }
        }
    }
}

#[derive(Deserialize)]
struct SearXngAnswer {
    results: Vec<JsonResult>,
}

#[derive(Default, Deserialize)]
struct BraveAnswer {
    web: Option<BraveResults>,
}

#[derive(Default, Deserialize)]
struct BraveResults {
    results: Vec<JsonResult>,
}

#[derive(Deserialize)]
struct JsonResult {
    title: String,
    url: String,
    #[serde(alias = "description")]
    content: Option<String>,
}

impl From<JsonResult> for Found {
    fn from(result: JsonResult) -> Self {
        // Engines mark the words that were looked for.
        let plain = |text: &str| text_in(&parsed(text).document);
        let snippet = plain(&result.content.unwrap_or_default());
        Self { title: plain(&result.title), url: result.url, snippet }
    }
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ToolError> {
    serde_json::from_slice(body).map_err(|error| {
        ToolError::new("search.answer", format!("The search engine's answer is not understood: {error}."))
    })
}

fn parsed(html: &str) -> RcDom {
    parse_document(RcDom::default(), ParseOpts::default()).one(html)
}

/// Results are links of the class `result__a`, each followed by its snippet; addresses stand in a redirect's `uddg`.
fn duck_duck_go(html: &str) -> Result<Vec<Found>, ToolError> {
    let page = parsed(html);
    let mut found: Vec<Found> = Vec::new();
    let mut blocked = false;
    // Without recursion: a page may be nested as deep as it likes.
    let mut open = vec![page.document.clone()];
    let mut in_advertisement = false;
    while let Some(node) = open.pop() {
        let class = attribute(&node, "class").unwrap_or_default();
        let has = |name: &str| class.split_whitespace().any(|word| word == name);
        if has("result") {
            in_advertisement = has("result--ad");
        }
        blocked |= has("anomaly-modal__title") || has("anomaly-modal__modal");
        if has("result__a") && !in_advertisement {
            let url = attribute(&node, "href").and_then(|href| target(&href));
            found.extend(url.map(|url| Found { title: text_in(&node), url, snippet: String::new() }));
        } else if has("result__snippet")
            && !in_advertisement
            && let Some(last) = found.last_mut().filter(|last| last.snippet.is_empty())
        {
            last.snippet = text_in(&node);
        }
        open.extend(node.children.borrow().iter().rev().cloned());
    }
    if blocked && found.is_empty() {
        return Err(ToolError::new("search.blocked", "The search engine takes us for a robot.")
            .hint("Search later, or ask the owner to set another engine under [tools.search]."));
    }
    Ok(found)
}

fn target(href: &str) -> Option<String> {
    let url = Url::parse("https://duckduckgo.com").ok()?.join(href).ok()?;
    let own =
        url.host_str().is_some_and(|host| host == "duckduckgo.com" || host.ends_with(".duckduckgo.com"));
    if !own {
        return Some(url.into());
    }
    let (_, inside) = url.query_pairs().find(|(name, _)| name == "uddg")?;
    Url::parse(&inside).ok().filter(|url| matches!(url.scheme(), "http" | "https")).map(Into::into)
}

fn attribute(node: &Handle, name: &str) -> Option<String> {
    match &node.data {
        NodeData::Element { attrs, .. } => {
            let attrs = attrs.borrow();
            let found = attrs.iter().find(|attribute| &*attribute.name.local == name)?;
            Some(found.value.to_string())
        }
        _ => None,
    }
}

fn text_in(node: &Handle) -> String {
    let mut text = String::new();
    let mut open = vec![node.clone()];
    while let Some(node) = open.pop() {
        if let NodeData::Text { contents } = &node.data {
            text.push_str(&contents.borrow());
        }
        open.extend(node.children.borrow().iter().rev().cloned());
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
