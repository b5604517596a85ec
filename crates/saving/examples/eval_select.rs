//! Measures tool selection beside its floors: recall at 5, with and without examples, Korean, tokens sent, time.
//!
//! `cargo run --release -p nunchi-saving --example eval_select -- --data DIR`; the encoder's weights are fetched before.

use anyhow::{Context, Result};
use nunchi_core::{ToolChoice, ToolDefinition};
use nunchi_local::{DEFAULT_ENCODER_WEIGHTS, SentenceEncoder, WeightStore, default_weights_dir};
use nunchi_saving::{
    ConceptVectors, CutPolicy, ExampleMemory, SelectionRequest, ToolCatalog, ToolQuery, asking_part,
    select_tools,
};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One request with the place of the tool it needs.
struct Asked {
    text: String,
    right: usize,
    vector: Vec<f32>,
}

/// Requests, each with the name of the tool it needs.
type Queries = Vec<(String, String)>;

struct Bench {
    definitions: Vec<ToolDefinition>,
    catalog: ToolCatalog,
    asked: Vec<Asked>,
    description_vectors: Vec<Vec<f32>>,
}

fn main() -> Result<()> {
    let data = data_folder()?;
    let store = WeightStore::new(default_weights_dir().context("no home folder")?);
    let encoder = SentenceEncoder::load(&store, DEFAULT_ENCODER_WEIGHTS)?;
    let concepts = ConceptVectors::new(embed(&encoder, ConceptVectors::texts())?).context("no concepts")?;
    let english = bench(&encoder, &concepts, english_tools(&data)?, &english_queries(&data)?)?;
    let (tools, queries) = korean(&data)?;
    let korean = bench(&encoder, &concepts, tools, &queries)?;
    descriptions(&english);
    learned(&english);
    korean_table(&korean);
    tokens_sent("English, 30 tools, descriptions only", &english, None);
    let (memory, held) = learn(&english, english.asked.len());
    tokens_sent("  after learning, held-out half", &english, Some((&memory, &held)));
    tokens_sent("Korean, 30 tools with schemas", &korean, None);
    timing(&english, &memory);
    Ok(())
}

fn data_folder() -> Result<PathBuf> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--data");
    arguments.nth(1).map(PathBuf::from).context("say where the data is: --data DIR")
}

fn embed<T: AsRef<str>>(encoder: &SentenceEncoder, texts: &[T]) -> Result<Vec<Vec<f32>>> {
    let mut vectors = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(256) {
        vectors.extend(encoder.embed(chunk)?.vectors);
    }
    Ok(vectors)
}

fn bench(
    encoder: &SentenceEncoder,
    concepts: &ConceptVectors,
    definitions: Vec<ToolDefinition>,
    queries: &[(String, String)],
) -> Result<Bench> {
    let mut catalog = ToolCatalog::new(&definitions);
    let vectors = embed(encoder, catalog.texts())?;
    anyhow::ensure!(catalog.set_vectors(vectors, Some(concepts)), "the vectors do not fit");
    let texts: Vec<_> = queries.iter().map(|(text, _)| asking_part(text)).collect();
    let mut asked = Vec::new();
    for ((text, tool), vector) in queries.iter().zip(embed(encoder, &texts)?) {
        let right = catalog.position(tool).with_context(|| format!("no tool {tool}"))?;
        asked.push(Asked { text: text.clone(), right, vector });
    }
    let described: Vec<&str> =
        definitions.iter().map(|tool| tool.description.as_deref().unwrap_or("")).collect();
    let description_vectors = embed(encoder, &described)?;
    Ok(Bench { definitions, catalog, asked, description_vectors })
}

fn definition(name: &str, description: &str, parameters: Option<&Value>) -> ToolDefinition {
    let parameters = parameters.and_then(|value| serde_json::value::to_raw_value(value).ok());
    ToolDefinition {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        parameters,
        strict: None,
        builtin: None,
    }
}

fn english_tools(data: &Path) -> Result<Vec<ToolDefinition>> {
    let text = std::fs::read_to_string(data.join("tool_catalog.en.json"))?;
    let tools: BTreeMap<String, String> = serde_json::from_str(&text)?;
    Ok(tools.iter().map(|(name, description)| definition(name, description, None)).collect())
}

fn english_queries(data: &Path) -> Result<Queries> {
    let text = std::fs::read_to_string(data.join("tool_queries.en.jsonl"))?;
    text.lines()
        .map(|line| {
            let row: BTreeMap<String, String> = serde_json::from_str(line)?;
            Ok((row["query"].clone(), row["tool"].clone()))
        })
        .collect()
}

/// All functions that any record offers as a candidate, and the requests with the right one.
fn korean(data: &Path) -> Result<(Vec<ToolDefinition>, Queries)> {
    let text = std::fs::read_to_string(data.join("tool_queries.ko.jsonl"))?;
    let (mut tools, mut queries) = (BTreeMap::new(), Vec::new());
    let string = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line)?;
        for tool in row["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|list| list["content"].as_array())
            .flatten()
        {
            let function = &tool["function"];
            let name = string(&function["name"]);
            let made = definition(&name, &string(&function["description"]), Some(&function["parameters"]));
            tools.insert(name, made);
        }
        for query in row["query"].as_array().into_iter().flatten() {
            queries.push((string(&query["content"]), string(&row["function_name"])));
        }
    }
    Ok((tools.into_values().collect(), queries))
}

