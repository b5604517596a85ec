//! The gateway behind the door: its keys and its models, as the handlers ask for them.

use crate::state::{Authenticate, Catalog, KeyRefused};
use nunchi_core::{ModelCard, ModelRequest, Principal};
use nunchi_gateway::Gateway;
use std::sync::Arc;

impl Authenticate for Gateway {
    fn authenticate(&self, secret: &str) -> Result<Arc<Principal>, KeyRefused> {
        self.keys().authenticate(secret).map_err(|error| Box::new(error) as KeyRefused)
    }
}

impl Catalog for Gateway {
    fn cards(&self) -> Vec<ModelCard> {
        Self::cards(self)
    }

    fn count_tokens(&self, request: &ModelRequest) -> u64 {
        Self::count_tokens(self, request)
    }
}
