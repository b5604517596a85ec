//! What a provider is built from, and the parts of a request that never change.

use super::{bad_path, json_type};
use crate::batch::BatchApi;
use crate::codec::Codec;
use crate::config_error::ConfigError;
use crate::openai::OpenAiChat;
use crate::responses::OpenAiResponses;
use crate::secret::Secret;
use crate::transport::{Timeouts, Tls};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use nunchi_core::{Clock, ModelError, Spawn};
use std::sync::{Arc, OnceLock};

/// Which provider's API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's responses.
    OpenAiResponses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// Ollama's own API.
    Ollama,
    /// Perplexity: chat completions with sources.
    Perplexity,
    /// Any server that speaks OpenAI's chat completions.
    Compatible,
}

impl ProviderKind {
    /// Where the provider is, unless configured; a compatible server has no usual place.
    pub const fn default_base_url(self) -> Option<&'static str> {
        Some(match self {
            Self::OpenAi | Self::OpenAiResponses => "https://api.openai.com/v1",
            Self::Anthropic => "https://api.anthropic.com",
            Self::Gemini => "https://generativelanguage.googleapis.com",
            Self::Ollama => "http://127.0.0.1:11434",
            Self::Perplexity => "https://api.perplexity.ai",
            Self::Compatible => return None,
        })
    }

    /// Whether this API is known to have batches beside it.
    pub fn has_batches(self) -> bool {
        self.batch_api().is_some()
    }

    /// How batches are handed over where they speak this.
    pub(super) const fn batch_api(self) -> Option<BatchApi> {
        match self {
            Self::OpenAi | Self::OpenAiResponses | Self::Compatible => Some(BatchApi::OpenAi),
            Self::Anthropic => Some(BatchApi::Anthropic),
            Self::Gemini | Self::Ollama | Self::Perplexity => None,
        }
    }

    /// The one place where a dialect is entered.
    pub(super) fn codec(self) -> Box<dyn Codec> {
        match self {
            Self::OpenAi => Box::new(OpenAiChat::openai()),
            Self::OpenAiResponses => Box::new(OpenAiResponses),
            Self::Perplexity => Box::new(OpenAiChat::perplexity()),
            Self::Compatible => Box::new(OpenAiChat::compatible()),
            Self::Anthropic => Box::new(crate::anthropic::Anthropic),
            Self::Ollama => Box::new(crate::ollama::Ollama),
            Self::Gemini => Box::new(crate::gemini::Gemini),
        }
    }
}

/// A provider as configured.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The name in the ledger, in errors and in front of models (`openai/gpt-5`).
    pub name: String,
    /// What it speaks.
    pub kind: ProviderKind,
    /// Where it is. With `/v1` for OpenAI and compatible servers, without any path for the others, as their SDKs want it.
    pub base_url: String,
    /// The API key, if it needs one.
    pub secret: Option<Secret>,
    /// Headers of every request, by name; values may be secret. They replace our own.
    pub extra_headers: Vec<(String, Secret)>,
    /// How long each stage of a call may take.
    pub timeouts: Timeouts,
    /// Whether it has the Batch API of its kind; `None` means: at the kind's usual place only. Nothing where the kind has none.
    pub batch: Option<bool>,
}

impl ProviderConfig {
    /// A provider at its usual place (none for a compatible server), without key or extras.
    pub fn new(name: impl Into<String>, kind: ProviderKind) -> Self {
        Self {
            name: name.into(),
            kind,
            base_url: kind.default_base_url().unwrap_or_default().to_owned(),
            secret: None,
            extra_headers: Vec::new(),
            timeouts: Timeouts::default(),
            batch: None,
        }
    }

    /// The Batch API that it has.
    pub(super) fn batch_api(&self) -> Option<BatchApi> {
        let usual = self.kind.default_base_url() == Some(self.base_url.trim().trim_end_matches('/'));
        self.kind.batch_api().filter(|_| self.batch.unwrap_or(usual))
    }

