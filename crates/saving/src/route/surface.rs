//! What can be counted on a text in any language: length, digits, marks, sentences, code, answer options, word problems.

use super::reading::PromptReading;

/// How many surface features there are.
pub(super) const SURFACE: usize = 34;
/// How many features of word problems there are.
pub(super) const PROBLEM: usize = 37;
/// Buckets of hashed words.
pub(super) const BUCKETS: usize = 1_024;

/// A text taken apart once for all features.
#[derive(Debug)]
pub(super) struct Anatomy<'a> {
    text: &'a str,
    bytes: usize,
    cut: bool,
    /// Lower-case words, numbers and marks, in order.
    tokens: Vec<String>,
    characters: f32,
    stem: &'a str,
    options: Vec<&'a str>,
}

impl<'a> Anatomy<'a> {
    /// Takes a text apart.
    pub(super) fn of(reading: &'a PromptReading) -> Self {
        let text = reading.text.as_str();
        let (stem, options) = options(text);
        let characters = text.chars().count().max(1) as f32;
        Self { text, bytes: reading.bytes, cut: reading.cut, tokens: tokens(text), characters, stem, options }
    }

    fn words(&self) -> impl Iterator<Item = &str> + Clone {
        self.tokens.iter().map(String::as_str).filter(|t| t.starts_with(char::is_alphabetic))
    }

    fn count(&self, words: &[&str]) -> f32 {
        self.words().filter(|w| words.contains(w)).count() as f32
    }

    fn share(&self, of: impl Fn(char) -> bool) -> f32 {
        self.text.chars().filter(|c| of(*c)).count() as f32 / self.characters
    }

    fn marks(&self, mark: char) -> f32 {
        self.text.chars().filter(|c| *c == mark).count() as f32
    }

    /// Mean length of words and the share that differ.
    fn vocabulary(&self) -> (f32, f32) {
        let count = self.words().count().max(1) as f32;
        let letters: usize = self.words().map(|w| w.chars().count()).sum();
        let different: std::collections::HashSet<&str> = self.words().collect();
        (letters as f32 / count, different.len() as f32 / count)
    }

    /// Length, marks, form and options: any language.
    pub(super) fn surface(&self) -> Vec<f32> {
        let flag = |yes: bool| f32::from(u8::from(yes));
        let stem_length = self.stem.chars().count() as f32;
        let lengths: Vec<f32> = self.options.iter().map(|o| o.chars().count() as f32).collect();
        let longest = lengths.iter().copied().fold(0.0, f32::max);
        let shortest = lengths.iter().copied().fold(longest, f32::min);
        let mean = lengths.iter().sum::<f32>() / lengths.len().max(1) as f32;
        let numeric = self.options.iter().filter(|o| is_numeric(o)).count() as f32;
        let (word_length, variety) = self.vocabulary();
        let lines = self.text.lines().count() as f32;
        let ends = self.stem.chars().filter(|c| matches!(c, '.' | ';' | '!' | '?' | '。')).count() as f32;
        let digits = numbers(self.text).count() as f32;
        let all_of =
            |o: &&&str| o.contains("all of the") || o.contains("None of the") || o.contains("none of the");
        vec![
            self.characters.ln_1p(),
            stem_length.ln_1p(),
            mean.ln_1p(),
            (longest - shortest).ln_1p(),
            self.share(|c| c.is_ascii_digit()),
            self.share(char::is_uppercase),
            self.share(|c| !c.is_alphanumeric() && !c.is_whitespace()),
            flag(self.text.contains('_')),
            flag(self.stem.contains('?')),
            flag(self.stem.trim_end().ends_with('?')),
            flag(self.count(&["not", "except", "never", "no"]) > 0.0),
            flag(["NOT", "EXCEPT", "LEAST", "FALSE"].iter().any(|w| self.stem.contains(w))),
            ends.ln_1p(),
            flag(self.options.iter().any(|o| all_of(&o))),
            self.count(&["if", "then", "suppose", "assume", "given", "let"]),
            numeric / lengths.len().max(1) as f32,
            word_length,
            variety,
            flag(self.stem.contains('\n')),
            self.marks(',') / stem_length.max(1.0),
            flag(self.text.contains('"')),
            flag(self.text.contains("Statement 1")),
            digits.ln_1p(),
            flag(self.options.len() >= 3),
            (self.words().count() as f32).ln_1p(),
            lines.ln_1p(),
            flag(self.text.contains("```")),
            self.share(|c| matches!(c, '{' | '}' | '(' | ')' | ';' | '=' | '<' | '>' | '[' | ']')),
            self.share(|c| {
                matches!(c, '∑' | '∫' | '√' | '≤' | '≥' | '^' | '+' | '=' | '×' | '÷' | 'π' | '∞')
            }),
            self.marks(',').ln_1p() + self.marks('·').ln_1p(),
            self.marks(':').ln_1p(),
            self.share(|c| ('가'..='힣').contains(&c)),
            flag(self.cut),
            (self.bytes as f32).ln_1p(),
        ]
    }

