//! The tools of one request, prepared for ranking: their texts to embed, their lexical index, their concepts.

use super::bm25::Bm25;
use super::concepts::{ConceptIndex, ConceptVectors, named_concepts};
use super::memory::ExampleMemory;
use super::tokens::definition_tokens;
use super::words::{asking_part, ends_of, grams, open_identifiers, terms};
use super::{dot, standardise};
use nunchi_core::ToolDefinition;
use serde_json::Value;

/// Most sentences of a description that get a vector of their own.
const MOST_SENTENCES: usize = 6;
/// Most characters of a tool's text that are looked at; what a tool is for is said first.
const MOST_CHARS: usize = 1_200;
/// How deep and how many parameters are read from a schema.
const MOST_DEPTH: usize = 3;
const MOST_PARAMETERS: usize = 32;

/// Weights of the standardised scores; chosen on half of a public catalog's tools, flat around their best.
const CONCEPT_WEIGHT: f32 = 0.6;
const WORD_WEIGHT: f32 = 0.15;
const GRAM_WEIGHT: f32 = 0.1;
const MEANT_WEIGHT: f32 = 0.5;
const NAME_WEIGHT: f32 = 0.3;
const MEMORY_WEIGHT: f32 = 2.5;

/// What a tool is ranked by.
#[derive(Clone, Debug)]
struct Tool {
    name: String,
    tokens: u64,
    builtin: bool,
    /// Where its vectors begin: whole text, description, name, then sentences.
    first_vector: usize,
    sentences: usize,
    /// What its whole text means, by concept; empty without vectors.
    meant: Vec<f32>,
}

/// Tools ready to be ranked. Build it once for each distinct list of definitions and keep it.
#[derive(Clone, Debug)]
pub struct ToolCatalog {
    tools: Vec<Tool>,
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
    concept_vectors: Option<ConceptVectors>,
    words: Bm25,
    grams: Bm25,
    concepts: ConceptIndex,
}

/// What is asked: the person's text and, where an encoder is at hand, its unit vector.
#[derive(Clone, Copy, Debug)]
pub struct ToolQuery<'a> {
    /// The last human text.
    pub text: &'a str,
    /// The vector of its [`super::asking_part`], of the encoder that made the catalog's vectors.
    pub vector: Option<&'a [f32]>,
}

/// A tool's place in a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedTool {
    /// Its place in the list the catalog was built from.
    pub index: usize,
    /// Higher fits better; comparable within one ranking alone.
    pub score: f32,
}

impl ToolCatalog {
    /// Reads definitions; they rank by words and concepts until vectors are set.
    pub fn new(definitions: &[ToolDefinition]) -> Self {
        let mut texts = Vec::new();
        let mut tools = Vec::with_capacity(definitions.len());
        for definition in definitions {
            let name = open_identifiers(&definition.name);
            let description = head(definition.description.as_deref().unwrap_or_default());
            let parameters = parameter_text(definition);
            let first_vector = texts.len();
            texts.extend([head(&format!("{name}: {description} {parameters}")), description.clone(), name]);
            texts.extend(sentences(&description));
            tools.push(Tool {
                name: definition.name.clone(),
                tokens: definition_tokens(definition),
                builtin: definition.builtin.is_some(),
                first_vector,
                sentences: texts.len() - first_vector - 3,
                meant: Vec::new(),
            });
        }
        Self::index(tools, texts)
    }

    fn index(tools: Vec<Tool>, texts: Vec<String>) -> Self {
        let wholes: Vec<&str> = tools.iter().map(|tool| texts[tool.first_vector].as_str()).collect();
        let index = |cut: fn(&str) -> Vec<String>| {
            Bm25::new(&wholes.iter().map(|whole| cut(whole)).collect::<Vec<_>>(), 1.2, 0.5)
        };
        let (words, grams) = (index(terms), index(grams));
        let concepts = ConceptIndex::new(wholes.iter().copied());
        Self { tools, texts, vectors: Vec::new(), concept_vectors: None, words, grams, concepts }
    }

