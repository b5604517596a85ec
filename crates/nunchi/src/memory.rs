//! Memory, put together: the store in the home folder, the embedded encoder, the owner. Who wires agents hands the keeper to
//! desks as a source of context and to tools as their memory.

use crate::config::MemoryConfig;
use crate::local_models::LocalModels;
use crate::storage::Storage;
use nunchi_agent::{MemoryKeeper, MemoryParts};
use nunchi_core::{Clock, Ids, Principal};
use std::sync::Arc;

/// The keeper of this home's memory. Without embedded models words alone find.
pub(crate) fn memory_keeper(
    config: &MemoryConfig,
    storage: &Storage,
    local: Option<&LocalModels>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> Arc<MemoryKeeper> {
    Arc::new(MemoryKeeper::new(MemoryParts {
        store: storage.memory.clone(),
        encoder: local.map(LocalModels::memory_encoder),
        clock,
        ids,
        principal: Arc::new(Principal::owner()),
        settings: config.settings,
    }))
}
