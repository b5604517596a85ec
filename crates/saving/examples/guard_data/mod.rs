//! What training and evaluation of the guard share: the data, its split by group, the vectors and the neighbours.

pub(crate) mod boost;
pub(crate) mod edit;
pub(crate) mod protocol;
pub(crate) mod report;

use anyhow::{Context, Result};
use nunchi_local::{DEFAULT_ENCODER_WEIGHTS, SentenceEncoder, WeightStore, default_weights_dir};
use nunchi_saving::{FEATURES, Question, pair_features};
use std::path::{Path, PathBuf};

/// One sentence of a group of paraphrases; of a near miss, the group is one of its own and `near` is the group it misses.
#[derive(Clone)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) group: u64,
    pub(crate) near: Option<u64>,
    pub(crate) question: Question,
    pub(crate) vector: Vec<f32>,
}

/// Sentences of one language.
#[derive(Default)]
pub(crate) struct Corpus {
    pub(crate) sentences: Vec<Sentence>,
}

/// A pair with its label and weight.
pub(crate) struct Pair {
    pub(crate) features: [f32; FEATURES],
    pub(crate) shared: bool,
    pub(crate) weight: f32,
}

/// FNV-1a with a last mixing step: a hash that never changes between runs and machines.
pub(crate) fn hash(text: &str) -> u64 {
    let h = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3_u64));
    let h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h ^ (h >> 31)
}

/// Which half a group belongs to: training or held out.
pub(crate) fn held_out(group: u64) -> bool {
    hash(&format!("half:{group}")) % 2 == 1
}

pub(crate) fn data_dir() -> Result<PathBuf> {
    let mut args = std::env::args().skip_while(|arg| arg != "--data").skip(1);
    args.next().map(PathBuf::from).context("--data DIR names the folder of the development data")
}

/// The encoder that the gateway uses by default.
pub(crate) fn encoder() -> Result<SentenceEncoder> {
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = WeightStore::new(dir.context("neither NUNCHI_WEIGHTS_DIR nor HOME is set")?);
    Ok(SentenceEncoder::load(&store, DEFAULT_ENCODER_WEIGHTS)?)
}

impl Corpus {
    /// The Korean groups of the development data.
    pub(crate) fn korean(dir: &Path, encoder: &SentenceEncoder) -> Result<Self> {
        let text = std::fs::read_to_string(dir.join("paraphrase_groups.ko.jsonl"))?;
        let mut rows = Vec::new();
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line)?;
            let group = record["group"].as_u64().context("a group")?;
            rows.push((record["text"].as_str().context("a text")?.to_owned(), group, None));
        }
        Self::read(rows, encoder)
    }

    /// Two corpora in one: groups of both languages then hold both.
    pub(crate) fn joined(a: &Self, b: &Self) -> Self {
        Self { sentences: a.sentences.iter().chain(&b.sentences).cloned().collect() }
    }

    /// Groups written for this crate: a line is a paraphrase, `!` opens a near miss of the group, a blank line ends it.
    pub(crate) fn written(text: &str, language: &str, encoder: &SentenceEncoder) -> Result<Self> {
        let mut rows = Vec::new();
        for block in text.split("\n\n") {
            let lines: Vec<&str> = block.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
            let Some(first) = lines.first() else { continue };
            let group = hash(first) | 1 << 40;
            for line in &lines {
                let (tag, line) = line.split_once(' ').map_or(("", *line), |(tag, rest)| match tag {
                    "ko" | "ko!" => (tag, rest),
                    _ => ("", *line),
                });
                if tag.is_empty() != (language == "en") {
                    continue;
                }
                let near = line.strip_prefix("! ").or((tag == "ko!").then_some(line));
                match near {
                    Some(near) => rows.push((near.to_owned(), hash(near), Some(group))),
                    None => rows.push((line.to_owned(), group, None)),
                }
            }
        }
        Self::read(rows, encoder)
    }

    /// Near misses of this corpus, made by editing one slot of its sentences.
    pub(crate) fn edited(&self, per_sentence: usize, encoder: &SentenceEncoder) -> Result<Self> {
        let mut rows = Vec::new();
        let known: std::collections::HashSet<&str> = self.sentences.iter().map(|s| s.text.as_str()).collect();
        for sentence in self.sentences.iter().filter(|sentence| sentence.near.is_none()) {
            for edited in edit::near_misses(&sentence.text, per_sentence)
                .into_iter()
                .filter(|e| !known.contains(e.as_str()))
            {
                rows.push((edited.clone(), hash(&edited), Some(sentence.group)));
            }
        }
        Self::read(rows, encoder)
    }

    fn read(rows: Vec<(String, u64, Option<u64>)>, encoder: &SentenceEncoder) -> Result<Self> {
        let mut sentences = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(64) {
            let texts: Vec<&str> = chunk.iter().map(|(text, ..)| text.as_str()).collect();
            let vectors = encoder.embed(&texts)?.vectors;
            for ((text, group, near), vector) in chunk.iter().zip(vectors) {
                let question = Question::read(text);
                sentences.push(Sentence { text: text.clone(), group: *group, near: *near, question, vector });
            }
        }
        Ok(Self { sentences })
    }

    /// The paraphrases, or the near misses, of one half; a near miss goes with the group it misses.
    pub(crate) fn half(&self, held: Option<bool>, misses: bool) -> Vec<&Sentence> {
        let chosen = |s: &&Sentence| held.is_none_or(|held| held_out(s.near.unwrap_or(s.group)) == held);
        self.sentences.iter().filter(|s| s.near.is_some() == misses).filter(chosen).collect()
    }
}

