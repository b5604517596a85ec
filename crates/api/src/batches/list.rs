//! How lists are asked for.

use serde::Deserialize;

/// Elements of a page, unless the caller says otherwise.
const USUAL: usize = 20;
/// Most elements of a page.
const MOST: usize = 10_000;

/// Which part of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    pub(super) after: Option<String>,
    limit: Option<usize>,
    pub(super) purpose: Option<String>,
}

impl ListQuery {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL).clamp(1, MOST)
    }
}
