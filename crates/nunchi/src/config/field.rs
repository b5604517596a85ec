//! What a setting is: its place, the kind of its value, its default and its meaning.

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A whole number from 0.
    Count,
    /// A decimal number.
    Decimal,
    /// Yes or no.
    Flag,
    /// A length of time: `30s`, `5m`, `24h`, `7d`.
    Time,
    /// A list of texts.
    Texts,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// One setting.
pub(super) struct Field {
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// One setting, in the order of its table.
pub(super) const fn field(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Field {
    Field { section, key, kind, default, meaning }
}
