//! The sentence encoder behind its engine and its port, with real weights.
#![expect(clippy::expect_used, reason = "a test fails loudly")]

use nunchi_core::{CallContext, EmbedRequest, Embedder, ModelErrorKind, ModelList, Principal, RequestId};
use nunchi_local::{
    DEFAULT_ENCODER_WEIGHTS, EMBEDDING_DIMENSIONS, EncoderEngine, FetchOptions, LocalEmbedder, LocalError,
    WeightStore, default_weights_dir,
};
use std::path::PathBuf;
use std::sync::Arc;

async fn store() -> Arc<WeightStore> {
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = WeightStore::new(dir.expect("NUNCHI_WEIGHTS_DIR or HOME is set"));
    store.fetch(DEFAULT_ENCODER_WEIGHTS, &FetchOptions::default(), &|_| {}).await.expect("fetched");
    Arc::new(store)
}

fn context() -> CallContext {
    CallContext::new(RequestId(Default::default()), Arc::new(Principal::owner()))
}

fn request(inputs: &[&str]) -> EmbedRequest {
    let inputs = inputs.iter().map(|t| (*t).to_owned()).collect();
    EmbedRequest { model: "auto".to_owned(), inputs, dimensions: None }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn meaning_crosses_languages() {
    let store = store().await;
    let (engine, _thread) =
        EncoderEngine::start(DEFAULT_ENCODER_WEIGHTS, 8, Arc::clone(&store)).expect("starts");
    let embedder = LocalEmbedder::new(engine, store, DEFAULT_ENCODER_WEIGHTS);
    let texts = ["오늘 서울 날씨가 어때?", "How is the weather in Seoul today?", "주식 계좌 잔고를 보여 줘"];
    let reply = embedder.embed(request(&texts), context()).await.expect("embeds");
    assert!(reply.vectors.iter().all(|v| v.len() == EMBEDDING_DIMENSIONS));
    let [korean, english, other] = &reply.vectors[..] else { unreachable!("three texts") };
    let (same, different) = (cosine(korean, english), cosine(korean, other));
    assert!(same > 0.7 && different < 0.4, "{same} {different}");
    assert!(reply.usage.input > 20);
    assert_eq!(reply.info.provider, "embedded");
    assert!(embedder.models().await.expect("lists")[0].embedding);
    let shorter = EmbedRequest { dimensions: Some(256), ..request(&texts) };
    let error = embedder.embed(shorter, context()).await.expect_err("it cannot shorten");
    assert_eq!(error.kind, ModelErrorKind::Unsupported);
}

#[tokio::test]
async fn missing_weights_and_closing_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let empty = Arc::new(WeightStore::new(dir.path()));
    let (engine, thread) = EncoderEngine::start(DEFAULT_ENCODER_WEIGHTS, 8, empty).expect("starts");
    let error = engine.embed(vec!["a".to_owned()]).await.expect_err("no weights");
    assert_eq!(nunchi_core::Explain::code(&error), "local.weights_missing");
    engine.close();
    thread.join().expect("ends cleanly although a handle is left");
    assert!(matches!(engine.embed(vec!["a".to_owned()]).await, Err(LocalError::Stopped)));
}
