//! Every kind, asked the same questions.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::{DeliveryId, Job};
use crate::message::testing::{event_of, failed_job, layer, node, scope};
use crate::message::{Circumstances, Engine, Message, compose};
use crate::yaml::Problems;

const SLACK: &str = "{ kind: slack, url: 'https://hooks.slack.com/services/T0/B0/key' }";

/// A receiver and what it needs.
struct Stand {
    engine: Engine,
    receiver: Receiver,
}

impl Stand {
    fn new(settings: &str) -> Stand {
        let (mut engine, mut problems) = (Engine::default(), Problems::default());
        let receiver = read_receiver("data-ops", &node(settings), &mut engine, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        Stand { engine, receiver: receiver.expect("no problems, so a receiver") }
    }

    fn send_event(&self, event: crate::event::Event, message: &Message, plain: bool) -> Result<Sent, Unsendable> {
        let call = Call {
            event: &Arc::new(event),
            delivery: DeliveryId(1 << 50),
            route: &"nightly".into(),
            message,
            engine: &self.engine,
            now: Timestamp::from_second(1_764_686_764).expect("in range"),
            plain,
            earlier: None,
        };
        self.receiver.request(&call)
    }

    fn send_with(&self, job: Job, message: &Message, plain: bool) -> Result<Sent, Unsendable> {
        self.send_event(event_of(Some(job)), message, plain)
    }

    fn send(&self, message: &Message) -> Result<Sent, Unsendable> {
        self.send_with(failed_job(), message, false)
    }
}

fn message_of(job: Job) -> Message {
    compose(&Engine::default(), &[], &scope(event_of(Some(job))), &Circumstances::default()).message
}

fn http(sent: &Sent) -> &Request {
    match &sent.outgoing {
        Outgoing::Http(request) => request,
        other => panic!("not HTTP: {other:?}"),
    }
}

fn body(sent: &Sent) -> Value {
    serde_json::from_slice(&http(sent).body).expect("a JSON body")
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: Bytes::copy_from_slice(body.as_bytes()), ..Answer::default() }
}

