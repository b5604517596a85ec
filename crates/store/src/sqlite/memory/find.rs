//! Finds candidates: by the rarest words of a question first, and by the signs of its meaning.

use super::rows::{COLUMNS, Stored, Words, kind_code, kind_mark, seal_of};
use super::{Shelf, Signs};
use crate::sqlite::connection::failure;
use nunchi_core::{Candidates, FactId, FactKind, FactQuery, StorageError, WEIGHT_AROUND, term_weight};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use uuid::Uuid;

/// Entries of the index of words that one search may rank: words that are everywhere cost much and tell little.
const MOST_POSTINGS: u64 = 3_000;

/// Words whose counts are kept at most; then they are read anew.
const MOST_COUNTS: usize = 50_000;

/// Counts that were read, and follow the changes since.
#[derive(Default)]
pub(super) struct Known {
    /// Counts the changes, so that what was read before one is not kept after it.
    change: u64,
    /// Facts that hold, and the place of the last one.
    size: Option<(u64, i64)>,
    /// In how many facts a word occurs.
    holders: HashMap<String, u64>,
}

/// What a change does to the counts.
#[derive(Default)]
pub(super) struct CountChange {
    facts: i64,
    /// The place of the newest fact that was added.
    last: i64,
    holders: HashMap<String, i64>,
    unknown: bool,
}

impl CountChange {
    /// A fact with these words was added (1) or taken out (-1); without words nobody can tell any more what changed.
    pub(super) fn count(&mut self, place: i64, words: Option<Words>, by: i64) {
        self.facts += by;
        self.last = self.last.max(place);
        match words {
            Some(words) => {
                for word in words.all() {
                    *self.holders.entry(word).or_default() += by;
                }
            }
            None => self.unknown = true,
        }
    }
}

impl Known {
    /// A change was made; all is read anew when nobody can tell what it did.
    pub(super) fn follow(&mut self, change: Option<&CountChange>) {
        self.change += 1;
        let Some(CountChange { facts, last, holders, unknown: false }) = change else {
            *self = Self { change: self.change, ..Self::default() };
            return;
        };
        if let Some((size, newest)) = &mut self.size {
            *size = size.saturating_add_signed(*facts);
            *newest = (*newest).max(*last);
        }
        for (word, by) in holders {
            if let Some(known) = self.holders.get_mut(word) {
                *known = known.saturating_add_signed(*by);
            }
        }
    }
}

impl Shelf {
    pub(super) fn find(
        &self,
        connection: &Connection,
        query: &FactQuery,
    ) -> Result<Candidates, StorageError> {
        let change = self.known().change;
        let (total, last) = self.size(connection, change)?;
        let terms: Vec<String> = query.terms.iter().map(|term| self.term(term)).collect();
        let holders = terms.iter().map(|term| self.holders(connection, term, change));
        let holders = holders.collect::<Result<Vec<_>, _>>()?;
        let mut places = Vec::new();
        let wanted = rarest(&terms, &holders);
        if !wanted.is_empty() {
            places = by_words(connection, &wanted, query, (total, last))?;
        }
        for place in self.by_meaning(query) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let sql = format!("SELECT {COLUMNS} FROM memories WHERE place = ? AND state = 0");
        let mut select = connection.prepare_cached(&sql).map_err(failure)?;
        let mut records = Vec::with_capacity(places.len());
        for place in places {
            let row = select.query_row([place], Stored::read).optional().map_err(failure)?;
            records.extend(row.and_then(|row| self.open(row)));
        }
        Ok(Candidates { records, holders, total })
    }

    fn size(&self, connection: &Connection, change: u64) -> Result<(u64, i64), StorageError> {
        if let Some(size) = self.known().size {
            return Ok(size);
        }
        let sql = "SELECT (SELECT count(*) FROM memories WHERE state = 0), (SELECT coalesce(max(place), 0) FROM memories)";
        let mut select = connection.prepare_cached(sql).map_err(failure)?;
        let (count, last): (i64, i64) =
            select.query_row(params![], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failure)?;
        let size = (u64::try_from(count).unwrap_or(0), last);
        let mut known = self.known();
        if known.change == change {
            known.size = Some(size);
        }
        Ok(size)
    }

    /// In how many facts a word occurs.
    fn holders(&self, connection: &Connection, term: &str, change: u64) -> Result<u64, StorageError> {
        if let Some(holders) = self.known().holders.get(term) {
            return Ok(*holders);
        }
        let mut select =
            connection.prepare_cached("SELECT doc FROM memory_terms WHERE term = ?").map_err(failure)?;
        let found: Option<i64> = select.query_row([term], |row| row.get(0)).optional().map_err(failure)?;
        let holders = found.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        let mut known = self.known();
        if known.change == change {
            if known.holders.len() >= MOST_COUNTS {
                known.holders.clear();
            }
            known.holders.insert(term.to_owned(), holders);
        }
        Ok(holders)
    }

