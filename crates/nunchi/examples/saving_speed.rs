//! Times of what saves: the semantic cache at 100,000 questions through the gateway, its store and the real encoder; a routing
//! decision; the guard; the choice of tools.
//!
//! `cargo run --release -p nunchi --example saving_speed -- --data DIR`; the encoder's weights are fetched before. Prints rows of Markdown.

use futures_util::StreamExt;
use nunchi_core::{
    CacheDirective, CacheKey, CacheStore, CacheVerdict, CallContext, Clock, Dialect, Ids, Message, Model,
    ModelRequest, PackedVector, Principal, QuestionStore, RequestId, Role, Spawn, StoredQuestion, ToolChoice,
    ToolDefinition,
};
use nunchi_gateway::{Gateway, Parts, ProviderEntry, SemanticParts, Settings, TierModels};
use nunchi_local::{
    DEFAULT_ENCODER_WEIGHTS, EncoderEngine, LocalEmbedder, SentenceEncoder, WeightStore, default_weights_dir,
};
use nunchi_saving::{
    ConceptVectors, CutPolicy, Question, SelectionRequest, ToolCatalog, ToolQuery, asking_part, judge,
    select_tools,
};
use nunchi_store::{CacheOptions, SqliteCache};
use nunchi_testkit::{
    MemoryFeedback, MemoryKeys, MemoryLedger, ScriptedModel, ScriptedReply, TokioClock, TokioSpawn,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Questions that are stored.
const STORED: usize = 100_000;
/// Look-ups of each kind that are timed.
const LOOKUPS: usize = 1_500;
/// Questions embedded and stored at once.
const BATCH: usize = 500;

/// Ids as the product makes them: their low bits are random.
struct Uuids;

impl Ids for Uuids {
    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

fn main() -> Outcome<()> {
    let data = data_folder()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("| what | found | goal |\n|---|---|---|");
    runtime.block_on(semantic(&data))?;
    let weights = Arc::new(WeightStore::new(default_weights_dir().ok_or("no folder of weights")?));
    let encoder = SentenceEncoder::load(&weights, DEFAULT_ENCODER_WEIGHTS)?;
    guard(&data)?;
    tools(&data, &encoder)
}

fn data_folder() -> Outcome<PathBuf> {
    let named = std::env::args().skip_while(|word| word != "--data").nth(1);
    Ok(PathBuf::from(named.ok_or("say where the data is: --data DIR")?))
}

fn lines(data: &Path, name: &str) -> Outcome<Vec<Value>> {
    let text = std::fs::read_to_string(data.join(name))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn row(what: &str, found: &str, goal: &str) {
    println!("| {what} | {found} | {goal} |");
}

/// Times, sorted.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn shown(&self) -> String {
        let at = |per_cent: usize| {
            let place = (self.0.len() * per_cent / 100).min(self.0.len().saturating_sub(1));
            self.0.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        format!("p50 {:.2}, p99 {:.2} ms of {}", at(50), at(99), self.0.len())
    }
}

/// What is asked: stored questions, paraphrases of some of them, and questions of which none is stored.
struct Questions {
    stored: Vec<String>,
    paraphrases: Vec<String>,
    others: Vec<String>,
}

impl Questions {
    fn read(data: &Path) -> Outcome<Self> {
        let (mut firsts, mut paraphrases, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for line in lines(data, "paraphrase_groups.ko.jsonl")? {
            let text = line["text"].as_str().unwrap_or_default().to_owned();
            if seen.insert(line["group"].as_i64()) { firsts.push(text) } else { paraphrases.push(text) }
        }
        let mut pool: Vec<String> = Vec::new();
        for line in lines(data, "similarity_train.ko.jsonl")? {
            pool.extend(["a", "b"].iter().filter_map(|side| line[side].as_str().map(str::to_owned)));
        }
        for line in lines(data, "tool_queries.en.jsonl")? {
            pool.extend(line["query"].as_str().map(str::to_owned));
        }
        pool.sort_unstable();
        pool.dedup();
        // Every tenth is kept for questions of which none is stored.
        let others = pool.iter().step_by(10).cloned().collect();
        let kept = pool.iter().enumerate().filter(|(at, _)| at % 10 != 0).map(|(_, text)| text);
        let mut stored: BTreeSet<String> = firsts.iter().cloned().collect();
        // Questions that differ in one place are the hardest neighbours there are.
        for suffix in [
            "",
            " in Seoul",
            " for my mother",
            " before Friday",
            " with two friends",
            " at home",
            " by train",
        ] {
            stored.extend(kept.clone().take(STORED).map(|text| format!("{text}{suffix}")));
        }
        let mut stored: Vec<String> = stored.into_iter().filter(|text| !firsts.contains(text)).collect();
        stored.truncate(STORED - firsts.len());
        stored.extend(firsts);
        Ok(Self { stored, paraphrases, others })
    }
}

fn request(text: &str) -> ModelRequest {
    let mut request = ModelRequest::new("bench/model", vec![Message::text(Role::User, text)]);
    request.max_output_tokens = Some(100);
    request
}

fn context(cache: CacheDirective) -> CallContext {
    let mut context = CallContext::new(RequestId(uuid::Uuid::now_v7()), Arc::new(Principal::owner()));
    context.cache = cache;
    context
}

/// A gateway over a store, with the real encoder and a model that answers at once.
fn gateway(store: &Arc<SqliteCache>) -> Outcome<Arc<Gateway>> {
    let weights = Arc::new(WeightStore::new(default_weights_dir().ok_or("no folder of weights")?));
    let (engine, _thread) = EncoderEngine::start(DEFAULT_ENCODER_WEIGHTS, 64, Arc::clone(&weights))?;
    let embedder = Arc::new(LocalEmbedder::new(engine, weights, DEFAULT_ENCODER_WEIGHTS));
    let model = Arc::new(ScriptedModel::default());
    model.always(ScriptedReply::text("an answer of a few words"));
    let entry = ProviderEntry {
        name: "bench".into(),
        dialect: Dialect::OpenAiChat,
        price_from: "bench".into(),
        local: true,
        models: vec!["model".into()],
        model,
        embedder: None,
        list: None,
        batch: None,
    };
    let parts = Parts {
        providers: vec![entry],
        ledger: Arc::new(MemoryLedger::new()),
        cache: Arc::clone(store) as Arc<dyn CacheStore>,
        semantic: Some(SemanticParts {
            encoder: DEFAULT_ENCODER_WEIGHTS.into(),
            embedder,
            questions: Arc::clone(store) as Arc<dyn QuestionStore>,
        }),
        batch: None,
        keys: Arc::new(MemoryKeys::new()),
        feedback: Arc::new(MemoryFeedback::new()),
        originals: None,
        clock: Arc::new(TokioClock::start()) as Arc<dyn Clock>,
        ids: Arc::new(Uuids),
        spawn: Arc::new(TokioSpawn::new()) as Arc<dyn Spawn>,
    };
    let tiers = TierModels { standard: vec!["bench/model".into()], ..TierModels::default() };
    Ok(Gateway::new(parts, Settings { tiers, ..Settings::default() }))
}

/// Asks and hears the whole answer; gives the time, and what the cache did.
async fn ask(gateway: &Gateway, text: &str, cache: CacheDirective) -> (Duration, Option<CacheVerdict>) {
    let since = Instant::now();
    let Ok(mut reply) = gateway.call(request(text), context(cache)).await else {
        return (since.elapsed(), None);
    };
    let verdict = reply.info.served.as_ref().map(|served| served.cache);
    while let Some(Ok(_)) = reply.stream.next().await {}
    (since.elapsed(), verdict)
}

async fn known(gateway: &Gateway) -> u64 {
    let figures = gateway.cache().stats().await.ok().and_then(|figures| figures.semantic);
    figures.map_or(0, |figures| figures.questions)
}

/// One question answered and stored: what it is stored with serves for all others.
async fn sample(store: &Arc<SqliteCache>) -> Outcome<StoredQuestion> {
    let gateway = gateway(store)?;
    for _ in 0..200 {
        // The first ones find the encoder still being loaded; a fresh answer each time is stored once it is there.
        ask(&gateway, "How do I sort a list in Python?", CacheDirective::NoCache).await;
        let now = TokioClock::start().now();
        let page = store.scan_questions(DEFAULT_ENCODER_WEIGHTS.into(), now, i64::MIN, 1).await?;
        if let Some((_, question)) = page.into_iter().next() {
            return Ok(question);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err("no question was stored".into())
}

/// Stores the questions with their meanings and an answer each.
async fn fill(store: &Arc<SqliteCache>, texts: &[String], encoder: &SentenceEncoder) -> Outcome<()> {
    let sample = sample(store).await?;
    let answer = store.get(sample.key, TokioClock::start().now()).await?.ok_or("its answer is gone")?;
    for (number, batch) in texts.chunks(BATCH).enumerate() {
        let vectors = encoder.embed(batch)?.vectors;
        let key = |at: usize| {
            let mut key = [0x5a; 32];
            key[..8]
                .copy_from_slice(&(number * BATCH + at).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            CacheKey(key)
        };
        let questions = batch.iter().zip(&vectors).enumerate().map(|(at, (text, vector))| StoredQuestion {
            key: key(at),
            text: text.clone(),
            vector: PackedVector::pack(vector),
            ..sample.clone()
        });
        let questions: Vec<_> = questions.collect();
        store.put((0..batch.len()).map(|at| (key(at), answer.clone())).collect()).await?;
        store.put_questions(questions).await?;
    }
    Ok(())
}

async fn semantic(data: &Path) -> Outcome<()> {
    let questions = Questions::read(data)?;
    let folder = std::env::temp_dir().join(format!("nunchi-saving-speed-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let options = CacheOptions { cap_bytes: 4 << 30, encryption_key: None };
    let store = Arc::new(SqliteCache::open(&folder.join("cache.db"), options)?);
    let weights = WeightStore::new(default_weights_dir().ok_or("no folder of weights")?);
    let encoder = SentenceEncoder::load(&weights, DEFAULT_ENCODER_WEIGHTS)?;
    fill(&store, &questions.stored, &encoder).await?;
    let before = resident_kib();
    let since = Instant::now();
    let gateway = gateway(&store)?;
    while known(&gateway).await < STORED as u64 && since.elapsed() < Duration::from_secs(300) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let loading = since.elapsed();
    let grown = resident_kib().saturating_sub(before);
    let count = known(&gateway).await;
    row(
        "questions in the index, read back at the start",
        &format!("{count} in {:.2} s", loading.as_secs_f64()),
        "",
    );
    row("resident memory they add", &format!("{:.1} MB", grown as f64 / 1_024.0), "<= 50 MB");
    for _ in 0..50 {
        ask(&gateway, "warm up the encoder, please", CacheDirective::OnlyIfCached).await;
    }
    let mut misses = Vec::new();
    for text in questions.others.iter().take(LOOKUPS) {
        let (time, verdict) = ask(&gateway, text, CacheDirective::OnlyIfCached).await;
        misses.extend(verdict.is_none().then_some(time));
    }
    row("a miss, the question embedded, its neighbours judged", &Times::of(misses).shown(), "p99 <= 10 ms");
    let (mut hits, mut asked) = (Vec::new(), 0);
    for text in questions.paraphrases.iter().take(2 * LOOKUPS) {
        let (time, verdict) = ask(&gateway, text, CacheDirective::OnlyIfCached).await;
        asked += 1;
        hits.extend((verdict == Some(CacheVerdict::Semantic)).then_some(time));
    }
    let share = format!("{} of {asked} paraphrases", hits.len());
    row(&format!("a hit shared by meaning ({share})"), &Times::of(hits).shown(), "p99 <= 40 ms");
    let mut routes = Vec::new();
    for text in questions.others.iter().rev().take(LOOKUPS) {
        let since = Instant::now();
        let _plan = gateway.explain_route_of(text, nunchi_core::Lang::En).await;
        routes.push(since.elapsed());
    }
    row("a routing decision, the text embedded", &Times::of(routes).shown(), "p99 <= 10 ms");
    drop(gateway);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Resident memory now; 0 where the system does not tell.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn guard(data: &Path) -> Outcome<()> {
    let texts: Vec<String> = lines(data, "paraphrase_groups.ko.jsonl")?
        .iter()
        .filter_map(|line| line["text"].as_str().map(str::to_owned))
        .collect();
    let (mut reading, mut judging) = (Vec::new(), Vec::new());
    let mut before = Question::read("hello");
    for text in &texts {
        let since = Instant::now();
        let question = Question::read(text);
        reading.push(since.elapsed());
        let since = Instant::now();
        let _verdict = judge(&question, &before, 0.8);
        judging.push(since.elapsed());
        before = question;
    }
    row("the guard reads a question", &Times::of(reading).shown(), "");
    row("the guard judges a pair", &Times::of(judging).shown(), "");
    Ok(())
}

fn tools(data: &Path, encoder: &SentenceEncoder) -> Outcome<()> {
    let catalog: Value = serde_json::from_str(&std::fs::read_to_string(data.join("tool_catalog.en.json"))?)?;
    let definitions: Vec<ToolDefinition> = catalog
        .as_object()
        .ok_or("no tools")?
        .iter()
        .map(|(name, what)| ToolDefinition {
            name: name.clone(),
            description: what.as_str().map(str::to_owned),
            parameters: None,
            strict: None,
            builtin: None,
        })
        .collect();
    let concepts = ConceptVectors::new(encoder.embed(ConceptVectors::texts())?.vectors);
    let queries = lines(data, "tool_queries.en.jsonl")?;
    for count in [30, 199] {
        let mut catalog = ToolCatalog::new(&definitions[..count]);
        let vectors = encoder.embed(catalog.texts())?.vectors;
        catalog.set_vectors(vectors, concepts.as_ref());
        let mut times = Vec::new();
        for query in queries.iter().step_by(7).take(LOOKUPS) {
            let text = query["query"].as_str().unwrap_or_default();
            let since = Instant::now();
            let vector = encoder.embed(&[asking_part(text)])?.vectors.pop();
            let _chosen = select_tools(
                &catalog,
                &SelectionRequest {
                    query: ToolQuery { text, vector: vector.as_deref() },
                    intent: None,
                    tool_choice: &ToolChoice::Auto,
                    used: &[],
                    session: None,
                    memory: None,
                    groups: None,
                    cut: CutPolicy::default(),
                    cache: None,
                },
            );
            times.push(since.elapsed());
        }
        row(
            &format!("tools chosen of {count}, the text embedded"),
            &Times::of(times).shown(),
            "p99 <= 10 ms",
        );
    }
    Ok(())
}
