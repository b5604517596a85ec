//! Everything the models read of a text besides its vector, computed once.

use super::cues::cues;
use super::intent::hits;
use super::reading::{PromptReading, ends};
use super::surface::Anatomy;

/// Length of the sentence vectors (Universal Sentence Encoder multilingual v3).
pub const ROUTE_VECTOR: usize = 512;

/// What the models read of a text.
#[derive(Clone, Debug)]
pub struct RouteFeatures {
    pub(super) surface: Vec<f32>,
    pub(super) problem: Vec<f32>,
    pub(super) cues: Vec<f32>,
    pub(super) words: Vec<(u16, f32)>,
    pub(super) hits: [f32; 13],
}

impl RouteFeatures {
    /// The features of a text as read by [`super::reading::read_prompt`].
    pub fn of(reading: &PromptReading) -> Self {
        let request = ends(&reading.text);
        let anatomy = Anatomy::of(reading);
        Self {
            surface: anatomy.surface(),
            problem: anatomy.problem(),
            words: anatomy.hashed_words(),
            cues: cues(&request),
            hits: hits(&request),
        }
    }
}
