//! The settings of calls that can wait.

use std::time::Duration;

/// What waits, how it is collected, and when it is answered live after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// Whether calls are handed to Batch APIs at all.
    pub enabled: bool,
    /// Single calls of one provider that are handed over together.
    pub max_size: usize,
    /// How long the first of them waits for others.
    pub max_wait: Duration,
    /// The providers whose Batch API is used; empty means all that have one.
    pub providers: Vec<String>,
    /// Phases whose calls can wait without saying so.
    pub background_phases: Vec<String>,
    /// A deadline that is nearer than this means an answer at once.
    pub least_time: Duration,
    /// So long before its deadline a call is taken back from its batch and answered live.
    pub margin: Duration,
    /// How long a call waits that names no deadline.
    pub longest_wait: Duration,
    /// Plain calls for jobs under way at once.
    pub concurrent: usize,
    /// The pause before the first look at a batch; each further one is half as long again.
    pub first_poll: Duration,
    /// The longest pause between two looks.
    pub longest_poll: Duration,
    /// How long answers are kept for their callers.
    pub keep: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            enabled: true,
            max_size: 5,
            max_wait: Duration::from_secs(2),
            providers: Vec::new(),
            background_phases: Vec::new(),
            least_time: minutes(30),
            margin: minutes(10),
            longest_wait: minutes(24 * 60),
            concurrent: 4,
            first_poll: Duration::from_secs(10),
            longest_poll: minutes(5),
            keep: minutes(30 * 24 * 60),
        }
    }
}

/// Pauses that grow by half, up to the longest.
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    pub(super) fn new(settings: &BatchSettings) -> Self {
        Self { next: settings.first_poll, longest: settings.longest_poll.max(settings.first_poll) }
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause + pause / 2).min(self.longest);
        pause
    }
}
