//! The providers that can be played, the endpoints they have, and which path leads to which.

use http::Method;

/// A provider whose wire format is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI: chat completions, responses, embeddings.
    OpenAi,
    /// Anthropic: messages.
    Anthropic,
    /// Google Gemini: generateContent.
    Gemini,
    /// Ollama: NDJSON chat.
    Ollama,
    /// Perplexity: chat completions with sources.
    Perplexity,
}

impl Dialect {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 5] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Ollama, Self::Perplexity];

    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Perplexity => "perplexity",
        }
    }

    /// The models that are listed until [`Upstream::models`](crate::Upstream::models) says otherwise.
    pub fn models(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["gpt-5-mini", "gpt-5", "text-embedding-3-small"],
            Self::Anthropic => &["claude-haiku-4-5", "claude-sonnet-4-5"],
            Self::Gemini => &["gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001"],
            Self::Ollama => &["llama3.2:latest", "nomic-embed-text:latest"],
            Self::Perplexity => &["sonar", "sonar-pro"],
        }
    }
}

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// One model answer: chat completions, messages, generateContent, /api/chat.
    Chat,
    /// OpenAI's `/v1/responses`.
    Responses,
    /// Vectors for texts.
    Embeddings,
    /// The price of a prompt in tokens.
    CountTokens,
    /// The list of models.
    Models,
    /// Ollama's `/api/version`.
    Version,
}

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What is asked.
    pub(crate) endpoint: Endpoint,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
    /// Whether the path itself asks for a stream.
    pub(crate) stream: bool,
}

impl Route {
    fn to(endpoint: Endpoint) -> Self {
        Self { endpoint, model: None, stream: false }
    }
}

/// Finds the endpoint of a path; `None` is the provider's own 404.
pub(crate) fn route(dialect: Dialect, method: &Method, path: &str) -> Option<Route> {
    let post = method == Method::POST;
    if !post && method != Method::GET {
        return None;
    }
    let path = path.trim_end_matches('/');
    if dialect == Dialect::Gemini {
        return gemini(
            post,
            path.strip_prefix("/v1beta").or_else(|| path.strip_prefix("/v1")).unwrap_or(path),
        );
    }
    let short = path.strip_prefix("/v1").unwrap_or(path);
    let endpoint = match (dialect, post, short) {
        (Dialect::OpenAi | Dialect::Perplexity, true, "/chat/completions") => Endpoint::Chat,
        (Dialect::OpenAi, true, "/responses") => Endpoint::Responses,
        (Dialect::OpenAi, true, "/embeddings") | (Dialect::Ollama, true, "/api/embed") => {
            Endpoint::Embeddings
        }
        (Dialect::Anthropic, true, "/messages") | (Dialect::Ollama, true, "/api/chat") => Endpoint::Chat,
        (Dialect::Anthropic, true, "/messages/count_tokens") => Endpoint::CountTokens,
        (Dialect::OpenAi | Dialect::Anthropic | Dialect::Perplexity, false, "/models") => Endpoint::Models,
        (Dialect::Ollama, false, "/api/tags") => Endpoint::Models,
        (Dialect::Ollama, false, "/api/version") => Endpoint::Version,
        _ => return None,
    };
    Some(Route::to(endpoint))
}

/// Gemini puts the model and the verb into the path.
fn gemini(post: bool, path: &str) -> Option<Route> {
    if !post {
        return (path == "/models").then(|| Route::to(Endpoint::Models));
    }
    let (model, verb) = path.strip_prefix("/models/")?.rsplit_once(':')?;
    let endpoint = match verb {
        "generateContent" | "streamGenerateContent" => Endpoint::Chat,
        "countTokens" => Endpoint::CountTokens,
        "embedContent" | "batchEmbedContents" => Endpoint::Embeddings,
        _ => return None,
    };
    Some(Route { endpoint, model: Some(model.to_owned()), stream: verb == "streamGenerateContent" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_endpoints() {
        let find = |dialect, method: Method, path| route(dialect, &method, path).map(|route| route.endpoint);
        assert_eq!(find(Dialect::OpenAi, Method::POST, "/v1/chat/completions"), Some(Endpoint::Chat));
        assert_eq!(find(Dialect::Perplexity, Method::POST, "/chat/completions"), Some(Endpoint::Chat));
        assert_eq!(
            find(Dialect::Anthropic, Method::POST, "/v1/messages/count_tokens"),
            Some(Endpoint::CountTokens)
        );
        assert_eq!(find(Dialect::Ollama, Method::GET, "/api/tags"), Some(Endpoint::Models));
        assert_eq!(find(Dialect::OpenAi, Method::DELETE, "/v1/models"), None);
        let streamed =
            route(Dialect::Gemini, &Method::POST, "/v1beta/models/gemini-2.5-pro:streamGenerateContent");
        assert_eq!(
            streamed,
            Some(Route { endpoint: Endpoint::Chat, model: Some("gemini-2.5-pro".into()), stream: true })
        );
    }
}
