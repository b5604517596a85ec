//! Measures memory on long conversations: are all turns that hold the evidence among the first k found? Floors beside it in the
//! same run; then the time of a search among 100,000 facts.
//!
//! `cargo run --release -p nunchi-store --example eval_memory -- --data DIR [--facts N]`; the encoder's weights are fetched before.

use anyhow::{Context, Result};
use jiff::{Timestamp, tz::TimeZone};
use nunchi_core::{
    Fact, FactId, FactKind, FactQuery, FactRecord, FactSource, FactState, FactVector, Label, MemoryChange,
    MemoryStore, PackedVector, RankedFact, fact_lines, rank_facts, rough_tokens,
};
use nunchi_local::{DEFAULT_ENCODER_WEIGHTS, SentenceEncoder, WeightStore, default_weights_dir};
use nunchi_store::{LedgerOptions, SqliteLedger, SqliteMemory};
use nunchi_testkit::{TokioClock, TokioSpawn};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How many are looked at.
const DEPTHS: [usize; 3] = [5, 10, 25];
/// Conversations on which weights were chosen; the rest is held out.
const CHOSEN_ON: usize = 2;

struct Turn {
    who: String,
    text: String,
    session: String,
    vector: Vec<f32>,
}

struct Asked {
    question: String,
    vector: Vec<f32>,
    evidence: Vec<usize>,
}

struct Talk {
    turns: Vec<Turn>,
    asked: Vec<Asked>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let data = argument("--data").context("say where the data is: --data DIR")?;
    let facts: usize = argument("--facts").map_or(Ok(100_000), |count| count.parse())?;
    let weights = WeightStore::new(default_weights_dir().context("no home folder")?);
    let encoder = SentenceEncoder::load(&weights, DEFAULT_ENCODER_WEIGHTS)?;
    let talks = read(&Path::new(&data).join("conversations.en.json"), &encoder)?;
    println!("| evidence, all turns found | questions | @5 | @10 | @25 |\n|---|---|---|---|---|");
    let (tuned, held) = talks.split_at(CHOSEN_ON);
    for (name, part) in [("held out", held), ("chosen on", tuned), ("all", &talks)] {
        row(&format!("BM25 over words, {name}"), part, &by_bm25(part));
        row(&format!("vectors alone, {name}"), part, &by_vectors(part));
        let mut ranks = Vec::new();
        for talk in part {
            ranks.push(by_memory(talk).await?.0);
        }
        row(&format!("**memory, {name}**"), part, &ranks);
    }
    tokens(&talks).await?;
    speed(&talks, facts, &encoder).await
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn read(path: &Path, encoder: &SentenceEncoder) -> Result<Vec<Talk>> {
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(path)?)?;
    all.iter().map(|talk| read_talk(talk, encoder)).collect()
}

fn read_talk(talk: &Value, encoder: &SentenceEncoder) -> Result<Talk> {
    let mut turns = Vec::new();
    let mut places = HashMap::new();
    for number in 1.. {
        let name = format!("session_{number}");
        let said = &talk["conversation"][&name];
        if said.is_null() && talk["conversation"][format!("{name}_date_time")].is_null() {
            break;
        }
        for turn in said.as_array().into_iter().flatten() {
            let text = |name: &str| turn[name].as_str().unwrap_or_default().to_owned();
            places.insert(text("dia_id"), turns.len());
            let shown = turn["blip_caption"].as_str().map(|what| format!(" [photo: {what}]"));
            let text_shown = format!("{}{}", text("text"), shown.unwrap_or_default());
            turns.push(Turn {
                who: text("speaker"),
                text: text_shown,
                session: name.clone(),
                vector: Vec::new(),
            });
        }
    }
    for turn in &mut turns {
        let said = [format!("{}: {}", turn.who, turn.text)];
        turn.vector = encoder.embed(&said)?.vectors.remove(0);
    }
    let mut asked = Vec::new();
    for question in talk["qa"].as_array().context("no questions")? {
        let ids = question["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let ids: Vec<&str> =
            ids.flat_map(|ids| ids.split([';', ',', ' '])).filter(|id| !id.is_empty()).collect();
        let evidence: Option<Vec<usize>> = ids.iter().map(|id| places.get(*id).copied()).collect();
        // Questions without evidence, or whose evidence is not there, have no answer to be found.
        let Some(evidence) = evidence.filter(|evidence| !evidence.is_empty()) else { continue };
        let question = question["question"].as_str().unwrap_or_default().to_owned();
        let vector = encoder.embed(&[question.as_str()])?.vectors.remove(0);
        asked.push(Asked { question, vector, evidence });
    }
    Ok(Talk { turns, asked })
}

/// For each talk and each question the turns found, the best first.
type Ranks = Vec<Vec<Vec<usize>>>;

fn row(name: &str, talks: &[Talk], ranks: &Ranks) {
    let mut found = [0_usize; DEPTHS.len()];
    let mut count = 0;
    for (talk, ranks) in talks.iter().zip(ranks) {
        for (asked, rank) in talk.asked.iter().zip(ranks) {
            count += 1;
            for (found, depth) in found.iter_mut().zip(DEPTHS) {
                let first: HashSet<&usize> = rank.iter().take(depth).collect();
                *found += usize::from(asked.evidence.iter().all(|turn| first.contains(turn)));
            }
        }
    }
    let shares = found.map(|found| format!("{:.3}", found as f64 / count as f64));
    println!("| {name} | {count} | {} |", shares.join(" | "));
}

/// The floor: plain words, no stems, no stop words, nothing of what was said around.
fn by_bm25(talks: &[Talk]) -> Ranks {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let of_talk = |talk: &Talk| -> Vec<Vec<usize>> {
        let documents: Vec<Vec<String>> =
            talk.turns.iter().map(|turn| words(&format!("{} {}", turn.who, turn.text))).collect();
        let mean = documents.iter().map(Vec::len).sum::<usize>() as f64 / documents.len() as f64;
        let mut holders: HashMap<&str, f64> = HashMap::new();
        for document in &documents {
            for word in document.iter().map(String::as_str).collect::<HashSet<_>>() {
                *holders.entry(word).or_default() += 1.0;
            }
        }
        let total = documents.len() as f64;
        let score = |question: &HashSet<String>, document: &[String]| -> f64 {
            question
                .iter()
                .map(|word| {
                    let count = document.iter().filter(|other| *other == word).count() as f64;
                    let held = holders.get(word.as_str()).copied().unwrap_or(0.0);
                    let weight = (1.0 + (total - held + 0.5) / (held + 0.5)).ln();
                    weight * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * document.len() as f64 / mean))
                })
                .sum()
        };
        talk.asked
            .iter()
            .map(|asked| {
                let question: HashSet<String> = words(&asked.question).into_iter().collect();
                order(documents.iter().map(|document| score(&question, document)).collect())
            })
            .collect()
    };
    talks.iter().map(of_talk).collect()
}

