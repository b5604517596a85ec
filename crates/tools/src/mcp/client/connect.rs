//! Connects a server: its program or its address, in the era that it speaks.

use super::child::{ChildTransport, MAX_MESSAGE, Program};
use super::config::{McpEra, McpSecret, McpServerConfig, McpTransport};
use super::ear::Ear;
use super::login::Tokens;
use http::{HeaderName, HeaderValue};
use rmcp::model::ProtocolVersion;
use rmcp::service::{
    ClientCacheConfig, ClientInitializeError, ClientLifecycleMode, ClientServiceExt, RoleClient,
    RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::AuthClient;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use std::collections::HashMap;
use std::time::Duration;

/// A connected server.
pub(crate) type Line = RunningService<RoleClient, Ear>;

/// Why a server could not be connected.
pub(crate) struct ConnectError {
    pub(crate) detail: String,
    /// What the server said when it wants somebody to sign in.
    pub(crate) challenge: Option<String>,
}

impl ConnectError {
    fn plain(detail: impl ToString) -> Self {
        Self { detail: detail.to_string(), challenge: None }
    }
}

impl From<ClientInitializeError> for ConnectError {
    fn from(error: ClientInitializeError) -> Self {
        let challenge = error.auth_challenge().map(str::to_owned);
        Self { detail: whole_reason(&error), challenge }
    }
}

/// An error with its causes.
pub(crate) fn whole_reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    super::clean::clean_line(&text, 512)
}

/// Connects; a server that does not know the newer era is spoken to in the older one.
pub(crate) async fn connect(
    config: &McpServerConfig,
    ear: &Ear,
    tokens: &Tokens,
    show_errors: bool,
) -> Result<Line, ConnectError> {
    let first = match config.era {
        McpEra::Handshake => ClientLifecycleMode::Initialize,
        McpEra::Stateless => ClientLifecycleMode::Discover { preferred_versions: vec![STATELESS] },
        McpEra::Auto => ClientLifecycleMode::Auto {
            preferred_versions: vec![STATELESS],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        },
    };
    let line = match open(config, ear, tokens, show_errors, first).await {
        // Servers of the older era may answer the newer one's first word in any way, or hang up.
        Err(error) if config.era == McpEra::Auto && error.challenge.is_none() => {
            open(config, ear, tokens, show_errors, ClientLifecycleMode::Initialize).await?
        }
        other => other?,
    };
    line.peer().set_response_cache_config(ClientCacheConfig::disabled()).await;
    Ok(line)
}

const STATELESS: ProtocolVersion = ProtocolVersion::V_2026_07_28;

async fn open(
    config: &McpServerConfig,
    ear: &Ear,
    tokens: &Tokens,
    show_errors: bool,
    era: ClientLifecycleMode,
) -> Result<Line, ConnectError> {
    match &config.transport {
        McpTransport::Stdio { command, args, env, folder } => {
            let program = Program { command, args, env, folder: folder.as_deref(), show_errors };
            let child = ChildTransport::start(&program)
                .map_err(|error| ConnectError::plain(format!("{command}: {error}")))?;
            Ok(ear.clone().serve_with_lifecycle(child, era).await?)
        }
        McpTransport::Http { url, headers, bearer, oauth } => {
            let client = http_client(config.connect_timeout)?;
            let settings = http_settings(url, headers, bearer.as_ref())?;
            let manager = match oauth {
                Some(_) => tokens.manager(&config.name, url).await.map_err(ConnectError::plain)?,
                None => None,
            };
            match manager {
                Some(manager) => {
                    let signed = AuthClient::new(client, manager);
                    let transport = StreamableHttpClientTransport::with_client(signed, settings);
                    Ok(ear.clone().serve_with_lifecycle(transport, era).await?)
                }
                None => {
                    let transport = StreamableHttpClientTransport::with_client(client, settings);
                    Ok(ear.clone().serve_with_lifecycle(transport, era).await?)
                }
            }
        }
    }
}

/// Redirects are not followed: a token must not go where the owner did not send it.
fn http_client(connect: Duration) -> Result<reqwest::Client, ConnectError> {
    reqwest::Client::builder()
        .connect_timeout(connect)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(ConnectError::plain)
}

fn http_settings(
    url: &str,
    headers: &[(String, McpSecret)],
    bearer: Option<&McpSecret>,
) -> Result<StreamableHttpClientTransportConfig, ConnectError> {
    let mut all = HashMap::new();
    for (name, value) in headers {
        let wrong = || ConnectError::plain(format!("the header {name} cannot be sent"));
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        all.insert(name, value);
    }
    let settings = StreamableHttpClientTransportConfig::with_uri(url)
        .custom_headers(all)
        .max_sse_event_size(MAX_MESSAGE);
    Ok(match bearer {
        Some(token) => settings.auth_header(token.reveal()),
        None => settings,
    })
}
