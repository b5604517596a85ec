//! A server of the older era whose every answer a test can choose.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What it answers.
#[derive(Clone, Default)]
pub(crate) struct Script {
    /// Its tools.
    pub(crate) tools: Vec<Value>,
    /// The result of every call.
    pub(crate) result: Value,
    /// Whether every page of the list names a next one.
    pub(crate) endless: bool,
    /// Answers this text, whatever it is asked, with this content type.
    pub(crate) raw: Option<(&'static str, String)>,
    /// Never answers a request.
    pub(crate) silent: bool,
}

/// The running server.
pub(crate) struct Scripted {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    calls: AtomicUsize,
    requests: AtomicUsize,
}

impl Scripted {
    pub(crate) async fn start(script: Script) -> Self {
        let shared = Arc::new(Shared { script: Mutex::new(script), ..Shared::default() });
        let router = axum::Router::new().route("/mcp", post(answer)).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "the server ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().unwrap());
    }

    /// How many calls of tools arrived.
    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// How many requests of any kind arrived.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

/// A tool's declaration.
pub(crate) fn tool(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description,
        "inputSchema": {"type": "object", "properties": {"x": {"type": "string"}}}})
}

/// A text as a result.
pub(crate) fn text(text: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": text.into()}]})
}

async fn answer(State(shared): State<Arc<Shared>>, Json(request): Json<Value>) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let script = shared.script.lock().unwrap().clone();
    if let Some((kind, text)) = script.raw {
        return ([("content-type", kind)], text).into_response();
    }
    if request.get("id").is_none() {
        return StatusCode::ACCEPTED.into_response();
    }
    if script.silent {
        return std::future::pending().await;
    }
    let result = match request["method"].as_str().unwrap_or_default() {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": "1"}}),
        "tools/list" if script.endless => json!({"tools": script.tools, "nextCursor": "more"}),
        "tools/list" => json!({"tools": script.tools}),
        "tools/call" => {
            shared.calls.fetch_add(1, Ordering::SeqCst);
            script.result
        }
        method => {
            let error = json!({"code": -32601, "message": format!("there is no {method}")});
            return Json(json!({"jsonrpc": "2.0", "id": request["id"], "error": error})).into_response();
        }
    };
    Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).into_response()
}
