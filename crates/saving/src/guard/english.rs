//! English word forms: a light stemmer and number words.

/// The stem of a lower-case word: plural, -ing and -ed endings go, and so does the possessive.
pub(super) fn stem(word: &str) -> String {
    let word = word.strip_suffix("'s").or_else(|| word.strip_suffix('\'')).unwrap_or(word);
    if word.len() < 4 || !word.is_ascii() {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    for ending in ["ing", "ed"] {
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| has_vowel(stem) && stem.len() > 2) {
            return undouble(stem);
        }
    }
    if word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") && !word.ends_with("is") {
        return drop_e(&word[..word.len() - 1]);
    }
    drop_e(word)
}

fn drop_e(word: &str) -> String {
    word.strip_suffix('e').filter(|stem| stem.len() > 2).unwrap_or(word).to_owned()
}

fn has_vowel(text: &str) -> bool {
    text.chars().any(|c| "aeiouy".contains(c))
}

/// `stopp` -> `stop`; `fall` keeps its letters.
fn undouble(stem: &str) -> String {
    let bytes = stem.as_bytes();
    let doubled = bytes.len() > 3 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
    let kept = matches!(bytes.last(), Some(b'l' | b's' | b'z'));
    if doubled && !kept { stem[..stem.len() - 1].to_owned() } else { drop_e(stem) }
}

/// The value of a number word below a hundred, or of an ordinal.
pub(super) fn small_number(word: &str) -> Option<f64> {
    const WORDS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    const ORDINALS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    if let Some((tens, ones)) = word.split_once('-') {
        let tens = TENS.iter().position(|w| *w == tens)?;
        let ones = WORDS[1..10].iter().position(|w| *w == ones)?;
        return Some((tens * 10 + 20 + ones + 1) as f64);
    }
    if let Some(at) = WORDS.iter().position(|w| *w == word) {
        return Some(at as f64);
    }
    if let Some(at) = TENS.iter().position(|w| *w == word) {
        return Some((at * 10 + 20) as f64);
    }
    match word {
        "dozen" => Some(12.0),
        "twice" => Some(2.0),
        "thrice" => Some(3.0),
        _ => ORDINALS.iter().position(|w| *w == word).map(|at| (at + 1) as f64),
    }
}

/// The factor of a number word that multiplies what stands before it.
pub(super) fn scale(word: &str) -> Option<f64> {
    match word {
        "hundred" => Some(1e2),
        "thousand" | "k" => Some(1e3),
        "million" | "m" => Some(1e6),
        "billion" | "b" => Some(1e9),
        "trillion" => Some(1e12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems() {
        for (a, b) in [
            ("cities", "city"),
            ("stopped", "stop"),
            ("boxes", "box"),
            ("making", "make"),
            ("uses", "use"),
            ("lights", "light"),
            ("alice's", "alice"),
        ] {
            assert_eq!(stem(a), stem(b), "{a}");
        }
        assert_ne!(stem("bus"), stem("bu"));
    }

    #[test]
    fn number_words() {
        for (word, value) in [("zero", 0.0), ("nineteen", 19.0), ("forty", 40.0), ("twenty-three", 23.0)] {
            assert_eq!(small_number(word), Some(value), "{word}");
        }
        assert_eq!(small_number("tent"), None);
    }
}
