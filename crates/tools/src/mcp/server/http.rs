//! `/mcp` as a service of its own: Streamable HTTP in both eras, behind our API keys.

use super::handler::{Handler, Served};
use super::offer::{McpCaller, McpOffers};
use super::owners::SessionOwners;
use super::watchers::{McpChange, Watchers};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use nunchi_core::Principal;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Recognises a key; `None` when it is not one of ours.
pub type McpAuth = Arc<dyn Fn(&str) -> Option<Arc<Principal>> + Send + Sync>;

/// Where the metadata of the protected resource lies (RFC 9728).
const METADATA: &str = "/.well-known/oauth-protected-resource";
const SESSION: &str = "mcp-session-id";

/// How it is served.
#[derive(Clone)]
pub struct McpHttpSettings {
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Names under which we may be called (`localhost`, `nunchi.example.com`); empty: any, for servers that are meant for
    /// others and ask every one for a key.
    pub hosts: Vec<String>,
    /// Web origins that may call from a browser; all others are refused.
    pub origins: Vec<String>,
    /// Issuers of tokens that an authorization server in front of us hands out; empty: our own keys alone.
    pub authorization_servers: Vec<String>,
    /// Ends sessions and streams.
    pub stopping: CancellationToken,
}

/// The service.
#[derive(Clone)]
pub struct McpHttp {
    served: Arc<Served>,
    settings: McpHttpSettings,
    auth: McpAuth,
}

/// What the door needs.
#[derive(Clone)]
struct Door {
    auth: McpAuth,
    owners: Arc<SessionOwners>,
}

impl McpHttp {
    /// A service of these offers.
    pub fn new(offers: McpOffers, auth: McpAuth, settings: McpHttpSettings) -> Self {
        let served = Arc::new(Served { offers, watchers: Watchers::default() });
        Self { served, settings, auth }
    }

    /// Tells clients that something has changed.
    pub async fn tell(&self, change: &McpChange) {
        self.served.watchers.tell(change).await;
    }

    /// Tells clients what the offers' own look for changes finds; runs as long as the server does.
    pub async fn tell_changes(self) {
        self.served.tell_changes().await;
    }

    /// Its routes: `/mcp` and the metadata.
    pub fn router(&self) -> Router {
        let served = Arc::clone(&self.served);
        let config = StreamableHttpServerConfig::default()
            .with_max_request_body_bytes(self.settings.max_body_bytes)
            .with_allowed_hosts(self.settings.hosts.iter())
            .with_allowed_origins(self.settings.origins.iter())
            .enforce_origin_validation()
            .with_cancellation_token(self.settings.stopping.clone());
        let service = StreamableHttpService::new(
            move || Ok(Handler::new(Arc::clone(&served), None)),
            Arc::new(LocalSessionManager::default()),
            config,
        );
        let door = Door { auth: Arc::clone(&self.auth), owners: Arc::default() };
        let issuers: Arc<[String]> = self.settings.authorization_servers.clone().into();
        let metadata =
            axum::routing::get(move |headers: HeaderMap| async move { resource(&headers, &issuers) });
        Router::new()
            .route_service("/mcp", service)
            .layer(from_fn_with_state(door, enter))
            .route(METADATA, metadata.clone())
            .route(&format!("{METADATA}/mcp"), metadata)
    }
}

/// Lets callers in that have a key, and keeps them to their own sessions.
async fn enter(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let Some(principal) = bearer(request.headers()).and_then(|key| (door.auth)(key)) else {
        return refused(request.headers());
    };
    let session = request.headers().get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(session) = session.as_deref().filter(|session| !door.owners.is_theirs(session, &principal)) {
        tracing::debug!(session, "a session that is not the caller's");
        return problem(StatusCode::NOT_FOUND, "there is no such session");
    }
    let ends = request.method() == Method::DELETE;
    let intents = intents(request.uri().query());
    request.extensions_mut().insert(McpCaller { principal: Arc::clone(&principal), client: None, intents });
    let response = next.run(request).await;
    if let Some(begun) = response.headers().get(SESSION).and_then(|value| value.to_str().ok()) {
        door.owners.begin(begun, &principal);
    }
    if let Some(session) = session.filter(|_| ends) {
        door.owners.end(&session);
    }
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// `intents=a,b` of the address.
fn intents(query: Option<&str>) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let named = pairs.filter(|(name, _)| name == "intents");
    named
        .flat_map(|(_, value)| value.split(',').map(|intent| intent.trim().to_owned()).collect::<Vec<_>>())
        .filter(|intent| !intent.is_empty())
        .collect()
}

fn refused(headers: &HeaderMap) -> Response {
    let given = headers.contains_key(AUTHORIZATION);
    let mut response = problem(
        StatusCode::UNAUTHORIZED,
        "a key is needed: `Authorization: Bearer nk-…`; `nunchi keys create` makes one",
    );
    let error = if given { ", error=\"invalid_token\"" } else { "" };
    let challenge = format!("Bearer resource_metadata=\"{}{METADATA}/mcp\"{error}", origin(headers));
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_001, "message": message}});
    (status, Json(body)).into_response()
}

/// What a client needs to know to get a token (RFC 9728).
fn resource(headers: &HeaderMap, issuers: &[String]) -> Response<Body> {
    let document: Value = json!({
        "resource": format!("{}/mcp", origin(headers)),
        "resource_name": "Nunchi",
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    Json(document).into_response()
}

/// Where the caller reached us. A proxy in front says so in `x-forwarded-proto`.
fn origin(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    let host = text(HOST.as_str()).filter(plain).unwrap_or("localhost");
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_address_and_the_headers_say() {
        assert_eq!(intents(Some("x=1&intents=news,%20stocks,&intents=more")), ["news", "stocks", "more"]);
        assert!(intents(None).is_empty());
        let mut headers = HeaderMap::new();
        assert_eq!(origin(&headers), "http://localhost");
        headers.insert(HOST, HeaderValue::from_static("evil\".example"));
        assert_eq!(origin(&headers), "http://localhost");
        headers.insert(HOST, HeaderValue::from_static("nunchi.example:8443"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert_eq!(origin(&headers), "https://nunchi.example:8443");
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer  nk-1"));
        assert_eq!(bearer(&headers), Some("nk-1"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic abc"));
        assert_eq!(bearer(&headers), None);
    }
}