    fn by_meaning(&self, query: &FactQuery) -> Vec<i64> {
        let Some(asked) = &query.vector else { return Vec::new() };
        let signs = self.signs();
        let near = signs.as_ref().map(|signs| {
            signs.nearest(&asked.encoder, query.kind, &asked.vector.signs(), query.most as usize)
        });
        near.unwrap_or_default()
    }

    /// Reads the signs of all that holds. Only the writer may: what another change is about to add must not be missed.
    pub(super) fn read_signs(&self, connection: &Connection) -> Result<Signs, StorageError> {
        let sql =
            "SELECT place, id, kind, encoder, signs FROM memories WHERE state = 0 AND signs IS NOT NULL";
        let mut select = connection.prepare(sql).map_err(failure)?;
        let mut rows = select.query(params![]).map_err(failure)?;
        let mut signs = Signs::default();
        while let Some(row) = rows.next().map_err(failure)? {
            let bytes: Vec<u8> = row.get(4).map_err(failure)?;
            let id = FactId(Uuid::from_bytes(row.get(1).map_err(failure)?));
            let open = match self.key {
                None => Some(bytes),
                Some(_) => self.sealer.open(&seal_of(id), &bytes),
            };
            let Some(open) = open else { continue };
            let words: Vec<u64> = open.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
            let kind: i64 = row.get(2).map_err(failure)?;
            let kind = if kind == kind_code(FactKind::Fact) { FactKind::Fact } else { FactKind::Turn };
            let encoder: String = row.get(3).map_err(failure)?;
            signs.add(&encoder, kind, row.get(0).map_err(failure)?, &words);
        }
        Ok(signs)
    }
}

/// The rarest words, as many as may be ranked, at least one; and how many entries of the index they have together.
fn rarest<'a>(terms: &'a [String], holders: &[u64]) -> Vec<(&'a str, u64)> {
    let mut known: Vec<(&str, u64)> = terms
        .iter()
        .map(String::as_str)
        .zip(holders.iter().copied())
        .filter(|(_, holders)| *holders > 0)
        .collect();
    known.sort_by_key(|(_, holders)| *holders);
    let mut sum = 0;
    let mut within = 0;
    for (_, holders) in &known {
        sum += holders;
        if within > 0 && sum > MOST_POSTINGS {
            break;
        }
        within += 1;
    }
    known.truncate(within);
    known
}

/// Places by the weights of the words that they have. Where even the rarest word is everywhere, only the newest facts with it are
/// looked at. How often a word occurs and how long a text is are left to the rule that ranks: they need the text.
fn by_words(
    connection: &Connection,
    wanted: &[(&str, u64)],
    query: &FactQuery,
    (total, last): (u64, i64),
) -> Result<Vec<i64>, StorageError> {
    let postings: u64 = wanted.iter().map(|(_, holders)| holders).sum();
    let share = i64::try_from(postings.div_ceil(MOST_POSTINGS)).unwrap_or(i64::MAX);
    // All of it while that is little; else the newest part that holds about as many entries as may be looked at.
    let after = if share <= 1 { i64::MIN } else { last - last / share };
    let sql = "SELECT rowid FROM memory_words WHERE memory_words MATCH ?1 AND rowid > ?2";
    let mut select = connection.prepare_cached(sql).map_err(failure)?;
    let mut entries: Vec<(i64, f32)> = Vec::with_capacity(2 * usize::try_from(postings).unwrap_or(0));
    for (term, holders) in wanted {
        let weight = term_weight(*holders, total);
        for (column, worth) in [("own", weight), ("around", weight * WEIGHT_AROUND)] {
            let mut matched = format!("{column} : \"{term}\"");
            if let Some(kind) = query.kind {
                matched.push_str(" AND mark : ");
                matched.push_str(kind_mark(kind));
            }
            let mut rows = select.query(params![matched, after]).map_err(failure)?;
            while let Some(row) = rows.next().map_err(failure)? {
                entries.push((row.get(0).map_err(failure)?, worth));
            }
        }
    }
    Ok(heaviest(entries, query.most as usize))
}

/// The places whose entries weigh most together, at most `most`, the heaviest first; of equal ones the newer.
fn heaviest(mut entries: Vec<(i64, f32)>, most: usize) -> Vec<i64> {
    // A stable sort: sums of floats depend on their order.
    entries.sort_by_key(|(place, _)| *place);
    entries.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0.0 };
        same
    });
    let heavier = |a: &(i64, f32), b: &(i64, f32)| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0));
    if entries.len() > most {
        entries.select_nth_unstable_by(most, heavier);
        entries.truncate(most);
    }
    entries.sort_unstable_by(heavier);
    entries.into_iter().map(|(place, _)| place).collect()
}
