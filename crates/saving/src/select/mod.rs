//! Which tools a question needs.
