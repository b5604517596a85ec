//! Puts a measured calibration of shared answers in force, and keeps it over restarts.

use crate::cache::{Calibration, CalibrationError, QuestionPair};
use crate::gateway::Gateway;
use nunchi_core::{CallContext, Principal, RequestId, StorageError};
use nunchi_saving::SharingPrior;
use std::sync::Arc;

/// The name of the calibration in the store.
const WEIGHTS: &str = "sharing";

impl Gateway {
    /// Measures from which score on answers may be shared: on labelled pairs, or on all audits if there are none.
    ///
    /// # Errors
    /// Too few look-ups, no encoder, or a store that fails.
    pub async fn calibrate(
        &self,
        pairs: &[QuestionPair],
        apply: bool,
    ) -> Result<Calibration, CalibrationError> {
        let semantic = self.cache.semantic.as_ref().ok_or(CalibrationError::NoEncoder)?;
        let context = CallContext::new(RequestId(self.parts.ids.new_id()), Arc::new(Principal::owner()));
        let mut found = semantic.calibrate(pairs, &context).await?;
        if apply {
            let prior = found.prior();
            let bytes = serde_json::to_vec(&prior).map_err(|error| StorageError::Other(error.to_string()))?;
            self.parts.feedback.put_weights(WEIGHTS, Some(bytes), self.parts.clock.now()).await?;
            semantic.set_prior(prior);
            found.applied = true;
        }
        Ok(found)
    }

    /// Goes back to what ships.
    pub async fn forget_calibration(&self) -> Result<(), CalibrationError> {
        self.parts.feedback.put_weights(WEIGHTS, None, self.parts.clock.now()).await?;
        if let Some(semantic) = &self.cache.semantic {
            semantic.set_prior(SharingPrior::shipped());
        }
        Ok(())
    }

    pub(crate) async fn load_calibration(&self) {
        let Some(semantic) = &self.cache.semantic else { return };
        match self.parts.feedback.weights(WEIGHTS).await {
            Ok(Some((bytes, _))) => match serde_json::from_slice(&bytes) {
                Ok(prior) => semantic.set_prior(prior),
                Err(error) => tracing::warn!(%error, "the calibration of shared answers cannot be read"),
            },
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the calibration of shared answers cannot be read"),
        }
    }
}
