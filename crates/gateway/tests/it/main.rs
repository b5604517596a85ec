//! The call path against scripted models, under paused time.

mod bench;
mod cache;
mod failures;
mod money;
mod routing;
