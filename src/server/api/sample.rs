//! The event of `send`: always marked as a test, never a duplicate.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::event::Received;

/// Marks a structured `CloudEvent`, or wraps a bare job event into one. `id` must be fresh: the same sample sent twice is two events.
///
/// # Errors
/// A sentence, if it is no JSON object.
pub fn mark(event: Value, id: &str, now: Timestamp) -> Result<Received, String> {
    let Value::Object(event) = event else {
        return Err("`event` must be one JSON object: a structured CloudEvent or a bare job event.".to_owned());
    };
    let mut envelope = if event.contains_key("specversion") || event.contains_key("specVersion") {
        event
    } else {
        wrapped(event, now)
    };
    envelope.insert("id".to_owned(), json!(id));
    envelope.insert("jobrelaytest".to_owned(), json!(true));
    Ok(Received::structured(&Value::Object(envelope), now))
}

/// An ID no sender has used.
pub fn fresh_id() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system has a source of random numbers");
    format!("test-{:032x}", u128::from_be_bytes(bytes))
}

fn wrapped(job: Map<String, Value>, now: Timestamp) -> Map<String, Value> {
    let mut envelope = Map::new();
    envelope.insert("specversion".to_owned(), json!("1.0"));
    envelope.insert("source".to_owned(), json!("/jobrelay/send"));
    envelope.insert("type".to_owned(), json!("jobEvent"));
    envelope.insert("time".to_owned(), json!(now.to_string()));
    envelope.insert("datacontenttype".to_owned(), json!("application/json"));
    envelope.insert("data".to_owned(), Value::Object(job));
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(event: Value) -> Value {
        let now = "2026-03-01T08:00:00Z".parse().unwrap();
        let received = mark(event, "test-1", now).unwrap();
        assert_eq!(received.form.content_type, "application/cloudevents+json");
        serde_json::from_slice(&received.body).unwrap()
    }

    #[test]
    fn an_envelope_keeps_what_it_has_but_its_id() {
        let given = json!({"specVersion": "1.0", "id": "mine", "source": "acme.tamr.cloud/x", "jobrelaytest": "no", "data": {"jobId": "7"}});
        let expected = json!({"specVersion": "1.0", "id": "test-1", "source": "acme.tamr.cloud/x", "jobrelaytest": true, "data": {"jobId": "7"}});
        assert_eq!(marked(given), expected);
    }

    #[test]
    fn a_bare_job_event_gets_an_envelope() {
        let expected = json!({
            "specversion": "1.0", "source": "/jobrelay/send", "type": "jobEvent", "time": "2026-03-01T08:00:00Z",
            "datacontenttype": "application/json", "data": {"jobId": "7"}, "id": "test-1", "jobrelaytest": true
        });
        assert_eq!(marked(json!({"jobId": "7"})), expected);
    }

    #[test]
    fn anything_else_is_refused_and_ids_are_fresh() {
        for event in [json!([]), json!("x"), json!(null)] {
            assert!(mark(event, "test-1", Timestamp::UNIX_EPOCH).unwrap_err().contains("one JSON object"));
        }
        assert_ne!(fresh_id(), fresh_id());
    }
}
