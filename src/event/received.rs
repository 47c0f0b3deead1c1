//! An HTTP body as it came, byte for byte, cut into single events when it is a batch.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Unreadable;

/// One event as received: enough to read it again at any time, with the same result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// How it was carried.
    pub form: Form,
    /// The body, byte for byte; of a batch, the bytes of this item.
    pub body: Bytes,
    /// When the relay took it.
    pub received_at: Timestamp,
}

/// How the event was carried. Kept in the store beside the body (serialised as JSON).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The media type of the body as it came (of a batch: of one item, `application/cloudevents+json`).
    pub content_type: String,
    /// The `ce-*` headers of the binary form, without the prefix, in lower case. Empty in the other forms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, String)>,
}

impl Received {
    /// One structured `CloudEvent`, as if it had just come.
    #[must_use]
    pub fn structured(envelope: &Value, received_at: Timestamp) -> Received {
        let form = Form { content_type: STRUCTURED.to_owned(), attributes: Vec::new() };
        Received { form, body: envelope.to_string().into(), received_at }
    }
}

impl Received {
    /// Cuts what could not be read when it came, as [`split`] cuts now. An array in the form of one event was one item of a batch.
    ///
    /// # Errors
    /// As [`split`].
    pub fn split_again(&self) -> Result<Vec<Received>, Unreadable> {
        let is_item = self.form.content_type == STRUCTURED;
        if is_item && serde_json::from_slice::<Vec<IgnoredAny>>(without_bom(&self.body)).is_ok() {
            return Ok(vec![self.clone()]);
        }
        let Form { content_type, attributes } = &self.form;
        split(content_type, attributes.clone(), self.body.clone(), self.received_at)
    }
}

impl Form {
    /// The media type without its parameters, in lower case.
    pub(super) fn essence(&self) -> Cow<'_, str> {
        essence(&self.content_type)
    }
}

/// The media type of one structured `CloudEvent`.
const STRUCTURED: &str = "application/cloudevents+json";

/// Items of a batch. Job events have hundreds of bytes each; 1 MiB of `[],[],…` would cost hundreds of MiB to read.
const MOST_ITEMS: usize = 10_000;

/// Cuts one HTTP request into events: one for the structured and binary forms and a bare job event, one for each item
/// of a batch (media type `application/cloudevents-batch+json`, or any JSON array at the top). A single event is not
/// looked into, so that it is read only once: [`parse`](super::parse) judges it.
///
/// # Errors
/// When the whole body cannot be cut: neither a JSON object nor an array, or an array that is broken. Says where.
pub fn split(
    content_type: &str,
    attributes: Vec<(String, String)>,
    body: Bytes,
    received_at: Timestamp,
) -> Result<Vec<Received>, Unreadable> {
    let content_type = content_type.trim().to_owned();
    // A structured event may come with the headers of the binary form as a courtesy; its own attributes count.
    let binary = !essence(&content_type).starts_with("application/cloudevents")
        && attributes.iter().any(|(name, _)| matches!(name.as_str(), "specversion" | "id" | "type"));
    if binary {
        return Ok(vec![Received { form: Form { content_type, attributes }, body, received_at }]);
    }
    let json = without_bom(&body);
    match json.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => {
            let form = Form { content_type, attributes: Vec::new() };
            Ok(vec![Received { form, body, received_at }])
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_slice(json).map_err(|e| Unreadable::not_json(&e))?;
            if items.len() > MOST_ITEMS {
                let items = items.len();
                return Err(Unreadable {
                    message: format!(
                        "a batch of {items} items; at most {MOST_ITEMS} are read at once, send it in parts"
                    ),
                });
            }
            Ok(items
                .into_iter()
                .map(|item| Received {
                    form: Form { content_type: STRUCTURED.to_owned(), attributes: Vec::new() },
                    // A copy: a slice would hold the whole batch in memory for as long as this one event waits there.
                    body: Bytes::copy_from_slice(item.get().as_bytes()),
                    received_at,
                })
                .collect())
        }
        Some(_) => Err(serde_json::from_slice::<IgnoredAny>(json)
            .map_or_else(|e| Unreadable::not_json(&e), |_| Unreadable::expected("the body is a single JSON value"))),
        None => Err(Unreadable::expected("the body is empty")),
    }
}

/// Some senders put a byte order mark before their JSON, which the JSON standard lets a reader ignore.
pub(super) fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

