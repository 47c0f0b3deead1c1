//! The JSON Schema of routes.yaml: what editors complete, explain and check by. Made from the types and tables that read the file, so
//! that it cannot say anything else. Where a reader knows more than a schema can say, the schema lets it pass.

use serde_json::{Map, Value, json};

use super::routes::RouteSettings;
use super::sections::SECTIONS;
use crate::event::vocabulary::{self, Use, Word};
use crate::yaml::form::{self, Form, filled_text, nothing, one, one_or_more, text};
use crate::{message, receiver, routing};

const CONDITION: &str = "#/definitions/condition";
const MESSAGE: &str = "#/definitions/message";
const RECEIVER: &str = "#/definitions/receiver";
/// And then the name of a setting that receivers of several kinds have.
const SETTING: &str = "#/definitions/receiver_";

/// The whole schema: draft 7, which every editor knows.
#[must_use]
pub fn schema() -> Value {
    let sections: Map<String, Value> =
        SECTIONS.iter().map(|(name, doc)| ((*name).to_owned(), section(name, doc))).collect();
    let (receiver, settings) = receiver::schema(MESSAGE, SETTING);
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "description": "Who should know about which job events, and what they are told.",
        "type": "object",
        "properties": sections,
        "required": ["receivers", "routes"],
        "additionalProperties": false,
        "definitions": {
            "receiver": receiver,
            "condition": routing::schema(CONDITION),
            "message": message::definition_schema(),
        },
    });
    for (name, setting) in settings {
        schema["definitions"][format!("receiver_{name}")] = setting;
    }
    for (name, definition) in form::definitions() {
        schema["definitions"][name] = definition;
    }
    in_markdown(&mut schema);
    schema
}

fn section(name: &str, doc: &str) -> Value {
    match name {
        "receivers" => json!({
            "description": doc,
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "allOf": [{"$ref": RECEIVER}]},
        }),
        "routes" => json!({"description": doc, "type": "array", "minItems": 1, "items": route()}),
        "messages" => {
            let message = json!({"type": "object", "allOf": [{"$ref": MESSAGE}]});
            one(doc, vec![json!({"type": "object", "additionalProperties": message}), nothing()])
        }
        "tests" => one(doc, vec![json!({"type": "array", "items": test()}), nothing()]),
        _ => one(doc, filled_text(&["UTC", "Europe/Berlin", "America/New_York"])),
    }
}

/// The keys of the type that reads a route; those with a language of their own in their form.
fn route() -> Value {
    let settings = schemars::schema_for!(RouteSettings).to_value();
    let mut keys = Map::new();
    for (name, setting) in settings["properties"].as_object().into_iter().flatten() {
        let doc = setting["description"].as_str().unwrap_or_default();
        let form = match (name.as_str(), setting["type"].as_str()) {
            ("when", _) => json!({"description": doc, "type": "object", "allOf": [{"$ref": CONDITION}]}),
            ("to", _) => one_or_more(doc, text(), 0),
            ("message", _) => message::reference_schema(doc, MESSAGE, vec![nothing()]),
            (_, Some("boolean")) => json!({"description": doc, "type": "boolean"}),
            _ => one(doc, filled_text(&[])),
        };
        keys.insert(name.clone(), form);
    }
    json!({"type": "object", "properties": keys, "required": settings["required"], "additionalProperties": false})
}

fn test() -> Value {
    let word = |word: &Word| {
        let mut form: Form = routing::known_values(word.sort);
        form.extend(text());
        (word.name.to_owned(), one(&format!("{}.", word.doc), form))
    };
    let words: Map<String, Value> = vocabulary::words(Use::Sample).map(word).collect();
    let parts = json!({"type": "object", "additionalProperties": one_or_more("", text(), 1)});
    json!({
        "type": "object",
        "properties": {
            "name": one("What the test is called.", filled_text(&[])),
            "job": {
                "description": "The event, in the words of `when`; what is left out is made up to fit.",
                "type": "object",
                "properties": words,
                "additionalProperties": false,
            },
            "expect": {
                "description": "What must come of it.",
                "type": "object",
                "properties": {
                    "to": one_or_more("Exactly the receivers that get it; `[]` says nobody.", text(), 0),
                    "message": {
                        "description": "By receiver: patterns for parts of its message.",
                        "type": "object",
                        "additionalProperties": parts,
                    },
                },
                "additionalProperties": false,
            },
        },
        "required": ["name", "job", "expect"],
        "additionalProperties": false,
    })
}

/// Docs are written in Markdown; editors take `description` for plain text.
fn in_markdown(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(doc)) = map.get("description")
                && doc.contains('`')
            {
                let marked = Value::String(doc.clone());
                map.insert("markdownDescription".to_owned(), marked);
            }
            if let Some(docs @ Value::Array(_)) = map.get("enumDescriptions") {
                let marked = docs.clone();
                map.insert("markdownEnumDescriptions".to_owned(), marked);
            }
            map.values_mut().for_each(in_markdown);
        }
        Value::Array(items) => items.iter_mut().for_each(in_markdown),
        _ => {}
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