#[test]
fn slack_as_an_app_posts_into_channel_and_thread() {
    const APP: &str = "kind: slack, token: xoxb-0123456789, channel: C0123";
    let message = message_of(failed_job());
    let posted = |settings: &str, earlier: Option<&str>, plain: bool| {
        let stand = Stand::new(settings);
        let call = Call {
            event: &Arc::new(event_of(Some(failed_job()))),
            delivery: DeliveryId(1 << 50),
            route: &"nightly".into(),
            message: &message,
            engine: &stand.engine,
            now: Timestamp::UNIX_EPOCH,
            plain,
            earlier,
        };
        stand.receiver.request(&call).expect("sendable")
    };
    let settings = format!("{{ {APP} }}");
    let first = posted(&settings, None, false);
    let request = http(&first);
    assert_eq!(request.url.expose().as_str(), "https://slack.com/api/chat.postMessage");
    assert_eq!(request.header("authorization"), Some("Bearer xoxb-0123456789"));
    let form = body(&first);
    assert_eq!((&form["channel"], form.get("thread_ts")), (&json!("C0123"), None));
    assert!(form["blocks"].is_array() && form["text"].is_string());

    let receiver = Stand::new(&settings).receiver;
    let taken = receiver.judge(&Ok(answer(200, r#"{"ok":true,"channel":"C0123","ts":"1.2"}"#)));
    let reference = taken.reference.expect("a reference");
    assert!(matches!(receiver.kind.threads(), Threads::Answered));
    assert!(matches!(Stand::new(SLACK).receiver.kind.threads(), Threads::None));
    assert_eq!(body(&posted(&settings, Some(&reference), false))["thread_ts"], "1.2");
    let moved = posted("{ kind: slack, token: xoxb-1, channel: C9 }", Some(&reference), false);
    assert_eq!(body(&moved).get("thread_ts"), None, "in another channel it means nothing");
    let own = posted(&format!("{{ {APP}, body: {{ text: hi, unfurl_links: false }} }}"), Some(&reference), false);
    assert_eq!(
        body(&own),
        json!({"text": "hi", "unfurl_links": false, "channel": "C0123", "thread_ts": "1.2"}),
        "a body need not say where it goes"
    );
    assert!(receiver.secrets().contains(&"xoxb-0123456789".to_owned()));
}

#[test]
fn slack_gets_blocks() {
    let stand = Stand::new(SLACK);
    let mut message = message_of(failed_job());
    message.mention = vec!["here".into(), "@U012AB".into(), "S012AB".into(), "nobody".into()];
    message.notices = vec!["This message is 26m late.".into()];
    message.link = Some("https://x.example/?a=1&b=2".into());
    message.footer.as_mut().expect("a footer").link = Some("https://relay.example/#/deliveries/x".into());
    let sent = stand.send(&message).expect("sendable");
    let request = http(&sent);
    assert_eq!((request.method, request.header("content-type")), ("POST", Some("application/json")));
    assert_eq!(request.header("user-agent"), Some(concat!("jobrelay/", env!("CARGO_PKG_VERSION"))));
    assert!(request.header("idempotency-key").is_some_and(|key| key.starts_with(&format!("{}-", DeliveryId(1 << 50)))));
    let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text});
    assert_eq!(
        body(&sent),
        json!({
            "text": "<!here> <@U012AB> <!subteam^S012AB> nobody ❌ Update data product failed: Customers",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "❌ Update data product failed: Customers", "emoji": true}},
                {"type": "section", "text": mrkdwn("<!here> <@U012AB> <!subteam^S012AB> nobody")},
                {"type": "context", "elements": [mrkdwn("This message is 26m late.")]},
                {"type": "section", "text": mrkdwn(
                    "*Planning failed:* Bad plan.\n\n*What to do:* check the data product's configuration and sources, then update it again."
                )},
                {"type": "section", "fields": [
                    mrkdwn("*Job*\njob_1"), mrkdwn("*Ran for*\n1h 30m"), mrkdwn("*Queued*\n5m"),
                    mrkdwn("*Reason*\nPLANNING_FAILED"), mrkdwn("*Tenant*\nacme.tamr.cloud"),
                ]},
                {"type": "section", "text": mrkdwn("<https://x.example/?a=1&amp;b=2|Open>")},
                {"type": "context", "elements": [mrkdwn("route \"nightly\" · <https://relay.example/#/deliveries/x|details>")]},
            ],
        })
    );
    assert_eq!(sent.notes.len(), 1, "what Slack cannot mention is told: {:?}", sent.notes);

    let plain = body(&stand.send_with(failed_job(), &message, true).expect("sendable"));
    assert_eq!(plain.as_object().expect("an object").keys().collect::<Vec<_>>(), ["text"]);
    assert!(plain["text"].as_str().is_some_and(|text| text.contains("Planning failed: Bad plan.")));
}

#[test]
fn slack_writes_markdown_its_own_way() {
    let mut engine = Engine::default();
    let mut job = failed_job();
    job.error = Some("<!channel> & *x*".into());
    let written = layer(
        &mut engine,
        "{ text: \"**{{ error }}** _it_ `{{ error }}`\\n\\n- one\\n- [two](https://x.example/?a&b)\\n\\n```\\na `<b>`\\n```\" }",
    );
    let message = compose(&engine, &[&written], &scope(event_of(Some(job))), &Circumstances::default()).message;
    let sent = Stand::new(SLACK).send(&message).expect("sendable");
    assert_eq!(
        body(&sent)["blocks"][1]["text"]["text"],
        "*&lt;!channel&gt; &amp; *x** _it_ `&lt;!channel&gt; &amp; *x*`\n\n• one\n\n• <https://x.example/?a&amp;b|two>\n\n```\na ˋ&lt;b&gt;ˋ\n```"
    );
}

#[test]
fn a_body_replaces_the_form_and_its_failure_does_not_swallow_the_alert() {
    let settings =
        |body: &str| format!("{{ kind: slack, url: 'https://hooks.slack.com/services/T0/B0/key', body: {body} }}");
    let stand = Stand::new(&settings("{ text: '*{{ message.title }}* {{ message.text }} {{ error }}' }"));
    let mut job = failed_job();
    job.error = Some("<!here>".into());
    let mut message = message_of(job.clone());
    message.mention = vec!["here".into()];
    let mut event = event_of(Some(job));
    event.test = false;
    let sent = stand.send_event(event, &message, false).expect("sendable");
    let text = body(&sent)["text"].as_str().expect("text").to_owned();
    assert!(
        text.starts_with("*Update data product failed: Customers* <!here>\n*Planning failed:* &lt;!here&gt;"),
        "{text}"
    );
    assert!(text.ends_with(" &lt;!here&gt;"), "{text}");

    let stand = Stand::new(&settings("{ text: '{{ error | datetime }}' }"));
    let sent = stand.send(&message_of(failed_job())).expect("people are told");
    assert_eq!(body(&sent)["blocks"][0]["type"], "header");
    assert!(body(&sent).to_string().contains("because the `body` in routes.yaml failed"));
    assert_eq!(sent.notes.len(), 1);
}

