//! Rate and concurrency limits of a key, checked before anything else costs anything.

use nunchi_core::{KeyId, ModelError, ModelErrorKind, Principal, RateState, admit_rate};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct KeyState {
    requests: RateState,
    route: RateState,
    tokens: RateState,
    running: u32,
}

type States = Mutex<HashMap<KeyId, KeyState>>;

/// The limits' state, by key.
#[derive(Default)]
pub(crate) struct Limits {
    states: Arc<States>,
}

/// One request under way; counts against the key's concurrency until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    running: Option<(Arc<States>, KeyId)>,
}

impl std::fmt::Debug for KeyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyState").field("running", &self.running).finish_non_exhaustive()
    }
}

// drop: gives back one count, no I/O and no waiting
impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((states, key)) = self.running.take()
            && let Some(state) = states.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key)
        {
            state.running = state.running.saturating_sub(1);
        }
    }
}

impl Limits {
    /// Admits one request of `tokens` estimated tokens at the monotonic time `now`, or tells how long to wait.
    /// `route_per_minute` is the limit every key has; 0 means none.
    pub(crate) fn admit(
        &self,
        principal: &Principal,
        now: Duration,
        tokens: u64,
        route_per_minute: u32,
    ) -> Result<Permit, ModelError> {
        let limits = principal.limits;
        let Some(key) = principal.key else { return Ok(Permit::default()) };
        let unlimited = route_per_minute == 0
            && limits.requests_per_minute.is_none()
            && limits.tokens_per_minute.is_none()
            && limits.concurrent.is_none();
        if unlimited {
            return Ok(Permit::default());
        }
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(key).or_default();
        if limits.concurrent.is_some_and(|most| state.running >= most) {
            return Err(exceeded("too many requests of this key are under way", Duration::from_secs(1)));
        }
        let mut next = (state.requests, state.route, state.tokens);
        let checks = [
            ("requests a minute of this key", &mut next.0, limits.requests_per_minute.map(u64::from), 1),
            (
                "chat requests a minute",
                &mut next.1,
                (route_per_minute > 0).then_some(u64::from(route_per_minute)),
                1,
            ),
            ("tokens a minute of this key", &mut next.2, limits.tokens_per_minute, tokens),
        ];
        for (what, rate, per_minute, amount) in checks {
            if let Some(per_minute) = per_minute {
                admit_rate(rate, now, per_minute, amount)
                    .map_err(|wait| exceeded(&format!("the limit is {per_minute} {what}"), wait))?;
            }
        }
        (state.requests, state.route, state.tokens) = next;
        state.running += 1;
        Ok(Permit { running: Some((Arc::clone(&self.states), key)) })
    }
}

fn exceeded(what: &str, wait: Duration) -> ModelError {
    ModelError { retry_after: Some(wait), ..ModelError::new(ModelErrorKind::LimitExceeded, what) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::KeyLimits;
    use uuid::Uuid;

    fn principal(limits: KeyLimits) -> Principal {
        Principal { key: Some(KeyId(Uuid::max())), limits, ..Principal::owner() }
    }

    #[test]
    fn concurrency_is_given_back() {
        let limits = Limits::default();
        let who = principal(KeyLimits { concurrent: Some(1), ..KeyLimits::default() });
        let first = limits.admit(&who, Duration::ZERO, 1, 0).unwrap();
        assert!(limits.admit(&who, Duration::ZERO, 1, 0).is_err());
        drop(first);
        assert!(limits.admit(&who, Duration::ZERO, 1, 0).is_ok());
    }

    #[test]
    fn a_refused_request_takes_nothing() {
        let limits = Limits::default();
        let who = principal(KeyLimits {
            requests_per_minute: Some(2),
            tokens_per_minute: Some(10),
            ..KeyLimits::default()
        });
        assert!(limits.admit(&who, Duration::ZERO, 10, 0).is_ok());
        let error = limits.admit(&who, Duration::ZERO, 5, 0).unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(30)));
        assert!(limits.admit(&who, Duration::ZERO, 0, 0).is_ok(), "the refusal left the request count alone");
        assert!(limits.admit(&who, Duration::ZERO, 0, 0).is_err());
    }

    #[test]
    fn the_owner_at_the_machine_has_no_limit() {
        let limits = Limits::default();
        for _ in 0..500 {
            assert!(limits.admit(&Principal::owner(), Duration::ZERO, 1, 1).is_ok());
        }
    }
}
