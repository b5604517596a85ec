//! A rate limit as arithmetic on times (the generic cell rate algorithm): exact, without a queue of past requests.

use std::time::Duration;

/// The state of one limit: the moment until which its allowance is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateState {
    used_until: Duration,
}

/// Takes `amount` units at `now` from an allowance of `per_minute` units, all of which may be used at once.
///
/// `now` is monotonic. On refusal nothing is taken and the wait until the amount would be admitted is returned; an amount
/// above the whole allowance is admitted only when the allowance is untouched, so that it is late but never locked out.
pub fn admit_rate(
    state: &mut RateState,
    now: Duration,
    per_minute: u64,
    amount: u64,
) -> Result<(), Duration> {
    const MINUTE: Duration = Duration::from_secs(60);
    if per_minute == 0 {
        return Err(MINUTE);
    }
    let start = state.used_until.max(now);
    let nanos = u128::from(amount) * MINUTE.as_nanos() / u128::from(per_minute);
    let after = start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    let latest = now + MINUTE;
    if after > latest && start > now {
        return Err((after - latest).min(start - now));
    }
    state.used_until = after;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_what_it_says() {
        let mut state = RateState::default();
        let now = Duration::from_secs(1_000);
        for _ in 0..100 {
            assert_eq!(admit_rate(&mut state, now, 100, 1), Ok(()));
        }
        assert_eq!(admit_rate(&mut state, now, 100, 1), Err(Duration::from_millis(600)));
        assert_eq!(admit_rate(&mut state, now + Duration::from_millis(600), 100, 1), Ok(()));
        assert!(admit_rate(&mut state, now + Duration::from_millis(601), 100, 1).is_err());
    }

    #[test]
    fn zero_admits_nothing_and_too_much_comes_through_once() {
        let mut state = RateState::default();
        assert!(admit_rate(&mut state, Duration::ZERO, 0, 1).is_err());
        assert_eq!(admit_rate(&mut state, Duration::ZERO, 10, 25), Ok(()));
        assert!(admit_rate(&mut state, Duration::ZERO, 10, 1).is_err());
    }
}
