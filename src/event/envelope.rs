//! The `CloudEvents` envelope: structured as it came, or rebuilt from the headers of the binary form.

use std::borrow::Cow;

use super::json::{Json, Object};
use super::received::without_bom;
use super::{Received, Unreadable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

/// The attributes the relay works with. An absent one is empty.
#[derive(Default)]
pub(super) struct Attributes {
    pub id: Option<String>,
    pub source: String,
    pub event_type: CompactString,
    pub time: Option<Timestamp>,
    /// The extension attribute `jobrelaytest`, set by `jobrelay send`.
    pub test: bool,
}

impl Attributes {
    pub fn of(members: &Object<'_>) -> Self {
        let word = |name| members.get(name).and_then(text);
        let test = members.get("jobrelaytest");
        Attributes {
            id: word("id").map(Cow::into_owned),
            source: word("source").map(Cow::into_owned).unwrap_or_default(),
            event_type: word("type").map(CompactString::from).unwrap_or_default(),
            time: members.get("time").and_then(timestamp),
            test: matches!(test, Some(Json::Bool(true))) || test.and_then(Json::as_str) == Some("true"),
        }
    }
}

/// The object at the top of the body, or one rebuilt from headers and body.
pub(super) fn open(received: &Received) -> Result<Object<'_>, Unreadable> {
    if !received.form.attributes.is_empty() {
        return rebuild(received);
    }
    match json(&received.body)? {
        Json::Object(members) => Ok(members),
        Json::Array(_) => Err(Unreadable::expected("a JSON array where one event belongs")),
        _ => Err(Unreadable::expected("a single JSON value where an event belongs")),
    }
}

/// A bare job event may have an `id` and a `type` of its own, hence more than these two are asked for.
pub(super) fn is_envelope(members: &Object<'_>) -> bool {
    let has = |name: &str| members.get(name).and_then(text).is_some();
    // One of the vendor's pages spells it in camelCase; CloudEvents, in lower case.
    has("specversion")
        || has("specVersion")
        || has("spec_version")
        || has("type") && has("id") && (has("source") || members.get("data").is_some())
}

/// Puts JSON that was carried as text (base64, or JSON in a string) in its place, so that rules and templates find
/// the same paths whatever form it came in. Anything else under `data` or `data_base64` stays as it is.
pub(super) fn unwrap_data(members: &mut Object<'_>) {
    let inner: Option<Json<'static>> = match (members.get("data"), members.get("data_base64")) {
        (Some(Json::String(text)), _) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).ok().map(Json::into_owned)
        }
        (None | Some(Json::Null), Some(Json::String(text))) => {
            let bytes = STANDARD.decode(&**text).ok();
            bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok().map(Json::into_owned))
        }
        _ => None,
    };
    if let Some(inner) = inner {
        members.remove("data_base64");
        members.insert("data", inner);
    }
}

/// The binary form: attributes from headers, data from the body.
fn rebuild(received: &Received) -> Result<Object<'_>, Unreadable> {
    let form = &received.form;
    let mut members = Object::default();
    for (name, value) in &form.attributes {
        members.insert(name.as_str(), header_text(value).into());
    }
    // A header's value is text. Without a version the body would be taken for a bare job event.
    if members.get("specversion").is_none() {
        members.insert("specversion", "1.0".into());
    }
    if !form.content_type.is_empty() && members.get("datacontenttype").is_none() {
        members.insert("datacontenttype", form.content_type.as_str().into());
    }
    if received.body.is_empty() {
        return Ok(members);
    }
    let essence = form.essence();
    let is_json = essence.is_empty() || essence.ends_with("/json") || essence.ends_with("+json");
    let (name, data) = match (json(&received.body), std::str::from_utf8(&received.body)) {
        (Ok(data), _) => ("data", data),
        (Err(unreadable), _) if is_json => return Err(unreadable),
        (Err(_), Ok(text)) => ("data", text.into()),
        (Err(_), Err(_)) => ("data_base64", STANDARD.encode(&received.body).into()),
    };
    members.insert(name, data);
    Ok(members)
}

fn json(body: &[u8]) -> Result<Json<'_>, Unreadable> {
    let body = without_bom(body);
    // Looked through once, instead of each text by itself. What is not UTF-8 is told with its place.
    let read = std::str::from_utf8(body).map_or_else(|_| serde_json::from_slice(body), serde_json::from_str);
    read.map_err(|e| Unreadable::not_json(&e))
}

/// Decodes a header's value as the `CloudEvents` HTTP binding 1.0.2, section 3.1.3.2 says: unquote, then percent-decode. What is not
/// UTF-8 after that is taken as it was: an attribute is never a reason to lose an event.
fn header_text(value: &str) -> String {
    let mut unquoted = String::new();
    let value = if let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let mut letters = inner.chars();
        while let Some(letter) = letters.next() {
            unquoted.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
        }
        &unquoted
    } else {
        value
    };
    percent_decode_str(value).decode_utf8().map_or_else(|_| value.to_owned(), Cow::into_owned)
}

/// A text that says something: blank and null are absent, a number is taken as written.
pub(super) fn text<'a>(value: &'a Json<'_>) -> Option<Cow<'a, str>> {
    match value {
        Json::String(text) if !text.trim().is_empty() => Some((&**text).into()),
        Json::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// Whether a word in small letters stands in `text`, in whatever letters.
pub(super) fn says(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// An RFC 3339 date and time; anything else is absent.
pub(super) fn timestamp(value: &Json<'_>) -> Option<Timestamp> {
    value.as_str()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_values_are_decoded_once_and_broken_ones_kept() {
        for (value, text) in [
            ("plain", "plain"),
            ("Zo%C3%AB", "Zoë"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            ("\"quoted \\\"inside\\\"\"", "quoted \"inside\""),
            ("100%25", "100%"),
            ("%2541", "%41"),
            ("50%", "50%"),
            ("%zz", "%zz"),
            ("%FF", "%FF"),
            ("a+b", "a+b"),
            ("ü", "ü"),
            ("\"", "\""),
        ] {
            assert_eq!(header_text(value), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_its_percent_encoding(text in ".*") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(header_text(&encoded), text);
        }

        #[test]
        fn no_value_makes_it_fail(value in ".*") {
            let _ = header_text(&value);
        }
    }

    #[test]
    fn an_envelope_is_told_from_a_job_by_its_attributes() {
        for (body, envelope) in [
            (r#"{"specversion":"1.0"}"#, true),
            (r#"{"specVersion":"1.0"}"#, true),
            (r#"{"id":"1","source":"acme","type":"x"}"#, true),
            (r#"{"id":"1","type":"x","data":{}}"#, true),
            (r#"{"id":"1","type":"LOAD_SOURCE","status":{"state":"DONE"}}"#, false),
            (r#"{"specversion":"","jobId":"1"}"#, false),
            (r#"{"data":{"jobId":"1"}}"#, false),
        ] {
            let json: Json<'_> = serde_json::from_str(body).expect("JSON");
            assert_eq!(is_envelope(json.as_object().expect("an object")), envelope, "{body}");
        }
    }
}