#[test]
fn a_webhook_gets_the_flat_event() {
    let stand = Stand::new(
        "{ kind: webhook, url: 'https://x.example/hook', auth: { basic: 'me:pw' }, headers: { X-Env: prod } }",
    );
    let sent = stand.send(&message_of(failed_job())).expect("sendable");
    let request = http(&sent);
    assert_eq!(request.header("authorization"), Some("Basic bWU6cHc="));
    assert_eq!(request.header("x-env"), Some("prod"));
    let body = body(&sent);
    assert_eq!(body["delivery"], DeliveryId(1 << 50).to_string());
    assert_eq!((&body["route"], &body["receiver"]), (&json!("nightly"), &json!("data-ops")));
    assert_eq!(
        (&body["type"], &body["outcome"], &body["ran_for"]),
        (&json!("update_data_product"), &json!("failed"), &json!(5400))
    );
    assert_eq!(body["data_product"], json!({"id": "dp_1", "name": "Customers"}));
}

#[test]
fn the_same_bytes_have_the_same_idempotency_key() {
    let stand = Stand::new("{ kind: webhook, url: 'https://x.example/hook', body: { a: '{{ error }}' } }");
    let key = |error: &str| {
        let mut job = failed_job();
        job.error = Some(error.into());
        let sent = stand.send_with(job.clone(), &message_of(job), false).expect("sendable");
        http(&sent).header("idempotency-key").map(str::to_owned)
    };
    assert_eq!(key("x"), key("x"));
    assert_ne!(key("x"), key("y"));
}

