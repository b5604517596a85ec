//! Takes `<think>…</think>` at the start of a text apart, wherever the pieces are cut.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// One piece of text after the split.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Reasoning.
    Thinking(String),
    /// The answer.
    Text(String),
}

/// The state of one choice.
#[derive(Debug, Default)]
pub(super) struct ThinkSplit {
    stage: Stage,
    /// What may yet turn out to be a tag.
    held: String,
    /// Some reasoning was given: line ends are no longer the margin of the tag.
    thought: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Thinking,
    /// White space between the reasoning and the answer is neither's.
    Gap,
    Answer,
}

impl ThinkSplit {
    /// Takes the next piece and gives what is certain.
    pub(super) fn push(&mut self, piece: &str) -> Vec<Spoken> {
        let mut out = Vec::new();
        if self.stage == Stage::Answer {
            say(&mut out, Spoken::Text, piece);
            return out;
        }
        self.held.push_str(piece);
        while self.step(&mut out) {}
        out
    }

    /// Gives what was held back when the text ends.
    pub(super) fn finish(&mut self) -> Vec<Spoken> {
        let held = std::mem::take(&mut self.held);
        let mut out = Vec::new();
        match self.stage {
            Stage::Thinking => say(&mut out, Spoken::Thinking, &held),
            Stage::Gap => {}
            Stage::Before | Stage::Answer => say(&mut out, Spoken::Text, &held),
        }
        out
    }

    /// Moves on by one stage; false when more text is needed.
    fn step(&mut self, out: &mut Vec<Spoken>) -> bool {
        match self.stage {
            Stage::Before => {
                let start = self.held.trim_start();
                if let Some(rest) = start.strip_prefix(OPEN) {
                    self.held = rest.to_owned();
                    self.stage = Stage::Thinking;
                } else if OPEN.starts_with(start) {
                    return false;
                } else {
                    self.stage = Stage::Answer;
                }
                true
            }
            Stage::Thinking => {
                if !self.thought {
                    let margin = self.held.len() - self.held.trim_start_matches('\n').len();
                    self.held.drain(..margin);
                }
                if let Some((thought, rest)) = self.held.split_once(CLOSE) {
                    say(out, Spoken::Thinking, thought.trim_end_matches('\n'));
                    self.held = rest.to_owned();
                    self.stage = Stage::Gap;
                    return true;
                }
                let keep = self.held.len() - uncertain(&self.held);
                let thought: String = self.held.drain(..keep).collect();
                self.thought |= !thought.is_empty();
                say(out, Spoken::Thinking, &thought);
                false
            }
            Stage::Gap => {
                let start = self.held.trim_start();
                if start.is_empty() {
                    return false;
                }
                self.held = start.to_owned();
                self.stage = Stage::Answer;
                true
            }
            Stage::Answer => {
                say(out, Spoken::Text, &std::mem::take(&mut self.held));
                false
            }
        }
    }
}

/// How many bytes at the end may begin the closing tag or be line ends before it.
fn uncertain(text: &str) -> usize {
    let tag = (1..CLOSE.len()).rev().find(|&length| text.ends_with(&CLOSE[..length])).unwrap_or(0);
    let before = &text[..text.len() - tag];
    tag + before.len() - before.trim_end_matches('\n').len()
}

fn say(out: &mut Vec<Spoken>, kind: fn(String) -> Spoken, text: &str) {
    if !text.is_empty() {
        out.push(kind(text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> (String, String) {
        let mut split = ThinkSplit::default();
        let mut all: Vec<Spoken> = pieces.iter().flat_map(|piece| split.push(piece)).collect();
        all.extend(split.finish());
        let (mut thought, mut said) = (String::new(), String::new());
        for piece in all {
            match piece {
                Spoken::Thinking(text) => thought.push_str(&text),
                Spoken::Text(text) => said.push_str(&text),
            }
        }
        (thought, said)
    }

    #[test]
    fn cut_anywhere() {
        for (text, thought, said) in [
            ("<think>\nlet me\n\nsee\n</think>\n\nYes <think>", "let me\n\nsee", "Yes <think>"),
            ("plain < answer", "", "plain < answer"),
            ("<thin", "", "<thin"),
            ("<think>가 </thin 나", "가 </thin 나", ""),
            ("  <think></think>x", "", "x"),
            ("", "", ""),
        ] {
            let wanted = (thought.to_owned(), said.to_owned());
            assert_eq!(split(&[text]), wanted, "{text:?}");
            for cut in (0..text.len()).filter(|&cut| text.is_char_boundary(cut)) {
                assert_eq!(split(&[&text[..cut], &text[cut..]]), wanted, "{text:?} at {cut}");
            }
            let characters: Vec<String> = text.chars().map(String::from).collect();
            assert_eq!(split(&characters.iter().map(String::as_str).collect::<Vec<_>>()), wanted);
        }
    }
}
