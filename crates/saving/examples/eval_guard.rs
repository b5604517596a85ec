//! Measures the guard on groups of questions that its trees have not seen, with the floors beside it.
//!
//! `cargo run --release -p nunchi-saving --example eval_guard -- --data DIR [--explain "A" "B"]`

mod guard_data;
mod guard_strict;

use anyhow::{Context, Result};
use guard_data::{Corpora, boost, pairs_of, report};
use nunchi_core::Lang;
use nunchi_saving::{FEATURE_NAMES, Question, judge, pair_features};
use std::time::Instant;

fn main() -> Result<()> {
    let mut args = std::env::args().skip_while(|arg| arg != "--explain").skip(1);
    if let Some(a) = args.next() {
        return explain(&a, &args.next().context("--explain takes two questions")?);
    }
    let corpora = Corpora::load()?;
    speed(&corpora);
    let [right, wrong] = report::same_readings(&corpora, None);
    println!("pairs that read the same: {right} of one group, {wrong} of others or near misses");
    println!("{}", report::slots(&corpora).join("\n"));
    println!("{}", report::HEAD);
    let mut strict = Vec::new();
    for held in [true, false] {
        let mut forest = boost::train(&pairs_of(&corpora, Some(!held)), boost::Options::default());
        forest.same_reading = report::same_reading_rate(&corpora, Some(!held));
        forest.calibration = boost::calibrate(&report::points(&forest, &corpora, held));
        println!("{}", report::table(&forest, &corpora, held).join("\n"));
        strict.extend(guard_strict::table(&forest, &corpora, held));
    }
    println!(
        "\nAs the gateway serves, each half by a verifier trained on the other:\n\n{}",
        guard_strict::HEAD
    );
    println!("{}", strict.join("\n"));
    Ok(())
}

/// Why two questions do or do not share an answer.
fn explain(a: &str, b: &str) -> Result<()> {
    let vectors = guard_data::encoder()?.embed(&[a, b])?.vectors;
    let cosine = guard_data::cosine(&vectors[0], &vectors[1]);
    let (a, b) = (Question::read(a), Question::read(b));
    let verdict = judge(&a, &b, cosine);
    println!("{}\n{}", verdict, verdict.explain(Lang::Ko));
    println!("{}\n{}", serde_json::to_string(&a)?, serde_json::to_string(&b)?);
    for (name, value) in FEATURE_NAMES.iter().zip(pair_features(&a, &b, cosine)) {
        print!("{name} {value:.2}  ");
    }
    println!();
    Ok(())
}

/// Microseconds of reading a question and judging a pair.
fn speed(corpora: &Corpora) {
    let sentences = &corpora.both.sentences;
    let start = Instant::now();
    let questions: Vec<Question> = sentences.iter().map(|sentence| Question::read(&sentence.text)).collect();
    let reading = start.elapsed();
    let start = Instant::now();
    let sum: f32 = questions.windows(2).map(|pair| judge(&pair[0], &pair[1], 0.8).share_probability).sum();
    let judging = start.elapsed();
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / questions.len() as f64;
    let bytes: usize =
        questions.iter().filter_map(|q| serde_json::to_string(q).ok()).map(|text| text.len()).sum();
    println!(
        "reading a question {:.1} us, judging a pair {:.1} us, {} bytes stored (checksum {sum:.1})",
        each(reading),
        each(judging),
        bytes / questions.len()
    );
}
