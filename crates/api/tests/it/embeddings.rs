//! Embeddings and models.

use crate::support::{World, hello};
use axum::body::Body;
use base64::Engine;
use http::Request;
use serde_json::{Value, json};

#[tokio::test]
async fn floats_and_base64() {
    let world = World::frames(hello());
    let body = json!({"model": "auto", "input": ["ab", "한"], "dimensions": 2, "encoding_format": "float", "user": "u"});
    let got = world.post("/v1/embeddings", body.to_string()).await;
    assert_eq!(got.header("x-nunchi-model"), "openai/gpt-5");
    assert_eq!(
        got.json(),
        json!({
            "object": "list", "model": "gpt-5", "usage": {"prompt_tokens": 7, "total_tokens": 7},
            "data": [
                {"object": "embedding", "index": 0, "embedding": [2.0, 0.5]},
                {"object": "embedding", "index": 1, "embedding": [3.0, 0.5]},
            ],
        })
    );
    let asked = world.model.embedded.lock().unwrap().pop().unwrap();
    assert_eq!((asked.model.as_str(), asked.dimensions, asked.inputs.len()), ("auto", Some(2), 2));
    let body = json!({"model": "auto", "input": "ab", "encoding_format": "base64"});
    let got = world.post("/v1/embeddings", body.to_string()).await.json();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(got["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    assert_eq!(bytes, [2.0_f32.to_le_bytes(), 0.5_f32.to_le_bytes()].concat());
}

async fn get(path: &str, key: &str, anthropic: bool) -> (u16, Value) {
    let mut request = Request::get(path).header("x-api-key", key);
    if anthropic {
        request = request.header("anthropic-version", "2023-06-01");
    }
    let got = World::frames(hello()).send(request.body(Body::empty()).unwrap()).await;
    (got.status.as_u16(), got.json())
}

fn ids(listing: &Value) -> Vec<&str> {
    listing["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn models_are_listed_in_both_shapes() {
    let (_, open) = get("/v1/models", "nk-good", false).await;
    let all = [
        "auto",
        "auto:trivial",
        "auto:standard",
        "auto:complex",
        "openai/gpt-5",
        "anthropic/claude",
        "or/meta/llama",
    ];
    assert_eq!(ids(&open), all);
    assert_eq!(
        open["data"][4],
        json!({"id": "openai/gpt-5", "object": "model", "created": 1_763_700_000, "owned_by": "openai"})
    );
    let (_, anthropic) = get("/v1/models", "nk-good", true).await;
    assert_eq!(ids(&anthropic), all);
    assert_eq!((&anthropic["has_more"], &anthropic["first_id"]), (&json!(false), &json!("auto")));
    // A key sees what it may call.
    let (_, few) = get("/v1/models", "nk-few", false).await;
    assert_eq!(ids(&few), ["auto", "openai/gpt-5"]);
}

#[tokio::test]
async fn anthropic_pages() {
    let mut seen = Vec::new();
    let mut path = "/v1/models?limit=3".to_owned();
    loop {
        let (_, page) = get(&path, "nk-good", true).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        if page["has_more"] == json!(false) {
            break;
        }
        path = format!("/v1/models?limit=3&after_id={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(seen.len(), 7);
    let (_, page) = get("/v1/models?limit=2&before_id=auto:complex", "nk-good", true).await;
    assert_eq!(ids(&page), ["auto:trivial", "auto:standard"]);
    assert_eq!(get("/v1/models?limit=x", "nk-good", true).await.0, 400);
}

#[tokio::test]
async fn one_model() {
    for id in ["openai/gpt-5", "gpt-5", "or/meta/llama", "meta/llama", "auto:complex", "or%2Fmeta%2Fllama"] {
        let (status, model) = get(&format!("/v1/models/{id}"), "nk-good", false).await;
        assert_eq!((status, model["object"].as_str()), (200, Some("model")), "{id}");
    }
    let (status, model) = get("/v1/models/gpt-5", "nk-good", true).await;
    assert_eq!((status, model["display_name"].as_str()), (200, Some("openai/gpt-5")));
    let (status, error) = get("/v1/models/nothing", "nk-good", false).await;
    assert_eq!((status, error["error"]["code"].as_str()), (404, Some("model.unknown")));
    let (status, error) = get("/v1/models/anthropic/claude", "nk-few", true).await;
    assert_eq!((status, error["error"]["type"].as_str()), (404, Some("not_found_error")));
}

#[tokio::test]
async fn tokens_are_counted_without_a_call() {
    let world = World::frames(hello());
    let body =
        json!({"model": "claude", "system": "abc", "messages": [{"role": "user", "content": "hello"}]});
    let got = world.post("/v1/messages/count_tokens", body.to_string()).await;
    assert_eq!((got.status.as_u16(), got.json()), (200, json!({"input_tokens": 8})));
    assert!(world.model.asked.lock().unwrap().is_empty());
    assert_eq!(
        world.post("/v1/messages/count_tokens", "{}").await.json()["error"]["code"],
        "request.missing_field"
    );
}