    /// The catalog of some of the tools, in the order given, with their vectors: what one key or skill may use.
    pub fn subset(&self, places: &[usize]) -> Self {
        let (mut tools, mut texts, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
        for tool in places.iter().filter_map(|at| self.tools.get(*at)) {
            let own = tool.first_vector..tool.first_vector + 3 + tool.sentences;
            tools.push(Tool { first_vector: texts.len(), ..tool.clone() });
            texts.extend_from_slice(&self.texts[own.clone()]);
            vectors.extend_from_slice(self.vectors.get(own).unwrap_or_default());
        }
        let mut subset = Self::index(tools, texts);
        (subset.vectors, subset.concept_vectors) = (vectors, self.concept_vectors.clone());
        subset
    }

    /// The texts to embed for [`ToolCatalog::set_vectors`], at most nine a tool.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Takes the unit vectors of [`ToolCatalog::texts`] in order. A list that does not fit is refused and nothing changes.
    pub fn set_vectors(&mut self, vectors: Vec<Vec<f32>>, concepts: Option<&ConceptVectors>) -> bool {
        let length = vectors.first().map_or(0, Vec::len);
        if vectors.len() != self.texts.len() || length == 0 || vectors.iter().any(|v| v.len() != length) {
            return false;
        }
        for tool in &mut self.tools {
            tool.meant = concepts.map(|c| c.profile(&vectors[tool.first_vector])).unwrap_or_default();
        }
        self.vectors = vectors;
        self.concept_vectors = concepts.cloned();
        true
    }

    /// How many tools there are.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// A tool's name.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.tools.get(index).map(|tool| tool.name.as_str())
    }

    /// The head of a tool's description.
    pub fn description(&self, index: usize) -> Option<&str> {
        self.tools.get(index).and_then(|tool| self.texts.get(tool.first_vector + 1)).map(String::as_str)
    }

    /// Where a tool is, by name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.tools.iter().position(|tool| tool.name == name)
    }

    /// Tokens of a tool's definition, estimated.
    pub fn tokens(&self, index: usize) -> u64 {
        self.tools.get(index).map_or(0, |tool| tool.tokens)
    }

    /// Whether a tool runs at the provider; those say nothing about themselves and are never left out.
    pub fn is_builtin(&self, index: usize) -> bool {
        self.tools.get(index).is_some_and(|tool| tool.builtin)
    }

    /// All tools, the fittest first; equal scores keep the order of the definitions.
    pub fn rank(&self, query: ToolQuery<'_>, memory: Option<&ExampleMemory>) -> Vec<RankedTool> {
        let text = ends_of(asking_part(query.text));
        let mut total = vec![0.0; self.tools.len()];
        let mut add = |mut scores: Vec<f32>, weight: f32| {
            standardise(&mut scores);
            total.iter_mut().zip(scores).for_each(|(total, score)| *total += weight * score);
        };
        add(self.concepts.scores(&named_concepts(&text)), CONCEPT_WEIGHT);
        add(self.words.scores(&terms(&text)), WORD_WEIGHT);
        add(self.grams.scores(&grams(&text)), GRAM_WEIGHT);
        let vector = query.vector.filter(|v| self.vectors.first().is_some_and(|own| own.len() == v.len()));
        if let Some(vector) = vector {
            add(self.tools.iter().map(|tool| self.similarity(tool, vector)).collect(), 1.0);
            let meant = self.concept_vectors.as_ref().map(|c| c.profile(vector)).unwrap_or_default();
            add(self.tools.iter().map(|tool| dot(&tool.meant, &meant)).collect(), MEANT_WEIGHT);
        }
        let names: Vec<&str> = self.tools.iter().map(|tool| tool.name.as_str()).collect();
        let learned = memory.and_then(|memory| memory.scores(&names, &text, query.vector));
        if let Some((scores, trust)) = learned {
            total.iter_mut().zip(scores).for_each(|(total, score)| *total += MEMORY_WEIGHT * trust * score);
        }
        let mut ranked: Vec<RankedTool> =
            total.into_iter().enumerate().map(|(index, score)| RankedTool { index, score }).collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        ranked
    }

    /// Whole text, description, best sentence, and a little of the name.
    fn similarity(&self, tool: &Tool, vector: &[f32]) -> f32 {
        let at = |offset: usize| dot(&self.vectors[tool.first_vector + offset], vector);
        let best = (0..tool.sentences).map(|sentence| at(3 + sentence)).fold(f32::MIN, f32::max);
        let best = if tool.sentences == 0 { at(0) } else { best };
        at(0) + at(1) + best + NAME_WEIGHT * at(2)
    }
}

