//! What the chat kinds make of answers, mentions, and values that mean something to their services.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::example;
use crate::event::DeliveryId;
use crate::message::testing::{event_of, failed_job, layer, scope};
use crate::message::{Circumstances, Engine, Message, compose};
use crate::receiver::{Answer, Call, Outgoing, Reason, Receiver, Request, Verdict};

const CHAT: [&str; 5] = ["teams", "google_chat", "discord", "mattermost", "rocketchat"];

#[test]
fn services_speak_in_codes() {
    use Reason as R;
    use Verdict::{Blocked, Delivered, Later, Refused};
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let wait = seconds(7);
    // Kind, status, body, `Retry-After` → verdict, reason, how long the lane waits, whether the plain form is tried.
    #[rustfmt::skip]
    let verdicts = [
        ("teams", 202, "", None, Delivered, None, None, false),
        ("teams", 200, "1", None, Delivered, None, None, false),
        ("teams", 400, r#"{"error":{"code":"TriggerInputSchemaMismatch","message":"The input body for trigger 'manual' …"}}"#, None, Refused, Some(R::Form), None, true),
        ("teams", 400, r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"Could not execute workflow"}}"#, None, Blocked, Some(R::Client), None, false),
        ("teams", 401, r#"{"error":{"code":"DirectApiAuthorizationRequired","message":"…"}}"#, None, Blocked, Some(R::Auth), None, false),
        ("teams", 403, "", None, Blocked, Some(R::Auth), None, false),
        ("teams", 404, r#"{"error":{"code":"WorkflowNotFound","message":"…"}}"#, None, Blocked, Some(R::Client), None, false),
        ("teams", 412, "", wait, Later, Some(R::Server), wait, false),
        ("teams", 413, "", None, Refused, Some(R::Form), None, true),
        ("teams", 429, "", wait, Later, Some(R::RateLimited), wait, false),
        ("teams", 502, "", None, Later, Some(R::Server), None, false),

        ("google_chat", 200, r#"{"name":"spaces/A/messages/B"}"#, None, Delivered, None, None, false),
        ("google_chat", 400, r#"{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT"}}"#, None, Refused, Some(R::Form), None, true),
        ("google_chat", 400, r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#, None, Blocked, Some(R::Auth), None, false),
        ("google_chat", 401, r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#, None, Blocked, Some(R::Auth), None, false),
        ("google_chat", 403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#, None, Blocked, Some(R::Auth), None, false),
        ("google_chat", 404, r#"{"error":{"code":404,"status":"NOT_FOUND"}}"#, None, Blocked, Some(R::Client), None, false),
        ("google_chat", 413, "", None, Refused, Some(R::Form), None, true),
        ("google_chat", 429, r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, wait, Later, Some(R::RateLimited), wait, false),

        ("discord", 200, r#"{"id":"1","type":0}"#, None, Delivered, None, None, false),
        ("discord", 204, "", None, Delivered, None, None, false),
        ("discord", 429, r#"{"message":"You are being rate limited.","retry_after":64.5,"global":false}"#, wait, Later, Some(R::RateLimited), Some(Duration::from_millis(64_500)), false),
        ("discord", 429, r#"{"retry_after":86400.0}"#, None, Later, Some(R::RateLimited), seconds(3600), false),
        ("discord", 429, "error code: 1015", wait, Later, Some(R::RateLimited), wait, false),
        ("discord", 404, r#"{"message":"Unknown Webhook","code":10015}"#, None, Blocked, Some(R::Auth), None, false),
        ("discord", 401, r#"{"message":"Invalid Webhook Token","code":50027}"#, None, Blocked, Some(R::Auth), None, false),
        ("discord", 403, r#"{"message":"Missing Permissions","code":50013}"#, None, Blocked, Some(R::Auth), None, false),
        ("discord", 404, r#"{"message":"Unknown Channel","code":10003}"#, None, Blocked, Some(R::Client), None, false),
        ("discord", 400, r#"{"message":"Thread is archived","code":50083}"#, None, Blocked, Some(R::Client), None, false),
        ("discord", 400, r#"{"message":"Webhooks posted to forum channels must have a thread_name or thread_id","code":220001}"#, None, Blocked, Some(R::Client), None, false),
        ("discord", 400, r#"{"message":"Invalid Form Body","code":50035,"errors":{}}"#, None, Refused, Some(R::Form), None, true),
        ("discord", 400, r#"{"message":"Message was blocked by automatic moderation","code":200000}"#, None, Refused, Some(R::Client), None, false),
        ("discord", 500, "", None, Later, Some(R::Server), None, false),

        ("mattermost", 200, "ok", None, Delivered, None, None, false),
        ("mattermost", 400, r#"{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook.","status_code":400}"#, None, Blocked, Some(R::Auth), None, false),
        ("mattermost", 400, r#"{"id":"web.incoming_webhook.text.app_error","message":"No text specified.","status_code":400}"#, None, Refused, Some(R::Form), None, true),
        ("mattermost", 400, r#"{"id":"web.incoming_webhook.user.app_error","message":"Couldn't find the user.","status_code":400}"#, None, Blocked, Some(R::Client), None, false),
        ("mattermost", 404, r#"{"id":"web.incoming_webhook.channel.app_error","message":"Couldn't find the channel.","status_code":404}"#, None, Blocked, Some(R::Client), None, false),
        ("mattermost", 500, r#"{"id":"web.incoming_webhook.channel.app_error","message":"Couldn't find the channel.","status_code":500}"#, None, Later, Some(R::Server), None, false),
        ("mattermost", 403, r#"{"id":"web.incoming_webhook.channel_locked.app_error","status_code":403}"#, None, Blocked, Some(R::Auth), None, false),
        ("mattermost", 501, r#"{"id":"web.incoming_webhook.disabled.app_error","status_code":501}"#, None, Blocked, Some(R::Client), None, false),
        ("mattermost", 403, "", None, Blocked, Some(R::Auth), None, false),
        ("mattermost", 429, "limit exceeded", wait, Later, Some(R::RateLimited), wait, false),

        ("rocketchat", 200, r#"{"success":true}"#, None, Delivered, None, None, false),
        ("rocketchat", 200, r#"{"success":false,"error":"error-message-size-exceeded"}"#, None, Refused, Some(R::Form), None, true),
        ("rocketchat", 200, r#"{"success":false}"#, None, Refused, Some(R::Form), None, true),
        ("rocketchat", 400, r#"{"success":false,"error":"[invalid-channel]"}"#, None, Blocked, Some(R::Client), None, false),
        ("rocketchat", 404, r#"{"success":false,"error":"Invalid integration id or token provided."}"#, None, Blocked, Some(R::Auth), None, false),
        ("rocketchat", 400, r#"{"success":false,"error":"Error, too many requests. Please slow down. You must wait 58 seconds before trying this endpoint again. [error-too-many-requests]"}"#, None, Later, Some(R::RateLimited), seconds(58), false),
        ("rocketchat", 429, "", wait, Later, Some(R::RateLimited), wait, false),
        ("rocketchat", 503, r#"{"success":false,"error":"[not-allowed]"}"#, None, Later, Some(R::Server), None, false),
    ];
    for (kind, status, body, retry_after, verdict, reason, lane_waits, bad_form) in verdicts {
        let answer = Answer { status, body: Bytes::from_static(body.as_bytes()), retry_after };
        let judged = example(kind).judge(&Ok(answer));
        let found = (judged.verdict, judged.reason, judged.lane_waits, judged.bad_form);
        assert_eq!(found, (verdict, reason, lane_waits, bad_form), "{kind} {status} {body}");
        assert_eq!(judged.advice.is_some(), matches!(verdict, Blocked | Refused), "{kind} {status} {body}");
    }
}

pub(super) fn request(receiver: &Receiver, message: &Message, engine: &Engine, plain: bool) -> Request {
    let call = Call {
        event: &Arc::new(event_of(Some(failed_job()))),
        delivery: DeliveryId(1 << 50),
        route: &"nightly".into(),
        message,
        engine,
        now: Timestamp::from_second(1_764_686_764).expect("in range"),
        plain,
        earlier: None,
    };
    match receiver.request(&call).expect("people are told").outgoing {
        Outgoing::Http(request) => request,
        other => panic!("not HTTP: {other:?}"),
    }
}

fn form(kind: &str, message: &Message, plain: bool) -> Value {
    let request = request(&example(kind), message, &Engine::default(), plain);
    serde_json::from_slice(&request.body).expect("a JSON body")
}

pub(super) fn mentioning(names: &[&str]) -> Message {
    Message { title: "x".into(), mention: names.iter().map(|name| (*name).to_owned()).collect(), ..Message::default() }
}

#[test]
fn mentions_are_written_as_the_service_wants() {
    for plain in [false, true] {
        let message = mentioning(&["here", "@everyone", "123456789012345678", "<@&223456789012345678>", "@ops"]);
        let sent = form("discord", &message, plain);
        let content = sent["content"].as_str().expect("content");
        assert!(content.starts_with("@here @everyone <@123456789012345678> <@&223456789012345678> @ops"), "{content}");
        let allowed = json!({"parse": ["everyone"], "users": ["123456789012345678"], "roles": ["223456789012345678"]});
        assert_eq!(sent["allowed_mentions"], allowed);

        let nobody = form("discord", &mentioning(&[]), plain)["allowed_mentions"].clone();
        assert_eq!(nobody, json!({"parse": [], "users": [], "roles": []}));

        let sent = form("google_chat", &mentioning(&["all", "users/12345678901", "<users/x>"]), plain);
        let text = sent["text"].as_str().expect("text");
        assert!(text.starts_with("<users/all> <users/12345678901> <\u{200B}users/x>"), "{text}");

        let sent = form("mattermost", &mentioning(&["here", "@ann.lee", "not one"]), plain);
        assert!(sent["text"].as_str().is_some_and(|text| text.starts_with("@here @ann.lee not one")), "{sent}");

        let sent = form("rocketchat", &mentioning(&["all", "@not one"]), plain);
        assert!(sent["text"].as_str().is_some_and(|text| text.starts_with("@all @\u{200B}not one")), "{sent}");

        let id = "0a1b2c3d-0000-1111-2222-333344445555";
        let people =
            ["Ann Lee <ann@example.com>".to_owned(), format!("@Ops <{id}>"), "bob@example.com".into(), id.into()];
        let sent = form("teams", &mentioning(&people.each_ref().map(String::as_str)), plain);
        let card = &sent["attachments"][0]["content"];
        let entity = |name: &str, id: &str| json!({"type": "mention", "text": format!("<at>{name}</at>"), "mentioned": {"id": id, "name": name}});
        let expected =
            [entity("Ann Lee", "ann@example.com"), entity("Ops", id), entity("bob@example.com", "bob@example.com")];
        assert_eq!(card["msteams"]["entities"], json!(expected));
        let at = "<at>Ann Lee</at> <at>Ops</at> <at>bob@example.com</at> 0a1b2c3d-0000";
        assert!(card["body"].to_string().contains(at), "{card}");
    }
}

#[test]
fn a_body_of_ones_own_mentions_and_escapes_too() {
    let mut job = failed_job();
    job.error = Some("<users/all> @everyone <@123456789012345678> [x](https://evil.example)".into());
    for (kind, mention, expected, pages) in [
        ("discord", "here", "@here\n", vec!["@everyone", "<@"]),
        ("google_chat", "all", "<users/all>\n", vec!["<users/"]),
        ("mattermost", "here", "@here\n", vec![" @everyone"]),
        ("rocketchat", "here", "@here\n", vec![" @everyone", "]("]),
        ("teams", "Ann <ann@example.com>", "Ann\n\n", vec!["[x]("]),
    ] {
        let (mut engine, mut problems) = (Engine::default(), crate::yaml::Problems::default());
        let settings =
            format!("{{ kind: {kind}, url: 'https://x.example/hook', body: {{ it: '{{{{ message.text }}}}' }} }}");
        let node = crate::message::testing::node(&settings);
        let receiver = crate::receiver::read_receiver("x", &node, &mut engine, &mut problems).expect("a receiver");
        let written = layer(&mut engine, "{ text: '{{ error }}' }");
        let mut message =
            compose(&engine, &[&written], &scope(event_of(Some(job.clone()))), &Circumstances::default()).message;
        message.mention = vec![mention.into()];
        let sent: Value = serde_json::from_slice(&request(&receiver, &message, &engine, false).body).expect("JSON");
        let text = sent["it"].as_str().expect("text");
        let rest = text.strip_prefix(expected).unwrap_or_else(|| panic!("{kind}: {text}"));
        assert!(pages.iter().all(|page| !rest.contains(page)), "{kind}: {rest}");
    }
}

#[test]
fn addresses_get_what_the_service_asks_for() {
    let url = |settings: &str| {
        let (mut engine, mut problems) = (Engine::default(), crate::yaml::Problems::default());
        let node = crate::message::testing::node(settings);
        let receiver = crate::receiver::read_receiver("x", &node, &mut engine, &mut problems).expect("a receiver");
        let sent = request(&receiver, &mentioning(&[]), &engine, false).url.expose().to_string();
        let known = receiver.secrets();
        (sent, known)
    };
    let (sent, _) = url(
        "{ kind: discord, url: 'https://d.example/api/webhooks/1/key?wait=false', thread_id: 1234567890123456789 }",
    );
    assert_eq!(sent, "https://d.example/api/webhooks/1/key?wait=true&thread_id=1234567890123456789");
    let (sent, known) = url(
        "{ kind: google_chat, url: 'https://g.example/v1/spaces/A/messages?key=0123456789ab&token=tok-tok-tok-tok%3D' }",
    );
    assert_eq!(
        sent,
        "https://g.example/v1/spaces/A/messages?key=0123456789ab&token=tok-tok-tok-tok%3D&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
    );
    for part in ["0123456789ab", "tok-tok-tok-tok%3D", "tok-tok-tok-tok="] {
        assert!(known.iter().any(|secret| secret == part), "{part} in {known:?}");
    }
    let (_, known) = url("{ kind: discord, url: 'https://d.example/api/webhooks/1/secret-token-of-it' }");
    assert!(known.contains(&"secret-token-of-it".to_owned()), "{known:?}");
}

/// A card with every part there is, beyond every bound, and plain: `tests/real/teams.mjs` shows them to Microsoft's parser.
#[test]
fn cards_of_every_sort() {
    let mut engine = Engine::default();
    let written = layer(
        &mut engine,
        "{ text: \"# Head\\n**bold {{ error }}** _it_ `co_de`\\nnext [docs](https://x.example/a_(b)?c&d)\\n\\n- one\\n  1. two\\n- three\\n\\n```\\nfor a in b:\\n    c(*a)\\n```\", link: 'https://x.example/?a=1&b=2' }",
    );
    let mut job = failed_job();
    job.error = Some("Bad\n  - plan_a_\n    1. <b>".into());
    let mut message = compose(&engine, &[&written], &scope(event_of(Some(job))), &Circumstances::default()).message;
    message.mention = vec!["Ann Lee <ann@example.com>".into()];
    message.notices = vec!["This message is 26m late.".into()];
    let mut long = message.clone();
    long.title = "Tïtle & <tag> ".repeat(200);
    long.fields = (0..60).map(|n| (format!("Field {n}"), "a_value ".repeat(100))).collect();
    let mut out = String::new();
    for (name, message, plain) in [("everything", &message, false), ("plain", &message, true), ("long", &long, false)] {
        let request = request(&example("teams"), message, &engine, plain);
        let _ = writeln!(out, "# {name}\n{}", String::from_utf8_lossy(&request.body));
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("teams_cards", out);
    });
}

/// Every string of a form.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(members) => members.values().for_each(|member| strings(member, out)),
        _ => {}
    }
}

/// Text that services choke on.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<users/all>".to_owned()),
        Just("@everyone <@123456789012345678> @here @channel @all".to_owned()),
        Just("\"'\\\n\r\t\u{0}\u{1b}[31m".to_owned()),
        Just("```*_~` [a](https://evil.example) <at>x</at> ||".to_owned()),
        Just("👩\u{200D}🔧🇩🇪e\u{301}".to_owned()),
        Just("\n    - 1. # > <b>&amp;".to_owned()),
        ".{0,40}",
    ];
    (proptest::collection::vec(piece, 1..6), prop_oneof![8 => Just(1usize), 1 => Just(500), 1 => Just(20_000)])
        .prop_map(|(pieces, times)| pieces.concat().repeat(times).chars().take(150_000).collect::<String>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_value_pages_anyone_or_breaks_a_bound(value in hostile(), plain in any::<bool>()) {
        let mut engine = Engine::default();
        let written = layer(
            &mut engine,
            "{ title: 'T {{ error }}', text: '**{{ error }}** and `{{ error }}`', fields: { A: '{{ error }}', B: '{{ error }}' } }",
        );
        let mut job = failed_job();
        job.error = Some(value.clone());
        let message = compose(&engine, &[&written], &scope(event_of(Some(job))), &Circumstances::default()).message;
        for kind in CHAT {
            let request = request(&example(kind), &message, &engine, plain);
            let mut sent: Value = serde_json::from_slice(&request.body).expect("JSON");
            if let Some(header) = sent.pointer_mut("/cardsV2/0/card/header") {
                // Of which nothing is interpreted.
                header.take();
            }
            let whole = match kind { "teams" => 28 * 1024, "google_chat" => 32_000, _ => 40_000 };
            prop_assert!(request.body.len() <= whole, "{kind}: {} bytes", request.body.len());
            let mut texts = Vec::new();
            strings(&sent, &mut texts);
            for text in texts {
                prop_assert!(!text.contains('\u{0}') && !text.contains('\u{1b}'), "{kind}: {text:?}");
                let pages: &[&str] = match kind {
                    "google_chat" => &["<users/"],
                    "discord" => &["@everyone", "@here", "<@"],
                    "mattermost" | "rocketchat" => &[" @here", " @channel", " @all", " @everyone"],
                    _ => &["](https://evil"],
                };
                for page in pages {
                    prop_assert!(!text.contains(page), "{kind}: {page} in {text}");
                }
            }
        }
    }
}
