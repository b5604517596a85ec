//! Finds candidates: by the rarest words of a question first, and by the signs of its meaning.

use super::rows::{COLUMNS, Stored, kind_code, kind_mark, seal_of};
use super::{Shelf, Signs};
use crate::sqlite::connection::failure;
use nunchi_core::{Candidates, FactId, FactKind, FactQuery, StorageError};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::collections::HashMap;
use uuid::Uuid;

/// Entries of the index of words that one search may rank: words that are everywhere cost much and tell little.
const MOST_POSTINGS: u64 = 3_000;

/// Counts that hold until the next change.
#[derive(Default)]
pub(super) struct Known {
    /// Counts the changes, so that what was read before one is not kept after it.
    change: u64,
    /// Facts that hold, and the place of the last one.
    size: Option<(u64, i64)>,
    /// In how many facts a word occurs.
    holders: HashMap<String, u64>,
}

impl Known {
    /// A change was made.
    pub(super) fn forget(&mut self) {
        *self = Self { change: self.change + 1, ..Self::default() };
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
            places = by_words(connection, &wanted, query, last)?;
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

/// Places by BM25. Where even the rarest word is everywhere, only the newest facts with it are ranked.
fn by_words(
    connection: &Connection,
    wanted: &[(&str, u64)],
    query: &FactQuery,
    last: i64,
) -> Result<Vec<i64>, StorageError> {
    let quoted: Vec<String> = wanted.iter().map(|(term, _)| format!("\"{term}\"")).collect();
    let mut matched = format!("{{own around}} : ({})", quoted.join(" OR "));
    if let Some(kind) = query.kind {
        matched = format!("({matched}) AND mark : {}", kind_mark(kind));
    }
    let postings: u64 = wanted.iter().map(|(_, holders)| holders).sum();
    let share = i64::try_from(postings.div_ceil(MOST_POSTINGS)).unwrap_or(i64::MAX);
    // All of it while that is little; else the newest part that holds about as many entries as may be ranked.
    let after = if share <= 1 { i64::MIN } else { last - last / share };
    let sql = "SELECT rowid FROM memory_words WHERE memory_words MATCH ?1 AND rowid > ?2 \
        ORDER BY bm25(memory_words, 1.0, 0.4, 0.0), rowid DESC LIMIT ?3";
    let mut select = connection.prepare_cached(sql).map_err(failure)?;
    let values: [rusqlite::types::Value; 3] = [matched.into(), after.into(), i64::from(query.most).into()];
    let places = select.query_map(params_from_iter(values), |row| row.get(0)).map_err(failure)?;
    places.collect::<Result<_, _>>().map_err(failure)
}
