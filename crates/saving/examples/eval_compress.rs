//! Measures compression beside its floors: evidence of long conversations still in sight or within two recalls, and tokens
//! of generated tool results.
//!
//! `cargo run --release -p nunchi-saving --example eval_compress -- --data DIR`; the encoder's weights are fetched before.

use anyhow::{Context, Result};
use nunchi_core::{Message, Role};
use nunchi_local::{DEFAULT_ENCODER_WEIGHTS, SentenceEncoder, WeightStore, default_weights_dir};
use nunchi_saving::{
    FrozenHistory, HistoryPolicy, RecallOptions, Recalled, ResultPolicy, compress_history, compress_result,
    estimate_tokens, history_passages, message_tokens, recall,
};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the columns mean.
const LEGEND: &str = "Present: one sent message of the turn's speaker holds at least 60 % of the turn's rare content words (stems in at\n\
    most 3 % of the turns); +answer: and every word of the answer that the turn holds. Reached: present, or returned by one of two\n\
    recalls (the question is the query, then its second page). Tokens in percent of the history: sent; with recalls while evidence\n\
    is lacking (needed); with both recalls for every question (total).";

/// A conversation with questions about it.
struct Talk {
    messages: Vec<Message>,
    places: HashMap<String, usize>,
    questions: Vec<Question>,
    passages: Vec<String>,
    vectors: Vec<Vec<f32>>,
    content: Vec<BTreeSet<String>>,
    rare: Vec<BTreeSet<String>>,
}

struct Question {
    text: String,
    answer: String,
    evidence: Vec<usize>,
    vector: Vec<f32>,
}

/// Shares of the evidence and of the tokens.
#[derive(Default)]
struct Sum {
    present: f64,
    with_answer: f64,
    reached: f64,
    evidence: f64,
    whole_questions: f64,
    questions: f64,
    total_share: f64,
    needed_share: f64,
    compressed_share: f64,
}

fn main() -> Result<()> {
    let data = data_folder()?;
    let store = WeightStore::new(default_weights_dir().context("no home folder")?);
    let encoder = SentenceEncoder::load(&store, DEFAULT_ENCODER_WEIGHTS)?;
    let talks = talks(&encoder, &data)?;
    println!("{LEGEND}\n");
    println!(
        "{:<44}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "", "sent %", "needed %", "total %", "present", "+answer", "reached", "all of q"
    );
    for (segment, kept, recalled) in [(500, 26, 60), (500, 26, 36), (500, 23, 50)] {
        let policy = HistoryPolicy { recent_tokens: 0, segment_tokens: segment, kept_percent: kept };
        row(&format!("ours, {kept} % kept, recalls of {:.1} %", recalled as f64 / 10.0), &talks, |talk| {
            ours(talk, &policy, recalled, true)
        });
    }
    let policy = HistoryPolicy { recent_tokens: 0, segment_tokens: 500, kept_percent: 26 };
    row("  the same, recall by words alone", &talks, |talk| ours(talk, &policy, 60, false));
    row("  the default policy (2,000 recent tokens)", &talks, |talk| {
        ours(talk, &HistoryPolicy::default(), 60, true)
    });
    row("floor: the last turns, 30 %", &talks, |talk| last_turns(talk, 30));
    row("floor: random sentences, 30 %", &talks, |talk| random_sentences(talk, 30));
    tool_results();
    Ok(())
}

fn data_folder() -> Result<PathBuf> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--data");
    arguments.nth(1).map(PathBuf::from).context("say where the data is: --data DIR")
}

fn talks(encoder: &SentenceEncoder, data: &Path) -> Result<Vec<Talk>> {
    let all: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(data.join("conversations.en.json"))?)?;
    all.iter().map(|talk| read_talk(encoder, talk)).collect()
}

