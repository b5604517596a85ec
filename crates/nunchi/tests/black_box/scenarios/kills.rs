//! When a story's process is killed, and whether that hit anything. Moments are chosen by what the run has stored, not by the clock:
//! on a slow machine a story takes longer, but it stores the same events.

use crate::support::Home;
use rusqlite::{Connection, OpenFlags};
use std::time::{Duration, Instant};

/// Kills of one round at most. A round costs a fresh home, a kill costs a restart.
const A_ROUND: usize = 12;
/// A kill comes at most so long after the event that it waits for, so that it also hits the effects that follow.
const AFTER: Duration = Duration::from_millis(4);
/// Pause between two looks at what is stored.
const LOOK: Duration = Duration::from_micros(300);
/// Kills of a story when nobody says otherwise.
const WANTED: u32 = 3;

/// How often a story's process is to be killed while its run is under way: `NUNCHI_KILLS`.
pub(crate) fn wanted() -> u32 {
    std::env::var("NUNCHI_KILLS").ok().and_then(|wanted| wanted.parse().ok()).unwrap_or(WANTED)
}

/// How far the runs of a home are, read from its database while the server writes it.
pub(crate) struct Progress(Connection);

impl Progress {
    pub(crate) fn of(home: &Home) -> Self {
        let connection =
            Connection::open_with_flags(home.path("nunchi.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.expect("a database");
        connection.busy_timeout(Duration::from_secs(5)).expect("a patience");
        Self(connection)
    }

    /// Events that were stored, those of sub-agents included.
    pub(crate) fn events(&self) -> u64 {
        let sum =
            self.0.query_row("SELECT coalesce(sum(version), 0) FROM runs", [], |row| row.get::<_, i64>(0));
        u64::try_from(sum.expect("a sum")).expect("a count")
    }

    /// Whether a run has not ended: it is at work, or waits for a person.
    fn is_under_way(&self) -> bool {
        let open =
            "SELECT EXISTS (SELECT 1 FROM runs WHERE parent IS NULL AND status IN ('running', 'parked'))";
        self.0.query_row(open, [], |row| row.get(0)).expect("an answer")
    }
}

/// The kills of one round, and what they hit.
#[derive(Default)]
pub(crate) struct Kills {
    seed: u64,
    /// Counts of stored events at which to kill, the nearest last.
    moments: Vec<u64>,
    /// When the moment that has come is over.
    due: Option<Instant>,
    /// Kills of a living process whose run had not ended.
    pub(crate) hits: u32,
    /// Kills that came after the end.
    pub(crate) misses: u32,
}

impl Kills {
    /// So many kills, but not more than one round bears, of a story that stores `events` when it is left alone.
    pub(crate) fn some(round: u32, kills: u32, events: u64) -> Self {
        let mut all = Self { seed: u64::from(round), ..Self::default() };
        let last = events.saturating_sub(1).max(1);
        let mut moments: Vec<(u64, u64)> = (1..=last).map(|moment| (all.random(), moment)).collect();
        moments.sort_unstable();
        all.moments =
            moments.into_iter().take(A_ROUND.min(kills as usize)).map(|(_, moment)| moment).collect();
        all.moments.sort_unstable_by(|a, b| b.cmp(a));
        all
    }

    /// Waits for the next kill, but not longer than `patience`; tells whether it is due.
    pub(crate) fn come(&mut self, progress: &Progress, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if self.is_due(progress) {
                return true;
            }
            let nothing_to_come = self.moments.is_empty() && self.due.is_none();
            std::thread::sleep(if nothing_to_come { patience } else { LOOK });
        }
        false
    }

    fn is_due(&mut self, progress: &Progress) -> bool {
        // To be taken up again is an event, too, and no progress.
        let restarts = u64::from(self.hits + self.misses);
        let has_come = |moment: &u64| progress.events() >= moment + restarts;
        if self.due.is_none() && self.moments.last().is_some_and(has_come) {
            self.moments.pop();
            let share = u32::try_from(self.random() % 256).expect("a byte");
            self.due = Some(Instant::now() + AFTER * share / 256);
        }
        self.due.take_if(|at| Instant::now() >= *at).is_some()
    }

    /// Counts a kill. The process is gone, so what the database says is what it left.
    pub(crate) fn count(&mut self, was_alive: bool, home: &Home) {
        if was_alive && Progress::of(home).is_under_way() {
            self.hits += 1;
        } else {
            self.misses += 1;
        }
    }

    /// `SplitMix64`: the same seed gives the same moments.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
