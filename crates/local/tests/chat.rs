//! The chat engine with its real default weights.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

use nunchi_core::{
    CallContext, Frame, Message, Model, ModelErrorKind, ModelList, ModelRequest, Principal, ReplyEvent,
    RequestId, Role, StopReason, assemble_reply,
};
use nunchi_local::{
    ChatConfig, ChatEngine, ChatEvent, ChatMessage, ChatRequest, ChatRole, ChatStream, ChatUsage,
    DEFAULT_CHAT_WEIGHTS, FetchOptions, FinishReason, GenerationOptions, Grammar, LocalError, LocalModel,
    WeightStore, default_weights_dir,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

fn store() -> Arc<WeightStore> {
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = WeightStore::new(dir.expect("NUNCHI_WEIGHTS_DIR or HOME is set"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(store.fetch(DEFAULT_CHAT_WEIGHTS, &FetchOptions::default(), &|_| {})).expect("fetched");
    Arc::new(store)
}

fn engine(config: ChatConfig) -> (ChatEngine, JoinHandle<()>) {
    ChatEngine::start(config, store()).expect("starts")
}

fn defaults() -> ChatConfig {
    ChatConfig { threads: 2, context: 2_048, ..ChatConfig::new(DEFAULT_CHAT_WEIGHTS) }
}

fn ask(question: &str, options: GenerationOptions) -> ChatRequest {
    ChatRequest::new(vec![ChatMessage::new(ChatRole::User, question)], options)
}

fn short(most: usize) -> GenerationOptions {
    GenerationOptions { max_tokens: Some(most), ..GenerationOptions::default() }
}

/// Text, ends and usage of a whole answer.
fn read(mut stream: ChatStream) -> Result<(Vec<String>, Vec<FinishReason>, ChatUsage), LocalError> {
    let (mut texts, mut ends) = (vec![String::new()], Vec::new());
    while let Some(event) = stream.next_blocking() {
        match event? {
            ChatEvent::Started(_) | ChatEvent::Call { .. } => {}
            ChatEvent::Text { choice, text } | ChatEvent::Arguments { choice, text } => {
                texts.resize(texts.len().max(choice as usize + 1), String::new());
                texts[choice as usize] += &text;
            }
            ChatEvent::Finished { reason, .. } => ends.push(reason),
            ChatEvent::Done(usage) => return Ok((texts, ends, usage)),
        }
    }
    panic!("the stream ended early");
}

#[test]
fn answers_reuse_the_prefix_and_count_exactly() {
    let (engine, thread) = engine(defaults());
    let question = "What is the capital of France?";
    let (texts, ends, usage) =
        read(engine.submit(ask(question, short(32))).expect("queued")).expect("answers");
    assert_eq!(texts, ["The capital of France is Paris."]);
    assert_eq!(ends, [FinishReason::EndOfTurn]);
    assert_eq!((usage.prompt, usage.cached, usage.output), (37, 0, 8));
    // The conversation goes on: everything but the new turn is still there.
    let mut request = ask(question, short(24));
    request.messages.push(ChatMessage::new(ChatRole::Assistant, texts[0].clone()));
    request.messages.push(ChatMessage::new(ChatRole::User, "And of Italy?"));
    let (texts, _, usage) = read(engine.submit(request.clone()).expect("queued")).expect("answers");
    assert!(texts[0].contains("Rome"), "{texts:?}");
    assert!(usage.cached >= 43, "{usage:?}");
    // Asked again from the full cache, the answer is the same.
    let again = read(engine.submit(request).expect("queued")).expect("answers");
    assert_eq!(again.0, texts);
    assert_eq!(again.2.cached, again.2.prompt - 1);
    drop(engine);
    thread.join().expect("ends cleanly");
}

#[test]
fn options_are_honoured() {
    let (engine, _thread) = engine(defaults());
    let run = |options| {
        read(engine.submit(ask("Count from one to ten.", options)).expect("queued")).expect("answers")
    };
    let (texts, ends, usage) = run(short(5));
    assert_eq!((ends, usage.output), (vec![FinishReason::Length], 5), "{texts:?}");
    let whole = run(short(40)).0[0].clone();
    let stop = whole.split_whitespace().nth(3).expect("some words").to_owned();
    let (texts, ends, _) = run(GenerationOptions { stop: vec![stop.clone()], ..short(40) });
    assert_eq!(ends, [FinishReason::Stop(stop.clone())]);
    assert_eq!(texts[0], whole[..whole.find(&stop).expect("is there")]);
    let warm = GenerationOptions { temperature: 1.5, seed: Some(11), choices: 3, ..short(12) };
    let (texts, ends, usage) = run(warm.clone());
    assert_eq!((texts.len(), ends.len()), (3, 3));
    assert!(texts[0] != texts[1] && usage.output <= 36, "{texts:?}");
    assert_eq!(run(warm).0, texts, "the same seed gives the same answers");
}

#[test]
fn json_objects_are_json() {
    let (engine, _thread) = engine(defaults());
    for (question, temperature) in [
        ("Give the name and the population of Paris as JSON.", 0.0),
        ("Tell me a joke.", 1.5),
        ("안녕하세요", 1.0),
    ] {
        let options = GenerationOptions { temperature, seed: Some(3), ..short(300) };
        let request = ChatRequest { grammar: Some(Arc::new(Grammar::object())), ..ask(question, options) };
        let (texts, ends, _) = read(engine.submit(request).expect("queued")).expect("answers");
        let value = serde_json::from_str::<serde_json::Value>(&texts[0]);
        // Cut off at the cap it is a beginning; else it is an object.
        if ends == [FinishReason::EndOfTurn] {
            assert!(value.is_ok_and(|v| v.is_object()), "{texts:?}");
        } else {
            assert!(value.is_err_and(|e| e.is_eof()), "{texts:?}");
        }
    }
}

#[test]
fn a_dropped_stream_frees_the_model_at_once() {
    let (engine, _thread) = engine(defaults());
    let long = ask("Write a very long story about a fox.", short(2_000));
    let mut stream = engine.submit(long).expect("queued");
    while !matches!(stream.next_blocking(), Some(Ok(ChatEvent::Text { .. }))) {}
    drop(stream);
    let start = Instant::now();
    read(engine.submit(ask("Hi", short(1))).expect("queued")).expect("answers");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (engine, thread) = engine(ChatConfig { queue: 1, ..defaults() });
    let long = || ask("Write a very long story about a fox.", short(2_000));
    let mut running = engine.submit(long()).expect("queued");
    assert!(matches!(running.next_blocking(), Some(Ok(ChatEvent::Started(_)))));
    let waiting = engine.submit(long()).expect("one may wait");
    assert!(matches!(engine.submit(long()), Err(LocalError::Overloaded)));
    // Closing ends the one under way and those that wait.
    engine.close();
    assert!(matches!(read(running), Err(LocalError::Stopped)));
    assert!(matches!(read(waiting), Err(LocalError::Stopped)));
    thread.join().expect("ends cleanly although a handle is left");
    assert!(matches!(engine.submit(long()), Err(LocalError::Stopped)));
}

#[test]
fn the_context_is_a_limit() {
    let (engine, _thread) = engine(ChatConfig { context: 64, ..defaults() });
    let long = "word ".repeat(200);
    let Err(LocalError::ContextTooLong { prompt_tokens, limit: 64 }) =
        read(engine.submit(ask(&long, short(5))).expect("queued"))
    else {
        panic!("another outcome");
    };
    assert!(prompt_tokens > 200);
    let story = ask("Write a very long story about a fox.", GenerationOptions::default());
    let (_, ends, usage) = read(engine.submit(story).expect("queued")).expect("answers");
    assert_eq!(ends, [FinishReason::Length]);
    assert_eq!(usage.prompt + usage.output, 64);
}

#[test]
fn idle_weights_are_dropped_and_come_back() {
    let idle = Some(Duration::from_millis(20));
    let (engine, _thread) = engine(ChatConfig { idle_unload: idle, ..defaults() });
    let run = || read(engine.submit(ask("Hi", short(3))).expect("queued")).expect("answers");
    let first = run();
    std::thread::sleep(Duration::from_millis(300));
    let second = run();
    assert_eq!(first.0, second.0);
    assert_eq!(second.2.cached, 0, "the cache went with the weights");
}

#[test]
fn missing_weights_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Arc::new(WeightStore::new(dir.path()));
    let (engine, _thread) = ChatEngine::start(defaults(), store).expect("starts");
    let error = read(engine.submit(ask("Hi", short(3))).expect("queued")).expect_err("no weights");
    assert_eq!(nunchi_core::Explain::code(&error), "local.weights_missing");
}

fn context() -> CallContext {
    CallContext::new(RequestId(Default::default()), Arc::new(Principal::owner()))
}

#[tokio::test]
async fn the_port_speaks_the_products_words() {
    use futures_util::StreamExt;
    let store = tokio::task::spawn_blocking(store).await.expect("fetched");
    let (engine, _thread) = ChatEngine::start(defaults(), Arc::clone(&store)).expect("starts");
    let model = LocalModel::new(engine, None, store, DEFAULT_CHAT_WEIGHTS, 2_048);
    let mut request =
        ModelRequest::new("auto:trivial", vec![Message::text(Role::User, "What is the capital of France?")]);
    request.sampling.temperature = Some(0.0);
    request.choices = 2;
    let reply = model.call(request.clone(), context()).await.expect("begins");
    assert_eq!((reply.info.provider.as_str(), reply.info.model.as_str()), ("embedded", DEFAULT_CHAT_WEIGHTS));
    let frames: Vec<Frame> = reply.stream.map(|frame| frame.expect("whole")).collect().await;
    let events: Vec<_> = frames.into_iter().flat_map(|f| f.events).collect();
    assert!(matches!(events.last(), Some(ReplyEvent::End(StopReason::EndTurn))));
    let body = assemble_reply(&events);
    assert_eq!(body.choices.len(), 2);
    for choice in &body.choices {
        assert_eq!(choice.parts[0].as_text(), Some("The capital of France is Paris."));
        assert_eq!(choice.stop, Some(StopReason::EndTurn));
    }
    assert_eq!((body.usage.prompt_tokens(), body.usage.output), (37, 16));
    request.model = "gpt-5".to_owned();
    let error = model.call(request, context()).await.expect_err("not ours");
    assert_eq!(error.kind, ModelErrorKind::UnknownModel);
    assert_eq!(model.models().await.expect("lists").len(), 1);
}