fn read_talk(encoder: &SentenceEncoder, source: &Value) -> Result<Talk> {
    let talk = &source["conversation"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (mut messages, mut places) = (Vec::new(), HashMap::new());
    for session in 1.. {
        let Some(turns) = talk[format!("session_{session}")].as_array() else { break };
        for (at, turn) in turns.iter().enumerate() {
            let mut said = text(&turn["text"]);
            if at == 0 {
                said = format!("[{}] {said}", text(&talk[format!("session_{session}_date_time")]));
            }
            if let Some(caption) = turn["blip_caption"].as_str() {
                let _ = write!(said, " [shares {caption}]");
            }
            let role = if turn["speaker"] == talk["speaker_a"] { Role::User } else { Role::Assistant };
            places.insert(text(&turn["dia_id"]), messages.len());
            messages.push(Message { name: Some(text(&turn["speaker"])), ..Message::text(role, said) });
        }
    }
    let mut questions = Vec::new();
    for question in source["qa"].as_array().into_iter().flatten() {
        let evidence = question["evidence"].as_array().into_iter().flatten();
        let evidence: Vec<usize> = evidence.filter_map(|id| places.get(id.as_str()?).copied()).collect();
        let asked = text(&question["question"]);
        let vector = encoder.embed(&[&asked])?.vectors.remove(0);
        if !evidence.is_empty() {
            let answer = question.get("answer").map(text).unwrap_or_default();
            questions.push(Question { text: asked, answer, evidence, vector });
        }
    }
    let passages = history_passages(&messages);
    let mut vectors = Vec::new();
    for chunk in passages.chunks(128) {
        vectors.extend(encoder.embed(chunk)?.vectors);
    }
    let content: Vec<BTreeSet<String>> =
        messages.iter().map(|message| content(&message.plain_text())).collect();
    let rare = rare(&content);
    Ok(Talk { messages, places, questions, passages, vectors, content, rare })
}

/// Content words of a text, cut to their stems in a plain way of this example's own.
fn content(text: &str) -> BTreeSet<String> {
    const PLAIN: &str = " a an the of to and or in on for with by from is are was be this that it as at your you i my me can could \
        would will do does how what which who when where have has had we our us their its they them he she his her him been were \
        not no so but if there here about just really too very like get got some any all out up also then than it's that's i'm i've \
        don't you're ";
    let word = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let word = word.strip_suffix("'s").unwrap_or(&word).to_owned();
        let plain = word.is_empty() || PLAIN.contains(&format!(" {word} "));
        let stem = ["ing", "ed", "es", "s", "e"]
            .iter()
            .find_map(|end| word.strip_suffix(end).filter(|stem| stem.len() >= 3));
        (!plain).then(|| stem.unwrap_or(&word).to_owned())
    };
    text.split(|c: char| c.is_whitespace() || c == '-' || c == '/').filter_map(word).collect()
}

fn rare(content: &[BTreeSet<String>]) -> Vec<BTreeSet<String>> {
    let mut holders: HashMap<&String, usize> = HashMap::new();
    content.iter().flatten().for_each(|word| *holders.entry(word).or_default() += 1);
    let most = (content.len() * 3 / 100).max(2);
    let of = |words: &BTreeSet<String>| {
        let rare: BTreeSet<String> = words.iter().filter(|word| holders[word] <= most).cloned().collect();
        if rare.is_empty() { words.clone() } else { rare }
    };
    content.iter().map(of).collect()
}

/// The share of a turn's rare words in the best message of its speaker, and the words of that message.
fn best_message<'a>(
    talk: &Talk,
    turn: usize,
    sent: &'a [(Option<String>, BTreeSet<String>)],
) -> (f64, Option<&'a BTreeSet<String>>) {
    let rare = &talk.rare[turn];
    let own = sent.iter().filter(|(name, _)| *name == talk.messages[turn].name);
    own.map(|(_, words)| {
        let held = rare.iter().filter(|word| words.contains(*word)).count();
        (held as f64 / rare.len().max(1) as f64, Some(words))
    })
    .max_by(|a, b| a.0.total_cmp(&b.0))
    .unwrap_or((0.0, None))
}

