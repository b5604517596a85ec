//! Rows of what is remembered, and their words in the index: written together, sealed where that is switched on.

use super::find::CountChange;
use super::{Packer, Shelf};
use crate::sqlite::connection::failure;
use jiff::Timestamp;
use nunchi_core::{
    CacheKey, Fact, FactFilter, FactId, FactKind, FactRecord, FactState, FactVector, Fading, Label,
    MemoryFigures, PackedVector, StorageError, search_terms,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Most words of one text that are indexed.
const MOST_WORDS: usize = 512;

/// What stands in the index beside the words, so that a search can keep to one kind.
pub(super) const fn kind_mark(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Fact => "markfact",
        FactKind::Turn => "markturn",
    }
}

pub(super) const COLUMNS: &str = "id, used, uses, encoder, sealed, place";

/// A row as it is stored.
pub(super) struct Stored {
    id: Uuid,
    used: i64,
    uses: u32,
    encoder: Option<String>,
    sealed: Vec<u8>,
    pub(super) place: i64,
}

impl Stored {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: Uuid::from_bytes(row.get(0)?),
            used: row.get(1)?,
            uses: row.get(2)?,
            encoder: row.get(3)?,
            sealed: row.get(4)?,
            place: row.get(5)?,
        })
    }
}

impl Shelf {
    /// `None` when the row is damaged or sealed with another key: then it is as if it were not there.
    pub(super) fn open(&self, row: Stored) -> Option<FactRecord> {
        let open = self.sealer.open(&seal_of(FactId(row.id)), &row.sealed)?;
        let (vector, rest) = piece(&open)?;
        let (around, fact) = piece(rest)?;
        let fact: Fact = serde_json::from_slice(fact).ok()?;
        let vector = row
            .encoder
            .filter(|_| !vector.is_empty())
            .map(|encoder| FactVector { encoder, vector: PackedVector::from_bytes(vector) });
        let last_used = Timestamp::from_microsecond(row.used).ok()?;
        let around = String::from_utf8(around.to_vec()).ok()?;
        Some(FactRecord { fact: Fact { last_used, uses: row.uses, ..fact }, around, vector })
    }

    pub(super) fn list(
        &self,
        connection: &Connection,
        filter: &FactFilter,
    ) -> Result<Vec<Fact>, StorageError> {
        let mut sql = format!("SELECT {COLUMNS} FROM memories WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let conditions = [
            ("kind = ?", filter.kind.map(|kind| Value::from(kind_code(kind)))),
            ("state = ?", filter.state.map(|state| Value::from(state_code(state)))),
            ("label = ?", filter.label.map(|label| Value::from(label_code(label)))),
            ("session = ?", filter.session.as_ref().map(|session| Value::from(self.mark(session)))),
            ("topic = ?", filter.topic.as_ref().map(|topic| Value::from(self.mark(topic)))),
            ("id < ?", filter.before.map(|id| Value::from(id.0.as_bytes().to_vec()))),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                sql.push_str(" AND ");
                sql.push_str(condition);
                values.push(value);
            }
        }
        values.push(Value::from(filter.limit.map_or(-1, i64::from)));
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        let mut select = connection.prepare_cached(&sql).map_err(failure)?;
        let rows = select.query_map(params_from_iter(values), Stored::read).map_err(failure)?;
        let mut facts = Vec::new();
        for row in rows {
            facts.extend(self.open(row.map_err(failure)?).map(|record| record.fact));
        }
        Ok(facts)
    }
}

/// The words of a fact as they stand in the index.
pub(super) struct Words {
    own: Vec<String>,
    around: Vec<String>,
}

impl Words {
    fn of(shelf: &Shelf, record: &FactRecord) -> Self {
        let words = |text: &str| -> Vec<String> {
            search_terms(text).iter().take(MOST_WORDS).map(|term| shelf.term(term)).collect()
        };
        Self { own: words(&record.fact.text), around: words(&record.around) }
    }

    /// Each once.
    pub(super) fn all(self) -> HashSet<String> {
        self.own.into_iter().chain(self.around).collect()
    }
}

/// Rows within one transaction.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    pub(super) shelf: &'a Shelf,
    pub(super) packer: &'a Mutex<Packer>,
    pub(super) counts: Mutex<CountChange>,
}