fn by_vectors(talks: &[Talk]) -> Ranks {
    let near = |asked: &Asked, talk: &Talk| {
        let dot = |turn: &Turn| asked.vector.iter().zip(&turn.vector).map(|(a, b)| f64::from(a * b)).sum();
        order(talk.turns.iter().map(dot).collect())
    };
    talks.iter().map(|talk| talk.asked.iter().map(|asked| near(asked, talk)).collect()).collect()
}

/// Places by falling score.
fn order(scores: Vec<f64>) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    places
}

fn id(number: usize) -> FactId {
    FactId(Uuid::from_u128(number as u128 + 1))
}

fn place(found: &RankedFact) -> usize {
    usize::try_from(found.fact.id.0.as_u128() - 1).unwrap_or(usize::MAX)
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap_or_default()
}

fn meaning(vector: &[f32]) -> FactVector {
    FactVector { encoder: DEFAULT_ENCODER_WEIGHTS.to_owned(), vector: PackedVector::pack(vector) }
}

/// A turn as it is kept: with what was said around it.
fn records(talk: &Talk, from: usize) -> Vec<FactRecord> {
    let near = |at: usize| {
        let session = &talk.turns[at].session;
        [at.checked_sub(2), at.checked_sub(1), Some(at + 1)]
            .into_iter()
            .flatten()
            .filter_map(|near| talk.turns.get(near))
            .filter(|turn| turn.session == *session)
            .map(|turn| turn.text.clone())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let record = |(at, turn): (usize, &Turn)| FactRecord {
        fact: said(id(from + at), format!("{}: {}", turn.who, turn.text), &turn.session),
        around: near(at),
        vector: Some(meaning(&turn.vector)),
    };
    talk.turns.iter().enumerate().map(record).collect()
}

fn said(id: FactId, text: String, session: &str) -> Fact {
    Fact {
        id,
        kind: FactKind::Turn,
        text,
        topic: None,
        source: FactSource { session: Some(session.to_owned()), ..FactSource::default() },
        label: Label::Owner,
        created: now(),
        changed: now(),
        last_used: now(),
        uses: 0,
        importance: 30,
        state: FactState::Active,
        superseded_by: None,
        valid_until: None,
    }
}

fn open(folder: &Path) -> Result<SqliteMemory> {
    let options = LedgerOptions {
        time_zone: TimeZone::UTC,
        clock: Arc::new(TokioClock::start()),
        spawn: Arc::new(TokioSpawn::new()),
        encryption_key: None,
    };
    let (ledger, _) = SqliteLedger::open(&folder.join("nunchi.db"), options)?;
    Ok(SqliteMemory::open(&ledger)?)
}

async fn search(memory: &SqliteMemory, asked: &Asked) -> Result<Vec<RankedFact>> {
    let mut query = FactQuery::new(&asked.question, now());
    query.vector = Some(meaning(&asked.vector));
    let found = memory.search(query.clone()).await?;
    Ok(rank_facts(&query, found))
}

/// Ranks, and what the first 25 are told as.
async fn by_memory(talk: &Talk) -> Result<(Vec<Vec<usize>>, Vec<u64>)> {
    let folder = tempfile::tempdir()?;
    let memory = open(folder.path())?;
    memory.change(MemoryChange { put: records(talk, 0), ..MemoryChange::default() }).await?;
    let (mut ranks, mut tokens) = (Vec::new(), Vec::new());
    for asked in &talk.asked {
        let found = search(&memory, asked).await?;
        tokens.push(rough_tokens(&fact_lines(found.iter().take(25).map(|found| &found.fact))));
        ranks.push(found.iter().map(place).collect());
    }
    Ok((ranks, tokens))
}

async fn tokens(talks: &[Talk]) -> Result<()> {
    let mut all = Vec::new();
    for talk in talks {
        all.extend(by_memory(talk).await?.1);
    }
    let mean = all.iter().sum::<u64>() / all.len() as u64;
    let most = all.iter().max().copied().unwrap_or_default();
    println!("\nTokens of the first 25 as they are told (an upper estimate): mean {mean}, most {most}.");
    Ok(())
}

/// Numbers that look drawn, the same in every run.
struct Draws(u64);

impl Draws {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % below.max(1)
    }
}