fn essence(content_type: &str) -> Cow<'_, str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.bytes().any(|b| b.is_ascii_uppercase()) { essence.to_ascii_lowercase().into() } else { essence.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(content_type: &str, attributes: &[(&str, &str)], body: &'static str) -> Result<Vec<Received>, String> {
        let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        split(content_type, attributes, Bytes::from_static(body.as_bytes()), Timestamp::UNIX_EPOCH)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn one_event_keeps_its_bytes_and_media_type() {
        let body = "  {\"a\": 1 } \n";
        let events = cut("application/json; charset=utf-8", &[], body).expect("an object");
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].body, body);
        assert_eq!(events[0].form.content_type, "application/json; charset=utf-8");
    }

    #[test]
    fn a_batch_is_cut_into_the_exact_bytes_of_its_items() {
        let body = "\u{feff}[ {\"a\":  1.0} ,\n {\"b\":\"\\u0041\"},7]";
        for content_type in ["application/cloudevents-batch+json", "application/json", ""] {
            let events = cut(content_type, &[], body).expect("an array");
            let items: Vec<&[u8]> = events.iter().map(|event| event.body.as_ref()).collect();
            assert_eq!(items, [&b"{\"a\":  1.0}"[..], b"{\"b\":\"\\u0041\"}", b"7"]);
            assert!(events.iter().all(|event| event.form.content_type == "application/cloudevents+json"));
        }
        assert_eq!(cut("application/json", &[], "[]"), Ok(Vec::new()));
    }

    #[test]
    fn a_batch_of_more_items_than_events_can_be_is_not_cut() {
        let batch = |items: usize| -> &'static str { format!("[{}0]", "0,".repeat(items - 1)).leak() };
        assert_eq!(cut("application/json", &[], batch(MOST_ITEMS)).map(|events| events.len()), Ok(MOST_ITEMS));
        let refused = cut("application/json", &[], batch(MOST_ITEMS + 1)).expect_err("too many");
        assert_eq!(refused, "a batch of 10001 items; at most 10000 are read at once, send it in parts");
    }

    #[test]
    fn headers_make_the_binary_form_unless_the_body_says_it_is_structured() {
        let attributes = [("id", "7"), ("specversion", "1.0")];
        let binary = cut("application/json", &attributes, "[1]").expect("binary");
        assert_eq!((binary.len(), binary[0].form.attributes.len()), (1, 2));
        let structured = cut("application/cloudevents+json; charset=utf-8", &attributes, "{}").expect("structured");
        assert!(structured[0].form.attributes.is_empty());
        let stray = cut("application/json", &[("traceparent", "00-1")], "{}").expect("no binary form without an event");
        assert!(stray[0].form.attributes.is_empty());
    }

    #[test]
    fn what_came_as_one_is_cut_again_as_it_came() {
        let received = |body: &'static str, attributes: &[(&str, &str)]| Received {
            form: Form {
                content_type: "application/json".to_owned(),
                attributes: attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            },
            body: Bytes::from_static(body.as_bytes()),
            received_at: Timestamp::UNIX_EPOCH,
        };
        for (body, attributes) in [("{\"a\": 1}", &[][..]), ("[1]", &[("id", "7")]), ("x", &[("id", "7")])] {
            let one = received(body, attributes);
            assert_eq!(one.split_again(), Ok(vec![one.clone()]), "{body}");
        }
        let mut array = received("[{}, {}]", &[]);
        assert_eq!(array.split_again().map(|events| events.len()), Ok(2), "a batch that was kept whole");
        array.form.content_type = STRUCTURED.to_owned();
        assert_eq!(array.split_again(), Ok(vec![array.clone()]), "an item of a batch");
        for body in ["7", "[{} {}]", ""] {
            assert!(received(body, &[]).split_again().is_err(), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_cut_says_what_and_where() {
        for (body, said) in [
            ("", "the body is empty"),
            (" \n ", "the body is empty"),
            ("job=17", "not JSON: expected value at line 1 column 1"),
            ("\"text\"", "the body is a single JSON value"),
            ("[{}\n, {]", "not JSON: key must be a string at line 2 column 4"),
            ("[1] x", "not JSON: trailing characters at line 1 column 5"),
        ] {
            let refused = cut("application/json", &[], body).expect_err(body);
            assert!(refused.starts_with(said), "{body}: {refused}");
            assert!(refused.contains("expected a CloudEvents envelope or a job event"), "{refused}");
        }
    }
}