impl Rows<'_> {
    /// Adds a record, or puts it in place of the one of the same id.
    pub(super) fn put(&self, record: &FactRecord) -> Result<(), StorageError> {
        let FactRecord { fact, around, vector } = record;
        self.unindex(fact.id)?;
        let sealed = self.sealed(record)?;
        let signs = vector.as_ref().map(|vector| vector.vector.signs());
        let signs_sealed = signs.as_deref().map(|signs| self.seal_signs(fact.id, signs)).transpose()?;
        let mark = |text: &Option<String>| text.as_ref().map(|text| self.shelf.mark(text));
        let sql = "INSERT INTO memories (id, kind, state, label, session, topic, changed, used, uses, importance, bytes, \
            encoder, signs, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
            ON CONFLICT (id) DO UPDATE SET kind = ?2, state = ?3, label = ?4, session = ?5, topic = ?6, changed = ?7, \
            used = ?8, uses = ?9, importance = ?10, bytes = ?11, encoder = ?12, signs = ?13, sealed = ?14 RETURNING place";
        let mut insert = self.connection.prepare_cached(sql).map_err(failure)?;
        let row = params![
            fact.id.0.as_bytes(),
            kind_code(fact.kind),
            state_code(fact.state),
            label_code(fact.label),
            mark(&fact.source.session),
            mark(&fact.topic),
            fact.changed.as_microsecond(),
            fact.last_used.as_microsecond(),
            fact.uses,
            fact.importance,
            i64::try_from(fact.text.len() + around.len()).unwrap_or(i64::MAX),
            vector.as_ref().map(|vector| &vector.encoder),
            signs_sealed,
            sealed
        ];
        let place: i64 = insert.query_row(row, |row| row.get(0)).map_err(failure)?;
        if fact.state != FactState::Active {
            return Ok(());
        }
        self.add_words(place, record)?;
        if let (Some(index), Some(vector), Some(signs)) = (self.shelf.signs().as_mut(), vector, signs) {
            index.add(&vector.encoder, fact.kind, place, &signs);
        }
        Ok(())
    }

    pub(super) fn touch(&self, id: FactId, at: Timestamp) -> Result<(), StorageError> {
        let sql = "UPDATE memories SET used = max(used, ?), uses = uses + 1 WHERE id = ?";
        let mut update = self.connection.prepare_cached(sql).map_err(failure)?;
        update.execute(params![at.as_microsecond(), id.0.as_bytes()]).map_err(failure)?;
        Ok(())
    }

    pub(super) fn remove(&self, id: FactId) -> Result<(), StorageError> {
        if self.unindex(id)? {
            let mut delete =
                self.connection.prepare_cached("DELETE FROM memories WHERE id = ?").map_err(failure)?;
            delete.execute([id.0.as_bytes()]).map_err(failure)?;
        }
        Ok(())
    }

    /// What the rule of fading has to know of every fact.
    pub(super) fn fading(&self) -> Result<Vec<Fading>, StorageError> {
        let sql = "SELECT id, kind, state, importance, uses, used, changed, bytes FROM memories";
        let mut select = self.connection.prepare_cached(sql).map_err(failure)?;
        let rows = select
            .query_map(params![], |row| {
                let time = |at: usize| {
                    Ok::<_, rusqlite::Error>(Timestamp::from_microsecond(row.get(at)?).unwrap_or_default())
                };
                Ok(Fading {
                    id: FactId(Uuid::from_bytes(row.get(0)?)),
                    kind: if row.get::<_, i64>(1)? == 0 { FactKind::Fact } else { FactKind::Turn },
                    state: state_of(row.get(2)?),
                    importance: row.get(3)?,
                    uses: row.get(4)?,
                    last_used: time(5)?,
                    changed: time(6)?,
                    bytes: u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
                })
            })
            .map_err(failure)?;
        rows.collect::<Result<_, _>>().map_err(failure)
    }

    /// Makes the index of words anew from the rows.
    pub(super) fn index_anew(&self) -> Result<(), StorageError> {
        let deleted = "INSERT INTO memory_words (memory_words) VALUES ('delete-all')";
        self.connection.execute(deleted, params![]).map_err(failure)?;
        self.counts().count(0, None, 0);
        let sql = format!("SELECT {COLUMNS} FROM memories WHERE state = 0");
        let mut select = self.connection.prepare(&sql).map_err(failure)?;
        let rows = select.query_map(params![], Stored::read).map_err(failure)?;
        for row in rows {
            let row = row.map_err(failure)?;
            let place = row.place;
            if let Some(record) = self.shelf.open(row) {
                self.add_words(place, &record)?;
            }
        }
        Ok(())
    }

    /// Takes the words of a fact that holds out of the index; `false` when there is none of this id.
    fn unindex(&self, id: FactId) -> Result<bool, StorageError> {
        let sql = format!("SELECT {COLUMNS}, state FROM memories WHERE id = ?");
        let mut select = self.connection.prepare_cached(&sql).map_err(failure)?;
        let read = |row: &Row<'_>| Ok((Stored::read(row)?, row.get::<_, i64>(6)?));
        let found = select.query_row([id.0.as_bytes()], read).optional().map_err(failure)?;
        let Some((row, state)) = found else { return Ok(false) };
        let place = row.place;
        if state == state_code(FactState::Active) {
            let mut delete = self
                .connection
                .prepare_cached("DELETE FROM memory_words WHERE rowid = ?")
                .map_err(failure)?;
            delete.execute([place]).map_err(failure)?;
            let words = self.shelf.open(row).map(|record| Words::of(self.shelf, &record));
            self.counts().count(place, words, -1);
        }
        if let Some(index) = self.shelf.signs().as_mut() {
            index.remove(place);
        }
        Ok(true)
    }

    fn add_words(&self, place: i64, record: &FactRecord) -> Result<(), StorageError> {
        let words = Words::of(self.shelf, record);
        let sql = "INSERT INTO memory_words (rowid, own, around, mark) VALUES (?, ?, ?, ?)";
        let mut insert = self.connection.prepare_cached(sql).map_err(failure)?;
        let row = params![place, words.own.join(" "), words.around.join(" "), kind_mark(record.fact.kind)];
        insert.execute(row).map_err(failure)?;
        self.counts().count(place, Some(words), 1);
        Ok(())
    }

    fn counts(&self) -> MutexGuard<'_, CountChange> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Vector, surroundings and fact in one sealed piece.
    fn sealed(&self, record: &FactRecord) -> Result<Vec<u8>, StorageError> {
        let fact =
            serde_json::to_vec(&record.fact).map_err(|error| StorageError::Other(error.to_string()))?;
        let vector = record.vector.as_ref().map(|vector| vector.vector.to_bytes()).unwrap_or_default();
        let mut open = Vec::with_capacity(8 + vector.len() + record.around.len() + fact.len());
        for part in [vector.as_slice(), record.around.as_bytes()] {
            let length = u32::try_from(part.len()).map_err(|error| StorageError::Other(error.to_string()))?;
            open.extend_from_slice(&length.to_le_bytes());
            open.extend_from_slice(part);
        }
        open.extend_from_slice(&fact);
        let mut packer = self.packer.lock().unwrap_or_else(PoisonError::into_inner);
        self.shelf.sealer.seal(&mut packer, &seal_of(record.fact.id), &open)
    }

    /// The signs of a meaning for their column: as they are, or sealed, as they tell a part of the meaning.
    fn seal_signs(&self, id: FactId, signs: &[u64]) -> Result<Vec<u8>, StorageError> {
        let bytes: Vec<u8> = signs.iter().flat_map(|word| word.to_le_bytes()).collect();
        if self.shelf.key.is_none() {
            return Ok(bytes);
        }
        let mut packer = self.packer.lock().unwrap_or_else(PoisonError::into_inner);
        self.shelf.sealer.seal(&mut packer, &seal_of(id), &bytes)
    }
}

