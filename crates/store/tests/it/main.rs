//! The store on real files: what is acknowledged stays, whatever happens in between.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod cache;
mod crash;
mod feedback;
mod jobs;
mod journal;
mod ledger;
mod memory;
mod originals;
mod questions;
mod runs;
mod scores;
mod support;
