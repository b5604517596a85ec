//! nunchi
fn main() {}
