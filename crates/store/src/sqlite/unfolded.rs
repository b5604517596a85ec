//! What the journal holds and the database does not yet, in as little memory as it takes: a hold whose call has ended is nothing
//! any more.

use super::journal::{Entry, Held, Settled};
use nunchi_core::{Booked, CallId};
use std::collections::HashMap;

/// A row that waits for the database.
pub(super) struct Row {
    pub(super) settled: Settled,
    /// Whether its hold may stand in the database.
    pub(super) hold_is_stored: bool,
}

/// Entries of the journal, folded into each other.
#[derive(Default)]
pub(super) struct Unfolded {
    /// Holds of calls that are under way.
    pub(super) holds: HashMap<CallId, Held>,
    pub(super) rows: Vec<Row>,
    /// What rows are counted on besides.
    pub(super) counts: Vec<Booked>,
    /// How many entries it stands for.
    entries: usize,
}

impl Unfolded {
    /// How many entries of the journal it stands for.
    pub(super) const fn entries(&self) -> usize {
        self.entries
    }

    /// How many of them take memory.
    pub(super) fn kept(&self) -> usize {
        self.holds.len() + self.rows.len() + self.counts.len()
    }

    /// Takes the next entry.
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries += 1;
        match entry {
            Entry::Hold(held) => drop(self.holds.insert(held.call, held)),
            Entry::Settle(settled) => {
                let hold_is_stored = self.holds.remove(&settled.record.id).is_none();
                self.rows.push(Row { settled, hold_is_stored });
            }
            Entry::Count(booked) => self.counts.push(booked),
        }
    }

    /// Takes what came later.
    pub(super) fn append(&mut self, later: Self) {
        self.entries += later.entries;
        self.rows.extend(later.rows.into_iter().map(|mut row| {
            row.hold_is_stored &= self.holds.remove(&row.settled.record.id).is_none();
            row
        }));
        self.holds.extend(later.holds);
        self.counts.extend(later.counts);
    }
}

impl FromIterator<Entry> for Unfolded {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        let mut unfolded = Self::default();
        entries.into_iter().for_each(|entry| unfolded.push(entry));
        unfolded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nunchi_core::{CallRecord, NanoUsd};
    use serde_json::json;
    use uuid::Uuid;

    fn record(number: u128) -> Box<CallRecord> {
        let (id, none) = (Uuid::from_u128(number), None::<()>);
        let record = json!({
            "id": id, "request": id, "started": "2026-11-21T00:00:00Z", "latency_us": 1, "first_event_us": none,
            "provider": "p", "model": "m", "requested_model": "m", "tier": none, "reason": "", "cache": "miss",
            "outcome": "ok", "error_code": none, "usage": nunchi_core::Usage::default(), "usage_estimated": false,
            "batch": false, "cost": 0, "baseline_cost": 0, "price_version": "", "principal": "", "key": none,
            "user": none, "session": none, "run": none, "step": none, "phase": none, "task": none, "tags": [],
            "notes": [],
        });
        Box::new(serde_json::from_value(record).unwrap())
    }

    fn hold(number: u128) -> Entry {
        let if_lost = record(number);
        Entry::Hold(Held { call: if_lost.id, money: NanoUsd(1), tokens: 1, if_lost, outlives: false })
    }

    fn settle(number: u128) -> Entry {
        Entry::Settle(Settled { record: record(number), booked: Booked::default() })
    }

    /// Holds still open, and rows with whether their hold may stand in the database.
    fn told(unfolded: &Unfolded) -> (Vec<u128>, Vec<(u128, bool)>) {
        let mut holds: Vec<_> = unfolded.holds.keys().map(|call| call.0.as_u128()).collect();
        holds.sort_unstable();
        let row = |row: &Row| (row.settled.record.id.0.as_u128(), row.hold_is_stored);
        (holds, unfolded.rows.iter().map(row).collect())
    }

    #[test]
    fn a_hold_goes_with_its_settle() {
        let unfolded = Unfolded::from_iter([hold(1), hold(2), settle(1), settle(9)]);
        assert_eq!(told(&unfolded), (vec![2], vec![(1, false), (9, true)]));
        assert_eq!((unfolded.entries(), unfolded.kept()), (4, 3));
    }

    #[test]
    fn what_comes_later_settles_what_was_put_back() {
        let mut unfolded = Unfolded::from_iter([hold(1), hold(2)]);
        unfolded.append(Unfolded::from_iter([settle(1), hold(3), settle(3), settle(9), hold(4)]));
        assert_eq!(told(&unfolded), (vec![2, 4], vec![(1, false), (3, false), (9, true)]));
        assert_eq!((unfolded.entries(), unfolded.kept()), (7, 5));
    }
}
