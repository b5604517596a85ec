//! Nearest questions of one kin: a first look by the signs of their vectors, about 200 bytes a question in all.

use jiff::Timestamp;
use nunchi_core::CacheKey;
use std::collections::{HashMap, VecDeque};

/// Questions that are kept in memory; the oldest go first.
const MOST: usize = 100_000;

/// The questions of one kin, side by side in memory: a look passes over all of them.
#[derive(Default)]
struct Kin {
    keys: Vec<CacheKey>,
    /// When each expires, in seconds since 1970.
    expires: Vec<i64>,
    /// The signs of all vectors, `words` for each.
    signs: Vec<u64>,
    words: usize,
    /// Where a key stands, by its first eight bytes.
    places: HashMap<u64, u32>,
}

impl Kin {
    fn place(&self, key: CacheKey) -> Option<usize> {
        let at = *self.places.get(&head(key))? as usize;
        (self.keys.get(at) == Some(&key)).then_some(at)
    }

    fn put(&mut self, key: CacheKey, signs: &[u64], expires: Timestamp) -> bool {
        let expires = expires.as_second();
        if let Some(at) = self.place(key) {
            self.expires[at] = expires;
            self.signs[at * self.words..(at + 1) * self.words].copy_from_slice(signs);
            return false;
        }
        let Ok(at) = u32::try_from(self.keys.len()) else { return false };
        self.places.insert(head(key), at);
        self.keys.push(key);
        self.expires.push(expires);
        self.signs.extend_from_slice(signs);
        true
    }

    fn remove(&mut self, key: CacheKey) -> bool {
        let Some(at) = self.place(key) else { return false };
        let last = self.keys.len() - 1;
        self.places.remove(&head(key));
        self.keys.swap_remove(at);
        self.expires.swap_remove(at);
        if at < last {
            self.signs.copy_within(last * self.words.., at * self.words);
            if let Ok(at) = u32::try_from(at) {
                self.places.insert(head(self.keys[at as usize]), at);
            }
        }
        self.signs.truncate(last * self.words);
        true
    }
}

/// The first eight bytes of a key: it is a hash, so they tell keys apart.
fn head(key: CacheKey) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// All questions whose answers may be shared, by kin.
#[derive(Default)]
pub struct QuestionIndex {
    kins: HashMap<CacheKey, Kin>,
    /// In the order in which they came.
    order: VecDeque<(CacheKey, CacheKey)>,
    count: usize,
}

impl QuestionIndex {
    /// Questions in it.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a question by the signs of its vector, or replaces the one of the same entry. A vector of another length than its
    /// kin's (another encoder's) is left out.
    pub fn add(&mut self, kin: CacheKey, key: CacheKey, signs: &[u64], expires: Timestamp) {
        let marks = self.kins.entry(kin).or_default();
        if marks.keys.is_empty() {
            marks.words = signs.len();
        }
        if marks.words != signs.len() || !marks.put(key, signs, expires) {
            return;
        }
        self.order.push_back((kin, key));
        self.count += 1;
        while self.count > MOST
            && let Some((kin, key)) = self.order.pop_front()
        {
            self.remove(kin, key);
        }
    }

    /// Forgets a question whose answer is gone. Its place in the order is left: it is taken off when its turn comes.
    pub fn remove(&mut self, kin: CacheKey, key: CacheKey) {
        let Some(marks) = self.kins.get_mut(&kin) else { return };
        self.count -= usize::from(marks.remove(key));
        if marks.keys.is_empty() {
            self.kins.remove(&kin);
        }
        if self.order.len() > 2 * self.count + 1_024 {
            let kins = &self.kins;
            self.order.retain(|(kin, key)| kins.get(kin).is_some_and(|marks| marks.place(*key).is_some()));
        }
    }

    /// The entries of at most `most` questions of this kin whose signs differ least, the nearest first.
    pub fn nearest(&self, kin: CacheKey, signs: &[u64], most: usize, now: Timestamp) -> Vec<CacheKey> {
        let Some(marks) = self.kins.get(&kin).filter(|marks| marks.words == signs.len() && !signs.is_empty())
        else {
            return Vec::new();
        };
        let near = look(marks, signs, most, now.as_second());
        near.into_iter().take(most).map(|(_, at)| marks.keys[at]).collect()
    }
}

