//! The built-in tools as the product offers them.

mod offered;
