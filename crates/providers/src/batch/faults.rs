//! What failures of a Batch API mean: whether a batch may exist all the same, and whose mistake a missing batch is.

use nunchi_core::{ModelError, ModelErrorKind};

/// A failed request that would have made a batch. Where it may have been carried out, the error may be charged for, so that the
/// provider is asked for the batch before it is handed over again.
pub(super) fn perhaps_made(mut error: ModelError) -> ModelError {
    use ModelErrorKind as K;
    let carried_out = match error.status {
        // A status from behind the provider's door: it may have been set when the work was done.
        Some(status) => matches!(status, 200..=299 | 408 | 500 | 502 | 504 | 520..=527),
        // Nothing came, or something that cannot be read. `Unreachable` is certain: nothing was sent.
        None => matches!(error.kind, K::UpstreamFailed | K::TimedOut | K::Cut | K::Garbage),
    };
    if carried_out {
        error.kind = K::TimedOut;
    }
    without_batches(error)
}

/// A failed request that makes nothing that costs: never charged, and worth another try.
pub(super) fn made_nothing(mut error: ModelError) -> ModelError {
    if matches!(error.kind, ModelErrorKind::TimedOut | ModelErrorKind::Cut) {
        error.kind = ModelErrorKind::UpstreamFailed;
    }
    without_batches(error)
}

/// A path that the provider does not have: it has no Batch API.
fn without_batches(mut error: ModelError) -> ModelError {
    if matches!(error.status, Some(404 | 405)) {
        error.kind = ModelErrorKind::Unsupported;
    }
    error
}

/// A failed question about a batch: what is missing is the batch, not a model.
pub(super) fn about_a_batch(mut error: ModelError) -> ModelError {
    if error.status == Some(404) {
        error.kind = ModelErrorKind::InvalidRequest;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_charged() {
        use ModelErrorKind as K;
        let error = |kind, status| ModelError { status, ..ModelError::new(kind, "") };
        for (kind, status, charged) in [
            (K::Unreachable, None, false),
            (K::UpstreamFailed, None, true),
            (K::TimedOut, None, true),
            (K::Cut, None, true),
            (K::Garbage, None, true),
            (K::InvalidRequest, None, false),
            (K::UpstreamFailed, Some(500), true),
            (K::UpstreamFailed, Some(502), true),
            (K::UpstreamFailed, Some(503), false),
            (K::UpstreamFailed, Some(529), false),
            (K::RateLimited, Some(429), false),
            (K::UpstreamAuth, Some(401), false),
            (K::Garbage, Some(302), false),
        ] {
            assert_eq!(
                perhaps_made(error(kind.clone(), status)).may_be_charged(),
                charged,
                "{kind:?} {status:?}"
            );
            assert!(!made_nothing(error(kind, status)).may_be_charged());
        }
        assert_eq!(perhaps_made(error(K::UnknownModel, Some(404))).kind, K::Unsupported);
        assert_eq!(about_a_batch(error(K::UnknownModel, Some(404))).kind, K::InvalidRequest);
    }
}
