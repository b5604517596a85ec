//! Serialises bytes that hold text as text: a JSON string, not a list of numbers.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _, ser::Error as _};

/// Fails on bytes that are not UTF-8.
pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(std::str::from_utf8(bytes).map_err(S::Error::custom)?)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    String::deserialize(deserializer).map(Bytes::from).map_err(D::Error::custom)
}
