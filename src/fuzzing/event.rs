//! Any bytes as the body of a webhook: one event has one reading, however it is carried.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::event::{Event, Received, flat, parse, split};

/// Reads `data` as a structured event, as the one item of a batch, in the binary form, and again from what the event says of itself.
///
/// # Panics
/// When a form is read differently, or not at all.
pub fn event(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    // Whatever it is called and whatever comes with it.
    for content_type in ["", "application/json", "application/cloudevents-batch+json", "text/plain"] {
        for attributes in [Vec::new(), vec![("id".to_owned(), String::from_utf8_lossy(data).into_owned())]] {
            read(content_type, attributes, body.clone()).iter().flatten().for_each(look_at);
        }
    }
    let Some(structured) = one("application/cloudevents+json", Vec::new(), body.clone()) else { return };
    // A byte order mark may begin a body, not an item; and a batch of one is no item of another.
    let item = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    if !item.trim_ascii_start().starts_with(b"{") {
        return;
    }
    let said = said(&structured);
    let batch = Bytes::from([b"[", item, b"]"].concat());
    let batched = one("application/cloudevents-batch+json", Vec::new(), batch).expect("an item of a batch is read");
    assert_eq!(said, self::said(&batched), "in a batch");
    if let Some((attributes, body)) = binary(item) {
        let content_type = if body.is_empty() { "" } else { "application/json" };
        let binary = one(content_type, attributes, body).expect("the binary form is read");
        assert_eq!(said, self::said(&binary), "in the binary form");
    }
    // JSON's fractions may change their last digit when they are written again; and what came without a version is said with less.
    if structured.raw()["specversion"].is_string() && !has_fraction(structured.raw()) {
        let again = Received::structured(structured.raw(), structured.received.received_at);
        let again = parse(again).expect("what an event says of itself is an event");
        assert_eq!(said, self::said(&again), "from its own words");
    }
}

type Attributes = Vec<(String, String)>;

fn read(content_type: &str, attributes: Attributes, body: Bytes) -> Vec<Option<Event>> {
    let at = Timestamp::from_second(1_764_686_764).expect("in range");
    let items = split(content_type, attributes, body, at).unwrap_or_default();
    items.into_iter().map(|item| parse(item).ok()).collect()
}

fn one(content_type: &str, attributes: Attributes, body: Bytes) -> Option<Event> {
    let mut events = read(content_type, attributes, body);
    if events.len() == 1 { events.remove(0) } else { None }
}

/// Everything that is derived from an event can be.
fn look_at(event: &Event) {
    assert!(!event.id.is_empty() && !event.key.is_empty(), "{event:?}");
    let _ = serde_json::to_vec(&flat(event)).expect("JSON");
    let again = parse(event.received.clone()).expect("what was read once is read again");
    assert_eq!(said(event), said(&again));
}

/// All that decides what happens to it.
fn said(event: &Event) -> String {
    let Event { id, source, event_type, time, tenant, job, test, about, key, fingerprint, .. } = event;
    format!("{id:?} {source:?} {event_type:?} {time:?} {tenant:?} {test} {about:?} {key:?} {fingerprint:?} {job:#?}")
}

/// The headers and the body that carry the same event, if its attributes are all texts that a header is for.
fn binary(body: &[u8]) -> Option<(Attributes, Bytes)> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let mut attributes = Attributes::new();
    // In the order received: without data they are what tells a repeat.
    for (name, value) in serde_json::from_slice::<serde_json::Map<String, Value>>(body).ok()? {
        match value {
            _ if name == "data" => {}
            Value::String(text) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()) => {
                attributes.push((name, utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()));
            }
            _ => return None,
        }
    }
    let is = |wanted: &str| attributes.iter().any(|(name, value)| name == wanted && !value.is_empty());
    if !is("specversion") || is("datacontenttype") {
        return None;
    }
    Some((attributes, members.get("data").map_or_else(Bytes::new, |data| data.get().to_owned().into())))
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        _ => false,
    }
}