    /// What makes a sum told in words hard: numbers, sizes, steps, fractions, comparisons.
    pub(super) fn problem(&self) -> Vec<f32> {
        let values: Vec<f32> = numbers(self.text).collect();
        let spelled = self.count(&NUMBER_WORDS);
        let sentences: Vec<&str> =
            self.text.split(['.', '!', '?']).filter(|s| s.chars().any(char::is_alphanumeric)).collect();
        let longest = sentences.iter().map(|s| s.split_whitespace().count()).max().unwrap_or(0) as f32;
        let words = self.words().count().max(1) as f32;
        let most = values.iter().copied().fold(0.0, f32::max).ln_1p();
        let mean = values.iter().map(|v| v.ln_1p()).sum::<f32>() / values.len().max(1) as f32;
        let different: std::collections::BTreeSet<u32> = values.iter().map(|v| v.to_bits()).collect();
        let (word_length, variety) = self.vocabulary();
        let log = |value: f32| value.ln_1p();
        let mut features = vec![
            log(log(self.characters)),
            log(values.len() as f32 + spelled),
            log(sentences.len() as f32),
            log(most),
            log(mean),
            log(self.marks('%') + self.count(&["percent"])),
            log(self.count(&["half", "third", "quarter", "fraction"]) + self.marks('/')),
            log(self.count(&["times", "twice", "double", "triple", "thrice"])),
            log(self.count(&["more", "less", "fewer", "older", "younger", "greater", "taller", "longer"])),
            log(self.count(&["each", "per", "every"])),
            log(self.count(&["remain", "remaining", "remains", "left", "rest"])),
            log(self.count(&["average", "ratio", "total", "altogether", "combined"])),
            log(self.marks('$')),
            log(self.count(&["if"])),
            log(self.count(&TIMES)),
            log(self.decimals()),
            log(self.marks(',')),
            log(self.count(&["then", "after", "before", "first"])),
            log(different.len() as f32),
            log(words / sentences.len().max(1) as f32),
            log(self.count(&["how"])),
            log(self.count(&["least", "only", "except", "instead", "same"])),
            log(word_length),
            variety,
            log(longest),
            log(values.iter().filter(|v| v.fract() != 0.0).count() as f32),
            log(self.count(&["his", "her", "their", "them", "he", "she", "they"])),
            log(self.marks('"')),
        ];
        features.extend(self.shape(word_length, variety));
        features
    }

    fn shape(&self, word_length: f32, variety: f32) -> [f32; 9] {
        let ends = self.text.chars().filter(|c| matches!(c, '.' | ';' | '!' | '?')).count() as f32;
        [
            self.characters.ln_1p(),
            self.share(|c| c.is_ascii_digit()),
            self.share(char::is_uppercase),
            self.share(|c| !c.is_alphanumeric() && !c.is_whitespace()),
            self.marks(',') / self.characters,
            word_length,
            variety,
            ends,
            self.marks(','),
        ]
    }

    /// Points between two digits.
    fn decimals(&self) -> f32 {
        self.text
            .as_bytes()
            .windows(3)
            .filter(|w| w[1] == b'.' && w[0].is_ascii_digit() && w[2].is_ascii_digit())
            .count() as f32
    }

