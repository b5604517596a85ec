//! Circuit breakers: one for each provider and model, so that a dead upstream costs one probe and not every call.

use nunchi_core::ModelErrorKind;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// When a breaker opens and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open before one call may probe.
    pub open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(30) }
    }
}

/// How a candidate is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CandidateHealth {
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Failures in a row.
    pub failures: u32,
    /// Seconds until it may be tried again; 0 when it may be now.
    pub retry_in_seconds: u64,
    /// The code of the last failure.
    pub last_error: Option<&'static str>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// Held back until then: open, or asked to wait by the upstream.
    until: Option<Duration>,
    open: bool,
    /// Until when others wait for the one that tries whether it works again. It may never tell: its caller may leave, or have no money.
    probing: Option<Duration>,
    last_error: Option<&'static str>,
}

/// All breakers.
pub(crate) struct Breakers {
    settings: BreakerSettings,
    states: Mutex<HashMap<(String, String), State>>,
}

/// Whether a candidate may be called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Go,
    /// Not before so long.
    Wait(Duration),
}

impl Breakers {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, states: Mutex::new(HashMap::new()) }
    }

    /// Asks to call a candidate; after an open time exactly one caller is let through as a probe.
    pub(crate) fn admit(&self, provider: &str, model: &str, now: Duration) -> Admission {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.is_empty() {
            return Admission::Go;
        }
        let Some(state) = states.get_mut(&(provider.to_owned(), model.to_owned())) else {
            return Admission::Go;
        };
        match state.until {
            Some(until) if now < until => Admission::Wait(until - now),
            _ => match state.probing {
                Some(until) if now < until => Admission::Wait(until - now),
                _ => {
                    state.probing = state.open.then(|| now + self.settings.open_for);
                    Admission::Go
                }
            },
        }
    }

    /// The upstream answered: whatever was held against it is forgotten. Tells whether a breaker closed.
    pub(crate) fn succeeded(&self, provider: &str, model: &str) -> bool {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.is_empty() {
            return false;
        }
        states.remove(&(provider.to_owned(), model.to_owned())).is_some_and(|state| state.open)
    }

    /// The upstream failed. Tells whether a breaker opened by this.
    pub(crate) fn failed(&self, provider: &str, model: &str, failure: &Failure, now: Duration) -> bool {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry((provider.to_owned(), model.to_owned())).or_default();
        state.last_error = Some(failure.code);
        let was_probe = state.probing.take().is_some();
        match failure.blame {
            Blame::None => false,
            Blame::RateLimit(wait) => {
                state.until = Some(now + wait);
                false
            }
            Blame::Upstream => {
                state.failures += 1;
                let opens = was_probe || state.failures >= self.settings.failures;
                let news = opens && !state.open;
                if opens {
                    state.open = true;
                    state.until = Some(now + self.settings.open_for);
                }
                news
            }
        }
    }

    /// How every candidate that had trouble is doing.
    pub(crate) fn health(&self, now: Duration) -> Vec<CandidateHealth> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let mut health: Vec<_> = states
            .iter()
            .map(|((provider, model), state)| {
                let wait = state.until.map_or(Duration::ZERO, |until| until.saturating_sub(now));
                CandidateHealth {
                    provider: provider.clone(),
                    model: model.clone(),
                    breaker: match (state.open, wait.is_zero()) {
                        (true, false) => "open",
                        (true, true) => "half-open",
                        (false, _) => "closed",
                    },
                    failures: state.failures,
                    retry_in_seconds: wait.as_secs_f64().ceil() as u64,
                    last_error: state.last_error,
                }
            })
            .collect();
        health.sort_by(|a, b| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)));
        health
    }
}

/// A failure as the breaker sees it.
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) blame: Blame,
}

/// Whose fault a failure is.
pub(crate) enum Blame {
    /// The caller's, or ours: the upstream is well.
    None,
    /// Nobody's: the upstream asks for a pause. It leaves the breaker alone.
    RateLimit(Duration),
    /// The upstream's.
    Upstream,
}

/// Who is to blame for a kind of failure.
pub(crate) fn blame(kind: &ModelErrorKind, retry_after: Option<Duration>) -> Blame {
    use ModelErrorKind as K;
    match kind {
        K::RateLimited => Blame::RateLimit(retry_after.unwrap_or(Duration::from_secs(1))),
        K::UpstreamFailed | K::Unreachable | K::TimedOut | K::Garbage | K::Cut | K::MidStream => {
            Blame::Upstream
        }
        _ => Blame::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breakers: &Breakers, at: u64) -> bool {
        let failure = Failure { code: "x", blame: Blame::Upstream };
        breakers.failed("p", "m", &failure, Duration::from_secs(at))
    }

    #[test]
    fn opens_probes_once_and_closes() {
        let breakers = Breakers::new(BreakerSettings { failures: 2, open_for: Duration::from_secs(30) });
        let admit = |at| breakers.admit("p", "m", Duration::from_secs(at));
        assert!(!fail(&breakers, 0));
        assert_eq!(admit(0), Admission::Go);
        assert!(fail(&breakers, 1));
        assert_eq!(admit(2), Admission::Wait(Duration::from_secs(29)));
        assert_eq!(admit(31), Admission::Go, "the probe");
        assert!(matches!(admit(31), Admission::Wait(_)), "only one probe");
        assert!(!fail(&breakers, 32), "it was open already");
        assert!(matches!(admit(33), Admission::Wait(_)));
        assert_eq!(admit(62), Admission::Go);
        assert!(breakers.succeeded("p", "m"));
        assert_eq!(admit(63), Admission::Go);
        assert_eq!(admit(63), Admission::Go);
    }

    #[test]
    fn a_rate_limit_waits_but_does_not_open() {
        let breakers = Breakers::new(BreakerSettings { failures: 1, open_for: Duration::from_secs(30) });
        let failure = Failure { code: "x", blame: Blame::RateLimit(Duration::from_secs(3)) };
        assert!(!breakers.failed("p", "m", &failure, Duration::ZERO));
        assert_eq!(breakers.admit("p", "m", Duration::from_secs(1)), Admission::Wait(Duration::from_secs(2)));
        assert_eq!(breakers.admit("p", "m", Duration::from_secs(3)), Admission::Go);
        assert_eq!(breakers.health(Duration::ZERO)[0].breaker, "closed");
    }
}
