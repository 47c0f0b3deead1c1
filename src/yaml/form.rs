//! Building blocks of a JSON Schema for what is read here: any scalar is text to who asks for text, and one value may stand for a
//! list of one. Editors complete, explain and check by it, so each block is built to give a good list of words, a good hover and an
//! error at the exact token.

use serde_json::{Map, Value, json};

/// The alternatives a value may be. No two fit the same value where it matters: an editor shows what all fitting ones say.
pub type Form = Vec<Value>;

/// A scalar, whatever it looks like: `0123`, `no` and `1.10` are text where text is asked for.
#[must_use]
pub fn text() -> Form {
    vec![json!({"type": "string"}), other_scalar()]
}

/// The same, but not the empty text.
#[must_use]
pub fn filled_text(examples: &[&str]) -> Form {
    let mut string = json!({"type": "string", "minLength": 1});
    if !examples.is_empty() {
        string["examples"] = json!(examples);
    }
    vec![string, other_scalar()]
}

/// A text in a form of its own. `cure` is what is said where it does not match, as people do not read patterns.
#[must_use]
pub fn matching(pattern: &str, cure: &str, examples: &[&str]) -> Form {
    let mut string = json!({"type": "string", "pattern": pattern, "patternErrorMessage": cure});
    if !examples.is_empty() {
        string["examples"] = json!(examples);
    }
    vec![string]
}

/// One of these words, each with what it means (or nothing).
#[must_use]
pub fn words(words: &[(String, String)]) -> Value {
    let names: Vec<&str> = words.iter().map(|(name, _)| name.as_str()).collect();
    let docs: Vec<&str> = words.iter().map(|(_, doc)| doc.as_str()).collect();
    let mut form = json!({"type": "string", "enum": names});
    if docs.iter().any(|doc| !doc.is_empty()) {
        form["enumDescriptions"] = json!(docs);
    }
    form
}

/// A number or boolean.
fn other_scalar() -> Value {
    json!({"$ref": "#/definitions/scalar"})
}

/// Nothing at all: `timeout:`.
#[must_use]
pub fn nothing() -> Value {
    json!({"$ref": "#/definitions/nothing"})
}

/// What the forms refer to.
///
/// Said by what they are not: editors would offer `true`, `false` and `null` where any text may be. The empty `properties` change
/// nothing, but tell this alternative from the others: the YAML language server runs together the docs of three that look alike to it.
#[must_use]
pub fn definitions() -> [(&'static str, Value); 2] {
    [
        ("scalar", json!({"not": {"type": ["string", "array", "object", "null"]}})),
        ("nothing", json!({"not": {"type": ["string", "number", "boolean", "array", "object"]}, "properties": {}})),
    ]
}

/// A value of this form.
#[must_use]
pub fn one(doc: &str, form: Form) -> Value {
    let mut schema = Map::new();
    if !doc.is_empty() {
        schema.insert("description".to_owned(), doc.into());
    }
    match form.as_slice() {
        [Value::Object(only)] => schema.extend(only.clone()),
        _ => {
            schema.insert("anyOf".to_owned(), Value::Array(form));
        }
    }
    Value::Object(schema)
}

/// A value of this form, or a list of them.
#[must_use]
pub fn one_or_more(doc: &str, mut form: Form, least: usize) -> Value {
    let item = one("", form.clone());
    form.push(json!({"type": "array"}));
    let mut schema = one(doc, form);
    // Not within the alternative: a bad item would be blamed on the whole list.
    schema["if"] = json!({"type": "array"});
    schema["then"] = json!({"minItems": least, "items": item});
    schema
}

/// A regular expression for a word in capitals, small letters or a mix.
#[must_use]
pub fn any_case(word: &str) -> String {
    word.chars()
        .map(|c| {
            let (small, capital) = (c.to_ascii_lowercase(), c.to_ascii_uppercase());
            if small == capital { c.to_string() } else { format!("[{small}{capital}]") }
        })
        .collect()
}
