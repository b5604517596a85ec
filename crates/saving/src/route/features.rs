//! Everything the models read of a text besides its vector, computed once.

use super::cues::cues;
use super::intent::hits;
use super::reading::Reading;
use super::surface::Anatomy;

/// Length of the sentence vectors (Universal Sentence Encoder multilingual v3).
pub const VECTOR: usize = 512;

/// What the models read of a text.
#[derive(Clone, Debug)]
pub struct Features {
    pub(super) surface: Vec<f32>,
    pub(super) problem: Vec<f32>,
    pub(super) cues: Vec<f32>,
    pub(super) words: Vec<(u16, f32)>,
    pub(super) hits: [f32; 13],
}

impl Features {
    /// The features of a text as read by [`super::reading::read`].
    pub fn of(reading: &Reading) -> Self {
        let anatomy = Anatomy::of(reading);
        Self {
            surface: anatomy.surface(),
            problem: anatomy.problem(),
            words: anatomy.hashed_words(),
            cues: cues(&reading.text),
            hits: hits(&reading.text),
        }
    }
}
