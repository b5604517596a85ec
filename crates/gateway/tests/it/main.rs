//! The call path against scripted models, under paused time.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail loudly")]

mod bench;
mod cache;
mod compression;
mod failures;
mod money;
mod rounds;
mod routing;
mod talk;
