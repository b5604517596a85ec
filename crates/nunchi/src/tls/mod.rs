//! TLS of the server: its certificate, read anew when it changes, and how this machine's own commands know it.

mod certificate;
mod pinned;
mod served;
mod validity;

pub(crate) use certificate::{TlsFiles, read_certificate};
pub(crate) use pinned::pinned_client;
pub(crate) use served::ServedTls;
pub(crate) use validity::valid_until;
