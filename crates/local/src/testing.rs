//! What the unit tests share.

use crate::weights::{FetchOptions, WeightStore, default_weights_dir};
use std::path::PathBuf;

/// The shared store (`NUNCHI_WEIGHTS_DIR`, else the user's cache folder) with these weights fetched. A test that needs real
/// weights gets them or fails; it is never skipped.
pub(crate) fn store_with(id: &str) -> WeightStore {
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = WeightStore::new(dir.expect("NUNCHI_WEIGHTS_DIR or HOME is set"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(store.fetch(id, &FetchOptions::default(), &|_| {})).expect("the weights can be fetched");
    store
}
