//! What the tests of both APIs share.

use crate::provider::{Provider, ProviderConfig, ProviderDeps, ProviderKind};
use crate::transport::Tls;
use nunchi_core::{BatchItem, CallId, Message, ModelRequest, Role};
use nunchi_testkit::{TokioClock, TokioSpawn};
use std::sync::Arc;
use uuid::Uuid;

/// A provider that is never asked anything.
pub(super) fn provider(kind: ProviderKind) -> Provider {
    let clock = Arc::new(TokioClock::start());
    let deps = ProviderDeps { clock, spawn: Arc::new(TokioSpawn::new()), tls: Tls::new() };
    let base_url = "http://127.0.0.1:9".to_owned();
    Provider::new(ProviderConfig { base_url, ..ProviderConfig::new("up", kind) }, deps).unwrap()
}

pub(super) fn item(number: u128, model: &str, text: &str) -> BatchItem {
    let request = ModelRequest::new(model, vec![Message::text(Role::User, text)]);
    BatchItem { id: CallId(Uuid::from_u128(number)), request: ModelRequest { stream: true, ..request } }
}
