//! What a type's JSON Schema adds to serde's word: every missing key at once, and what a setting is for.

use serde_json::{Map as Object, Value as Json};

use super::{Code, fault::missing};
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

    fn purpose_of(&self, root: &Node, path: &[String]) -> Option<String> {
        let (mut schema, mut node) = (&self.0, root);
        for key in path {
            let object = self.resolve(schema, node)?;
            schema = property(object, key)?;
            let Value::Map(map) = &node.value else { return None };
            node = map.get(key)?.1;
        }
        self.description(schema)
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
