//! The signs of meanings in memory, by encoder and kind: 64 bytes a fact for a first look over all of them.

use nunchi_core::FactKind;
use std::collections::HashMap;

/// Meanings of one encoder and one kind, side by side.
#[derive(Default)]
struct Row {
    places: Vec<i64>,
    /// `words` for each place.
    signs: Vec<u64>,
    words: usize,
}

/// All meanings.
#[derive(Default)]
pub(super) struct Signs {
    rows: HashMap<(String, FactKind), Row>,
    /// Where a place stands.
    at: HashMap<i64, ((String, FactKind), u32)>,
}

impl Signs {
    /// Adds a place. Signs of another length than those of the same encoder are left out.
    pub(super) fn add(&mut self, encoder: &str, kind: FactKind, place: i64, signs: &[u64]) {
        let key = (encoder.to_owned(), kind);
        let row = self.rows.entry(key.clone()).or_default();
        if row.places.is_empty() {
            row.words = signs.len();
        }
        let Ok(at) = u32::try_from(row.places.len()) else { return };
        if row.words == signs.len() && !signs.is_empty() {
            row.places.push(place);
            row.signs.extend_from_slice(signs);
            self.at.insert(place, (key, at));
        }
    }

    pub(super) fn remove(&mut self, place: i64) {
        let Some((key, at)) = self.at.remove(&place) else { return };
        let Some(row) = self.rows.get_mut(&key) else { return };
        let (at, last) = (at as usize, row.places.len() - 1);
        row.places.swap_remove(at);
        if at < last {
            row.signs.copy_within(last * row.words.., at * row.words);
            if let Some(moved) = self.at.get_mut(&row.places[at]) {
                moved.1 = u32::try_from(at).unwrap_or(u32::MAX);
            }
        }
        row.signs.truncate(last * row.words);
    }

    /// At most `most` places whose signs differ least, the nearest first.
    pub(super) fn nearest(
        &self,
        encoder: &str,
        kind: Option<FactKind>,
        signs: &[u64],
        most: usize,
    ) -> Vec<i64> {
        let mut near: Vec<(u32, i64)> = Vec::new();
        for ((of, row_kind), row) in &self.rows {
            if of == encoder && kind.is_none_or(|kind| kind == *row_kind) && row.words == signs.len() {
                look(row, signs, most, &mut near);
            }
        }
        // Of equally near ones the newer come first.
        near.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        near.into_iter().take(most).map(|(_, place)| place).collect()
    }
}

fn look(row: &Row, signs: &[u64], most: usize, near: &mut Vec<(u32, i64)>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the instruction.
        return unsafe { look_with_popcnt(row, signs, most, near) };
    }
    look_at_all(row, signs, most, near);
}

/// The same, compiled for processors that count bits in one step.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn look_with_popcnt(row: &Row, signs: &[u64], most: usize, near: &mut Vec<(u32, i64)>) {
    look_at_all(row, signs, most, near);
}

#[inline(always)]
fn look_at_all(row: &Row, signs: &[u64], most: usize, near: &mut Vec<(u32, i64)>) {
    if most == 0 || row.words == 0 {
        return;
    }
    // Signs of unrelated meanings differ in half of all places.
    let mut worst = u32::try_from(signs.len() * 64 / 2).unwrap_or(u32::MAX);
    let mut found: Vec<(u32, i64)> = Vec::with_capacity(2 * most);
    for (place, mark) in row.places.iter().zip(row.signs.chunks_exact(row.words)) {
        let apart: u32 = signs.iter().zip(mark).map(|(a, b)| (a ^ b).count_ones()).sum();
        if apart <= worst {
            found.push((apart, *place));
            if found.len() == 2 * most {
                found.select_nth_unstable_by(most - 1, |a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
                found.truncate(most);
                worst = found.iter().map(|(apart, _)| *apart).max().unwrap_or(worst);
            }
        }
    }
    near.append(&mut found);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs that differ from all zeros in `ones` places.
    fn signs(ones: usize) -> Vec<u64> {
        (0..8).map(|word| (0..64).fold(0, |bits, at| bits | u64::from(word * 64 + at < ones) << at)).collect()
    }

    #[test]
    fn nearest_by_encoder_and_kind() {
        let mut index = Signs::default();
        for place in 0..300_i64 {
            let kind = if place % 3 == 0 { FactKind::Fact } else { FactKind::Turn };
            index.add("e", kind, place, &signs(usize::try_from(place * 37 % 250).unwrap()));
        }
        index.add("other", FactKind::Fact, 999, &signs(0));
        let far = |place: &i64| place * 37 % 250;
        let near: Vec<i64> = index.nearest("e", None, &signs(0), 5).iter().map(far).collect();
        let mut all: Vec<i64> = (0..300).map(|place| far(&place)).collect();
        all.sort_unstable();
        assert_eq!(near, all[..5]);
        let facts = index.nearest("e", Some(FactKind::Fact), &signs(0), 4);
        assert!(facts.iter().all(|place| place % 3 == 0) && facts.len() == 4);
        for place in 0..299 {
            index.remove(place);
        }
        assert_eq!(index.nearest("e", None, &signs(0), 9), [299]);
        index.remove(299);
        assert!(index.nearest("e", None, &signs(0), 9).is_empty());
        assert_eq!(index.nearest("other", None, &signs(1), 9), [999]);
    }
}