/// The nearest places of a kin, the nearest first; at most twice as many as wanted.
fn look(marks: &Kin, signs: &[u64], most: usize, now: i64) -> Vec<(u32, usize)> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the instruction.
        return unsafe { look_with_popcnt(marks, signs, most, now) };
    }
    look_at_all(marks, signs, most, now)
}

/// The same, compiled for processors that count bits in one step.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn look_with_popcnt(marks: &Kin, signs: &[u64], most: usize, now: i64) -> Vec<(u32, usize)> {
    look_at_all(marks, signs, most, now)
}

#[inline(always)]
fn look_at_all(marks: &Kin, signs: &[u64], most: usize, now: i64) -> Vec<(u32, usize)> {
    // Signs of unrelated vectors differ in half of all places; what differs in more than four tenths is nothing like it.
    let limit = u32::try_from(signs.len() * 64 * 2 / 5).unwrap_or(u32::MAX);
    let mut near: Vec<(u32, usize)> = Vec::with_capacity(2 * most);
    let mut worst = limit;
    for (at, mark) in marks.signs.chunks_exact(marks.words).enumerate() {
        let apart = apart(signs, mark);
        if apart < worst && marks.expires[at] > now {
            near.push((apart, at));
            if near.len() == 2 * most {
                near.select_nth_unstable(most);
                near.truncate(most);
                worst = near.iter().map(|(apart, _)| *apart).max().unwrap_or(limit);
            }
        }
    }
    near.sort_unstable();
    near
}

/// In how many places two vectors' signs differ.
#[inline(always)]
fn apart(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let mut index = QuestionIndex::default();
        for number in 0..200 {
            index.add(KIN, key(number), &signs((number * 37) % 200), Timestamp::MAX);
        }
        index.add(CacheKey([2; 32]), key(999), &signs(0), Timestamp::MAX);
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
        let mut index = QuestionIndex::default();
        index.add(KIN, key(0), &signs(0), Timestamp::UNIX_EPOCH);
        assert!(index.nearest(KIN, &signs(0), 5, Timestamp::UNIX_EPOCH).is_empty());
        for number in 1..=MOST + 10 {
            index.add(key(number % 1_000), key(number), &signs(0), Timestamp::MAX);
        }
        assert_eq!(index.len(), MOST);
        for number in 1..=MOST + 10 {
            index.remove(key(number % 1_000), key(number));
        }
        assert_eq!((index.len(), index.kins.len()), (0, 0));
        assert!(index.order.len() < 2_048);
    }

    #[test]
    fn another_encoders_vector_is_left_out() {
        let mut index = QuestionIndex::default();
        index.add(KIN, key(1), &signs(0), Timestamp::MAX);
        index.add(KIN, key(2), &[0], Timestamp::MAX);
        assert_eq!(index.len(), 1);
        index.remove(KIN, key(1));
        index.add(KIN, key(2), &[0], Timestamp::MAX);
        assert_eq!(index.nearest(KIN, &[0], 5, Timestamp::UNIX_EPOCH), [key(2)]);
    }

    proptest! {
        /// Beside a plain list, whatever is added, replaced and removed.
        #[test]
        fn it_finds_what_a_plain_list_finds(steps in prop::collection::vec((0..24_usize, 0..200_usize, prop::bool::ANY), 0..80)) {
            let (mut index, mut list) = (QuestionIndex::default(), Vec::<(usize, usize)>::new());
            for (number, ones, add) in steps {
                list.retain(|(known, _)| *known != number);
                if add {
                    index.add(KIN, key(number), &signs(ones), Timestamp::MAX);
                    list.push((number, ones));
                } else {
                    index.remove(KIN, key(number));
                }
            }
            prop_assert_eq!(index.len(), list.len());
            let found = index.nearest(KIN, &signs(0), 48, Timestamp::UNIX_EPOCH);
            let far = |found: &CacheKey| list.iter().find(|(number, _)| key(*number) == *found).map(|(_, ones)| *ones);
            let distances: Vec<_> = found.iter().map(far).collect();
            let mut wanted: Vec<_> = list.iter().map(|(_, ones)| Some(*ones)).collect();
            wanted.sort_unstable();
            prop_assert_eq!(distances, wanted);
        }
    }
}
