//! The vocabulary's values as templates handle them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind};
use serde_json::json;

use super::seconds;
use crate::event::{Resource, ResourceKind};

/// A text, or nothing.
pub(super) fn text(text: Option<&str>) -> Value {
    text.filter(|t| !t.is_empty()).map_or(Value::UNDEFINED, Value::from)
}

/// A duration: compares and computes as seconds, prints readable.
pub(super) fn duration(duration: Option<Duration>) -> Value {
    duration.map_or(Value::UNDEFINED, seconds::tagged)
}

/// A point in time as the sender writes it: RFC 3339, UTC, milliseconds. The filter `datetime` reads it again.
pub(super) fn timestamp(timestamp: jiff::Timestamp) -> String {
    format!("{timestamp:.3}")
}

/// A resource, or nothing.
pub(super) fn resource(resource: Option<&Resource>, kind: Option<ResourceKind>) -> Value {
    resource.map_or(Value::UNDEFINED, |resource| Value::from_object(ResourceValue { resource: resource.clone(), kind }))
}

/// JSON: prints as JSON, members in their order.
pub(super) fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(b) => Value::from(*b),
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Number(n) => n
            .as_i64()
            .map(Value::from)
            .or_else(|| n.as_u64().map(Value::from))
            .or_else(|| n.as_f64().map(Value::from))
            .unwrap_or_default(),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::from_object(Json(json.clone())),
    }
}

/// The JSON a value stands for. Absent is null, a duration its seconds.
pub(super) fn to_json(value: &Value) -> serde_json::Value {
    if let Some(Json(json)) = value.downcast_object_ref() {
        return json.clone();
    }
    serde_json::to_value(value).unwrap_or_default()
}

/// What a value prints. Absent prints nothing, lists and maps print as JSON.
pub(super) fn print(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => seconds::of(value).map_or_else(|| value.to_string(), crate::event::duration::readable),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable
            if value.downcast_object_ref::<ResourceValue>().is_none() =>
        {
            to_json(value).to_string()
        }
        _ => value.to_string(),
    }
}

/// `source`, `resource`, …: `.id`, `.name`; alone the name, else the ID.
#[derive(Debug)]
struct ResourceValue {
    resource: Resource,
    /// Only `resource` tells what it is.
    kind: Option<ResourceKind>,
}

impl Object for ResourceValue {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "id" => Some(text(self.resource.id.as_deref())),
            "name" => Some(text(self.resource.name.as_deref())),
            "kind" => self.kind.map(|kind| Value::from(kind.as_str())),
            _ => None,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(if self.kind.is_some() { &["kind", "id", "name"] } else { &["id", "name"] })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        let parts = |r: &Resource| (r.name.clone(), r.id.clone());
        Some(parts(&self.resource).cmp(&parts(&other.resource)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.resource, f)
    }
}

/// A JSON array or object.
#[derive(Debug)]
struct Json(serde_json::Value);

impl Object for Json {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.0.is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).map(from_json)
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.get_value_by_str(key),
            None => self.0.get(key.as_usize()?).map(from_json),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.0 {
            serde_json::Value::Object(map) => {
                Enumerator::Values(map.keys().map(|key| Value::from(key.as_str())).collect())
            }
            serde_json::Value::Array(list) => Enumerator::Seq(list.len()),
            _ => Enumerator::Empty,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// `history`, oldest first.
pub(super) fn history(past: &[crate::event::Past]) -> Value {
    let list: Vec<serde_json::Value> =
        past.iter().map(|past| json!({"state": past.state.as_str(), "since": past.since.map(timestamp)})).collect();
    from_json(&serde_json::Value::Array(list))
}
