//! Shortens conversations on the way out where that pays: tool results, older turns, and prompts that would not fit their model.
//! Everything is derived from the request, so that the same conversation is shortened to the same bytes in every later call.

mod decide;
mod draft;
mod limit;
mod memo;
mod originals;
mod report;
mod sessions;
mod shape;
mod summaries;

pub(crate) use memo::ShortTexts;
pub(crate) use originals::{Originals, result_by_id};
pub use report::{CompressionReport, ReportedPart};
pub(crate) use sessions::CompressionSessions;
pub(crate) use shape::Shape;
