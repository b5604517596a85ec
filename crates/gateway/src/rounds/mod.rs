//! Rounds: when the model calls tools that the gateway answers itself, it is asked again with the answers, and the caller hears one answer.

mod answers;
mod hidden;
mod resume;
mod screen;
mod walk;

pub(crate) use hidden::HiddenTools;
pub(crate) use screen::Screen;
pub(crate) use walk::Rounds;
