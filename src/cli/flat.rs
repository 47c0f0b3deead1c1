//! Reading the flat event of the API: words of the vocabulary → text for people.

use std::time::Duration;

use serde_json::Value;

use crate::event::duration;
use crate::event::vocabulary::{self, Sort};

/// What `word` says of `event`, as text; `None` if it is absent.
pub fn word(event: &Value, word: &str) -> Option<String> {
    let value = event.get(word)?;
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Number(n) if vocabulary::find(word).is_some_and(|word| word.sort == Sort::Duration) => {
            duration::readable(Duration::try_from_secs_f64(n.as_f64()?).ok()?)
        }
        Value::Array(past) if word == "history" => past.iter().filter_map(past_status).collect::<Vec<_>>().join(", "),
        Value::Object(_) => resource(value)?,
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// `Customers`, else its ID.
fn resource(value: &Value) -> Option<String> {
    let part = |name| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    part("name").or_else(|| part("id")).map(str::to_owned)
}

/// `Customers (ID 12)`, for detail views.
pub fn resource_with_id(event: &Value, word: &str) -> Option<String> {
    let value = event.get(word)?;
    let shown = resource(value)?;
    match value.get("id").and_then(Value::as_str) {
        Some(id) if !id.is_empty() && id != shown => Some(format!("{shown} (ID {id})")),
        _ => Some(shown),
    }
}

fn past_status(past: &Value) -> Option<String> {
    let state = past.get("state")?.as_str()?;
    Some(match past.get("since").and_then(Value::as_str) {
        Some(since) => format!("{state} {since}"),
        None => state.to_owned(),
    })
}

/// Job type, else the event's type.
pub fn kind(event: &Value) -> String {
    word(event, "type").or_else(|| word(event, "event_type")).unwrap_or_default()
}

/// `failed: PLANNING_FAILED`, `succeeded`, `RUNNING`.
pub fn standing(event: &Value) -> String {
    match (word(event, "outcome"), word(event, "reason")) {
        (Some(outcome), Some(reason)) => format!("{outcome}: {reason}"),
        (Some(outcome), None) => outcome,
        (None, _) => word(event, "state").unwrap_or_default(),
    }
}

/// `update_data_product Customers failed: PLANNING_FAILED`.
pub fn sentence(event: &Value) -> String {
    let parts = [kind(event), word(event, "resource").unwrap_or_default(), standing(event)];
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_become_text() {
        let event = json!({
            "type": "update_data_product", "state": "DONE", "outcome": "failed", "reason": "PLANNING_FAILED", "error": "",
            "resource": {"kind": "data_product", "id": "12", "name": "Customers"}, "data_product": {"id": "12", "name": "Customers"},
            "source": null, "workflow": {"id": "w", "name": null}, "ran_for": 2520,
            "history": [{"state": "PENDING", "since": "2026-01-31T09:00:00Z"}, {"state": "RUNNING", "since": null}],
        });
        for (name, want) in [
            ("type", Some("update_data_product")),
            ("error", None),
            ("source", None),
            ("data_product", Some("Customers")),
            ("workflow", Some("w")),
            ("ran_for", Some("42m")),
            ("history", Some("PENDING 2026-01-31T09:00:00Z, RUNNING")),
            ("tenant", None),
        ] {
            assert_eq!(word(&event, name).as_deref(), want, "{name}");
        }
        assert_eq!(resource_with_id(&event, "data_product").as_deref(), Some("Customers (ID 12)"));
        assert_eq!(resource_with_id(&event, "workflow").as_deref(), Some("w"));
        assert_eq!(sentence(&event), "update_data_product Customers failed: PLANNING_FAILED");
    }

    #[test]
    fn other_events_have_at_least_a_type() {
        assert_eq!(sentence(&json!({"event_type": "jobrelay.disk_low", "type": null})), "jobrelay.disk_low");
        assert_eq!(sentence(&json!({"type": "load_source", "state": "RUNNING"})), "load_source RUNNING");
    }
}
