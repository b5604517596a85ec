//! The Batch APIs of OpenAI and Anthropic as their servers keep them: files, batches and their states, results, and the bill.
//! No socket here: `serve` asks the book and sends what it says.

mod anthropic;
mod bill;
mod book;
mod item;
mod multipart;
mod openai;
mod reply;

pub use bill::{Bill, Billed};
pub(crate) use book::{AnswerItem, BatchBook, Steering};
pub use book::{BatchPace, BatchPhase, BatchSeen};
pub(crate) use item::{End, Item};
pub(crate) use reply::{Asked, Reply, answer};
