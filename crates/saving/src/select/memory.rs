//! What past requests used which tool for: a bounded memory that makes ranking better with use.

use super::words::terms;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most tools that are remembered.
const MOST_TOOLS: usize = 1_024;
/// Most words kept for a tool; the rarest go first.
const MOST_WORDS: usize = 512;
/// Examples a word count is smoothed by.
const SMOOTHING: f32 = 5.0;
/// Examples a tool needs before its own evidence counts half.
const HALF_TRUST: f32 = 1.0;

/// A unit vector in bytes: a fifth of a percent off, a quarter of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PackedVector {
    scale: f32,
    #[serde(with = "hex")]
    values: Vec<i8>,
}

impl PackedVector {
    fn pack(vector: &[f32]) -> Self {
        let scale = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / 127.0;
        let values = vector.iter().map(|x| if scale > 0.0 { (x / scale).round() as i8 } else { 0 }).collect();
        Self { scale, values }
    }

    fn dot(&self, other: &Self) -> f32 {
        let pairs = self.values.iter().zip(&other.values);
        self.scale * other.scale * pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>() as f32
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ToolExamples {
    count: u32,
    words: BTreeMap<String, u32>,
    sum: Vec<f32>,
    kept: VecDeque<PackedVector>,
}

/// Example requests by tool: word counts, a centroid, and the newest vectors. Bounded, and the same after the same history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleMemory {
    encoder: String,
    capacity: usize,
    tools: BTreeMap<String, ToolExamples>,
}

impl ExampleMemory {
    /// Empty. `encoder` names the encoder of the vectors; `capacity` is the most vectors kept (about half a kilobyte each).
    pub fn new(encoder: impl Into<String>, capacity: usize) -> Self {
        Self { encoder: encoder.into(), capacity, tools: BTreeMap::new() }
    }

    /// The encoder whose vectors are held. Vectors of another one must not be asked or learned: start a new memory.
    pub fn encoder(&self) -> &str {
        &self.encoder
    }

    /// Examples learned of all tools together.
    pub fn examples(&self) -> usize {
        self.tools.values().map(|tool| tool.count as usize).sum()
    }

    /// A request was answered with this tool.
    pub fn learn(&mut self, tool: &str, text: &str, vector: Option<&[f32]>) {
        if !self.tools.contains_key(tool) && self.tools.len() >= MOST_TOOLS {
            self.forget_least_used();
        }
        let examples = self.tools.entry(tool.to_owned()).or_default();
        examples.count = examples.count.saturating_add(1);
        for word in terms(&super::words::ends_of(text)).into_iter().collect::<BTreeSet<_>>() {
            *examples.words.entry(word).or_default() += 1;
        }
        while examples.words.len() > MOST_WORDS {
            let rarest = examples.words.iter().min_by_key(|(_, count)| **count).map(|(word, _)| word.clone());
            rarest.map(|word| examples.words.remove(&word));
        }
        if let Some(vector) = vector {
            if examples.sum.len() != vector.len() {
                (examples.sum, examples.kept) = (vec![0.0; vector.len()], VecDeque::new());
            }
            examples.sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            examples.kept.push_back(PackedVector::pack(vector));
            self.trim();
        }
    }

    /// Forgets a tool, for instance when its definition changed its meaning.
    pub fn forget(&mut self, tool: &str) {
        self.tools.remove(tool);
    }

    fn forget_least_used(&mut self) {
        let least = self.tools.iter().min_by_key(|(_, tool)| tool.count).map(|(name, _)| name.clone());
        least.map(|name| self.tools.remove(&name));
    }

    /// Over the capacity, the tool with the most vectors gives up its oldest.
    fn trim(&mut self) {
        while self.tools.values().map(|tool| tool.kept.len()).sum::<usize>() > self.capacity {
            let Some(tool) = self.tools.values_mut().max_by_key(|tool| tool.kept.len()) else { return };
            tool.kept.pop_front();
        }
    }