fn head(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

/// Clauses of a description that can stand alone: cut at sentence ends, commas, colons and "and".
fn sentences(description: &str) -> Vec<String> {
    description
        .replace(" and ", ", ")
        .split(['.', '!', '?', ',', ';', ':', '\n', '。'])
        .map(str::trim)
        .filter(|clause| clause.split_whitespace().nth(1).is_some())
        .take(MOST_SENTENCES)
        .map(str::to_owned)
        .collect()
}

/// Names and descriptions of the parameters. A schema that is no JSON, or too deep to read, has none.
fn parameter_text(definition: &ToolDefinition) -> String {
    let schema =
        definition.parameters.as_ref().and_then(|json| serde_json::from_str::<Value>(json.get()).ok());
    let mut words = Vec::new();
    if let Some(schema) = schema {
        collect_parameters(&schema, MOST_DEPTH, &mut words);
    }
    words.join(" ")
}

fn collect_parameters(schema: &Value, depth: usize, words: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, property) in properties {
        if words.len() >= MOST_PARAMETERS || depth == 0 {
            return;
        }
        let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
        words.push(format!("{} {description}", open_identifiers(name)));
        collect_parameters(property, depth - 1, words);
        if let Some(items) = property.get("items") {
            collect_parameters(items, depth - 1, words);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Definitions of name and description, with one parameter.
    pub(crate) fn definitions(tools: &[(&str, &str)]) -> Vec<ToolDefinition> {
        let parameters = r#"{"type":"object","properties":{"text":{"type":"string","description":"input"}}}"#;
        tools
            .iter()
            .map(|(name, description)| ToolDefinition {
                name: (*name).to_owned(),
                description: Some((*description).to_owned()),
                parameters: serde_json::from_str(parameters).ok(),
                strict: None,
                builtin: None,
            })
            .collect()
    }

    pub(crate) const SIX: [(&str, &str); 6] = [
        ("get_weather", "Weather forecast of a city."),
        ("sendEmail", "Sends an e-mail to a recipient."),
        ("exchange_rate", "Converts between currencies."),
        ("play_music", "Plays songs and playlists."),
        ("book_hotel", "Finds and books hotel rooms."),
        ("search_papers", "Searches academic papers."),
    ];

    #[test]
    fn ranks_without_vectors_in_both_languages() {
        let catalog = ToolCatalog::new(&definitions(&SIX));
        for (text, tool) in [
            ("will it rain tomorrow?", "get_weather"),
            ("내일 비 오나요", "get_weather"),
            ("환율 얼마야?", "exchange_rate"),
            ("send mail to Kim", "sendEmail"),
            ("noraebang song for tonight", "play_music"),
            ("논문 찾아줘", "search_papers"),
        ] {
            let ranked = catalog.rank(ToolQuery { text, vector: None }, None);
            assert_eq!(catalog.name(ranked[0].index), Some(tool), "{text}");
        }
    }

    #[test]
    fn vectors_must_fit() {
        let mut catalog = ToolCatalog::new(&definitions(&SIX));
        let texts = catalog.texts().len();
        assert!(!catalog.set_vectors(vec![vec![1.0]; texts - 1], None));
        assert!(!catalog.set_vectors(vec![Vec::new(); texts], None));
        let mut vectors = vec![vec![0.0, 1.0]; texts];
        vectors[..3].fill(vec![1.0, 0.0]);
        assert!(catalog.set_vectors(vectors, None));
        let ranked = catalog.rank(ToolQuery { text: "", vector: Some(&[0.0, 1.0]) }, None);
        assert_eq!(ranked.last().unwrap().index, 0, "the only one that points elsewhere comes last");
        let other = catalog.rank(ToolQuery { text: "", vector: Some(&[1.0]) }, None);
        assert!((other[0].score - other[5].score).abs() < 1e-6, "another encoder's vector says nothing");
    }

    #[test]
    fn what_is_learned_counts() {
        let catalog = ToolCatalog::new(&definitions(&SIX));
        let mut memory = ExampleMemory::new("e", 10);
        for _ in 0..20 {
            memory.learn("book_hotel", "do the usual thing", None);
            memory.learn("get_weather", "umbrella", None);
        }
        let ranked = catalog.rank(ToolQuery { text: "the usual", vector: None }, Some(&memory));
        assert_eq!(catalog.name(ranked[0].index), Some("book_hotel"));
    }

    #[test]
    fn a_schema_too_deep_is_not_read() {
        let mut tools = definitions(&[("a", "b")]);
        assert_eq!(parameter_text(&tools[0]), "text input");
        let deep = format!("{}1{}", r#"{"properties":{"x":"#.repeat(100), "}}".repeat(100));
        tools[0].parameters = serde_json::value::RawValue::from_string(deep).ok();
        assert_eq!(parameter_text(&tools[0]), "", "serde_json stops at its own depth");
    }

    proptest! {
        #[test]
        fn any_text_ranks_every_tool_once(name in ".{0,40}", description in ".{0,200}", text in ".{0,200}") {
            let catalog = ToolCatalog::new(&definitions(&[(&name, &description), ("b", "c")]));
            let ranked = catalog.rank(ToolQuery { text: &text, vector: None }, None);
            let mut places: Vec<usize> = ranked.iter().map(|tool| tool.index).collect();
            places.sort_unstable();
            prop_assert_eq!(places, vec![0, 1]);
            prop_assert!(ranked.iter().all(|tool| tool.score.is_finite()));
        }
    }
}
