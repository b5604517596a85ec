//! Proves the testkit itself, so that other crates' tests can lean on it.
#![expect(clippy::expect_used, reason = "tests fail loudly")]

mod batches;
mod bytes;
mod fakes;
mod server;
mod support;
