//! The rules: pure functions over the words.
