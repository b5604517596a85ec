//! Decides whether a request needs a tool, and which: by meaning, as the embedded chat models are too small to judge.
//!
//! A tool fits as far as what is said lies near its name and its description; it is needed as far as what is said lies
//! nearer to requests that take a tool than to such as a model answers by itself. Weights and border were fitted on
//! labelled requests (`examples/tools.rs` measures them).

use crate::encoder::EncoderEngine;
use crate::error::LocalError;
use nunchi_core::ToolDefinition;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Weight of the need beside the fit.
const NEED: f32 = 1.5;
/// Fit and need together from which a tool is called.
const BORDER: f32 = 0.35;
/// Requests that count for the need: the nearest ones of either kind.
const NEAREST: usize = 3;
/// Texts whose vectors are kept.
const MOST_KNOWN: usize = 1_000;
/// Bytes of the person's text that are looked at, from its end.
const MOST_TEXT: usize = 2_000;

/// Requests that a model answers by itself.
const ANSWERED: [&str; 20] = [
    "What is the tallest mountain?",
    "Who discovered penicillin?",
    "Good morning",
    "How are you doing?",
    "Thank you very much",
    "Write a short poem about the sea",
    "Explain how a car engine works",
    "Tell me something funny",
    "Translate this sentence into German",
    "What does the word 'serendipity' mean?",
    "Give me advice for a job interview",
    "Why do birds sing?",
    "How do I cook rice?",
    "Compare two programming languages",
    "Suggest a title for my novel",
    "What is democracy?",
    "When did the Roman Empire fall?",
    "Which animals are reptiles?",
    "What can you do?",
    "Summarise this text",
];

/// Requests that take a tool.
const CALLED: [&str; 24] = [
    "What is 12 * 7?",
    "How much is 20% of 50?",
    "What time is it?",
    "What day is today?",
    "Read the file a.txt",
    "Which files are here?",
    "Search the files for a word",
    "Remember that I like apples",
    "What do you know about me?",
    "Send me a message",
    "Search the web for news",
    "Write this into a file",
    "What is the weather today?",
    "Delete the file",
    "Turn on the light",
    "Send an email to Ann",
    "Add an event to my calendar",
    "Book a table",
    "Play some music",
    "Look it up online",
    "Convert 10 dollars to euros",
    "Open the page example.com",
    "Show the rows of the table",
    "Translate the file",
];

/// Chooses tools; clones share what is known.
#[derive(Clone, Debug)]
pub(super) struct ToolChooser {
    encoder: EncoderEngine,
    known: Arc<Mutex<HashMap<String, Arc<[f32]>>>>,
}

/// How well a tool fits what was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chosen {
    /// Its place among those that were offered.
    pub(super) tool: usize,
    /// Whether one is needed at all.
    pub(super) needed: bool,
}

impl ToolChooser {
    pub(super) fn new(encoder: EncoderEngine) -> Self {
        Self { encoder, known: Arc::default() }
    }

    /// The tool that fits what was said best; `None` where there is none.
    pub(super) async fn choose(
        &self,
        said: &str,
        tools: &[ToolDefinition],
    ) -> Result<Option<Chosen>, LocalError> {
        let mut start = said.len().saturating_sub(MOST_TEXT);
        while !said.is_char_boundary(start) {
            start += 1;
        }
        let said = &said[start..];
        let names: Vec<String> = tools.iter().map(|tool| tool.name.replace(['_', '-', '.'], " ")).collect();
        let described = names
            .iter()
            .zip(tools)
            .map(|(name, tool)| format!("{name}: {}", tool.description.as_deref().unwrap_or_default()));
        let described: Vec<String> = described.collect();
        let mut texts = vec![said];
        texts.extend(ANSWERED.iter().chain(&CALLED));
        texts.extend(names.iter().chain(&described).map(String::as_str));
        let vectors = self.vectors(&texts).await?;
        let near: Vec<f32> = vectors[1..].iter().map(|vector| dot(&vectors[0], vector)).collect();
        let (answered, rest) = near.split_at(ANSWERED.len());
        let (called, rest) = rest.split_at(CALLED.len());
        let (by_name, by_description) = rest.split_at(tools.len());
        let need = nearest(called) - nearest(answered);
        let fits = by_name.iter().zip(by_description).map(|(name, description)| name + description);
        let best = fits.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(best.map(|(tool, fit)| Chosen { tool, needed: fit + NEED * need >= BORDER }))
    }

    /// Vectors of texts; all but the first are kept, as they come again.
    async fn vectors(&self, texts: &[&str]) -> Result<Vec<Arc<[f32]>>, LocalError> {
        let known = |text: &str| self.known.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        let mut found: Vec<Option<Arc<[f32]>>> = texts.iter().map(|text| known(text)).collect();
        let missing: Vec<usize> = (0..texts.len()).filter(|at| found[*at].is_none()).collect();
        let asked = missing.iter().map(|at| texts[*at].to_owned()).collect();
        let embedded = self.encoder.embed(asked).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MOST_KNOWN {
            known.clear();
        }
        for (at, vector) in missing.into_iter().zip(embedded.vectors) {
            let vector: Arc<[f32]> = vector.into();
            if at > 0 {
                known.insert(texts[at].to_owned(), Arc::clone(&vector));
            }
            found[at] = Some(vector);
        }
        found.into_iter().collect::<Option<_>>().ok_or(LocalError::Stopped)
    }
}

/// The cosine: the encoder's vectors have length one.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The mean of the nearest ones.
fn nearest(all: &[f32]) -> f32 {
    let mut all = all.to_vec();
    all.sort_by(|a, b| b.total_cmp(a));
    all[..NEAREST].iter().sum::<f32>() / NEAREST as f32
}
