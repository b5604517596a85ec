//! Files, batches and jobs: `/v1/files`, `/v1/batches` and `/api/jobs`.

mod caller;
mod files;
mod jobs;
mod jsonl;
mod lines;
mod list;
mod output;
mod routes;
mod wire;

pub(crate) use jobs::accept;
pub(crate) use routes::routes;

use nunchi_core::{FileStore, JobStore};
use nunchi_gateway::Gateway;
use std::sync::Arc;

/// What files, batches and jobs need; without it they answer 503.
#[derive(Clone)]
pub struct BatchServices {
    /// Takes jobs and answers them.
    pub gateway: Arc<Gateway>,
    /// Keeps jobs.
    pub jobs: Arc<dyn JobStore>,
    /// Keeps files and batches.
    pub files: Arc<dyn FileStore>,
    /// Longest file, in bytes.
    pub max_file_bytes: u64,
}
