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
    /// OpenAI's `POST /v1/files`.
    FileUpload,
    /// A batch is handed over.
    BatchCreate,
    /// Where a batch stands.
    BatchStatus,
    /// The list of batches.
    BatchList,
    /// A batch is to end early.
    BatchCancel,
    /// The answers of a batch: OpenAI's `/v1/files/{id}/content`, Anthropic's `…/{id}/results`.
    BatchResults,
}

impl Endpoint {
    const NAMES: [(&'static str, Self); 12] = [
        ("chat", Self::Chat),
        ("responses", Self::Responses),
        ("embeddings", Self::Embeddings),
        ("count_tokens", Self::CountTokens),
        ("models", Self::Models),
        ("version", Self::Version),
        ("file_upload", Self::FileUpload),
        ("batch_create", Self::BatchCreate),
        ("batch_status", Self::BatchStatus),
        ("batch_list", Self::BatchList),
        ("batch_cancel", Self::BatchCancel),
        ("batch_results", Self::BatchResults),
    ];

    /// The endpoint of a lower-case name, as `POST /__script` takes it.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(own, _)| *own == name).map(|(_, endpoint)| endpoint)
    }

    /// Whether it belongs to a Batch API, which keeps state of its own.
    pub(crate) fn is_of_batches(self) -> bool {
        matches!(
            self,
            Self::FileUpload
                | Self::BatchCreate
                | Self::BatchStatus
                | Self::BatchList
                | Self::BatchCancel
                | Self::BatchResults
        )
    }
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
        _ => return batch_endpoint(dialect, post, short).map(Route::to),
    };
    Some(Route::to(endpoint))
}

/// The paths of the two Batch APIs.
fn batch_endpoint(dialect: Dialect, post: bool, short: &str) -> Option<Endpoint> {
    let batches = match dialect {
        Dialect::OpenAi if post && short == "/files" => return Some(Endpoint::FileUpload),
        Dialect::OpenAi if !post && short.starts_with("/files/") && short.ends_with("/content") => {
            return Some(Endpoint::BatchResults);
        }
        Dialect::OpenAi => short.strip_prefix("/batches")?,
        Dialect::Anthropic => short.strip_prefix("/messages/batches")?,
        _ => return None,
    };
    let steps: Vec<&str> = batches.split('/').skip(1).collect();
    match (dialect, post, batches, steps.as_slice()) {
        (_, true, "", _) => Some(Endpoint::BatchCreate),
        (_, false, "", _) => Some(Endpoint::BatchList),
        (_, false, _, [_]) => Some(Endpoint::BatchStatus),
        (_, true, _, [_, "cancel"]) => Some(Endpoint::BatchCancel),
        (Dialect::Anthropic, false, _, [_, "results"]) => Some(Endpoint::BatchResults),
        _ => None,
    }
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
        for (dialect, method, path, endpoint) in [
            (Dialect::OpenAi, Method::POST, "/v1/files", Some(Endpoint::FileUpload)),
            (Dialect::OpenAi, Method::GET, "/v1/files/file-1/content", Some(Endpoint::BatchResults)),
            (Dialect::OpenAi, Method::POST, "/v1/batches", Some(Endpoint::BatchCreate)),
            (Dialect::OpenAi, Method::GET, "/v1/batches", Some(Endpoint::BatchList)),
            (Dialect::OpenAi, Method::GET, "/v1/batches/b", Some(Endpoint::BatchStatus)),
            (Dialect::OpenAi, Method::POST, "/v1/batches/b/cancel", Some(Endpoint::BatchCancel)),
            (Dialect::OpenAi, Method::GET, "/v1/batches/b/results", None),
            (Dialect::OpenAi, Method::GET, "/v1/batchesx", None),
            (Dialect::Anthropic, Method::POST, "/v1/messages/batches", Some(Endpoint::BatchCreate)),
            (Dialect::Anthropic, Method::GET, "/v1/messages/batches/b/results", Some(Endpoint::BatchResults)),
            (Dialect::Perplexity, Method::POST, "/v1/batches", None),
        ] {
            assert_eq!(find(dialect, method, path), endpoint, "{path}");
        }
        let streamed =
            route(Dialect::Gemini, &Method::POST, "/v1beta/models/gemini-2.5-pro:streamGenerateContent");
        assert_eq!(
            streamed,
            Some(Route { endpoint: Endpoint::Chat, model: Some("gemini-2.5-pro".into()), stream: true })
        );
    }
}
