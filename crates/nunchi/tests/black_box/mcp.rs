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
    let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
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
    let undo = |undo: &str| {
        let home = Home::with_config(&format!("[[mcp]]\nname = \"x\"\ncommand = \"sh\"\nundo = {undo}\n"));
        home.run(["config", "check"])
    };
    let told = undo("{ a = 1 }");
    assert!(format!("{}{}", told.out, told.err).contains("mcp.undo"), "{}{}", told.out, told.err);
    let told = undo(r#"{ a = { tool = "b", arguments = { id = "{answer.id}", n = 1, all = [true] } } }"#);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

/// What a call of a tool answers: the text, and whether it failed.
fn call(server: &Server, key: &str, tool: &str, arguments: Value) -> (String, bool) {
    let result = result(&ask(server, key, "tools/call", json!({"name": tool, "arguments": arguments})));
    let text = result["content"][0]["text"].as_str().expect("a text").to_owned();
    (text, result["isError"] == true)
}

#[test]
fn a_call_is_a_run_that_is_shown_and_taken_back() {
    let home = Home::with_config(CONFIG);
    let server = home.up();
    let admin = server.first_key();
    let note = home.path("work/note.md");
    let (text, failed) = call(&server, &admin, "write_file", json!({"path": "note.md", "text": "from afar"}));
    assert!(!failed, "{text}");
    assert_eq!(std::fs::read_to_string(&note).expect("a file"), "from afar");
    call(&server, &admin, "read_file", json!({"path": "note.md"}));

    let listed = home.json(&["runs", "list", "--origin", "mcp"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    let (read, wrote) = (&listed[0], &listed[1]);
    assert_eq!(wrote["origin"], json!({"door": "mcp", "client": "t"}));
    assert_eq!((wrote["status"].as_str(), wrote["tool_calls"].as_u64()), (Some("done"), Some(1)));
    let first = home.json(&["runs", "list", "--limit", "1"]);
    assert_eq!(first[0]["id"], read["id"]);
    let id = wrote["id"].as_str().expect("an id");
    let next = home.json(&["runs", "list", "--limit", "1", "--after", read["id"].as_str().expect("an id")]);
    assert_eq!(next[0]["id"], wrote["id"], "the next page");
    assert_eq!(home.json(&["runs", "list", "--origin", "console"]), json!([]));
    assert_eq!(home.json(&["runs", "list", "--since", "2100-01-01T00:00:00Z"]), json!([]));

    let shown = home.json(&["runs", "show", id]);
    let steps = shown["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 1, "{shown}");
    assert_eq!((steps[0]["kind"].as_str(), steps[0]["why"].as_str()), (Some("tool"), Some("mcp: t")));
    assert_eq!(shown["origin"]["client"], "t");
    assert!(home.run(["runs", "show", id]).out.contains("mcp t"));
    let undone = home.json(&["runs", "undo", id]);
    assert_eq!(undone["steps"][0]["status"], "undone", "{undone}");
    assert!(!note.exists());
    home.json(&["runs", "undo", id, "--redo"]);
    assert_eq!(std::fs::read_to_string(&note).expect("a file"), "from afar");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_outlives_a_kill_and_what_was_granted_is_taken_back() {
    let url = stranger().await;
    let home = Home::with_config(CONFIG);
    home.json(&["mcp", "add", "far", "--url", &url, "--trust-hints"]);
    home.json(&["mcp", "accept", "far"]);
    let server = home.up();
    let admin = server.first_key();
    let send = |server: &Server, x: &str| call(server, &admin, "far__send", json!({"x": x}));
    let (text, failed) = send(&server, "1");
    assert!(failed && text.contains("approval.pending"), "{text}");
    server.signal("KILL");
    server.wait();

    let server = home.up();
    let open = home.json(&["approvals", "list"]);
    assert_eq!(open.as_array().map(Vec::len), Some(1), "{open}");
    let run = open[0]["run"].as_str().expect("a run").to_owned();
    let (text, _) = send(&server, "1");
    assert!(text.contains("approval.pending"), "{text}");
    assert_eq!(home.json(&["approvals", "list"]).as_array().map(Vec::len), Some(1), "nobody is asked twice");
    home.json(&["approvals", "approve", "last", "--always"]);
    home.run(["runs", "watch", &run]);
    let shown = home.json(&["runs", "show", &run]);
    assert_eq!(shown["status"], "done", "it is made once it is approved: {shown}");
    let kinds: Vec<_> =
        shown["steps"].as_array().expect("steps").iter().map(|step| step["kind"].clone()).collect();
    assert_eq!(kinds, ["asked", "answered", "tool"]);
    assert_eq!(send(&server, "1"), ("did \"send\"".into(), false), "the client hears what came of it");
    assert_eq!(send(&server, "1"), ("did \"send\"".into(), false), "what was granted is not asked again");

    let rules = home.json(&["permissions", "list"]);
    let granted: Vec<_> =
        rules.as_array().expect("rules").iter().filter(|rule| rule["source"] == "granted").collect();
    assert_eq!(granted.len(), 1, "{rules}");
    assert_eq!(
        (granted[0]["run"].as_str(), granted[0]["tool"].as_str()),
        (Some(run.as_str()), Some("far__send"))
    );
    let id = granted[0]["id"].to_string();
    assert!(home.run(["permissions", "list"]).out.contains("far__send"));
    home.json(&["permissions", "revoke", &id]);
    let (text, failed) = send(&server, "1");
    assert!(failed && text.contains("approval.pending"), "what was taken back is asked about: {text}");
    let record = home.json(&["permissions", "list", "--all"]);
    assert!(
        record.as_array().expect("rules").iter().any(|rule| rule["revoked"]["by"].is_string()),
        "{record}"
    );
    let unknown = home.run(["permissions", "revoke", "99", "--json"]);
    assert_eq!(unknown.error()["code"], "storage.not_found");
    server.stop();
}

#[test]
fn skills_are_prompts_and_memory_is_resources() {
    let named = format!("{CONFIG}keys = [\"guest\"]\n");
    let home = Home::with_config(&named);
    std::fs::create_dir_all(home.path("skills/report")).expect("a folder");
    home.write(
        "skills/report/SKILL.md",
        "---\nname: report\ndescription: Writes reports.\nmetadata:\n  nunchi-params: \"team: whose report; tone=formal: how\"\n---\nList what was done.\n",
    );
    home.json(&["memory", "add", "My dog is called Rex"]);
    let server = home.up();
    let admin = server.first_key();
    let guest = home.json(&["keys", "create", "guest"])["key"].as_str().expect("a key").to_owned();

    let prompts = result(&ask(&server, &admin, "prompts/list", json!({})))["prompts"].clone();
    assert_eq!(prompts[0]["name"], "report", "{prompts}");
    let required: Vec<_> = prompts[0]["arguments"]
        .as_array()
        .expect("arguments")
        .iter()
        .map(|one| one["required"] == true)
        .collect();
    assert_eq!(required, [true, false]);
    let filled =
        ask(&server, &admin, "prompts/get", json!({"name": "report", "arguments": {"team": "blue"}}));
    let text = result(&filled)["messages"][0]["content"]["text"].as_str().expect("a text").to_owned();
    assert!(
        text.contains("= blue") && text.contains("= formal") && text.contains("List what was done."),
        "{text}"
    );
    let missing = ask(&server, &admin, "prompts/get", json!({"name": "report", "arguments": {}}));
    assert!(missing.body.contains("-32602") && missing.body.contains("team"), "{}", missing.body);
    let unknown = ask(&server, &admin, "prompts/get", json!({"name": "nothing"}));
    assert!(unknown.body.contains("-32602"), "{}", unknown.body);

    let listed = result(&ask(&server, &admin, "resources/list", json!({})))["resources"].clone();
    assert_eq!(
        (listed.as_array().map(Vec::len), listed[0]["name"].as_str()),
        (Some(1), Some("My dog is called Rex"))
    );
    let uri = listed[0]["uri"].as_str().expect("a URI");
    let read = |key: &str, uri: &str| ask(&server, key, "resources/read", json!({"uri": uri}));
    let told = result(&read(&admin, uri))["contents"][0]["text"].as_str().expect("a text").to_owned();
    assert!(told.starts_with("My dog is called Rex") && told.contains("the owner's word"), "{told}");
    let found = result(&read(&admin, "memory://search/what%20is%20my%20dog%20called"))["contents"].clone();
    assert_eq!(found[0]["uri"], uri, "{found}");
    assert!(read(&admin, "memory://facts/nothing").body.contains("error"));
    let templates =
        result(&ask(&server, &admin, "resources/templates/list", json!({})))["resourceTemplates"].clone();
    assert_eq!(templates[0]["uriTemplate"], "memory://search/{query}");
    // A key that may use tools sees nothing of the owner's memory.
    assert_eq!(result(&ask(&server, &guest, "resources/list", json!({})))["resources"], json!([]));
    assert!(read(&guest, uri).body.contains("error"));
    server.stop();
}
