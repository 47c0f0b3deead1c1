//! What a message looks like, for editors: as `definition` reads it.

use serde_json::{Map, Value, json};

use super::Level;
use super::definition::PARTS;
use crate::yaml::form::{Form, any_case, matching, one, one_or_more, text, words};

/// What makes a text a template, or a variable that is replaced before it is read.
const INSERTS: &str = r"\{\{|\{%|\{#|\$\{";

/// The JSON Schema of a message written out.
pub fn definition_schema() -> Value {
    let parts: Map<String, Value> = PARTS.iter().map(|(name, doc)| ((*name).to_owned(), part(name, doc))).collect();
    json!({"properties": parts, "additionalProperties": false})
}

/// The JSON Schema of a `message` setting: a name, or a message written out, whose schema is at `definition`.
pub fn reference_schema(doc: &str, definition: &str, more: Form) -> Value {
    let mut form = text();
    form.push(json!({"type": "object"}));
    form.extend(more);
    let mut schema = one(doc, form);
    schema["if"] = json!({"type": "object"});
    schema["then"] = json!({"$ref": definition});
    schema
}

fn part(name: &str, doc: &str) -> Value {
    match name {
        "level" => {
            let mut form = vec![words(&Level::NAMES.map(|name| (name.to_owned(), String::new())))];
            form.extend(matching(
                &format!(r"^\s*({})\s*$|{INSERTS}", Level::NAMES.map(any_case).join("|")),
                &format!("A level is {}.", Level::NAMES.join(", ")),
                &[],
            ));
            one(doc, form)
        }
        "link" => one(
            doc,
            matching(
                &format!(r"^$|^\s*{}[sS]?:|{INSERTS}", any_case("http")),
                "A link is an http or https address: https://…",
                &[],
            ),
        ),
        "fields" => json!({"description": doc, "type": "object", "additionalProperties": one("", text())}),
        "mention" => one_or_more(doc, text(), 0),
        "footer" => json!({"description": doc, "type": "boolean"}),
        _ => one(doc, text()),
    }
}
