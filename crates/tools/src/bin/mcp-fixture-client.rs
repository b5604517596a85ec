//! Drives the product's MCP client for the protocol's conformance suite: `mcp-fixture-client URL` looks at a server's tools,
//! accepts them, and calls them. Not part of the product.

use jiff::Timestamp;
use nunchi_core::{BoxFuture, Clock};
use nunchi_tools::{
    ElicitationPolicy, McpConsent, McpEra, McpHub, McpHubParts, McpOauth, McpSecret, McpServerConfig,
    McpTransport, PinnedTool,
};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The suite's name for the one server.
const SERVER: &str = "suite";

/// A tool that wants to be sent the schema of the other one.
const ECHO: &str = "json_schema_echo";

/// The machine's clock.
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Consents at once, as the suite's authorization servers let everybody do.
struct Headless;

impl McpConsent for Headless {
    fn redirect_uri(&self) -> String {
        "http://localhost:3000/callback".into()
    }

    fn visit<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let client = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| error.to_string())?;
            let answer = client.get(url).send().await.map_err(|error| error.to_string())?;
            let place = answer.headers().get("location").and_then(|value| value.to_str().ok());
            place.map(str::to_owned).ok_or_else(|| "there was no redirect".to_owned())
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("name the server's address")?;
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    let context: Value = std::env::var("MCP_CONFORMANCE_CONTEXT")
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let home = std::env::temp_dir().join(format!("nunchi-mcp-fixture-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let hub = McpHub::open(McpHubParts {
        servers: vec![server(url, &context)],
        home: &home,
        clock: Arc::new(SystemClock(Instant::now())),
        consent: Some(Arc::new(Headless)),
        show_errors: true,
    })?;
    let outcome = drive(&hub, &scenario, &context).await;
    hub.close().await;
    std::fs::remove_dir_all(&home)?;
    outcome
}

fn server(url: String, context: &Value) -> McpServerConfig {
    let word = |name: &str| context[name].as_str().map(str::to_owned);
    let oauth = McpOauth {
        client_id: word("client_id"),
        client_secret: word("client_secret").map(McpSecret::new),
        client_metadata_url: Some("https://conformance-test.local/client-metadata.json".into()),
        scopes: Vec::new(),
    };
    let transport = McpTransport::Http { url, headers: Vec::new(), bearer: None, oauth: Some(oauth) };
    let mut config = McpServerConfig::new(SERVER, transport);
    config.elicitation = ElicitationPolicy::Defaults;
    config.era = match std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").as_deref() {
        Ok("2026-07-28") => McpEra::Stateless,
        Ok("2025-11-25") => McpEra::Handshake,
        _ => McpEra::Auto,
    };
    config
}

async fn drive(hub: &McpHub, scenario: &str, context: &Value) -> Result<(), Box<dyn Error>> {
    let inventory = hub.inspect(SERVER).await?;
    eprintln!("{scenario}: {} tools, refused {:?}", inventory.tools.len(), inventory.refused);
    hub.accept(SERVER).await?;
    let wanted: Vec<(String, Value)> = match context["toolCalls"].as_array() {
        Some(calls) => calls
            .iter()
            .filter_map(|call| Some((call["name"].as_str()?.to_owned(), call["arguments"].clone())))
            .collect(),
        None => inventory.tools.iter().map(|tool| (tool.name.clone(), arguments(tool))).collect(),
    };
    for (tool, mut arguments) in wanted {
        if tool == ECHO {
            let focal = inventory.tools.iter().find(|tool| tool.name != ECHO);
            arguments = json!({"schema": focal.map(|tool| &tool.parameters)});
        }
        match hub.call(SERVER, &tool, arguments).await {
            Ok(output) => eprintln!("{tool}: {}", output.text),
            Err(error) => eprintln!("{tool} failed: {error}"),
        }
    }
    Ok(())
}

/// The least that a tool's schema asks for.
fn arguments(tool: &PinnedTool) -> Value {
    let required = tool.parameters["required"].as_array().cloned().unwrap_or_default();
    let value = |name: &str| match tool.parameters["properties"][name]["type"].as_str() {
        Some("number") => json!(1.0),
        Some("integer") => json!(1),
        Some("boolean") => json!(true),
        Some("string") => json!("test"),
        _ => Value::Null,
    };
    let given = required.iter().filter_map(|name| Some((name.as_str()?.to_owned(), value(name.as_str()?))));
    Value::Object(given.collect::<Map<_, _>>())
}
