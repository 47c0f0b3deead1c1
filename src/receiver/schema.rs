//! What a receiver looks like, for editors: from the types that read its settings, kind by kind.

use serde_json::{Map, Value, json};

use super::kind::Entry;
use super::kinds::KINDS;
use super::settings::CommonSettings;
use crate::message;
use crate::yaml::form::{Form, matching, nothing, one, text, words};

/// `${NAME}` may stand for any setting; what it brings is not known here.
const VARIABLE: &str = r"\$\{";

/// The JSON Schema of a receiver, and those of the settings that several kinds have alike, by name. `message` is where that of a message
/// is found; `setting` is where such a setting's is, but for its name.
pub fn schema(message: &str, setting: &str) -> (Value, Map<String, Value>) {
    let kinds: Vec<(String, String)> = KINDS
        .iter()
        .map(|entry| (entry.name.to_owned(), description(&(entry.schema)().to_value()).unwrap_or_default()))
        .collect();
    let mut forms: Vec<Value> = KINDS
        .iter()
        .map(|entry| {
            let mut form = of_kind(entry);
            let doc = "What is said here: a message, or the name of one under `messages`. What it leaves out is filled in from `messages.default`.";
            form["properties"]["message"] = message::reference_schema(doc, message, Vec::new());
            form
        })
        .collect();
    let shared = share(&mut forms, setting);
    let of_kinds = KINDS.iter().zip(forms).map(|(entry, form)| {
        json!({"if": {"properties": {"kind": {"const": entry.name}}, "required": ["kind"]}, "then": form})
    });
    let mut kind = vec![words(&kinds)];
    kind.extend(variable());
    let receiver = json!({
        "properties": {"kind": one("The service it speaks.", kind)},
        "required": ["kind"],
        "allOf": of_kinds.collect::<Vec<_>>(),
    });
    (receiver, shared)
}

/// Puts a reference in place of every setting that another kind has by the same name and in the same form, and returns what they refer
/// to. The names stay listed kind by kind: `additionalProperties` sees no others.
fn share(forms: &mut [Value], setting: &str) -> Map<String, Value> {
    let (mut seen, mut shared) = (Map::new(), Map::new());
    for (name, value) in forms.iter().filter_map(|form| form["properties"].as_object()).flatten() {
        if value.is_object() && seen.get(name) == Some(value) {
            shared.insert(name.clone(), value.clone());
        }
        seen.entry(name).or_insert_with(|| value.clone());
    }
    for (name, value) in forms.iter_mut().filter_map(|form| form["properties"].as_object_mut()).flatten() {
        if shared.get(name) == Some(value) {
            *value = json!({"$ref": format!("{setting}{name}")});
        }
    }
    shared
}

/// The settings a receiver of this kind may have, but for its message.
pub(super) fn of_kind(entry: &Entry) -> Value {
    let own = (entry.schema)().to_value();
    let common = schemars::schema_for!(CommonSettings).to_value();
    let mut settings = Map::from_iter([("kind".to_owned(), json!(true))]);
    settings.extend(properties(&own, |_| true));
    settings.extend(properties(&common, |name| entry.takes(name)));
    if entry.http {
        settings.insert("body".to_owned(), body());
    }
    let mut form = json!({"properties": settings, "additionalProperties": false});
    if let Some(required) = own.get("required") {
        form["required"] = required.clone();
    }
    // Ways that exclude each other.
    if let Some(ways) = own.get("anyOf") {
        form["anyOf"] = ways.clone();
    }
    form
}

fn variable() -> Form {
    matching(VARIABLE, "Only a variable may stand here instead: ${NAME}.", &[])
}

fn body() -> Value {
    let mut form = text();
    form[0] = json!({"type": ["object", "array", "string"]});
    one(
        "Replaces the service's own form: a YAML tree whose texts are templates over the vocabulary and `message.title`, `message.text` …; \
         one that is exactly one `{{ … }}` keeps its JSON type.",
        form,
    )
}

