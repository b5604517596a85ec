//! What the router's trainer and its evaluation share: the data, their sentence vectors, splits and tables.

use anyhow::{Context, Result};
use nunchi_core::Tier;
use nunchi_local::{DEFAULT_ENCODER_WEIGHTS, SentenceEncoder, WeightStore, default_weights_dir};
use nunchi_saving::{
    Intent, OutcomeExample, ROUTE_VECTOR, RouteFeatures, TierExample, WORD_PROBLEM, part_of, read_prompt,
    subject_index,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

mod figures;
pub(crate) use figures::figures;

/// A question with what both models made of it.
pub(crate) struct Question {
    /// Its text.
    pub(crate) text: String,
    /// Whether it is a sum told in words (GSM8K).
    pub(crate) word_problem: bool,
    /// Whether words to the router were seen in it (there are none: a false alarm).
    pub(crate) neutralised: bool,
    features: RouteFeatures,
    vector: Vec<f32>,
    subject: Option<usize>,
    pub(crate) weak_right: bool,
    pub(crate) strong_right: bool,
}

impl Question {
    pub(crate) fn example(&self) -> OutcomeExample<'_> {
        OutcomeExample {
            features: &self.features,
            vector: &self.vector,
            subject: self.subject,
            weak_right: self.weak_right,
            strong_right: self.strong_right,
        }
    }
}

/// A labelled prompt.
pub(crate) struct Prompt {
    pub(crate) text: String,
    pub(crate) korean: bool,
    /// Prompts of one group say the same in both languages and stay on one side of a split.
    pub(crate) group: u64,
    /// In which of four rounds it was written; the fourth when features and settings were final.
    pub(crate) set: String,
    pub(crate) tier: Tier,
    pub(crate) intent: Intent,
    pub(crate) features: RouteFeatures,
    pub(crate) vector: Vec<f32>,
}

impl Prompt {
    pub(crate) fn example(&self) -> TierExample<'_> {
        TierExample {
            features: &self.features,
            vector: &self.vector,
            tier: self.tier,
            intent: Some(self.intent),
            weight: 1.0,
            group: self.group,
        }
    }

    /// Whether it is in the half that is never trained on or looked at in training.
    pub(crate) fn held_out(&self) -> bool {
        part_of(&format!("group {}", self.group), 2) == 0
    }
}

/// The arguments `--data DIR` and `--cache DIR`.
pub(crate) struct Options {
    pub(crate) data: PathBuf,
    pub(crate) cache: Option<PathBuf>,
}

impl Options {
    pub(crate) fn read() -> Result<Self> {
        let arguments: Vec<String> = std::env::args().collect();
        let after = |name: &str| {
            arguments.iter().position(|a| a == name).and_then(|i| arguments.get(i + 1)).map(PathBuf::from)
        };
        Ok(Self { data: after("--data").context("--data DIR is missing")?, cache: after("--cache") })
    }
}

/// Turns texts into vectors, remembering them in a file when a folder is given.
pub(crate) struct Encoder {
    encoder: SentenceEncoder,
    cache: Option<PathBuf>,
}

impl Encoder {
    pub(crate) fn load(options: &Options) -> Result<Self> {
        let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
        let store = WeightStore::new(dir.context("neither NUNCHI_WEIGHTS_DIR nor HOME is set")?);
        Ok(Self {
            encoder: SentenceEncoder::load(&store, DEFAULT_ENCODER_WEIGHTS)?,
            cache: options.cache.clone(),
        })
    }

    /// The vector of one text.
    pub(crate) fn vector(&self, text: &str) -> Result<Vec<f32>> {
        self.encoder.embed(&[text])?.vectors.pop().context("one text, one vector")
    }

    pub(crate) fn vectors(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let name = part_of(&texts.join("\u{0}"), u64::MAX);
        let file = self.cache.as_ref().map(|dir| dir.join(format!("vectors-{name:x}.f32")));
        if let Some(bytes) = file.as_ref().and_then(|f| std::fs::read(f).ok()) {
            let values: Vec<f32> =
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            return Ok(values.chunks_exact(ROUTE_VECTOR).map(<[f32]>::to_vec).collect());
        }
        let vectors = self.encoder.embed(texts)?.vectors;
        if let Some(file) = file {
            let bytes: Vec<u8> = vectors.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
            std::fs::write(file, bytes)?;
        }
        Ok(vectors)
    }
}

#[derive(Deserialize)]
struct QuestionLine {
    set: String,
    domain: String,
    prompt: String,
    #[serde(rename = "mistralai/Mixtral-8x7B-Instruct-v0.1")]
    weak: String,
    #[serde(rename = "gpt-4-1106-preview")]
    strong: String,
}

/// The questions of `routing_outcomes.en.jsonl`.
pub(crate) fn questions(options: &Options, encoder: &Encoder) -> Result<Vec<Question>> {
    let lines = std::fs::read_to_string(options.data.join("routing_outcomes.en.jsonl"))?;
    let lines: Vec<QuestionLine> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let readings: Vec<_> = lines.iter().map(|l| read_prompt(&l.prompt)).collect();
    let texts: Vec<String> = readings.iter().map(|r| r.text.clone()).collect();
    let vectors = encoder.vectors(&texts)?;
    Ok(lines
        .into_iter()
        .zip(readings)
        .zip(vectors)
        .map(|((line, reading), vector)| Question {
            word_problem: line.set == "gsm8k",
            neutralised: reading.neutralised,
            features: RouteFeatures::of(&reading),
            vector,
            subject: if line.set == "gsm8k" { Some(WORD_PROBLEM) } else { subject_index(&line.domain) },
            weak_right: line.weak == "True",
            strong_right: line.strong == "True",
            text: line.prompt,
        })
        .collect())
}

#[derive(Deserialize)]
struct PromptLine {
    text: String,
    lang: String,
    tier: Tier,
    intent: Intent,
    group: u64,
    set: String,
}

/// The labelled prompts of this crate.
pub(crate) fn prompts(encoder: &Encoder) -> Result<Vec<Prompt>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tiers.jsonl");
    let lines = std::fs::read_to_string(file)?;
    let lines: Vec<PromptLine> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let readings: Vec<_> = lines.iter().map(|l| read_prompt(&l.text)).collect();
    let texts: Vec<String> = readings.iter().map(|r| r.text.clone()).collect();
    let vectors = encoder.vectors(&texts)?;
    Ok(lines
        .into_iter()
        .zip(readings)
        .zip(vectors)
        .map(|((line, reading), vector)| Prompt {
            korean: line.lang == "ko",
            group: line.group,
            set: line.set,
            tier: line.tier,
            intent: line.intent,
            features: RouteFeatures::of(&reading),
            vector,
            text: line.text,
        })
        .collect())
}
