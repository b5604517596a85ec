//! MCP from outside: a server is added, looked at, accepted and called; `/mcp` lets in who may, and the owner's rules hold.

use crate::support::{Got, Home, Server};
use axum::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use serde_json::{Value, json};

/// Nobody answers here, so that nothing waits for an answer.
const CONFIG: &str = "# mine\n[mcp_server]\nwait = \"0s\"\n";

/// A server of the older era with a tool that reads and one that does not.
async fn answer(Json(request): Json<Value>) -> Response {
    if request.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    let tool = |name: &str, read_only: bool| {
        json!({"name": name, "description": "A tool.", "annotations": {"readOnlyHint": read_only},
            "inputSchema": {"type": "object", "properties": {"x": {"type": "string"}}}})
    };
    let result = match request["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": "1"}}),
        "tools/list" => json!({"tools": [tool("look", true), tool("send", false)]}),
        "tools/call" => {
            json!({"content": [{"type": "text", "text": format!("did {}", request["params"]["name"])}]})
        }
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return Json(json!({"jsonrpc": "2.0", "id": request["id"], "error": error})).into_response();
        }
    };
    Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).into_response()
}

async fn stranger() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let router = axum::Router::new().route("/mcp", post(answer));
    #[expect(clippy::disallowed_methods, reason = "the server ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A request of the newer era, which needs no session.
fn ask(server: &Server, key: &str, method: &str, params: Value) -> Got {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let name = params["name"].as_str().unwrap_or_default().to_owned();
    let mut headers = vec![
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    if !name.is_empty() {
        headers.push(("mcp-name", &name));
    }
    server.send("POST", "/mcp", key, &headers, &body)
}

/// The result in an answer that may be a stream of events.
fn result(got: &Got) -> Value {
    assert_eq!(got.status, 200, "{}", got.body);
    let data = got
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .find(|data| data.contains("\"result\""));
    let text = data.unwrap_or(&got.body);
    let message: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {}", got.body));
    message["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn added_accepted_called_and_offered_on() {
    let url = stranger().await;
    let home = Home::with_config(CONFIG);
    home.json(&["mcp", "add", "far", "--url", &url, "--trust-hints"]);
    let looked = home.json(&["mcp", "tools", "far"]);
    assert_eq!(looked["changes"].as_array().map(Vec::len), Some(2), "{looked}");
    let refused = home.run(["mcp", "call", "far", "look", "--json"]);
    assert!(
        refused.code == 1 && refused.error()["message"].to_string().contains("accepted"),
        "{}",
        refused.err
    );
    home.json(&["mcp", "accept", "far"]);
    assert_eq!(home.json(&["mcp", "call", "far", "look", "{\"x\": \"1\"}"])["text"], "did \"look\"");
    assert_eq!(home.json(&["mcp", "list"])["servers"][0]["accepted"], 2);

    let server = home.up();
    let admin = server.first_key();
    let plain = home.json(&["keys", "create", "app"])["key"].as_str().expect("a key").to_owned();
    for key in ["nk-nobody", plain.as_str()] {
        let got = ask(&server, key, "tools/list", json!({}));
        assert_eq!(got.status, 401, "{}", got.body);
        assert!(got.header("www-authenticate").is_some_and(|said| said.contains("resource_metadata")));
    }
    let tools = result(&ask(&server, &admin, "tools/list", json!({})));
    let names = tools["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str());
    let (far, own): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with("far__"));
    assert_eq!(far, ["far__look", "far__send"]);
    assert!(own.contains(&"read_file"), "{own:?}");
    let read = result(&ask(&server, &admin, "tools/call", json!({"name": "far__look", "arguments": {}})));
    assert_eq!(read["content"][0]["text"], "did \"look\"", "{read}");
    let sent = result(&ask(&server, &admin, "tools/call", json!({"name": "far__send", "arguments": {}})));
    assert_eq!(sent["isError"], true, "what reaches outside asks the owner: {sent}");
    server.stop();

    home.json(&["mcp", "remove", "far"]);
    assert_eq!(std::fs::read_to_string(home.path("nunchi.toml")).expect("a file").trim(), CONFIG.trim());
    assert_eq!(home.json(&["mcp", "tools"])["tools"], json!([]));
}

#[test]
fn a_program_needs_the_owners_word_and_mistakes_are_told() {
    let home = Home::with_config("[[mcp]]\nname = \"prog\"\ncommand = \"sh\"\n");
    let refused = home.run(["mcp", "tools", "prog", "--lang", "ko"]);
    assert!(
        refused.code == 1 && refused.err.contains("mcp.untrusted") && refused.err.contains("trusted = true"),
        "{}",
        refused.err
    );
    let home = Home::with_config(
        "[[mcp]]\nname = \"A b\"\n\n[[mcp]]\nname = \"x\"\nurl = \"ftp://x\"\noutput = \"mine\"\nkeyword = []\n",
    );
    let told = home.run(["config", "check"]);
    let told = format!("{}{}", told.out, told.err);
    for word in ["nunchi.toml:2: mcp.name", "mcp.url", "mcp.keyword", "did you mean `keywords`"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}
