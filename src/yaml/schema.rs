//! What a type's JSON Schema adds to serde's word: every missing key at once, and what a setting is for.

use serde_json::{Map as Object, Value as Json};

use super::Code;
use super::fault::{Fault, What, missing};
use super::{Node, Problems, Value};

/// A type's schema with its definitions.
pub(super) struct Schema(Json);

impl Schema {
    pub fn of<T: schemars::JsonSchema>() -> Schema {
        // What is read counts, not what would be written: a setting with a default is not required.
        Schema(
            schemars::generate::SchemaSettings::draft2020_12()
                .for_deserialize()
                .into_generator()
                .into_root_schema_for::<T>()
                .to_value(),
        )
    }

    /// Records every required key that is not there, anywhere in `node`.
    pub fn missing(&self, node: &Node, problems: &mut Problems) {
        self.missing_in(&self.0, node, problems);
    }

    fn missing_in(&self, schema: &Json, node: &Node, problems: &mut Problems) {
        let Some(schema) = self.resolve(schema, node) else { return };
        match &node.value {
            Value::Map(map) => {
                for key in
                    schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
                {
                    if map.get(key).is_none() {
                        let purpose = property(schema, key).and_then(|property| self.description(property));
                        let help = purpose
                            .map_or_else(|| format!("add `{key}: …`"), |purpose| format!("add `{key}: …`: {purpose}"));
                        problems.error(Code::MissingKey, node.span, missing(key), help);
                    }
                }
                for (key, value) in &map.0 {
                    if let Some(property) = property(schema, &key.text) {
                        self.missing_in(property, value, problems);
                    }
                }
            }
            Value::List(items) => {
                for item in items {
                    if let Some(schema) = schema.get("items") {
                        self.missing_in(schema, item, problems);
                    }
                }
            }
            Value::Null | Value::Scalar(_) => {}
        }
    }

    /// What the setting under these keys is for, or else the one around it: the first sentence of its doc comment.
    pub fn purpose(&self, root: &Node, path: &[String]) -> Option<String> {
        (1..=path.len()).rev().find_map(|depth| self.purpose_of(root, &path[..depth]))
    }

    /// The cure of a value that does not fit: what the setting is for, and how it is written, unless that says it.
    pub fn advice(&self, root: &Node, fault: &Fault) -> Option<String> {
        let purpose = self.purpose(root, &fault.path)?;
        let form = match fault.what.as_ref() {
            What::WrongType { .. } | What::BadValue(_) => self.at(root, &fault.path).and_then(|at| self.form(at)),
            _ => None,
        };
        Some(match (form, fault.path.last()) {
            (Some(form), Some(key)) if !purpose.contains(&format!("`{form}`")) => {
                format!("{purpose}: write it like `{key}: {form}`")
            }
            _ => purpose,
        })
    }

    /// The schema of the setting under these keys.
    fn at(&self, root: &Node, path: &[String]) -> Option<&Json> {
        let (mut schema, mut node) = (&self.0, root);
        for key in path {
            schema = property(self.resolve(schema, node)?, key)?;
            let Value::Map(map) = &node.value else { return None };
            node = map.get(key)?.1;
        }
        Some(schema)
    }

    /// How a value is written: the first example; of a map, with its first setting.
    fn form(&self, schema: &Json) -> Option<String> {
        let schema = self.definition(schema).unwrap_or(schema);
        if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)).and_then(Json::as_str) {
            return Some(example.to_owned());
        }
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array);
        if let Some(form) = alternatives.into_iter().flatten().find_map(|alternative| self.form(alternative)) {
            return Some(form);
        }
        let properties = schema.get("properties").and_then(Json::as_object);
        // The first of them is the one that is asked for, or the most used.
        let required = schema.get("required").and_then(|required| required.get(0)).and_then(Json::as_str);
        let first = properties.and_then(|all| all.keys().find(|key| required.is_none_or(|name| name == *key)));
        if let (Some(properties), Some(key)) = (properties, first) {
            let value = self.form(&properties[key]).unwrap_or_else(|| "…".to_owned());
            return Some(format!("{{ {key}: {value} }}"));
        }
        let of_any_name = schema.get("additionalProperties").is_some_and(|any| any != &Json::Bool(false));
        of_any_name.then(|| "{ name: value }".to_owned())
    }

    fn purpose_of(&self, root: &Node, path: &[String]) -> Option<String> {
        self.description(self.at(root, path)?)
    }

    fn description(&self, schema: &Json) -> Option<String> {
        let own = schema.get("description").or_else(|| self.definition(schema)?.get("description"));
        let text = own?.as_str()?.split("\n\n").next()?.replace('\n', " ");
        Some(text.split_inclusive(". ").next()?.trim().trim_end_matches('.').to_owned())
    }

    /// Follows references, and of several alternatives takes the one that fits `node`.
    fn resolve<'a>(&'a self, schema: &'a Json, node: &Node) -> Option<&'a Object<String, Json>> {
        let mut schema = schema;
        // References of a finite schema end, unless it is recursive without a layer between, which no type can be.
        for _ in 0..16 {
            if let Some(definition) = self.definition(schema) {
                schema = definition;
            } else if let Some(Json::Array(alternatives)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
                let mut fitting = alternatives.iter().filter(|alternative| self.fits(alternative, node));
                schema = fitting.next()?;
                if fitting.next().is_some() {
                    return None;
                }
            } else {
                return schema.as_object();
            }
        }
        None
    }

    fn definition(&self, schema: &Json) -> Option<&Json> {
        self.0.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }

    /// Whether an alternative can be meant: of the same shape; of an enum with values, the one of that name.
    fn fits(&self, alternative: &Json, node: &Node) -> bool {
        let schema = self.definition(alternative).unwrap_or(alternative);
        let is = |name: &str| match schema.get("type") {
            Some(Json::String(kind)) => kind == name,
            Some(Json::Array(kinds)) => kinds.iter().any(|kind| kind == name),
            _ => true,
        };
        match &node.value {
            Value::Map(map) => {
                let properties = schema.get("properties").and_then(Json::as_object);
                let closed = schema.get("additionalProperties") == Some(&Json::Bool(false));
                let tag = properties.filter(|properties| closed && properties.len() == 1);
                is("object") && tag.is_none_or(|tag| tag.keys().all(|name| map.get(name).is_some()))
            }
            Value::List(_) => is("array"),
            Value::Null | Value::Scalar(_) => false,
        }
    }
}

fn property<'a>(schema: &'a Object<String, Json>, key: &str) -> Option<&'a Json> {
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    named.or_else(|| schema.get("additionalProperties")).filter(|property| property.is_object())
}
