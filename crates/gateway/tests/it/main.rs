//! The call path against scripted models, under paused time.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests fail loudly")]

mod bench;
mod cache;
mod cascade;
mod compression;
mod desk;
mod desk_bench;
mod desk_crash;
mod failures;
mod money;
mod prefixes;
mod rounds;
mod routing;
mod service_tiers;
mod talk;