    /// How much the examples speak for each named tool (mean 0 over the tools that have any), and how far to trust that,
    /// 0 to 1. `None` when none of the tools has an example.
    pub(crate) fn scores(
        &self,
        names: &[&str],
        text: &str,
        vector: Option<&[f32]>,
    ) -> Option<(Vec<f32>, f32)> {
        let known: Vec<(usize, &ToolExamples)> =
            names.iter().enumerate().filter_map(|(at, name)| Some((at, self.tools.get(*name)?))).collect();
        let examples: f32 = known.iter().map(|(_, tool)| tool.count as f32).sum();
        if known.is_empty() {
            return None;
        }
        let mut sums = self.word_scores(&known, text);
        super::standardise(&mut sums);
        if let Some(vector) = vector {
            let packed = PackedVector::pack(vector);
            let centroids: Vec<f32> = known.iter().map(|(_, tool)| centroid_score(tool, vector)).collect();
            let nearest: Vec<f32> = known.iter().map(|(_, tool)| nearest_score(tool, &packed)).collect();
            for mut part in [centroids, nearest] {
                super::standardise(&mut part);
                sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        let mut scores = vec![0.0; names.len()];
        for ((at, tool), sum) in known.iter().zip(sums) {
            let count = tool.count as f32;
            scores[*at] = sum * count / (count + HALF_TRUST);
        }
        let per_tool = examples / names.len().max(1) as f32;
        Some((scores, per_tool / (per_tool + 5.0)))
    }

    /// Naive Bayes over the words, smoothed: how much likelier each is with this tool than with any.
    fn word_scores(&self, known: &[(usize, &ToolExamples)], text: &str) -> Vec<f32> {
        let examples: f32 = known.iter().map(|(_, tool)| tool.count as f32).sum();
        let mut scores = vec![0.0; known.len()];
        for word in terms(&super::words::ends_of(text)).into_iter().collect::<BTreeSet<_>>() {
            let counts: Vec<f32> = known
                .iter()
                .map(|(_, tool)| tool.words.get(&word).map_or(0.0, |count| *count as f32))
                .collect();
            let anywhere = (counts.iter().sum::<f32>() + 1.0) / examples;
            for ((score, count), (_, tool)) in scores.iter_mut().zip(counts).zip(known) {
                *score += (1.0 + count / (tool.count as f32 + SMOOTHING) / anywhere).ln();
            }
        }
        scores
    }
}

fn centroid_score(tool: &ToolExamples, vector: &[f32]) -> f32 {
    let norm = super::dot(&tool.sum, &tool.sum).sqrt();
    if norm > 0.0 { super::dot(&tool.sum, vector) / norm } else { 0.0 }
}

fn nearest_score(tool: &ToolExamples, vector: &PackedVector) -> f32 {
    if tool.sum.len() != vector.values.len() {
        return 0.0;
    }
    tool.kept.iter().map(|kept| kept.dot(vector)).fold(0.0, f32::max)
}

/// Bytes as hexadecimal text, a third of a JSON list's size.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use std::fmt::Write as _;

    pub(super) fn serialize<S: Serializer>(values: &[i8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(values.len() * 2);
        for value in values {
            write!(text, "{value:02x}").map_err(serde::ser::Error::custom)?;
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.len().is_multiple_of(2) || !text.is_ascii() {
            return Err(D::Error::custom("no hexadecimal text"));
        }
        (0..text.len() / 2)
            .map(|at| {
                u8::from_str_radix(&text[at * 2..at * 2 + 2], 16)
                    .map(u8::cast_signed)
                    .map_err(D::Error::custom)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_words_and_vectors() {
        let mut memory = ExampleMemory::new("e", 100);
        for _ in 0..5 {
            memory.learn("rain", "umbrella today", Some(&[1.0, 0.0]));
            memory.learn("song", "play jazz", Some(&[0.0, 1.0]));
        }
        let (scores, trust) = memory.scores(&["rain", "song", "new"], "bring an umbrella", None).unwrap();
        assert!(scores[0] > scores[2] && scores[2] > scores[1] && trust > 0.0, "{scores:?}");
        let (scores, _) = memory.scores(&["rain", "song"], "xyzzy", Some(&[0.1, 0.9])).unwrap();
        assert!(scores[1] > scores[0], "{scores:?}");
        assert!(memory.scores(&["new"], "umbrella", None).is_none());
        memory.forget("rain");
        assert_eq!(memory.examples(), 5);
    }

    #[test]
    fn stays_bounded_and_comes_back_from_json() {
        let mut memory = ExampleMemory::new("e", 10);
        for at in 0..2_000 {
            memory.learn(&format!("tool{at}"), &format!("word{at} and more"), Some(&[0.6, -0.8]));
        }
        for at in 0..600 {
            memory.learn("busy", &format!("word{at}"), Some(&[0.6, -0.8]));
        }
        assert!(memory.tools.len() <= MOST_TOOLS && memory.tools["busy"].words.len() <= MOST_WORDS);
        assert_eq!(memory.tools.values().map(|tool| tool.kept.len()).sum::<usize>(), 10);
        let text = serde_json::to_string(&memory).unwrap();
        assert_eq!(serde_json::from_str::<ExampleMemory>(&text).unwrap(), memory);
        assert!(serde_json::from_str::<PackedVector>(r#"{"scale":1.0,"values":"zz"}"#).is_err());
    }

    #[test]
    fn vectors_of_another_length_are_no_evidence() {
        let mut memory = ExampleMemory::new("e", 10);
        memory.learn("a", "x", Some(&[1.0, 0.0]));
        memory.learn("b", "y", Some(&[0.0, 1.0]));
        let (scores, _) = memory.scores(&["a", "b"], "", Some(&[1.0, 0.0, 0.0])).unwrap();
        assert!((scores[0] - scores[1]).abs() < 1e-6);
    }
}
