//! Reading JSON bodies: known fields by type, everything else kept as it was written, errors with place and path.

use crate::problem::Problem;
use nunchi_core::Json;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Fields that our words cannot say, by their path in the body (`service_tier`, `messages[3].audio`).
pub(crate) type Rest = Vec<(String, Json)>;

/// Declares an object of a wire format. Every field may be absent or null; unknown ones land in `rest`.
///
/// The visitor is written out because `flatten` cannot hold `RawValue`, and a tagged enum would buffer every part twice.
macro_rules! wire_object {
    ($($(#[$doc:meta])* $name:ident { $($field:ident $(= $wire:literal)? : $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            $(pub(crate) $field: Option<$type>,)*
            pub(crate) rest: $crate::wire::Rest,
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some($crate::wire::Key(key)) = map.next_key()? {
                            match key.as_ref() {
                                $($crate::wire::wire_object!(@name $field $($wire)?) => {
                                    if object.$field.is_some() {
                                        return Err($crate::wire::twice(&key));
                                    }
                                    object.$field = map.next_value()?;
                                })*
                                _ => {
                                    let value: nunchi_core::Json = map.next_value()?;
                                    // Null means absent, in every dialect.
                                    if value.get() != "null" {
                                        object.rest.push((key.into_owned(), value));
                                    }
                                }
                            }
                        }
                        Ok(object)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    )*};
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $wire:literal) => { $wire };
}
pub(crate) use wire_object;

/// A field that is said twice could be read one way here and the other way upstream.
pub(crate) fn twice<E: Error>(field: &str) -> E {
    E::custom(format_args!("the field `{field}` is given twice"))
}

/// A field's name, borrowed where the text allows.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(name)))
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// What many fields may be: a string, or a list of things.
#[derive(Debug)]
pub(crate) enum TextOr<T> {
    /// A string.
    Text(String),
    /// A list.
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned()))
            }
            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1_024));
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(TextOr::List(list))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl TextOr<String> {
    /// The strings, one or many.
    pub(crate) fn into_list(self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(list) => list,
        }
    }
}

/// What a choice may be: a word, or an object that says more.
#[derive(Debug)]
pub(crate) enum WordOr<T> {
    /// A word.
    Word(String),
    /// An object.
    Object(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = WordOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(WordOr::Object)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// Reads a whole body.
///
/// A body is parsed once; only a faulty one is parsed again, to find the path of the fault.
pub(crate) fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| Problem::NotUtf8 { offset: error.valid_up_to() })?;
    read_at(text, &String::new)
}

/// Reads a piece of a body that stands at `path`.
pub(crate) fn read_at<T: DeserializeOwned>(text: &str, path: &dyn Fn() -> String) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| explain(text, &path(), &error, &faulty_path::<T>(text)))
}

fn faulty_path<T: DeserializeOwned>(text: &str) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) if error.path().iter().len() > 0 => error.path().to_string(),
        _ => String::new(),
    }
}

fn explain(text: &str, prefix: &str, error: &serde_json::Error, path: &str) -> Problem {
    let said = error.to_string();
    let detail = said.split(" at line ").next().unwrap_or(&said).to_owned();
    if !error.is_data() {
        let (line, column) = if prefix.is_empty() { (error.line(), error.column()) } else { (0, 0) };
        let detail = if text.trim().is_empty() { "the body is empty".into() } else { detail };
        return Problem::Malformed { detail, line, column };
    }
    Problem::WrongType { path: join(prefix, path), detail: in_json_words(&detail) }
}

/// Rust's names of types are not the reader's.
fn in_json_words(detail: &str) -> String {
    [
        ("invalid type: map", "invalid type: object"),
        ("invalid type: sequence", "invalid type: array"),
        ("expected a sequence", "expected an array"),
        ("expected u32", "expected a whole number, not negative"),
        ("expected u64", "expected a whole number, not negative"),
        ("expected i64", "expected a whole number"),
        ("expected f64", "expected a number"),
    ]
    .iter()
    .fold(detail.to_owned(), |text, (rust, json)| text.replace(rust, json))
}

/// `messages[3]` and `content` make `messages[3].content`.
pub(crate) fn join(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        ("", path) | (path, "") => path.to_owned(),
        (prefix, path) if path.starts_with('[') => format!("{prefix}{path}"),
        (prefix, path) => format!("{prefix}.{path}"),
    }
}

/// Moves the unknown fields of a nested object up, under their path.
pub(crate) fn hoist(rest: &mut Rest, path: impl FnOnce() -> String, unknown: Rest) {
    if unknown.is_empty() {
        return;
    }
    let path = path();
    rest.extend(unknown.into_iter().map(|(name, value)| (join(&path, &name), value)));
}

/// JSON text of anything that serialises; `null` should that ever fail.
pub(crate) fn json_of(value: &impl serde::Serialize) -> Json {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| serde_json::value::RawValue::NULL.to_owned())
}
