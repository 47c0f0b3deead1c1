//! The event of `send`: always marked as a test, never a duplicate.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::event::{self, Form, Received, Unreadable};

/// Marks a structured `CloudEvent`, or wraps a bare job event into one. `id` must be fresh: the same sample sent twice is two events.
///
/// # Errors
/// What the webhook could not read either.
pub fn mark(event: &Value, id: &str, now: Timestamp) -> Result<Received, Unreadable> {
    let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
    let posted = Received { form, body: event.to_string().into(), received_at: now };
    let read = event::parse(posted).map_err(|(_, why)| why)?;
    let mut envelope = if let Value::Object(members) = read.envelope() { members } else { serde_json::Map::new() };
    let spelled = ["specversion", "specVersion", "spec_version"].iter().any(|name| event.get(name).is_some());
    if !spelled && read.source.is_empty() && read.event_type.is_empty() {
        envelope.extend(around_a_job(now));
    }
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

/// What an envelope says besides its data.
fn around_a_job(now: Timestamp) -> [(String, Value); 5] {
    [
        ("specversion", json!("1.0")),
        ("source", json!("/jobrelay/send")),
        ("type", json!("jobEvent")),
        ("time", json!(now.to_string())),
        ("datacontenttype", json!("application/json")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(event: &Value) -> Value {
        let now = "2026-03-01T08:00:00Z".parse().unwrap();
        let received = mark(event, "test-1", now).unwrap();
        assert_eq!(received.form.content_type, "application/cloudevents+json");
        serde_json::from_slice(&received.body).unwrap()
    }

    #[test]
    fn an_envelope_keeps_what_it_has_but_its_id() {
        let given = json!({"specVersion": "1.0", "id": "mine", "source": "acme.tamr.cloud/x", "jobrelaytest": "no", "data": {"jobId": "7"}});
        let expected = json!({"specVersion": "1.0", "id": "test-1", "source": "acme.tamr.cloud/x", "jobrelaytest": true, "data": {"jobId": "7"}});
        assert_eq!(marked(&given), expected);
    }

    #[test]
    fn a_bare_job_event_gets_an_envelope() {
        let expected = json!({
            "specversion": "1.0", "source": "/jobrelay/send", "type": "jobEvent", "time": "2026-03-01T08:00:00Z",
            "datacontenttype": "application/json", "data": {"jobId": "7"}, "id": "test-1", "jobrelaytest": true
        });
        assert_eq!(marked(&json!({"jobId": "7"})), expected);
    }

    #[test]
    fn a_job_event_that_stands_under_data_is_not_wrapped_twice() {
        let sent = marked(&json!({"data": {"jobId": "7", "jobType": "LOAD_SOURCE"}}));
        assert_eq!((&sent["data"]["jobId"], &sent["specversion"]), (&json!("7"), &json!("1.0")));
    }

    #[test]
    fn what_the_webhook_cannot_read_is_refused_in_the_same_words() {
        for event in [json!([]), json!("x"), json!(null), json!({}), json!({"name": "Customers", "ok": true})] {
            let refused = mark(&event, "test-1", Timestamp::UNIX_EPOCH).unwrap_err();
            let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
            let posted = Received { form, body: event.to_string().into(), received_at: Timestamp::UNIX_EPOCH };
            assert_eq!(refused, event::parse(posted).unwrap_err().1, "{event}");
        }
        assert_ne!(fresh_id(), fresh_id());
    }
}