fn measure(talk: &Talk, sent: &[Message], mut recalls: impl FnMut(&Question) -> Vec<Recalled>) -> Sum {
    let before: u64 = talk.messages.iter().map(message_tokens).sum();
    let after: u64 = sent.iter().map(message_tokens).sum();
    let words: Vec<(Option<String>, BTreeSet<String>)> =
        sent.iter().map(|message| (message.name.clone(), content(&message.plain_text()))).collect();
    let mut sum = Sum::default();
    for question in &talk.questions {
        let pages = recalls(question);
        let answer = content(&question.answer);
        let mut lacking: BTreeSet<usize> = BTreeSet::new();
        for &turn in &question.evidence {
            let (share, message) = best_message(talk, turn, &words);
            let present = share >= 0.6;
            let answered = message.is_some_and(|words| {
                answer.intersection(&talk.content[turn]).all(|word| words.contains(word))
            });
            sum.evidence += 1.0;
            sum.present += f64::from(u8::from(present));
            sum.with_answer += f64::from(u8::from(present && answered));
            if !present {
                lacking.insert(turn);
            }
        }
        let mut needed = after;
        for page in &pages {
            needed += if lacking.is_empty() { 0 } else { page.tokens };
            let held = content(&page.text);
            lacking.retain(|turn| {
                let kept = talk.rare[*turn].iter().filter(|word| held.contains(*word)).count();
                !page.passages.contains(turn) || (kept as f64) < 0.6 * talk.rare[*turn].len() as f64
            });
        }
        let reached = question.evidence.iter().filter(|turn| !lacking.contains(turn)).count();
        sum.reached += reached as f64;
        sum.questions += 1.0;
        sum.whole_questions += f64::from(u8::from(lacking.is_empty()));
        sum.compressed_share += after as f64 / before as f64;
        sum.needed_share += needed as f64 / before as f64;
        sum.total_share += (after + pages.iter().map(|page| page.tokens).sum::<u64>()) as f64 / before as f64;
    }
    sum
}

/// Compresses as the conversation grows, and recalls twice for every question whether it is needed or not.
fn ours(talk: &Talk, policy: &HistoryPolicy, recall_per_mille: u64, vectors: bool) -> Sum {
    let mut frozen = FrozenHistory::default();
    for end in (100..talk.messages.len()).step_by(100) {
        frozen = compress_history(&talk.messages[..end], &frozen, policy).frozen;
    }
    let short = compress_history(&talk.messages, &frozen, policy);
    let mut visible = short.frozen.visible();
    visible.resize(talk.messages.len(), true);
    let limit = short.tokens_before * recall_per_mille / 1_000;
    measure(talk, &short.messages, |question| {
        let vectors = vectors.then_some((talk.vectors.as_slice(), question.vector.as_slice()));
        let options = RecallOptions { limit, skip: 0, vectors, visible: Some(&visible) };
        let first = recall(&talk.passages, &question.text, &options);
        let second =
            recall(&talk.passages, &question.text, &RecallOptions { skip: first.passages.len(), ..options });
        vec![first, second]
    })
}

fn last_turns(talk: &Talk, percent: u64) -> Sum {
    let before: u64 = talk.messages.iter().map(message_tokens).sum();
    let mut used = 0;
    let fits = |message: &&Message| {
        used += message_tokens(message);
        used * 100 <= before * percent
    };
    let kept = talk.messages.iter().rev().take_while(fits).count();
    measure(talk, &talk.messages[talk.messages.len() - kept..], |_| Vec::new())
}

