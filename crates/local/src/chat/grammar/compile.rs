//! Compiles a JSON Schema into a grammar.

use super::{Grammar, Node, NodeId, NumberRule, Property};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Most nodes of a grammar.
const MOST_NODES: usize = 10_000;

/// Keywords that narrow what is allowed and are not followed: what is written may then still break them.
const NOT_FOLLOWED: [&str; 17] = [
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "maxProperties",
    "minProperties",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "propertyNames",
    "then",
    "unevaluatedProperties",
    "uniqueItems",
];

/// A compiled schema.
#[derive(Clone, Debug)]
pub struct CompiledSchema {
    /// What may be written.
    pub grammar: Grammar,
    /// Keywords of the schema that the grammar does not hold, each once.
    pub ignored: Vec<String>,
}

impl Grammar {
    /// Any JSON object.
    pub fn object() -> Self {
        let mut compiler = Compiler::default();
        let any = compiler.any();
        let root = compiler.add(Node::Map { value: any });
        Self { nodes: compiler.nodes, root }
    }

    /// What a JSON Schema allows. Properties come in the order of the schema, and none that it does not name.
    ///
    /// # Errors
    /// What of the schema cannot be followed at all.
    pub fn of_schema(schema: &Value) -> Result<CompiledSchema, String> {
        let mut compiler = Compiler { document: Some(schema), ..Compiler::default() };
        let root = compiler.node(schema)?;
        compiler.check()?;
        Ok(CompiledSchema { grammar: Self { nodes: compiler.nodes, root }, ignored: compiler.ignored })
    }
}

#[derive(Default)]
struct Compiler<'s> {
    /// What `$ref` points into.
    document: Option<&'s Value>,
    nodes: Vec<Node>,
    any: Option<NodeId>,
    /// Targets of `$ref`; a place is kept before the target is compiled, so that it may hold itself.
    targets: HashMap<&'s str, NodeId>,
    ignored: Vec<String>,
}

impl<'s> Compiler<'s> {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Any JSON value.
    fn any(&mut self) -> NodeId {
        if let Some(any) = self.any {
            return any;
        }
        let any = self.add(Node::Union(Vec::new()));
        self.any = Some(any);
        let text = self.add(Node::Text { least: 0, most: u32::MAX });
        let number = self.add(Node::Number(NumberRule::default()));
        let words = self.add(literals(&[Value::Bool(true), Value::Bool(false), Value::Null]));
        let array = self.add(Node::Array { items: any, least: 0, most: u32::MAX });
        let map = self.add(Node::Map { value: any });
        self.nodes[any] = Node::Union(vec![text, number, words, array, map]);
        any
    }