/// Everything that the guard is trained and measured with.
pub(crate) struct Corpora {
    /// The Korean groups of the development data, with near misses made by editing.
    pub(crate) korean: Corpus,
    /// English groups with near misses.
    pub(crate) english: Corpus,
    /// The groups written for this crate, in both languages.
    pub(crate) both: Corpus,
}

const WRITTEN: &str = include_str!("../../data/guard_questions.txt");

impl Corpora {
    pub(crate) fn load() -> Result<Self> {
        let (dir, encoder) = (data_dir()?, encoder()?);
        let korean = Corpus::korean(&dir, &encoder)?;
        let korean = Corpus::joined(&korean, &korean.edited(2, &encoder)?);
        let english = Corpus::written(WRITTEN, "en", &encoder)?;
        let english = Corpus::joined(&english, &english.edited(1, &encoder)?);
        let both = Corpus::joined(&english, &Corpus::written(WRITTEN, "ko", &encoder)?);
        Ok(Self { korean, english, both })
    }
}

/// The training pairs of one half of the groups, or of all.
pub(crate) fn pairs_of(corpora: &Corpora, half: Option<bool>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (corpus, weight) in [(&corpora.korean, 1.0), (&corpora.both, 6.0)] {
        let sentences = corpus.half(half, false);
        group_pairs(&sentences, weight, &mut pairs);
        miss_pairs(&corpus.half(half, true), &sentences, weight, &mut pairs);
    }
    pairs
}

/// All pairs within groups; and each sentence with its nearest neighbours of other groups and a few from ever farther away.
fn group_pairs(sentences: &[&Sentence], weight: f32, pairs: &mut Vec<Pair>) {
    for (at, a) in sentences.iter().enumerate() {
        for b in sentences[at + 1..].iter().filter(|b| b.group == a.group) {
            pairs.push(Pair { features: features(a, b), shared: true, weight });
        }
        let others = nearest(a, sentences, 120, |other| sentences[other].group != a.group);
        for other in
            others.iter().enumerate().filter(|(rank, _)| *rank < 8 || rank % 16 == 0).map(|(_, at)| *at)
        {
            pairs.push(Pair {
                features: features(a, sentences[other]),
                shared: false,
                weight: weight.min(2.0),
            });
        }
    }
}

/// Each near miss with the nearest members of the group it misses.
fn miss_pairs(misses: &[&Sentence], sentences: &[&Sentence], weight: f32, pairs: &mut Vec<Pair>) {
    for miss in misses {
        for at in nearest(miss, sentences, 3, |at| Some(sentences[at].group) == miss.near) {
            pairs.push(Pair { features: features(miss, sentences[at]), shared: false, weight });
        }
    }
}

pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub(crate) fn features(a: &Sentence, b: &Sentence) -> [f32; FEATURES] {
    pair_features(&a.question, &b.question, cosine(&a.vector, &b.vector))
}

/// The `most` nearest sentences by cosine that `allowed` lets through, nearest first.
pub(crate) fn nearest(
    query: &Sentence,
    among: &[&Sentence],
    most: usize,
    allowed: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let mut found: Vec<(f32, usize)> = among
        .iter()
        .enumerate()
        .filter(|(at, _)| allowed(*at))
        .map(|(at, other)| (cosine(&query.vector, &other.vector), at))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(most);
    found.into_iter().map(|(_, at)| at).collect()
}
