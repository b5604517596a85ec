//! The embedded models as the product's ports.

mod choosing;
mod embedder;
mod model;
mod request;

pub use embedder::LocalEmbedder;
pub use model::LocalModel;

/// How the ledger and the model lists name the embedded models.
pub(crate) const PROVIDER: &str = "embedded";

/// Whether a request names these weights, or leaves the choice to us.
fn names(model: &str, weights: &str) -> bool {
    let model = model.strip_prefix(PROVIDER).and_then(|m| m.strip_prefix('/')).unwrap_or(model);
    model == weights || model == "auto" || model.starts_with("auto:")
}