async fn speed(talks: &[Talk], count: usize, encoder: &SentenceEncoder) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let memory = open(folder.path())?;
    let (others, held) = talks.split_at(CHOSEN_ON);
    let talk = held.first().context("no conversation is held out")?;
    let began = Instant::now();
    fill(&memory, others, count.saturating_sub(talk.turns.len())).await?;
    memory.change(MemoryChange { put: records(talk, 0), ..MemoryChange::default() }).await?;
    println!("\n{count} facts written in {:.1} s.", began.elapsed().as_secs_f64());
    let began = Instant::now();
    search(&memory, &talk.asked[0]).await?;
    println!("First search, which reads the signs of all meanings: {:.0} ms.", ms(began.elapsed()));
    let asked = || talks.iter().flat_map(|talk| &talk.asked);
    for (name, fresh) in [("warm", false), ("right after a change", true)] {
        let (mut times, mut busy) = (Vec::new(), Vec::new());
        for (at, asked) in asked().enumerate() {
            if fresh {
                let used = vec![(id(at), now())];
                memory.change(MemoryChange { used, ..MemoryChange::default() }).await?;
            }
            let (began, before) = (Instant::now(), processor_time());
            search(&memory, asked).await?;
            times.push(began.elapsed());
            busy.push(processor_time().saturating_sub(before));
        }
        times.sort();
        busy.sort();
        let of = |all: &[Duration], share: f64| ms(all[((all.len() - 1) as f64 * share) as usize]);
        println!(
            "Search among {count}, {name}: p50 {:.1}, p99 {:.1} ms; of the processor's own time p50 {:.1}, p99 {:.1} ms ({} searches).",
            of(&times, 0.5),
            of(&times, 0.99),
            of(&busy, 0.5),
            of(&busy, 0.99),
            times.len()
        );
    }
    let began = Instant::now();
    for asked in asked() {
        encoder.embed(&[asked.question.as_str()])?;
    }
    println!(
        "The meaning of a question, apart from that: {:.1} ms.",
        ms(began.elapsed()) / asked().count() as f64
    );
    let mut ranks = Vec::new();
    for asked in &talk.asked {
        ranks.push(search(&memory, asked).await?.iter().map(place).collect());
    }
    println!("\n| among {count} others | questions | @5 | @10 | @25 |\n|---|---|---|---|---|");
    row("memory, held out", held, &vec![ranks]);
    Ok(())
}

/// Facts made of other conversations' words: each text keeps some words of a turn and draws others, some of them rare.
async fn fill(memory: &SqliteMemory, talks: &[Talk], count: usize) -> Result<()> {
    let turns: Vec<&Turn> = talks.iter().flat_map(|talk| &talk.turns).collect();
    let words: Vec<&str> = turns.iter().flat_map(|turn| turn.text.split_whitespace()).collect();
    let mut draws = Draws(7);
    let mut made = 0;
    while made < count {
        let mut put = Vec::new();
        while put.len() < 2_000 && made < count {
            let turn = turns[draws.next(turns.len())];
            let mut texts = Vec::new();
            for text in [&turn.text, &turns[draws.next(turns.len())].text] {
                let mixed = text.split_whitespace().map(|word| match draws.next(10) {
                    0 => format!("w{}", draws.next(20_000)),
                    1..=5 => words[draws.next(words.len())].to_owned(),
                    _ => word.to_owned(),
                });
                texts.push(mixed.collect::<Vec<_>>().join(" "));
            }
            let around = texts.pop().unwrap_or_default();
            let text = format!("{}: {}", turn.who, texts.pop().unwrap_or_default());
            let noisy = turn.vector.iter().map(|x| x + (draws.next(2_001) as f32 - 1_000.0) / 40_000.0);
            let vector = Some(meaning(&noisy.collect::<Vec<_>>()));
            put.push(FactRecord { fact: said(id(1_000_000 + made), text, "others"), around, vector });
            made += 1;
        }
        memory.change(MemoryChange { put, ..MemoryChange::default() }).await?;
    }
    Ok(())
}

/// The time that all threads of this process were at work: what others on the machine do does not count.
fn processor_time() -> Duration {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let of_task = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(tasks.filter_map(Result::ok).filter_map(|task| of_task(task.path())).sum())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