/// Splits off a part that begins with its length.
fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// What the seal of a fact is bound to.
pub(super) fn seal_of(id: FactId) -> CacheKey {
    CacheKey(Sha256::new().chain_update(b"fact").chain_update(id.0.as_bytes()).finalize().into())
}

pub(super) fn figures(connection: &Connection) -> Result<MemoryFigures, StorageError> {
    let sql = "SELECT state, kind, count(*), sum(bytes) FROM memories GROUP BY state, kind";
    let mut select = connection.prepare_cached(sql).map_err(failure)?;
    let rows = select
        .query_map(params![], |row| {
            let whole =
                |at: usize| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0));
            Ok((state_of(row.get(0)?), row.get::<_, i64>(1)? == 0, whole(2)?, whole(3)?))
        })
        .map_err(failure)?;
    let mut figures = MemoryFigures::default();
    for row in rows {
        let (state, fact, count, bytes) = row.map_err(failure)?;
        figures.bytes += bytes;
        match state {
            FactState::Active if fact => figures.facts += count,
            FactState::Active => figures.turns += count,
            FactState::Superseded => figures.superseded += count,
            FactState::Vetoed => figures.vetoed += count,
            FactState::Forgotten => figures.forgotten += count,
        }
    }
    Ok(figures)
}

pub(super) const fn kind_code(kind: FactKind) -> i64 {
    match kind {
        FactKind::Fact => 0,
        FactKind::Turn => 1,
    }
}

const fn state_code(state: FactState) -> i64 {
    match state {
        FactState::Active => 0,
        FactState::Superseded => 1,
        FactState::Vetoed => 2,
        FactState::Forgotten => 3,
    }
}

const fn state_of(code: i64) -> FactState {
    match code {
        0 => FactState::Active,
        1 => FactState::Superseded,
        2 => FactState::Vetoed,
        _ => FactState::Forgotten,
    }
}

const fn label_code(label: Label) -> i64 {
    match label {
        Label::Owner => 0,
        Label::Tool => 1,
        Label::Stranger => 2,
    }
}
