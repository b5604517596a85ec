//! Health, description, CORS, 404 and 405, panics.

use crate::rendering::ask;
use crate::support::{World, hello, post, reply};
use axum::body::Body;
use http::{HeaderValue, Method, Request};
use nunchi_api::ApiSettings;
use serde_json::json;

#[tokio::test]
async fn health() {
    let world = World::frames(hello());
    let bare = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(world.send(bare("/healthz")).await.json(), json!({"status": "ok"}));
    let ready = world.send(bare("/readyz")).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"], json!([{"name": "ledger", "ok": false, "detail": "locked"}]));
    let metrics = world.send(bare("/metrics")).await;
    assert_eq!(metrics.text(), "nunchi_calls_total 3\n");
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
}

/// Every address of the description answers, and every reference in it leads somewhere.
#[tokio::test]
async fn the_description_is_true() {
    let world = World::frames(hello());
    let document = world.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 24, "{}", paths.len());
    for (path, operations) in paths {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let address = path.replace("{id}", "auto");
            let request = Request::builder().method(&method).uri(&address);
            if path.starts_with("/api/") {
                // Without a key the administration does not even say what it has.
                let got = world.send(request.body(Body::empty()).unwrap()).await;
                assert_eq!(got.status, 401, "{method} {path}");
                continue;
            }
            let got = world.send(request.header("x-api-key", "nk-good").body(Body::empty()).unwrap()).await;
            assert!(![404, 405].contains(&got.status.as_u16()), "{method} {path}: {}", got.status);
        }
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn nothing_there() {
    let world = World::frames(hello());
    let got = world.get("/v1/nowhere").await;
    assert_eq!(
        (got.status.as_u16(), got.json()["error"]["code"].as_str()),
        (404, Some("request.unknown_route"))
    );
    let got = world.get("/v1/messages/nowhere").await;
    assert_eq!((got.status.as_u16(), got.json()["error"]["type"].as_str()), (404, Some("not_found_error")));
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let got = world.get(path).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["error"]["code"].as_str()),
            (405, Some("request.method_not_allowed"))
        );
        assert_eq!(got.header("allow"), "POST");
    }
}

#[tokio::test]
async fn pages_of_listed_origins_may_call() {
    let preflight = |origin: &'static str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri("/v1/chat/completions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,x-nunchi-tag")
            .body(Body::empty())
            .unwrap()
    };
    let answer = || Ok(reply(hello().into_iter().map(Ok).collect()));
    let settings = ApiSettings { cors_origins: vec!["https://a.example".into()], ..ApiSettings::default() };
    let world = World::with(settings, answer);
    let good = world.send(preflight("https://a.example")).await;
    assert_eq!(good.header("access-control-allow-origin"), "https://a.example");
    assert_eq!(good.header("access-control-allow-headers"), "authorization,x-nunchi-tag");
    assert_eq!(world.send(preflight("https://b.example")).await.header("access-control-allow-origin"), "");
    let mut request = post("/v1/chat/completions", ask("", false));
    request.headers_mut().insert("origin", HeaderValue::from_static("https://a.example"));
    let got = world.send(request).await;
    assert_eq!(got.header("access-control-allow-origin"), "https://a.example");
    assert!(got.header("access-control-expose-headers").contains("x-nunchi-cost-usd"));
    let closed = World::new(answer);
    assert_eq!(closed.send(preflight("https://a.example")).await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let world = World::new(|| panic!("a fault"));
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let got = world.post(path, ask(path, false)).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["error"]["code"].as_str()),
            (500, Some("server.internal"))
        );
        assert!(!got.header("x-nunchi-request-id").is_empty());
    }
}
