//! The server over standard input and output: by itself, or as a bridge to the server that owns the home folder.

use super::handler::{Handler, Served};
use super::offer::{McpCaller, McpOffers};
use super::watchers::Watchers;
use crate::mcp::client::{McpError, McpSecret};
use nunchi_core::Principal;
use rmcp::service::{RoleClient, RoleServer, ServiceExt};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport, Transport};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 8 * 1024 * 1024;
/// How long the bridge waits for the server to hear that a session is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves the owner until the input ends.
///
/// # Errors
/// When the first messages do not fit the protocol.
pub async fn serve_stdio<R, W>(offers: McpOffers, input: R, output: W) -> Result<(), McpError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let served = Arc::new(Served { offers, watchers: Watchers::default() });
    let caller = McpCaller { principal: Arc::new(Principal::owner()), client: None, intents: Vec::new() };
    let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(MAX_MESSAGE);
    let failed = |detail: String| McpError::Hostile { server: "stdio".into(), detail };
    let running = Handler::new(Arc::clone(&served), Some(caller))
        .serve(transport)
        .await
        .map_err(|error| failed(error.to_string()))?;
    tokio::select! {
        ended = running.waiting() => ended.map(drop).map_err(|error| failed(error.to_string())),
        () = served.tell_changes() => Ok(()),
    }
}

/// Passes messages between standard input and output and a server's `/mcp` until either side ends.
///
/// # Errors
/// When a message cannot be passed on.
pub async fn bridge_stdio<R, W>(
    (url, tls): (&str, Option<rustls::ClientConfig>),
    key: &McpSecret,
    input: R,
    output: W,
) -> Result<(), McpError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let lost = |detail: String| McpError::Unreachable { server: url.to_owned(), detail };
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = match tls {
        Some(tls) => client.tls_backend_preconfigured(tls),
        None => client,
    };
    let client = client.build().map_err(|error| lost(error.to_string()))?;
    let settings = StreamableHttpClientTransportConfig::with_uri(url).auth_header(key.reveal());
    let upstream = StreamableHttpClientTransport::with_client(client, settings);
    let mut upstream = IntoTransport::<RoleClient, _, _>::into_transport(upstream);
    let mut near: AsyncRwTransport<RoleServer, R, W> =
        AsyncRwTransport::new_server(input, output).with_max_line_length(MAX_MESSAGE);
    loop {
        tokio::select! {
            message = near.receive() => match message {
                Some(message) => upstream.send(message).await.map_err(|error| lost(error.to_string()))?,
                None => break,
            },
            message = upstream.receive() => match message {
                Some(message) => near.send(message).await.map_err(|error| lost(error.to_string()))?,
                None => break,
            },
        }
    }
    // The session ends with us, whether the server hears of it or not; one that was never opened whole never says that it closed.
    let _unheard = tokio::time::timeout(FAREWELL, upstream.close()).await;
    Ok(())
}