    /// Different words as signed buckets of length 1 (feature hashing, Weinberger et al. 2009).
    pub(super) fn hashed_words(&self) -> Vec<(u16, f32)> {
        let mut different: Vec<&str> = self.tokens.iter().map(String::as_str).collect();
        different.sort_unstable();
        different.dedup();
        let mut values = std::collections::BTreeMap::<u16, f32>::new();
        for token in different {
            let hash = fnv(token.as_bytes());
            let sign = if hash >> 40 & 1 == 0 { 1.0 } else { -1.0 };
            *values.entry((hash % BUCKETS as u64) as u16).or_default() += sign;
        }
        let length = values.values().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        values.into_iter().filter(|(_, v)| *v != 0.0).map(|(bucket, v)| (bucket, v / length)).collect()
    }
}

const NUMBER_WORDS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
];
const TIMES: [&str; 10] =
    ["hour", "minute", "day", "week", "month", "year", "hours", "minutes", "days", "weeks"];

/// FNV-1a with a final mix: cheap, stable across machines and versions.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// Runs of letters, runs of digits and single marks, in lower case.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in text.chars() {
        let joins =
            (c.is_alphabetic() && before.is_alphabetic()) || (c.is_ascii_digit() && before.is_ascii_digit());
        if !c.is_whitespace() {
            match tokens.last_mut() {
                Some(last) if joins => last.extend(c.to_lowercase()),
                _ => tokens.push(c.to_lowercase().collect()),
            }
        }
        before = c;
    }
    tokens
}

/// The numbers of a text, thousands separators left out.
fn numbers(text: &str) -> impl Iterator<Item = f32> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = &rest[rest.find(|c: char| c.is_ascii_digit())?..];
        let bytes = rest.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let mut end = 1;
        while digit(end) || (matches!(bytes.get(end), Some(b',' | b'.')) && digit(end + 1)) {
            end += 1;
        }
        let (number, after) = rest.split_at(end);
        rest = after;
        let plain: String = number.chars().filter(|c| *c != ',').take(30).collect();
        Some(plain.parse::<f32>().unwrap_or(0.0).min(1e12))
    })
}

/// The question and its lettered answer options, if it has any.
fn options(text: &str) -> (&str, Vec<&str>) {
    let Some(start) = text.find("\nA. ") else { return (text, Vec::new()) };
    let lettered = |line: &&str| {
        line.as_bytes().first().is_some_and(|b| (b'A'..=b'E').contains(b)) && line[1..].starts_with(". ")
    };
    (&text[..start], text[start..].lines().filter(lettered).map(|line| &line[3..]).collect())
}

/// Whether an option starts with a number.
fn is_numeric(option: &str) -> bool {
    let start = option.trim_start_matches(['-', '$', '(', '~', ' ', '+']);
    start.starts_with(|c: char| c.is_ascii_digit()) && option.split_whitespace().count() <= 3
}

#[cfg(test)]
mod tests {
    use super::super::reading::read_prompt;
    use super::*;

    #[test]
    fn feature_counts_are_fixed() {
        for text in
            ["", "hi", "왜 하늘은 파란가요?", "Q?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:", &"x, ".repeat(50_000)]
        {
            let reading = read_prompt(text);
            let anatomy = Anatomy::of(&reading);
            let (surface, problem) = (anatomy.surface(), anatomy.problem());
            assert_eq!((surface.len(), problem.len()), (SURFACE, PROBLEM));
            assert!(surface.iter().chain(&problem).all(|v| v.is_finite()), "{text:.20}");
        }
    }

    #[test]
    fn numbers_are_joined() {
        let found: Vec<f32> = numbers("He paid $1,250.50 for 3 at 7. 8 left").collect();
        assert_eq!(found, [1250.5, 3.0, 7.0, 8.0]);
    }

    #[test]
    fn options_are_found() {
        let (stem, found) = options("Which?\nA. red\nB. blue\nAnswer:");
        assert_eq!((stem, found), ("Which?", vec!["red", "blue"]));
    }

    #[test]
    fn hashed_words_have_length_one() {
        let reading = read_prompt("to be or not to be");
        let words = Anatomy::of(&reading).hashed_words();
        assert!((words.iter().map(|(_, v)| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
