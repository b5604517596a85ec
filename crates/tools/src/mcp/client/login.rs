//! Signing in to servers by OAuth, and the tokens that come of it (`mcp.tokens.json`, which only its owner can read).

use super::config::McpOauth;
use super::connect::whole_reason;
use nunchi_core::BoxFuture;
use rmcp::transport::AuthorizationManager;
use rmcp::transport::auth::{
    AuthError, AuthorizationRequest, CredentialStore, OAuthState, StoredCredentials, WWWAuthenticateParams,
};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// Lets a person consent in a browser.
pub trait McpConsent: Send + Sync {
    /// Where the authorization server sends the browser afterwards: a loopback address.
    fn redirect_uri(&self) -> String;
    /// Opens an address and returns the one that the browser was sent to in the end.
    fn visit<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<String, String>>;
}

/// The tokens of all servers.
#[derive(Clone)]
pub(crate) struct Tokens {
    file: Arc<Mutex<PathBuf>>,
}

type Document = BTreeMap<String, StoredCredentials>;

impl Tokens {
    pub(crate) fn at(path: &Path) -> Self {
        Self { file: Arc::new(Mutex::new(path.to_owned())) }
    }

    /// What signs requests to a server; `None` when nobody has signed in.
    pub(crate) async fn manager(
        &self,
        server: &str,
        url: &str,
    ) -> Result<Option<AuthorizationManager>, String> {
        let store = ServerTokens { tokens: self.clone(), server: server.to_owned() };
        if store.tokens.change(|_| ()).is_ok_and(|document| !document.contains_key(server)) {
            return Ok(None);
        }
        let signed = async {
            let mut manager = AuthorizationManager::new(url).await?;
            manager.set_credential_store(store);
            let ready = manager.initialize_from_store().await?;
            Ok::<_, AuthError>(ready.then_some(manager))
        };
        signed.await.map_err(|error| whole_reason(&error))
    }

    /// Forgets a server's token.
    pub(crate) fn forget(&self, server: &str) -> Result<(), String> {
        self.change(|document| drop(document.remove(server))).map(drop).map_err(|error| error.to_string())
    }

    /// Signs in: asks for consent, and keeps the token.
    pub(crate) async fn sign_in(
        &self,
        server: &str,
        url: &str,
        oauth: &McpOauth,
        challenge: Option<&str>,
        consent: &dyn McpConsent,
    ) -> Result<(), String> {
        let mut manager = AuthorizationManager::new(url).await.map_err(|error| whole_reason(&error))?;
        let store = ServerTokens { tokens: self.clone(), server: server.to_owned() };
        let mut wanted = request(oauth, challenge, consent);
        if let Some(more) = challenge.and_then(|challenge| more_scopes(challenge, url)) {
            let had = store.change(|_| ()).ok().and_then(|mut document| document.remove(server));
            let had = had.map(|had| had.granted_scopes).unwrap_or_default();
            wanted = wanted.with_scopes(union(had, more));
        }
        manager.set_credential_store(store);
        let mut state = OAuthState::Unauthorized(manager);
        state.start_authorization(wanted).await.map_err(|error| whole_reason(&error))?;
        let address = state.get_authorization_url().await.map_err(|error| whole_reason(&error))?;
        let arrived = consent.visit(&address).await?;
        state.handle_callback_url(&arrived).await.map_err(|error| whole_reason(&error))
    }

    /// Reads the document, changes it, and writes it when it has changed.
    fn change(&self, change: impl FnOnce(&mut Document)) -> std::io::Result<Document> {
        let path = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match std::fs::read(&*path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => b"{}".to_vec(),
            Err(error) => return Err(error),
        };
        let mut document: Document = serde_json::from_slice(&before)?;
        change(&mut document);
        let after = serde_json::to_vec(&document)?;
        if after != before && !(document.is_empty() && before == b"{}") {
            write_secret(&path, &after)?;
        }
        Ok(document)
    }
}

fn request(oauth: &McpOauth, challenge: Option<&str>, consent: &dyn McpConsent) -> AuthorizationRequest {
    let mut request = AuthorizationRequest::new(consent.redirect_uri())
        .with_client_name("Nunchi")
        .with_application_type("native")
        .with_scopes(oauth.scopes.iter());
    if let Some(id) = &oauth.client_id {
        request = request.with_preregistered_client(id);
    }
    if let Some(secret) = &oauth.client_secret {
        request = request.with_client_secret(secret.reveal());
    }
    if let Some(url) = &oauth.client_metadata_url {
        request = request.with_client_metadata_url(url);
    }
    match challenge {
        Some(challenge) => request.with_challenge(challenge),
        None => request,
    }
}

/// The scopes that a server misses in the token it was sent; `None` when it misses the token itself.
fn more_scopes(challenge: &str, url: &str) -> Option<Vec<String>> {
    let said = WWWAuthenticateParams::parse(challenge, &Url::parse(url).ok()?);
    let scopes = said.scope.as_deref().filter(|_| said.is_insufficient_scope())?;
    Some(scopes.split_whitespace().map(str::to_owned).collect())
}

/// What was granted before is asked for again with what is missing, so that nothing is lost on the way.
fn union(mut had: Vec<String>, more: Vec<String>) -> Vec<String> {
    for scope in more {
        if !had.contains(&scope) {
            had.push(scope);
        }
    }
    had
}

/// A file for its owner alone, whole or not at all.
fn write_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("json.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

/// The tokens of one server.
struct ServerTokens {
    tokens: Tokens,
    server: String,
}

/// What the trait of the protocol's crate asks for.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, AuthError>> + Send + 'a>>;

impl ServerTokens {
    fn change(&self, change: impl FnOnce(&mut Document)) -> Result<Document, AuthError> {
        self.tokens.change(change).map_err(|error| AuthError::CredentialStoreError(error.to_string()))
    }
}

impl CredentialStore for ServerTokens {
    fn load<'a, 'b>(&'a self) -> Answer<'b, Option<StoredCredentials>>
    where
        'a: 'b,
        Self: 'b,
    {
        let found = self.change(|_| ()).map(|mut document| document.remove(&self.server));
        Box::pin(std::future::ready(found))
    }

    fn save<'a, 'b>(&'a self, credentials: StoredCredentials) -> Answer<'b, ()>
    where
        'a: 'b,
        Self: 'b,
    {
        let kept = self.change(|document| drop(document.insert(self.server.clone(), credentials)));
        Box::pin(std::future::ready(kept.map(drop)))
    }

    fn clear<'a, 'b>(&'a self) -> Answer<'b, ()>
    where
        'a: 'b,
        Self: 'b,
    {
        let gone = self.change(|document| drop(document.remove(&self.server)));
        Box::pin(std::future::ready(gone.map(drop)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_grow() {
        let url = "https://example.com/mcp";
        let missing = r#"Bearer error="insufficient_scope", scope="write read""#;
        let more = more_scopes(missing, url).unwrap();
        assert_eq!(union(vec!["read".into(), "list".into()], more), ["read", "list", "write"]);
        assert_eq!(more_scopes(r#"Bearer scope="read""#, url), None);
    }
}