#[test]
fn a_webhooks_other_forms() {
    let raw = Stand::new("{ kind: webhook, url: 'https://x.example/hook', format: raw }");
    let event = event_of(Some(failed_job()));
    let sent = raw.send(&message_of(failed_job())).expect("sendable");
    assert_eq!(http(&sent).body, event.received.body);
    assert_eq!(http(&sent).header("content-type"), Some("application/cloudevents+json"));

    let binary = crate::event::Received {
        form: crate::event::Form {
            content_type: "application/json".into(),
            attributes: vec![("type".into(), "t".into())],
        },
        ..event.received.clone()
    };
    let sent = raw
        .send_event(crate::event::Event { received: binary, ..event }, &message_of(failed_job()), false)
        .expect("sendable");
    assert_eq!(http(&sent).header("ce-type"), Some("t"), "half of a binary event is in its headers");

    let cloudevents = Stand::new("{ kind: webhook, url: 'https://x.example/hook', format: cloudevents }");
    let sent = cloudevents.send(&message_of(failed_job())).expect("sendable");
    assert_eq!(http(&sent).header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(body(&sent)["id"], "e-1");
    assert_eq!(body(&sent)["data"]["jobId"], "job_1");
    let mut bare = event_of(Some(failed_job()));
    bare.set_raw(&json!({"jobId": "job_1"}));
    (bare.source, bare.event_type) = (String::new(), "".into());
    let sent = cloudevents.send_event(bare, &message_of(failed_job()), false).expect("sendable");
    let expected = json!({
        "specversion": "1.0", "id": "e-1", "source": "/jobrelay", "type": "job", "data": {"jobId": "job_1"},
    });
    assert_eq!(body(&sent), expected);

    let get = Stand::new("{ kind: webhook, url: 'https://x.example/hook', method: GET, auth: { bearer: token } }");
    let sent = get.send(&message_of(failed_job())).expect("sendable");
    let request = http(&sent);
    assert_eq!((request.method, request.body.len(), request.header("content-type")), ("GET", 0, None));
    assert_eq!(request.header("authorization"), Some("Bearer token"));

    let signed = Stand::new("{ kind: webhook, url: 'https://x.example/hook', sign: [whsec_AAAA, whsec_BBBB] }");
    let sent = signed.send(&message_of(failed_job())).expect("sendable");
    assert_eq!(http(&sent).header("webhook-timestamp"), Some("1764686764"));
    assert_eq!(http(&sent).header("webhook-id"), Some(DeliveryId(1 << 50).to_string().as_str()));
    assert_eq!(http(&sent).header("webhook-signature").map(|s| s.split(' ').count()), Some(2));
}

#[test]
fn a_machine_gets_its_body_or_nothing() {
    let stand = Stand::new("{ kind: webhook, url: 'https://x.example/hook', body: '{{ error | datetime }}' }");
    let refused = stand.send(&message_of(failed_job())).expect_err("nothing can be sent");
    assert!(refused.0.starts_with("the `body` of receiver data-ops could not be rendered: "), "{refused}");
    assert!(!stand.receiver.uses_message());
    assert!(
        Stand::new("{ kind: webhook, url: 'https://x.example', body: '{{ message.title }}' }").receiver.uses_message()
    );
    let text = Stand::new(
        "{ kind: webhook, url: 'https://x.example', body: '{{ job }}', headers: { Content-Type: text/csv } }",
    );
    let sent = text.send(&message_of(failed_job())).expect("sendable");
    assert_eq!((&http(&sent).body[..], http(&sent).header("content-type")), (&b"job_1"[..], Some("text/csv")));
}

#[test]
fn console_and_inbox_write_plain_text() {
    let mut message = message_of(failed_job());
    message.notices = vec!["\u{1b}[31mred".into()];
    let expected = "[error] Update data product failed: Customers\n[31mred\nPlanning failed: Bad plan.\n\n\
        What to do: check the data product's configuration and sources, then update it again.\n\
        Job: job_1\nRan for: 1h 30m\nQueued: 5m\nReason: PLANNING_FAILED\nTenant: acme.tamr.cloud\n(route \"nightly\")";
    let sent = Stand::new("{ kind: console }").send(&message).expect("sendable");
    assert_eq!(sent.outgoing, Outgoing::Console(expected.into()));
    let sent = Stand::new("{ kind: inbox }").send(&message).expect("sendable");
    assert_eq!(sent.outgoing, Outgoing::Inbox(expected.into()));
}

#[test]
fn secrets_are_known_and_never_printed() {
    let stand = Stand::new(
        "{ kind: webhook, url: 'https://x.example/hook/secret-path?k=secret-query', auth: { basic: 'me:secret-password' }, \
         sign: whsec_c2VjcmV0LXNpZ24=, headers: { X-Key: secret-header }, proxy: 'http://u:secret-proxy@proxy.example' }",
    );
    let secrets = stand.receiver.secrets();
    for part in [
        "/hook/secret-path?k=secret-query",
        "secret-password",
        "whsec_c2VjcmV0LXNpZ24=",
        "secret-header",
        "secret-proxy",
    ] {
        assert!(secrets.iter().any(|secret| secret == part), "{part} in {secrets:?}");
    }
    let printed = format!("{:?}", stand.receiver);
    assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
}

#[test]
fn the_fingerprint_changes_with_any_setting() {
    let of = |settings: &str| Stand::new(settings).receiver.fingerprint;
    let first = of("{ kind: webhook, url: 'https://x.example/a', body: { a: 1 } }");
    assert_eq!(
        first,
        of("{ url: https://x.example/a, body: { a: 1 }, kind: webhook }"
            .replace("https://x.example/a", "'https://x.example/a'")
            .as_str())
    );
    for other in [
        "{ kind: webhook, url: 'https://x.example/b', body: { a: 1 } }",
        "{ kind: webhook, url: 'https://x.example/a', body: { a: '1' } }",
        "{ kind: webhook, url: 'https://x.example/a', body: { a: 1 }, timeout: 1s }",
    ] {
        assert_ne!(first, of(other), "{other}");
    }
}

#[test]
fn common_settings_are_read() {
    let common = Stand::new(
        "{ kind: slack, url: 'https://x.example', timeout: 5s, rate: 30/m, concurrency: 2, retry: { for: 1h, first: 2s, max: 1m }, recovered: true, tls: { ca: ca.pem } }",
    )
    .receiver
    .common;
    let secs = std::time::Duration::from_secs;
    assert_eq!(
        (common.timeout, common.rate, common.concurrency),
        (secs(5), Some(Rate { count: 30, per: secs(60) }), 2)
    );
    assert_eq!(common.retry, Retry { give_up: secs(3600), first: secs(2), max: secs(60) });
    assert!(common.recovered && common.tls.is_some());
    assert_eq!(Stand::new(SLACK).receiver.common.rate, Some(Rate { count: 1, per: secs(1) }));
    assert_eq!(Stand::new("{ kind: console }").receiver.common.rate, None);
}

/// Text that services choke on.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<!channel>".to_owned()),
        Just("&amp;<@U012AB>|".to_owned()),
        Just("\"'\\\n\r\t\u{0}\u{1b}[31m".to_owned()),
        Just("```*_~` [a](javascript:b) {{ job }}".to_owned()),
        Just("👩\u{200D}🔧🇩🇪e\u{301}".to_owned()),
        Just("\u{202E}שלום مرحبا".to_owned()),
        Just("\u{F003C}!here\u{F003E}".to_owned()),
        ".{0,40}",
    ];
    (proptest::collection::vec(piece, 1..6), prop_oneof![8 => Just(1usize), 1 => Just(500), 1 => Just(40_000)])
        .prop_map(|(pieces, times)| pieces.concat().repeat(times).chars().take(250_000).collect::<String>())
        .prop_filter("an empty error is none", |value| !value.is_empty())
}

