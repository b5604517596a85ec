//! The product's MCP server with tools, prompts and resources made for tests: what the protocol's conformance suite and foreign
//! clients call. Not part of the product.
//!
//! `mcp-fixture-server [--port PORT] [--open]` serves `/mcp` and prints the address; `--open` lets callers in without a key, as
//! the conformance suite has none. `mcp-fixture-server --stdio` serves standard input and output.

mod asking;
mod inputs;
mod resources;
mod tools;

use axum::middleware::{Next, from_fn};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use nunchi_core::Principal;
use nunchi_tools::{McpAuth, McpHttp, McpHttpSettings, McpOffers, serve_stdio};
use std::error::Error;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// The key of these fixtures.
const KEY: &str = "nk-fixture";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let http = Arc::new(OnceLock::new());
    let tools = tools::FixtureTools { http: Arc::clone(&http) };
    let offers = McpOffers {
        tools: Arc::new(tools),
        prompts: Some(Arc::new(resources::FixturePrompts)),
        resources: Some(Arc::new(resources::FixtureResources)),
        changes: None,
        instructions: "Fixtures for tests.".into(),
    };
    if has("--stdio") {
        return Ok(serve_stdio(offers, tokio::io::stdin(), tokio::io::stdout()).await?);
    }
    let auth: McpAuth = Arc::new(|key| (key == KEY).then(|| Arc::new(Principal::owner())));
    let settings = McpHttpSettings {
        max_body_bytes: 1024 * 1024,
        hosts: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
        origins: ["http://localhost:*", "http://127.0.0.1:*"].map(str::to_owned).to_vec(),
        authorization_servers: Vec::new(),
        stopping: CancellationToken::new(),
    };
    let service = McpHttp::new(offers, auth, settings);
    let mut router = service.router();
    // Set once, here.
    let _set = http.set(service);
    if has("--open") {
        router = router.layer(from_fn(with_key));
    }
    let port = words.iter().position(|word| word == "--port").and_then(|at| words.get(at + 1));
    let port: u16 = port.map_or(Ok(0), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/mcp", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

/// Lends the key to callers that have none.
async fn with_key(mut request: Request<axum::body::Body>, next: Next) -> axum::response::Response {
    let key = HeaderValue::from_static("Bearer nk-fixture");
    request.headers_mut().entry(AUTHORIZATION).or_insert(key);
    next.run(request).await
}