fn properties(schema: &Value, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let named = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    named.filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), setting(value, schema))).collect()
}

/// A setting's schema as made from its type, in words for editors: with what the readers let pass besides, and no more.
fn setting(schema: &Value, root: &Value) -> Value {
    let mut found = Found::default();
    found.add(schema, root);
    let mut form = found.form;
    if !found.words.is_empty() {
        form.insert(0, words(&found.words));
    }
    if form.iter().any(|form| form.get("enum").is_some() || form["type"] == "boolean" || form["type"] == "integer") {
        form.extend(variable());
    }
    form.extend(found.optional.then(nothing));
    one(&description(schema).unwrap_or_default(), form)
}

/// What a setting may be, its alternatives laid side by side.
#[derive(Default)]
struct Found {
    form: Form,
    /// Names of an enum.
    words: Vec<(String, String)>,
    optional: bool,
}

impl Found {
    fn add(&mut self, schema: &Value, root: &Value) {
        if let Some(definition) = schema.get("$ref").and_then(Value::as_str) {
            // A reference to nothing would be a mistake of the generator, and then anything goes.
            self.add(root.pointer(definition.trim_start_matches('#')).unwrap_or(&Value::Null), root);
        } else if let Some(alternatives) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
        {
            for alternative in alternatives {
                self.add(alternative, root);
            }
        } else if let Some(name) = schema.get("const").and_then(Value::as_str) {
            self.words.push((name.to_owned(), description(schema).unwrap_or_default()));
        } else if let Some(names) = schema.get("enum").and_then(Value::as_array) {
            self.words.extend(names.iter().filter_map(Value::as_str).map(|name| (name.to_owned(), String::new())));
            self.optional |= names.contains(&Value::Null);
        } else {
            let types: Vec<&str> = match &schema["type"] {
                Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            self.optional |= types.contains(&"null");
            let is = types.into_iter().find(|name| *name != "null");
            self.form.extend(is.map_or_else(Vec::new, |is| of_type(is, schema, root)));
        }
    }
}

fn of_type(name: &str, schema: &Value, root: &Value) -> Form {
    match name {
        "string" => match schema.get("pattern").and_then(Value::as_str) {
            Some(pattern) => {
                let examples = schema.get("examples").and_then(Value::as_array).into_iter().flatten();
                let cure = schema["patternErrorMessage"].as_str().unwrap_or("This is not in the form it must have.");
                let examples: Vec<&str> = examples.filter_map(Value::as_str).collect();
                matching(&format!("{pattern}|{VARIABLE}"), cure, &examples)
            }
            None => text(),
        },
        "array" => {
            let mut list = json!({"type": "array", "items": setting(&schema["items"], root)});
            if let Some(least) = schema.get("minItems") {
                list["minItems"] = least.clone();
            }
            vec![list]
        }
        "object" => vec![object(schema, root)],
        "integer" => vec![json!({"type": "integer", "minimum": schema.get("minimum").unwrap_or(&json!(0))})],
        other => vec![json!({"type": other})],
    }
}

fn object(schema: &Value, root: &Value) -> Value {
    let mut map = json!({"type": "object"});
    let mut settings = Map::new();
    for (name, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let mut setting = setting(value, root);
        // What an enum's variant with a value means is said of the variant; a person asks about its key.
        if let (None, Some(doc)) = (setting.get("description"), description(schema)) {
            setting["description"] = json!(doc);
        }
        settings.insert(name.clone(), setting);
    }
    if !settings.is_empty() {
        map["properties"] = Value::Object(settings);
    }
    if let Some(required) = schema.get("required") {
        map["required"] = required.clone();
    }
    map["additionalProperties"] = match schema.get("additionalProperties") {
        Some(values @ Value::Object(_)) => setting(values, root),
        other => other.cloned().unwrap_or(json!(false)),
    };
    map
}

/// A doc comment on one line.
pub(super) fn description(schema: &Value) -> Option<String> {
    Some(schema.get("description")?.as_str()?.split_whitespace().collect::<Vec<_>>().join(" "))
}