    /// The headers of every request.
    pub(super) fn headers(&self, codec: &dyn Codec, base: &Base) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, base.host_header()?);
        headers.insert(header::CONTENT_TYPE, json_type());
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let agent = concat!("nunchi/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if let Some(secret) = self.secret.as_ref().filter(|secret| !secret.is_empty()) {
            if secret.header("").is_none() {
                return Err(ConfigError::BadSecret);
            }
            codec.auth(secret, &mut headers);
        }
        for (name, value) in &self.extra_headers {
            let bad = || ConfigError::BadHeader(name.clone());
            let key = HeaderName::try_from(name).map_err(|_| bad())?;
            headers.insert(key, value.header("").ok_or_else(bad)?);
        }
        if base.uri().scheme() == Some(&Scheme::HTTPS) {
            // The TLS client writes the authority in the way of the HTTP version it speaks.
            headers.remove(header::HOST);
        }
        Ok(headers)
    }
}

/// What every provider needs from the outside.
#[derive(Clone)]
pub struct ProviderDeps {
    /// The time of day, for `Retry-After` dates.
    pub clock: Arc<dyn Clock>,
    /// Runs TLS connections.
    pub spawn: Arc<dyn Spawn>,
    /// The certificates that are trusted.
    pub tls: Tls,
}

/// The base URL, taken apart once.
pub(super) struct Base {
    uri: Uri,
    /// The path without a trailing slash.
    prefix: String,
    /// The last URL that was made: most calls go to one path.
    usual: OnceLock<(String, Uri)>,
}

impl Base {
    pub(super) fn new(url: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::BadUrl(without_credentials(url));
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        let scheme_fits =
            uri.scheme().is_some_and(|scheme| scheme == &Scheme::HTTP || scheme == &Scheme::HTTPS);
        let authority = uri.authority().ok_or_else(bad)?;
        if !scheme_fits
            || uri.query().is_some()
            || url.contains('#')
            || authority.as_str().contains('@')
            || authority.host().is_empty()
            || (authority.port_u16().is_none() && authority.as_str().len() != authority.host().len())
        {
            return Err(bad());
        }
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { uri, prefix, usual: OnceLock::new() })
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether the address is this machine's own.
    pub(super) fn is_this_machine(&self) -> bool {
        let host = self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn host_header(&self) -> Result<HeaderValue, ConfigError> {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        HeaderValue::from_str(authority).map_err(|_| ConfigError::BadUrl(authority.to_owned()))
    }

    /// The URL of a path behind the base.
    pub(super) fn join(&self, path: &str) -> Result<Uri, ModelError> {
        if let Some((usual, uri)) = self.usual.get()
            && usual == path
        {
            return Ok(uri.clone());
        }
        let full = PathAndQuery::try_from(format!("{}{path}", self.prefix)).map_err(|_| bad_path(path))?;
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(full);
        let uri = Uri::from_parts(parts).map_err(|_| bad_path(path))?;
        let _ = self.usual.set((path.to_owned(), uri.clone()));
        Ok(uri)
    }
}

/// A URL without user name and password, for messages.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_and_paths() {
        for (base, path, url) in [
            ("https://api.openai.com/v1", "/chat/completions", "https://api.openai.com/v1/chat/completions"),
            ("http://127.0.0.1:11434/", "/api/chat", "http://127.0.0.1:11434/api/chat"),
            (" http://[::1]:8000 ", "/x?alt=sse", "http://[::1]:8000/x?alt=sse"),
        ] {
            assert_eq!(Base::new(base).unwrap().join(path).unwrap().to_string(), url);
        }
        assert!(Base::new("http://h").unwrap().join("/a b").is_err());
    }

    #[test]
    fn bad_bases_are_refused_without_their_password() {
        for url in
            ["", "api.openai.com", "ftp://h/", "http://", "http://h/?k=v", "http://h/#f", "/v1", "http://h:x"]
        {
            assert!(Base::new(url).is_err(), "{url}");
        }
        let error = Base::new("https://me:hunter2@h/").err().unwrap();
        assert_eq!(error, ConfigError::BadUrl("https://h/".into()));
    }

    #[test]
    fn this_machine() {
        for (url, here) in [
            ("http://localhost:1", true),
            ("http://127.0.0.2", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example.com", false),
        ] {
            assert_eq!(Base::new(url).unwrap().is_this_machine(), here, "{url}");
        }
    }
}