fn random_sentences(talk: &Talk, percent: u64) -> Sum {
    let mut state = 7_u64;
    let mut drawn = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % 100
    };
    let mut sent = Vec::new();
    for message in &talk.messages {
        let text = message.plain_text();
        let kept: Vec<&str> = text.split_inclusive(['.', '!', '?']).filter(|_| drawn() < percent).collect();
        if !kept.is_empty() {
            sent.push(Message { name: message.name.clone(), ..Message::text(message.role, kept.concat()) });
        }
    }
    measure(talk, &sent, |_| Vec::new())
}

fn row(name: &str, talks: &[Talk], of: impl Fn(&Talk) -> Sum) {
    let mut sum = Sum::default();
    for talk in talks {
        debug_assert!(talk.places.len() <= talk.messages.len());
        let one = of(talk);
        sum.present += one.present;
        sum.with_answer += one.with_answer;
        sum.reached += one.reached;
        sum.evidence += one.evidence;
        sum.whole_questions += one.whole_questions;
        sum.questions += one.questions;
        sum.total_share += one.total_share;
        sum.needed_share += one.needed_share;
        sum.compressed_share += one.compressed_share;
    }
    println!(
        "{name:<44}{:>9.1}{:>9.1}{:>9.1}{:>9.3}{:>9.3}{:>9.3}{:>9.3}",
        100.0 * sum.compressed_share / sum.questions,
        100.0 * sum.needed_share / sum.questions,
        100.0 * sum.total_share / sum.questions,
        sum.present / sum.evidence,
        sum.with_answer / sum.evidence,
        sum.reached / sum.evidence,
        sum.whole_questions / sum.questions
    );
}

fn tool_results() {
    println!("\n{:<44}{:>9}{:>9}{:>9}  lossless", "tool results, generated", "before", "after", "saved %");
    let policy = ResultPolicy { least_tokens: 150, most_tokens: 50_000 };
    for (name, text) in [
        ("JSON, 40 search results", search_results(40)),
        ("JSON, 200 order rows", order_rows(200)),
        ("JSON, nested and unlike", nested()),
        ("log of a web server, 400 lines", server_log(400)),
        ("log of a build with errors", build_log()),
        ("diff of three files", diff()),
        ("HTML news page", page()),
    ] {
        let short = compress_result(&text, &policy);
        let saved = 100.0 - 100.0 * short.tokens_after as f64 / short.tokens_before as f64;
        let lossless = if short.recall_id.is_none() { "yes" } else { "by recall" };
        println!("{name:<44}{:>9}{:>9}{saved:>9.1}  {lossless}", short.tokens_before, short.tokens_after);
    }
    let prose = page() + &"The committee met again and found little to add to what it had said. ".repeat(400);
    let cut = compress_result(&prose.replace(['<', '>'], " "), &ResultPolicy::default());
    println!(
        "{:<44}{:>9}{:>9}{:>9.1}  by recall",
        "prose over the cap of 2,000",
        cut.tokens_before,
        cut.tokens_after,
        100.0 - 100.0 * cut.tokens_after as f64 / cut.tokens_before as f64
    );
    debug_assert!(estimate_tokens(&cut.text) <= 2_000);
}