/// Every text Slack would interpret, with the length it may have.
fn interpreted(form: &Value) -> Vec<(String, usize)> {
    let mut texts = vec![(form["text"].as_str().expect("always set").to_owned(), 4000)];
    for block in form["blocks"].as_array().into_iter().flatten() {
        let most = if block["type"] == "header" { 150 } else { 3000 };
        texts.extend(block["text"]["text"].as_str().map(|text| (text.to_owned(), most)));
        for list in ["fields", "elements"] {
            let items = block[list].as_array().into_iter().flatten();
            texts.extend(items.map(|item| (item["text"].as_str().expect("a text object").to_owned(), 2000)));
        }
        assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
    }
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_value_breaks_slacks_form(value in hostile(), plain in any::<bool>()) {
        let mut engine = Engine::default();
        let written = layer(
            &mut engine,
            "{ title: '{{ error }}', text: '**{{ error }}** and `{{ error }}`', fields: { A: '{{ error }}' }, mention: here }",
        );
        let mut job = failed_job();
        job.error = Some(value.clone());
        job.data_product.as_mut().expect("an update has one").name = Some(value.as_str().into());
        let composed = compose(&engine, &[&written], &scope(event_of(Some(job.clone()))), &Circumstances::default());
        let stand = Stand::new(SLACK);
        let form = body(&stand.send_with(job, &composed.message, plain).expect("people are told"));
        prop_assert!(form["blocks"].as_array().is_none_or(|blocks| blocks.len() <= 50));
        for (text, most) in interpreted(&form) {
            prop_assert!(!text.is_empty());
            prop_assert!(text.encode_utf16().count() <= most, "{} over {most}", text.len());
            // Whatever may page or link was put there by the form itself.
            let rest = text.replace("<!here>", "");
            prop_assert!(!rest.contains('<') && !rest.contains('>'), "{rest}");
            for (at, _) in rest.match_indices('&') {
                prop_assert!(["&amp;", "&lt;", "&gt;"].iter().any(|e| rest[at..].starts_with(e)), "{rest}");
            }
        }
    }

    #[test]
    fn no_value_breaks_a_body(value in hostile()) {
        let stand = Stand::new(
            "{ kind: webhook, url: 'https://x.example', body: { whole: '{{ error }}', part: 'a {{ error }} b', json: '{{ raw | json }}' } }",
        );
        let mut job = failed_job();
        job.error = Some(value.clone());
        let sent = body(&stand.send_with(job.clone(), &message_of(job), false).expect("a value cannot fail a template"));
        prop_assert_eq!(sent["whole"].as_str(), Some(value.as_str()));
        prop_assert_eq!(&sent["part"], &json!(format!("a {value} b")));
        let raw: Value = serde_json::from_str(sent["json"].as_str().expect("a string")).expect("JSON");
        prop_assert_eq!(&raw["data"]["status"]["error"]["message"], &json!(value));
    }
}
