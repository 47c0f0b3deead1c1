//! What the kinds that write one running text make of mentions, of plain forms, and of values that mean something to their services.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::chat_tests::{hostile, mentioning, request};
use super::tests::example;
use crate::event::DeliveryId;
use crate::message::testing::{event_of, failed_job, layer, node, scope};
use crate::message::{Circumstances, Engine, Message, compose};
use crate::receiver::{Call, Outgoing, Request, read_receiver};
use crate::yaml::Problems;

/// Its members, of JSON or a form.
fn members(request: &Request) -> Value {
    if request.header("content-type") == Some("application/json") {
        return serde_json::from_slice(&request.body).expect("JSON");
    }
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    json!(form)
}

fn form(kind: &str, message: &Message, plain: bool) -> Value {
    members(&request(&example(kind), message, &Engine::default(), plain))
}

#[test]
fn mentions_come_first() {
    for (kind, member, names, written, plain) in [
        (
            "telegram",
            "text",
            ["@ann_lee", "Ann <123456789>", "not one"],
            "@ann_lee <a href=\"tg://user?id=123456789\">Ann</a> not one\n",
            "@ann_lee Ann not one\n",
        ),
        (
            "zulip",
            "content",
            ["all", "Ann Lee", "a*b"],
            "@**all** @**Ann Lee** a&#x2A;b\n",
            "@all @**Ann Lee** a&#x2A;b\n",
        ),
        (
            "webex",
            "markdown",
            ["all", "ann@example.com", "not one"],
            "<@all> <@personEmail:ann@example.com> not one  \n",
            "@all ann@example.com not one\n",
        ),
        (
            "matrix",
            "formatted_body",
            ["room", "@ann:example.com", "@not one"],
            "@room <a href=\"https://matrix.to/#/@ann:example.com\">@ann:example.com</a> @\u{200B}not one<br>",
            "@room @ann:example.com @\u{200B}not one\n",
        ),
    ] {
        let message = mentioning(&names);
        let text = form(kind, &message, false)[member].as_str().unwrap_or_default().to_owned();
        assert!(text.starts_with(written), "{kind}: {text}");
        let sent = form(kind, &message, true);
        let text = ["text", "content", "body"].iter().find_map(|member| sent[member].as_str()).unwrap_or_default();
        assert!(text.starts_with(plain), "{kind}: {text}");
    }
    let named = json!({"user_ids": ["@ann:example.com"], "room": true});
    assert_eq!(form("matrix", &mentioning(&["room", "@ann:example.com"]), false)["m.mentions"], named);
}

#[test]
fn plain_forms_have_no_markup() {
    let message = mentioning(&[]);
    for (kind, members) in [
        ("telegram", &["chat_id", "link_preview_options", "text"][..]),
        ("zulip", &["content", "to", "topic", "type"]),
        ("matrix", &["body", "m.mentions", "msgtype"]),
        ("ntfy", &["message", "topic"]),
        ("webex", &["roomId", "text"]),
    ] {
        let sent = form(kind, &message, true);
        let mut names: Vec<_> = sent.as_object().expect("members").keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, members, "{kind}");
    }
}

#[test]
fn matrix_keeps_a_thread_and_a_transaction_for_each_form() {
    let (engine, message, receiver) = (Engine::default(), mentioning(&[]), example("matrix"));
    let sent = |earlier: Option<&str>, plain: bool| {
        let call = Call {
            event: &Arc::new(event_of(Some(failed_job()))),
            delivery: DeliveryId(1 << 50),
            route: &"nightly".into(),
            message: &message,
            engine: &engine,
            now: Timestamp::UNIX_EPOCH,
            plain,
            earlier,
        };
        let Outgoing::Http(request) = receiver.request(&call).expect("sendable").outgoing else { panic!("not HTTP") };
        (request.url.expose().to_string(), members(&request)["m.relates_to"].clone())
    };
    let (alone, none) = sent(None, false);
    assert_eq!((none, sent(None, false).0), (Value::Null, alone.clone()));
    let (url, thread) = sent(Some("$first"), false);
    assert_eq!((&thread["rel_type"], &thread["event_id"]), (&json!("m.thread"), &json!("$first")));
    assert_ne!(url, alone);
    assert_eq!(sent(Some("$first"), true).1, Value::Null, "what was refused for its thread comes without");
}

#[test]
fn a_body_of_ones_own_becomes_zulips_form() {
    let (mut engine, mut problems) = (Engine::default(), Problems::default());
    let settings = "{ kind: zulip, site: 'https://z.example', email: b@z.example, api_key: key-key, stream: x, body: { type: direct, to: [7], topic: t, content: '{{ message.title }}' } }";
    let receiver = read_receiver("x", &node(settings), &mut engine, &mut problems).expect("a receiver");
    let sent = members(&request(&receiver, &mentioning(&[]), &engine, false));
    assert_eq!(sent, json!({"type": "direct", "to": "[7]", "topic": "t", "content": "x"}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_value_calls_anyone_or_breaks_a_bound(value in hostile(), plain in any::<bool>()) {
        let mut engine = Engine::default();
        let written = layer(
            &mut engine,
            "{ title: 'T {{ error }}', text: '**{{ error }}** and `{{ error }}` [{{ error }}](https://x.example)', fields: { A: '{{ error }}', B: '{{ error }}' } }",
        );
        let mut job = failed_job();
        job.error = Some(value);
        let message = compose(&engine, &[&written], &scope(event_of(Some(job))), &Circumstances::default()).message;
        for (kind, member, bytes, calls) in [
            ("telegram", "text", 4 * 4096, &[" @everyone", " @here"][..]),
            ("zulip", "content", 40_000, &["@**", "@*", "](https://evil"]),
            ("matrix", "formatted_body", 18_000, &["@room", " @everyone", "<at>"]),
            ("ntfy", "message", 4096, &[]),
            ("webex", "markdown", 7439, &["<@", "](https://evil"]),
        ] {
            let request = request(&example(kind), &message, &engine, plain);
            prop_assert!(kind != "ntfy" || request.body.len() <= 8192, "{kind}: {} bytes", request.body.len());
            prop_assert!(request.body.len() <= 60_000, "{kind}: {} bytes", request.body.len());
            let sent = members(&request);
            let plainest = ["text", "content", "body", "message"].iter().find_map(|member| sent[member].as_str());
            let text = if plain { plainest } else { sent[member].as_str() }.unwrap_or_default();
            prop_assert!(!text.is_empty() && text.len() <= bytes, "{kind}: {} bytes", text.len());
            prop_assert!(!text.contains(['\u{0}', '\u{1b}', '\u{202e}']), "{kind}: {text:?}");
            prop_assert!(kind != "telegram" || text.encode_utf16().count() <= 4096);
            prop_assert!(kind != "zulip" || text.encode_utf16().count() <= 10_000);
            // Code, and what nothing interprets, may hold links and tags.
            let ticks = if kind == "telegram" { text.replace('`', "") } else { text.to_owned() };
            let outside = ticks.replace("<code>", "`").replace("</code>", "`");
            let outside = outside.split('`').step_by(2).collect::<String>();
            for call in calls {
                let literal = plain && kind != "zulip" && (call.starts_with(']') || call.starts_with("<at"));
                let text = if call.starts_with(']') || (kind == "telegram" && !plain) { &outside } else { text };
                prop_assert!(literal || !text.contains(call), "{kind}: {call} in {text}");
            }
        }
    }
}