    fn node(&mut self, schema: &'s Value) -> Result<NodeId, String> {
        if self.nodes.len() > MOST_NODES {
            return Err("so large a schema".to_owned());
        }
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(true) => return Ok(self.any()),
            _ => return Err(format!("the schema `{schema}`")),
        };
        for keyword in NOT_FOLLOWED.iter().filter(|keyword| schema.contains_key(**keyword)) {
            self.ignore(keyword);
        }
        if let Some(target) = schema.get("$ref") {
            return self.reference(target.as_str().unwrap_or_default());
        }
        if let Some(only) = schema.get("const") {
            return Ok(self.add(literals(std::slice::from_ref(only))));
        }
        if let Some(values) = schema.get("enum") {
            let values = values.as_array().filter(|values| !values.is_empty()).ok_or("an empty enum")?;
            return Ok(self.add(literals(values)));
        }
        if let Some(parts) = schema.get("allOf") {
            return match parts.as_array().map(Vec::as_slice) {
                Some([only]) if !schema.contains_key("properties") => self.node(only),
                _ => Err("allOf of several schemas".to_owned()),
            };
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(parts) = schema.get(keyword) {
                if schema.contains_key("properties") {
                    return Err(format!("properties beside {keyword}"));
                }
                return self.union(parts.as_array().map(Vec::as_slice).unwrap_or_default());
            }
        }
        match schema.get("type") {
            Some(Value::Array(types)) => {
                let of_type = |kind: &Value| self.typed(schema, kind.as_str().unwrap_or_default());
                let nodes: Vec<NodeId> = types.iter().map(of_type).collect::<Result<_, _>>()?;
                Ok(self.add(Node::Union(nodes)))
            }
            Some(kind) => self.typed(schema, kind.as_str().unwrap_or_default()),
            None if schema.contains_key("properties") => self.typed(schema, "object"),
            None if schema.contains_key("items") => self.typed(schema, "array"),
            None => Ok(self.any()),
        }
    }

    fn union(&mut self, parts: &'s [Value]) -> Result<NodeId, String> {
        let nodes: Vec<NodeId> = parts.iter().map(|part| self.node(part)).collect::<Result<_, _>>()?;
        if nodes.is_empty() {
            return Err("a choice of nothing".to_owned());
        }
        Ok(self.add(Node::Union(nodes)))
    }

    fn reference(&mut self, target: &'s str) -> Result<NodeId, String> {
        if let Some(known) = self.targets.get(target) {
            return Ok(*known);
        }
        let found = target.strip_prefix('#').and_then(|path| self.document?.pointer(path));
        let found = found.ok_or_else(|| format!("the reference `{target}`"))?;
        // A union of one, so that the target may hold itself.
        let place = self.add(Node::Union(Vec::new()));
        self.targets.insert(target, place);
        let node = self.node(found)?;
        self.nodes[place] = Node::Union(vec![node]);
        Ok(place)
    }

    fn typed(&mut self, schema: &'s Map<String, Value>, kind: &str) -> Result<NodeId, String> {
        let count = |name: &str| {
            schema.get(name).and_then(Value::as_u64).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        };
        let (least, most) = match kind {
            "string" => (count("minLength"), count("maxLength")),
            _ => (count("minItems"), count("maxItems")),
        };
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(u32::MAX));
        if least > most {
            return Err("a least length above the most".to_owned());
        }
        let node = match kind {
            "string" => Node::Text { least, most },
            "number" | "integer" => Node::Number(self.number(schema, kind == "integer")?),
            "boolean" => literals(&[Value::Bool(true), Value::Bool(false)]),
            "null" => literals(&[Value::Null]),
            "array" if schema.contains_key("prefixItems") => return Err("prefixItems".to_owned()),
            "array" => {
                let items = self.part(schema, "items")?;
                Node::Array { items, least, most }
            }
            "object" => self.object(schema)?,
            other => return Err(format!("the type `{other}`")),
        };
        Ok(self.add(node))
    }

    fn number(&mut self, schema: &Map<String, Value>, integer: bool) -> Result<NumberRule, String> {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            return Err("a minimum above the maximum".to_owned());
        }
        if !integer {
            if most.is_some() || least.is_some_and(|least| least != 0.0) {
                self.ignore("minimum and maximum of a fraction");
            }
            return Ok(NumberRule { integer, least: least.map(|least| least as i64), most: None });
        }
        Ok(NumberRule {
            integer,
            least: least.map(|n| n.ceil() as i64),
            most: most.map(|n| n.floor() as i64),
        })
    }

    fn object(&mut self, schema: &'s Map<String, Value>) -> Result<Node, String> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut list = Vec::new();
        for (name, schema) in properties.into_iter().flatten() {
            let required = required.contains(&name.as_str());
            // What may never be there is left out.
            if !required && *schema == Value::Bool(false) {
                continue;
            }
            list.push(Property { key: key(name), value: self.node(schema)?, required });
        }
        let named = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
        for name in required.iter().filter(|name| !named(name)) {
            let value = self.part(schema, "additionalProperties")?;
            list.push(Property { key: key(name), value, required: true });
        }
        if list.is_empty() && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Ok(Node::Map { value: self.part(schema, "additionalProperties")? });
        }
        Ok(Node::Object(list))
    }

    /// The schema under a keyword; anything where there is none.
    fn part(&mut self, schema: &'s Map<String, Value>, keyword: &str) -> Result<NodeId, String> {
        match schema.get(keyword) {
            Some(part) => self.node(part),
            None => Ok(self.any()),
        }
    }

    fn ignore(&mut self, keyword: &str) {
        if !self.ignored.iter().any(|known| known == keyword) {
            self.ignored.push(keyword.to_owned());
        }
    }

    /// A union must lead to something other than itself.
    fn check(&self) -> Result<(), String> {
        let ends = |start: NodeId| {
            let (mut seen, mut open) = (vec![false; self.nodes.len()], vec![start]);
            while let Some(id) = open.pop() {
                match &self.nodes[id] {
                    Node::Union(ids) if !std::mem::replace(&mut seen[id], true) => open.extend(ids),
                    Node::Union(_) => {}
                    _ => return true,
                }
            }
            false
        };
        let whole = (0..self.nodes.len()).all(ends);
        whole.then_some(()).ok_or_else(|| "a reference to itself".to_owned())
    }
}

fn key(name: &str) -> Box<[u8]> {
    format!("{}: ", Value::from(name)).into_bytes().into_boxed_slice()
}

/// Values as they are written.
fn literals(values: &[Value]) -> Node {
    let mut texts: Vec<Box<[u8]>> =
        values.iter().map(|value| value.to_string().into_bytes().into_boxed_slice()).collect();
    texts.sort();
    texts.dedup();
    Node::Literals(texts)
}
