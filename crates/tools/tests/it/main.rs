//! The built-in tools as the product offers them.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod offered;
