//! Measures the embedded models on this machine: tokens a second, milliseconds an embedding, memory.
//!
//! `cargo run --release -p nunchi-local --example speed -- [CHAT_WEIGHTS]`; weights are fetched first.

use nunchi_local::{
    ChatConfig, ChatEngine, ChatEvent, ChatMessage, ChatRequest, ChatRole, DEFAULT_CHAT_WEIGHTS,
    DEFAULT_ENCODER_WEIGHTS, FetchOptions, GenerationOptions, SentenceEncoder, WeightStore,
    default_weights_dir,
};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let chat = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_CHAT_WEIGHTS.to_owned());
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = Arc::new(WeightStore::new(dir.ok_or("neither NUNCHI_WEIGHTS_DIR nor HOME is set")?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for id in [chat.as_str(), DEFAULT_ENCODER_WEIGHTS] {
        runtime.block_on(store.fetch(id, &FetchOptions::default(), &|p| {
            eprintln!("{} {:?} {:?} {}/{}", p.id, p.source, p.stage, p.done, p.total);
        }))?;
    }
    println!("resident at start: {} MB", resident());
    encoder(&store)?;
    for threads in [1, 2] {
        model(&chat, threads, &store)?;
    }
    Ok(())
}

/// Megabytes of memory the process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn encoder(store: &WeightStore) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let encoder = SentenceEncoder::load(store, DEFAULT_ENCODER_WEIGHTS)?;
    println!("encoder: loaded in {:?}, resident {} MB", start.elapsed(), resident());
    let text = "내일 회의 전에 매출 보고서 초안을 검토하고 정리해 줘";
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..1_000 {
        let start = Instant::now();
        encoder.embed(&[text])?;
        times.push(start.elapsed());
    }
    times.sort();
    println!(
        "encoder: {} tokens, p50 {:?}, p99 {:?}, resident {} MB",
        encoder.count_tokens(text),
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        resident()
    );
    let start = Instant::now();
    encoder.embed(&vec![text; 1_000])?;
    println!("encoder: a batch of 1,000 in {:?}", start.elapsed());
    Ok(())
}

fn model(weights: &str, threads: usize, store: &Arc<WeightStore>) -> Result<(), Box<dyn Error>> {
    let config = ChatConfig { threads, ..ChatConfig::new(weights) };
    let (engine, thread) = ChatEngine::start(config, Arc::clone(store))?;
    let start = Instant::now();
    run(&engine, "Hi", 1)?;
    println!(
        "{weights}, {threads} threads: loaded and warm in {:?}, resident {} MB",
        start.elapsed(),
        resident()
    );
    let long = "The quick brown fox jumps over the lazy dog near the river bank. ".repeat(40);
    let (prompt, first, output, rest, text) = run(&engine, &format!("Summarise: {long}"), 128)?;
    println!(
        "{weights}, {threads} threads: prefill {prompt} tokens {:.0}/s, decode {output} tokens {:.0}/s, resident {} MB",
        prompt as f64 / first.as_secs_f64(),
        (output - 1) as f64 / rest.as_secs_f64(),
        resident()
    );
    println!("  {text:?}");
    for question in ["What is 2+2?", "What is the capital of France?", "대한민국의 수도는 어디야?"]
    {
        let (prompt, first, output, rest, text) = run(&engine, question, 64)?;
        println!(
            "  {question} ({prompt} tokens, first after {first:?}, {output} more in {rest:?}): {text:?}"
        );
    }
    drop(engine);
    thread.join().map_err(|_| "the engine panicked")?;
    Ok(())
}

type Run = (usize, Duration, usize, Duration, String);

/// Uncached prompt tokens, time to the first text, output tokens, time from there, text.
fn run(engine: &ChatEngine, question: &str, most: usize) -> Result<Run, Box<dyn Error>> {
    let options = GenerationOptions { max_tokens: Some(most), ..GenerationOptions::default() };
    let messages = vec![ChatMessage::new(ChatRole::User, question)];
    let mut stream = engine.submit(ChatRequest::new(messages, options))?;
    let (mut started, mut first, mut text) = (Instant::now(), None, String::new());
    while let Some(event) = stream.next_blocking() {
        match event? {
            ChatEvent::Started(_) => started = Instant::now(),
            ChatEvent::Text { text: more, .. } => {
                first.get_or_insert_with(Instant::now);
                text += &more;
            }
            ChatEvent::Finished { .. } | ChatEvent::Call { .. } | ChatEvent::Arguments { .. } => {}
            ChatEvent::Done(usage) => {
                let first = first.unwrap_or(started);
                return Ok((
                    usage.prompt - usage.cached,
                    first - started,
                    usage.output,
                    first.elapsed(),
                    text,
                ));
            }
        }
    }
    Err("the engine ended early".into())
}
