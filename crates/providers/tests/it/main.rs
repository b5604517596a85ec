//! The providers against scripted upstreams over real sockets.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "test support fails loudly")]

mod batches;
mod breaks;
mod chat;
mod responses;
mod support;
mod tls;