/// A stable number between 0 and 1 for a text (FNV-1a), to split by.
fn share(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ((hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Share of the requests whose right tool is among the first `most` of the scores.
fn recall(asked: &[&Asked], most: usize, scores: impl Fn(&Asked) -> Vec<f32>) -> f64 {
    let hits = asked.iter().filter(|one| {
        let scores = scores(one);
        let better = |(at, score): (usize, &f32)| match score.total_cmp(&scores[one.right]) {
            Ordering::Greater => true,
            Ordering::Equal => at < one.right,
            Ordering::Less => false,
        };
        scores.iter().enumerate().filter(|place| better(*place)).count() < most
    });
    hits.count() as f64 / asked.len().max(1) as f64
}

fn ours(bench: &Bench, one: &Asked, vectors: bool, memory: Option<&ExampleMemory>) -> Vec<f32> {
    let query = ToolQuery { text: &one.text, vector: vectors.then_some(one.vector.as_slice()) };
    let mut scores = vec![0.0; bench.catalog.len()];
    bench.catalog.rank(query, memory).iter().for_each(|tool| scores[tool.index] = tool.score);
    scores
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// TF-IDF over character n-grams of length 3 to 5 inside words, cosine: the floor without any model.
struct TfIdf {
    idf: HashMap<String, f32>,
    rows: Vec<HashMap<String, f32>>,
}

impl TfIdf {
    fn new(bench: &Bench) -> Self {
        let text =
            |tool: &ToolDefinition| format!("{} {}", tool.name, tool.description.as_deref().unwrap_or(""));
        let counts: Vec<HashMap<String, f32>> =
            bench.definitions.iter().map(|tool| Self::count(&text(tool))).collect();
        let mut holders: HashMap<String, f32> = HashMap::new();
        counts
            .iter()
            .flat_map(HashMap::keys)
            .for_each(|gram| *holders.entry(gram.clone()).or_default() += 1.0);
        let all = counts.len() as f32;
        let idf =
            holders.into_iter().map(|(gram, held)| (gram, ((1.0 + all) / (1.0 + held)).ln() + 1.0)).collect();
        let mut index = Self { idf, rows: Vec::new() };
        index.rows = counts.into_iter().map(|row| index.weigh(row)).collect();
        index
    }

    fn count(text: &str) -> HashMap<String, f32> {
        let mut counts = HashMap::new();
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
        {
            let chars: Vec<char> = format!(" {word} ").chars().collect();
            for length in 3..=5 {
                chars
                    .windows(length)
                    .for_each(|gram| *counts.entry(gram.iter().collect()).or_default() += 1.0);
            }
        }
        counts
    }

    fn weigh(&self, mut row: HashMap<String, f32>) -> HashMap<String, f32> {
        row.retain(|gram, _| self.idf.contains_key(gram));
        row.iter_mut().for_each(|(gram, count)| *count *= self.idf[gram]);
        let norm = row.values().map(|weight| weight * weight).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        row.values_mut().for_each(|weight| *weight /= norm);
        row
    }

    fn scores(&self, text: &str) -> Vec<f32> {
        let query = self.weigh(Self::count(text));
        let score =
            |row: &HashMap<String, f32>| query.iter().filter_map(|(g, w)| Some(w * row.get(g)?)).sum();
        self.rows.iter().map(score).collect()
    }
}

fn descriptions(bench: &Bench) {
    println!("\nrecall at 5 over {} tools, from descriptions alone", bench.catalog.len());
    println!("{:<44}{:>8}{:>12}{:>12}", "", "all", "tuning half", "held half");
    let index = TfIdf::new(bench);
    let row = |name: &str, scores: &dyn Fn(&Asked) -> Vec<f32>| {
        let half = |held: bool| -> Vec<&Asked> {
            let name = |one: &Asked| bench.catalog.name(one.right).unwrap_or_default().to_owned();
            bench.asked.iter().filter(|one| (share(&name(one)) >= 0.5) == held).collect()
        };
        let all = recall(&bench.asked.iter().collect::<Vec<_>>(), 5, scores);
        let (tuning, held) = (recall(&half(false), 5, scores), recall(&half(true), 5, scores));
        println!("{name:<44}{all:>8.4}{tuning:>12.4}{held:>12.4}");
    };
    row("floor: character TF-IDF", &|one| index.scores(&one.text));
    row("floor: cosine of USE v3", &|one| {
        bench.description_vectors.iter().map(|v| dot(v, &one.vector)).collect()
    });
    row("ours without vectors", &|one| ours(bench, one, false, None));
    row("ours", &|one| ours(bench, one, true, None));
}

/// Learns `most` requests of the tuning half; the places of the other half come with it.
fn learn(bench: &Bench, most: usize) -> (ExampleMemory, Vec<usize>) {
    let held = |one: &Asked| share(&one.text.trim().to_lowercase()) >= 0.5;
    let mut tuning: Vec<&Asked> = bench.asked.iter().filter(|one| !held(one)).collect();
    tuning
        .sort_by(|a, b| share(&format!("{} order", a.text)).total_cmp(&share(&format!("{} order", b.text))));
    let mut memory = ExampleMemory::new("use-multilingual-v3", 4_096);
    for one in tuning.iter().take(most) {
        memory.learn(bench.catalog.name(one.right).unwrap_or_default(), &one.text, Some(&one.vector));
    }
    (memory, (0..bench.asked.len()).filter(|at| held(&bench.asked[*at])).collect())
}

fn learned(bench: &Bench) {
    println!("\nrecall at 5 after learning from example requests, on the half not learned from");
    println!("{:<12}{:>24}{:>12}", "examples", "floor: nearest example", "ours");
    for most in [300, 1_000, 3_000, usize::MAX] {
        let (memory, held) = learn(bench, most);
        let held: Vec<&Asked> = held.iter().map(|at| &bench.asked[*at]).collect();
        let mut tuning: Vec<&Asked> =
            bench.asked.iter().filter(|one| share(&one.text.trim().to_lowercase()) < 0.5).collect();
        tuning.sort_by(|a, b| {
            share(&format!("{} order", a.text)).total_cmp(&share(&format!("{} order", b.text)))
        });
        tuning.truncate(most);
        let nearest = recall(&held, 5, |one| {
            let mut best = vec![-1.0_f32; bench.catalog.len()];
            tuning.iter().for_each(|example| {
                best[example.right] = best[example.right].max(dot(&example.vector, &one.vector))
            });
            best
        });
        let own = recall(&held, 5, |one| ours(bench, one, true, Some(&memory)));
        println!("{:<12}{nearest:>24.4}{own:>12.4}", memory.examples());
    }
}

fn korean_table(bench: &Bench) {
    println!("\nKorean requests over {} pooled functions", bench.catalog.len());
    println!("{:<44}{:>8}{:>8}{:>8}", "", "at 1", "at 3", "at 5");
    let index = TfIdf::new(bench);
    let asked: Vec<&Asked> = bench.asked.iter().collect();
    let row = |name: &str, scores: &dyn Fn(&Asked) -> Vec<f32>| {
        let at = |most| recall(&asked, most, scores);
        println!("{name:<44}{:>8.3}{:>8.3}{:>8.3}", at(1), at(3), at(5));
    };
    row("floor: character TF-IDF", &|one| index.scores(&one.text));
    row("floor: cosine of USE v3", &|one| {
        bench.description_vectors.iter().map(|v| dot(v, &one.vector)).collect()
    });
    row("ours without vectors", &|one| ours(bench, one, false, None));
    row("ours", &|one| ours(bench, one, true, None));
}

/// Draws 29 other tools for each request, selects, and counts tokens and kept right tools.
fn tokens_sent(title: &str, bench: &Bench, learned: Option<(&ExampleMemory, &[usize])>) {
    let (mut before, mut after, mut kept, mut sent, mut shown) = (0, 0, 0, 0, 0);
    for (at, one) in bench.asked.iter().enumerate() {
        if learned.is_some_and(|(_, held)| held.binary_search(&at).is_err()) {
            continue;
        }
        let mut others: Vec<usize> = (0..bench.definitions.len()).filter(|tool| *tool != one.right).collect();
        others.sort_by(|a, b| share(&format!("{at} {a}")).total_cmp(&share(&format!("{at} {b}"))));
        others.truncate(29);
        others.push(one.right);
        let catalog = bench.catalog.subset(&others);
        let selection = select_tools(
            &catalog,
            &SelectionRequest {
                query: ToolQuery { text: &one.text, vector: Some(&one.vector) },
                intent: None,
                tool_choice: &ToolChoice::Auto,
                used: &[],
                session: None,
                memory: learned.map(|(memory, _)| memory),
                groups: None,
                cut: CutPolicy::default(),
                cache: None,
            },
        );
        before += selection.tokens_before;
        after += selection.estimated_tokens;
        sent += selection.tools.len();
        kept += usize::from(selection.tools.iter().any(|(tool, _)| *tool == 29));
        shown += 1;
    }
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    println!(
        "{title:<44} tokens {:.1} -> {:.1} (-{:.1} %), {:.2} tools sent, right one kept {:.2} %",
        before as f64 / shown as f64,
        after as f64 / shown as f64,
        100.0 - share(after, before),
        sent as f64 / shown as f64,
        share(kept as u64, shown as u64)
    );
}

fn timing(bench: &Bench, memory: &ExampleMemory) {
    let mut times: Vec<_> = bench
        .asked
        .iter()
        .take(1_000)
        .map(|one| {
            let start = Instant::now();
            std::hint::black_box(ours(bench, one, true, Some(memory)));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "\nranking {} tools with memory: p50 {:?}, p99 {:?}",
        bench.catalog.len(),
        times[500],
        times[990]
    );
}
