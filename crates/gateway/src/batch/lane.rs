//! What waits to be handed to one provider, and what of it is due. Pure: the time comes in as a value.

use super::settings::BatchSettings;
use nunchi_core::{BatchLimits, CallId};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// Most bytes of requests that are in memory for one batch, whatever the provider takes.
const MOST_BYTES: usize = 64 << 20;

/// A job that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) id: CallId,
    /// Bytes of its request.
    pub(super) bytes: usize,
}

/// One provider's queue. Times are monotonic.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Single calls, with the time each came.
    loose: VecDeque<(Waiting, Duration)>,
    /// Lines of callers' batches: they wait for nobody.
    lines: VecDeque<Waiting>,
    /// Nothing is taken before: a limit or a budget has to make room first.
    rests_until: Duration,
}

impl Lane {
    pub(super) fn push(&mut self, job: Waiting, line: bool, now: Duration) {
        if line {
            self.lines.push_back(job);
        } else {
            self.loose.push_back((job, now));
        }
    }

    /// Puts jobs back that could not be admitted yet, in their order, and rests.
    pub(super) fn put_back(&mut self, jobs: &[Waiting], until: Duration) {
        for job in jobs.iter().rev() {
            self.lines.push_front(*job);
        }
        self.rests_until = self.rests_until.max(until);
    }

    /// Takes jobs out; tells which were there.
    pub(super) fn remove(&mut self, ids: &HashSet<CallId>) -> Vec<CallId> {
        let mut out = Vec::new();
        let mut stays = |id: CallId| {
            let stays = !ids.contains(&id);
            if !stays {
                out.push(id);
            }
            stays
        };
        self.loose.retain(|(job, _)| stays(job.id));
        self.lines.retain(|job| stays(job.id));
        out
    }

    /// The next jobs to hand over together; empty when none are due.
    pub(super) fn take(
        &mut self,
        now: Duration,
        settings: &BatchSettings,
        limits: BatchLimits,
    ) -> Vec<CallId> {
        if self.rests_until > now {
            return Vec::new();
        }
        let first = self.loose.front().map(|(_, since)| *since);
        let ripe = first.is_some_and(|since| {
            self.loose.len() >= settings.max_size || now.saturating_sub(since) >= settings.max_wait
        });
        if ripe {
            let most = limits.items.min(settings.max_size.max(1));
            return fill(&mut self.loose, most, limits.bytes, |(job, _)| *job);
        }
        fill(&mut self.lines, limits.items, limits.bytes, |job| *job)
    }

    /// When something is due next; `None` while nothing waits.
    pub(super) fn due(&self, settings: &BatchSettings) -> Option<Duration> {
        let loose = self.loose.front().map(|(_, since)| {
            if self.loose.len() >= settings.max_size { *since } else { *since + settings.max_wait }
        });
        let lines = (!self.lines.is_empty()).then_some(Duration::ZERO);
        let first = [loose, lines].into_iter().flatten().min()?;
        Some(first.max(self.rests_until))
    }
}

/// Takes from the front what fits; the first always goes, so that nothing waits for ever.
fn fill<T>(queue: &mut VecDeque<T>, items: usize, bytes: usize, job: impl Fn(&T) -> Waiting) -> Vec<CallId> {
    let (mut taken, mut size) = (Vec::new(), 0_usize);
    while let Some(next) = queue.front().map(&job) {
        let whole = size.saturating_add(next.bytes);
        if !taken.is_empty() && (taken.len() >= items || whole > bytes.min(MOST_BYTES)) {
            break;
        }
        queue.pop_front();
        taken.push(next.id);
        size = whole;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const LIMITS: BatchLimits = BatchLimits { items: 3, bytes: 100 };

    fn job(number: u128, bytes: usize) -> Waiting {
        Waiting { id: CallId(Uuid::from_u128(number)), bytes }
    }

    fn numbers(ids: &[CallId]) -> Vec<u128> {
        ids.iter().map(|id| id.0.as_u128()).collect()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn single_calls_wait_for_each_other() {
        let settings = BatchSettings { max_size: 2, ..BatchSettings::default() };
        let mut lane = Lane::default();
        assert_eq!(lane.due(&settings), None);
        lane.push(job(1, 10), false, seconds(5));
        assert_eq!(lane.due(&settings), Some(seconds(7)));
        assert!(lane.take(seconds(6), &settings, LIMITS).is_empty());
        assert_eq!(numbers(&lane.take(seconds(7), &settings, LIMITS)), [1], "the wait is over");
        for number in 2..=4 {
            lane.push(job(number, 10), false, seconds(8));
        }
        assert_eq!(numbers(&lane.take(seconds(8), &settings, LIMITS)), [2, 3], "there are enough");
        assert!(lane.take(seconds(8), &settings, LIMITS).is_empty());
    }

    #[test]
    fn lines_go_in_batches_of_the_providers_size() {
        let settings = BatchSettings::default();
        let mut lane = Lane::default();
        for (number, bytes) in [(1, 10), (2, 10), (3, 10), (4, 90), (5, 20), (6, 500)] {
            lane.push(job(number, bytes), true, seconds(0));
        }
        let mut taken = || numbers(&lane.take(seconds(0), &settings, LIMITS));
        assert_eq!([taken(), taken(), taken(), taken()], [vec![1, 2, 3], vec![4], vec![5], vec![6]]);
    }

    #[test]
    fn what_was_put_back_keeps_its_place() {
        let settings = BatchSettings::default();
        let mut lane = Lane::default();
        lane.push(job(3, 10), true, seconds(0));
        lane.put_back(&[job(1, 10), job(2, 10)], seconds(9));
        assert_eq!(lane.due(&settings), Some(seconds(9)));
        assert!(lane.take(seconds(8), &settings, LIMITS).is_empty());
        let second = HashSet::from([CallId(Uuid::from_u128(2))]);
        assert_eq!(numbers(&lane.remove(&second)), [2]);
        assert!(lane.remove(&second).is_empty());
        assert_eq!(numbers(&lane.take(seconds(9), &settings, LIMITS)), [1, 3]);
    }
}
