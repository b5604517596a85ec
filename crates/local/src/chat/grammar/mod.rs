//! Grammars over bytes: which JSON an answer may be, compiled from a JSON Schema, and the guard that keeps to it.
//!
//! All JSON is written on one line with a space after colons and commas, as the models were mostly shown it. So the text
//! between two values is determined, and the model is asked only about values.

mod compile;
mod guard;
mod number;
mod text;

pub use compile::CompiledSchema;
pub(super) use guard::JsonGuard;

/// The place of a node in its grammar.
type NodeId = usize;

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// A string of so many characters.
    Text { least: u32, most: u32 },
    /// A number within bounds.
    Number(NumberRule),
    /// One of these JSON texts, sorted.
    Literals(Vec<Box<[u8]>>),
    /// An object with these properties in this order.
    Object(Vec<Property>),
    /// An object with any keys.
    Map { value: NodeId },
    /// An array of so many items.
    Array { items: NodeId, least: u32, most: u32 },
    /// One of these.
    Union(Vec<NodeId>),
}

/// What a number may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NumberRule {
    /// Without a fraction.
    integer: bool,
    /// The smallest whole number; of a number with a fraction only the sign is kept.
    least: Option<i64>,
    /// The largest whole number.
    most: Option<i64>,
}

/// A property of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Property {
    /// The key as it is written, with quotation marks, colon and space.
    key: Box<[u8]>,
    value: NodeId,
    required: bool,
}

/// Which JSON texts are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grammar {
    nodes: Vec<Node>,
    root: NodeId,
}

impl Grammar {
    /// The grammar without properties that may be left out.
    pub(super) fn required_only(&self) -> Self {
        let mut grammar = self.clone();
        for node in &mut grammar.nodes {
            if let Node::Object(properties) = node {
                properties.retain(|property| property.required);
            }
        }
        grammar
    }
}
