//! Whether a stored answer says the same as a fresh one.

use nunchi_core::{Frame, PackedVector, ReplyEvent};
use nunchi_saving::{Blocked, Question, judge};

/// The start of an answer that is compared, in characters.
const COMPARED: usize = 600;
/// Two answers to the same question that are less alike than this say different things.
const LEAST_COSINE: f32 = 0.6;

/// The start of an answer's text.
pub(crate) fn opening(frames: &[Frame]) -> String {
    let texts = frames.iter().flat_map(|frame| &frame.events).filter_map(|event| match event {
        ReplyEvent::Text(text) => Some(text.as_ref()),
        _ => None,
    });
    texts.flat_map(str::chars).take(COMPARED).collect()
}

/// The start of a text that is compared.
pub(crate) fn start_of(text: &str) -> String {
    text.chars().take(COMPARED).collect()
}

/// Whether two answers say the same: they are alike, and no number, name or negation differs in what both speak of.
pub(crate) fn same_answer(a: (&str, &PackedVector), b: (&str, &PackedVector)) -> bool {
    let cosine = a.1.cosine(b.1);
    if a.0.trim() == b.0.trim() {
        return true;
    }
    let verdict = judge(&Question::read(a.0), &Question::read(b.0), cosine);
    cosine >= LEAST_COSINE && !matches!(verdict.blocked_by, Some(Blocked::Slot(_)))
}
