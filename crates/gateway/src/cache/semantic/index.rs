//! Nearest questions of one kin: a first look by the signs of their vectors, 64 bytes a question.

use jiff::Timestamp;
use nunchi_core::CacheKey;
use std::collections::{HashMap, VecDeque};

/// Questions that are kept in memory; the oldest go first.
const MOST: usize = 100_000;

struct Mark {
    key: CacheKey,
    signs: Box<[u64]>,
    expires: Timestamp,
}

/// All questions whose answers may be shared, by kin.
#[derive(Default)]
pub(super) struct Index {
    kins: HashMap<CacheKey, Vec<Mark>>,
    /// In the order in which they came.
    order: VecDeque<(CacheKey, CacheKey)>,
    count: usize,
}

impl Index {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Adds a question, or replaces the one of the same entry.
    pub(super) fn add(&mut self, kin: CacheKey, key: CacheKey, signs: Box<[u64]>, expires: Timestamp) {
        let marks = self.kins.entry(kin).or_default();
        if let Some(mark) = marks.iter_mut().find(|mark| mark.key == key) {
            *mark = Mark { key, signs, expires };
            return;
        }
        marks.push(Mark { key, signs, expires });
        self.order.push_back((kin, key));
        self.count += 1;
        while self.count > MOST
            && let Some((kin, key)) = self.order.pop_front()
        {
            self.remove(kin, key);
        }
    }

    /// Forgets a question whose answer is gone. Its place in the order is left: it is taken off when its turn comes.
    pub(super) fn remove(&mut self, kin: CacheKey, key: CacheKey) {
        let Some(marks) = self.kins.get_mut(&kin) else { return };
        if let Some(at) = marks.iter().position(|mark| mark.key == key) {
            marks.swap_remove(at);
            self.count -= 1;
        }
        if marks.is_empty() {
            self.kins.remove(&kin);
        }
        if self.order.len() > 2 * self.count + 1_024 {
            let kins = &self.kins;
            let known = |(kin, key): &(CacheKey, CacheKey)| {
                kins.get(kin).is_some_and(|marks| marks.iter().any(|mark| mark.key == *key))
            };
            self.order.retain(known);
        }
    }

    /// The entries of at most `most` questions of this kin whose signs differ least, the nearest first.
    pub(super) fn nearest(&self, kin: CacheKey, signs: &[u64], most: usize, now: Timestamp) -> Vec<CacheKey> {
        let Some(marks) = self.kins.get(&kin) else { return Vec::new() };
        // Signs of unrelated vectors differ in half of all places; what differs in more than four tenths is nothing like it.
        let limit = u32::try_from(signs.len() * 64 * 2 / 5).unwrap_or(u32::MAX);
        let mut near: Vec<(u32, usize)> = Vec::with_capacity(2 * most);
        let mut worst = limit;
        for (at, mark) in marks.iter().enumerate() {
            let apart = apart(signs, &mark.signs);
            if apart < worst && mark.expires > now {
                near.push((apart, at));
                if near.len() == 2 * most {
                    near.select_nth_unstable(most);
                    near.truncate(most);
                    worst = near.iter().map(|(apart, _)| *apart).max().unwrap_or(limit);
                }
            }
        }
        near.sort_unstable();
        near.iter().take(most).map(|(_, at)| marks[*at].key).collect()
    }
}

/// In how many places two vectors' signs differ; vectors of other dimensions are as far apart as can be.
fn apart(a: &[u64], b: &[u64]) -> u32 {
    if a.len() != b.len() {
        return u32::MAX;
    }
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIN: CacheKey = CacheKey([1; 32]);

    fn key(number: usize) -> CacheKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        CacheKey(key)
    }

    /// Signs that differ from all zeros in `ones` places.
    fn signs(ones: usize) -> Box<[u64]> {
        (0..8).map(|word| (0..64).fold(0, |bits, at| bits | u64::from(word * 64 + at < ones) << at)).collect()
    }

    #[test]
    fn the_nearest_come_first_and_others_kin_never() {
        let mut index = Index::default();
        for number in 0..200 {
            index.add(KIN, key(number), signs((number * 37) % 200), Timestamp::MAX);
        }
        index.add(CacheKey([2; 32]), key(999), signs(0), Timestamp::MAX);
        let near = index.nearest(KIN, &signs(0), 5, Timestamp::UNIX_EPOCH);
        let distances: Vec<_> =
            near.iter().map(|found| (0..200).find(|n| key(*n) == *found).unwrap() * 37 % 200).collect();
        assert_eq!(distances, [0, 1, 2, 3, 4]);
        index.remove(KIN, near[0]);
        assert_eq!(index.nearest(KIN, &signs(0), 1, Timestamp::UNIX_EPOCH), [near[1]]);
        assert!(index.nearest(KIN, &signs(512), 5, Timestamp::UNIX_EPOCH).is_empty(), "nothing is like it");
        assert!(index.nearest(KIN, &[0], 5, Timestamp::UNIX_EPOCH).is_empty(), "another encoder's");
    }

    #[test]
    fn what_has_expired_and_what_is_too_much_is_not_found() {
        let mut index = Index::default();
        index.add(KIN, key(0), signs(0), Timestamp::UNIX_EPOCH);
        assert!(index.nearest(KIN, &signs(0), 5, Timestamp::UNIX_EPOCH).is_empty());
        for number in 1..=MOST + 10 {
            index.add(key(number % 1_000), key(number), signs(0), Timestamp::MAX);
        }
        assert_eq!(index.len(), MOST);
        for number in 1..=MOST + 10 {
            index.remove(key(number % 1_000), key(number));
        }
        assert_eq!((index.len(), index.kins.len()), (0, 0));
        assert!(index.order.len() < 2_048);
    }
}