fn search_results(count: usize) -> String {
    let rows: Vec<Value> = (0..count)
        .map(|n| {
            serde_json::json!({
                "rank": n + 1,
                "title": format!("Report {} on regional trade and shipping", n * 7 % 31),
                "url": format!("https://example.org/articles/2026/{:02}/{}", n % 12 + 1, n * 131),
                "snippet": format!("Volumes rose by {} percent in the {} quarter, driven by exports.", n * 3 % 17, ["first", "second", "third"][n % 3]),
                "source": "example.org",
                "language": "en",
                "published_at": format!("2026-{:02}-{:02}T09:00:00Z", n % 12 + 1, n % 28 + 1),
                "score": 1.0 / (n as f64 + 1.5),
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({"query": "trade", "total": count, "results": rows}))
        .unwrap_or_default()
}

fn order_rows(count: usize) -> String {
    let rows: Vec<Value> = (0..count)
        .map(|n| {
            serde_json::json!({
                "order_id": 100_000 + n, "customer_name": (["김민지", "Lee Jun", "박서연", "Chen Wei"][n % 4]), "status": (["paid", "sent"][n % 2]),
                "amount": n * 1_700, "currency": "KRW", "warehouse_code": "ICN-2",
            })
        })
        .collect();
    serde_json::to_string(&rows).unwrap_or_default()
}

fn nested() -> String {
    let value = serde_json::json!({
        "service": {"name": "billing", "version": "2.4.1", "flags": {"beta": false, "region": "ap-northeast-2"}},
        "limits": [1, 2, 3, {"burst": 10}],
        "owners": [{"name": "Ann", "mail": "ann@example.org"}, {"team": "core"}, {"name": "Bob", "pager": true}],
        "notes": "Restart only after the queue is empty. ".repeat(10),
    });
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn server_log(count: usize) -> String {
    (0..count).fold(String::new(), |mut log, n| {
        let (minute, second) = (n / 60 % 60, n % 60);
        let line = match n % 40 {
            39 => format!("ERROR upstream timed out after {} ms for /api/orders/{n}", 1_000 + n),
            13 => format!("WARN slow query took {} ms", 400 + n),
            _ => format!("INFO GET /api/items/{} 200 {}ms", n * 37 % 900, n % 90),
        };
        let _ = writeln!(log, "2026-03-14T10:{minute:02}:{second:02}.{:03}Z {line}", n * 7 % 1_000);
        log
    })
}

fn build_log() -> String {
    let mut log: String =
        (0..120).map(|n| format!("   Compiling package-{n} v0.{}.{}\n", n % 9, n % 5)).collect();
    log.push_str("error[E0308]: mismatched types\n  --> src/lib.rs:42:9\n   |\n42 |     total\n   |     ^^^^^ expected `u64`, found `i64`\n");
    log.push_str(&"warning: unused variable: `x`\n".repeat(6));
    log
}

fn diff() -> String {
    (0..3).fold(String::new(), |mut diff, file| {
        let _ = writeln!(diff, "diff --git a/src/m{file}.rs b/src/m{file}.rs\nindex 83db48f..bf2a1c3 100644\n--- a/src/m{file}.rs\n+++ b/src/m{file}.rs");
        for hunk in 0..4 {
            let _ = writeln!(diff, "@@ -{0},11 +{0},11 @@ fn part_{hunk}() {{", hunk * 40 + 1);
            (0..5).for_each(|n| diff.push_str(&format!("     let before_{n} = compute_something(input, {n});\n")));
            let _ = writeln!(diff, "-    let total = sum(&items);\n+    let total = sum_checked(&items)?;");
            (0..5).for_each(|n| diff.push_str(&format!("     let after_{n} = finish_something(total, {n});\n")));
        }
        diff
    })
}

fn page() -> String {
    let menu: String = (0..40).map(|n| format!("<li class=\"menu-item menu-item-{n}\"><a href=\"/section/{n}\" data-track=\"nav-{n}\">Section {n}</a></li>")).collect();
    let script =
        "window.dataLayer=window.dataLayer||[];function track(e){dataLayer.push({event:e,at:Date.now()})}"
            .repeat(12);
    let style = ".card{display:flex;padding:8px 12px;border:1px solid #ddd}.card:hover{background:#fafafa}"
        .repeat(15);
    let body: String = (0..18).map(|n| format!("<div class=\"paragraph-wrapper col-md-8\"><p data-id=\"{n}\">Paragraph {n} tells how the harbour was rebuilt after the storm, with <a href=\"https://example.org/{n}\">a source</a>.</p></div>")).collect();
    format!(
        "<!DOCTYPE html><html><head><title>Harbour reopens</title><style>{style}</style><script>{script}</script></head><body><nav><ul>{menu}</ul></nav><main><h1>Harbour reopens</h1>{body}</main><footer><ul>{menu}</ul></footer></body></html>"
    )
}
