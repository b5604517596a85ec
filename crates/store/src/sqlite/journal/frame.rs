//! What the journal holds, and how it is framed: length, checksum, a letter for the kind, JSON.
//!
//! JSON, because a journal may be read by the next version: words may gain fields, and a person can read it.

use nunchi_core::{Booked, CallId, CallRecord, NanoUsd, StorageError};
use serde::{Deserialize, Serialize};

/// Length and checksum, four bytes each, the smallest first.
const HEAD: usize = 8;
const HOLD: u8 = b'H';
const SETTLE: u8 = b'S';
const COUNT: u8 = b'C';

/// A hold that was granted.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::sqlite) struct Held {
    pub(in crate::sqlite) call: CallId,
    pub(in crate::sqlite) money: NanoUsd,
    pub(in crate::sqlite) tokens: u64,
    /// The row to book should the process die before the settle.
    pub(in crate::sqlite) if_lost: Box<CallRecord>,
    /// Whether it stays open all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::sqlite) outlives: bool,
}

/// A call that has ended, and what it was counted on.
#[derive(Debug)]
pub(in crate::sqlite) struct Settled {
    pub(in crate::sqlite) record: Box<CallRecord>,
    pub(in crate::sqlite) booked: Booked,
}

/// One entry.
#[derive(Debug)]
pub(in crate::sqlite) enum Entry {
    Hold(Held),
    Settle(Settled),
    /// What calls that were settled before are counted on besides: a budget was made meanwhile.
    Count(Booked),
}

/// An entry as bytes, whole.
pub(in crate::sqlite) struct Frame(Vec<u8>);

/// A settle as bytes, but for what it is counted on.
pub(in crate::sqlite) struct SettleDraft(Vec<u8>);

impl Frame {
    pub(in crate::sqlite) fn hold(held: &Held) -> Result<Self, StorageError> {
        let mut bytes = started(HOLD);
        write_json(&mut bytes, held)?;
        Ok(Self(sealed(bytes)))
    }

    pub(in crate::sqlite) fn count(booked: &Booked) -> Result<Self, StorageError> {
        let mut bytes = started(COUNT);
        write_json(&mut bytes, booked)?;
        Ok(Self(sealed(bytes)))
    }

    pub(in crate::sqlite) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl SettleDraft {
    /// The long part, made before anything is locked.
    pub(in crate::sqlite) fn new(record: &CallRecord) -> Result<Self, StorageError> {
        let mut bytes = started(SETTLE);
        bytes.extend_from_slice(&[0; 4]);
        write_json(&mut bytes, record)?;
        let length = bytes.len() - HEAD - 5;
        bytes[HEAD + 1..HEAD + 5].copy_from_slice(&four(length));
        Ok(Self(bytes))
    }

    pub(in crate::sqlite) fn finish(self, booked: &Booked) -> Result<Frame, StorageError> {
        let mut bytes = self.0;
        write_json(&mut bytes, booked)?;
        Ok(Frame(sealed(bytes)))
    }
}

fn started(kind: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1_536);
    bytes.extend_from_slice(&[0; HEAD]);
    bytes.push(kind);
    bytes
}

fn write_json(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StorageError> {
    serde_json::to_writer(bytes, value).map_err(|error| StorageError::Other(error.to_string()))
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&bytes[HEAD..]);
    let length = bytes.len() - HEAD;
    bytes[..4].copy_from_slice(&four(length));
    bytes[4..HEAD].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn four(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// The first entry of `bytes` with the length of its frame; `None` where no whole frame stands: the end, or what a crash cut.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Entry, usize)>, StorageError> {
    let Some((length, rest)) = number(bytes) else { return Ok(None) };
    let Some((checksum, rest)) = number(rest) else { return Ok(None) };
    let length = length as usize;
    let Some(body) = rest.get(..length).filter(|body| crc32fast::hash(body) == checksum) else {
        return Ok(None);
    };
    let Some((kind, body)) = body.split_first() else { return Ok(None) };
    let entry = match *kind {
        HOLD => Entry::Hold(read_json(body)?),
        SETTLE => {
            let (record, rest) = number(body).ok_or_else(|| unknown("a settle without a row"))?;
            let (record, booked) = rest
                .split_at_checked(record as usize)
                .ok_or_else(|| unknown("a settle that is too short"))?;
            Entry::Settle(Settled { record: read_json(record)?, booked: read_json(booked)? })
        }
        COUNT => Entry::Count(read_json(body)?),
        _ => return Err(unknown("a kind of entry that this version does not know")),
    };
    Ok(Some((entry, HEAD + length)))
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StorageError> {
    serde_json::from_slice(bytes).map_err(|error| unknown(&error.to_string()))
}

fn unknown(what: &str) -> StorageError {
    StorageError::Damaged(format!("the journal: {what}"))
}
