//! What the chat kinds make of mentions, and of values that mean something to their services.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::example;
use crate::event::DeliveryId;
use crate::message::testing::{event_of, failed_job, layer, scope};
use crate::message::{Circumstances, Engine, Message, compose};
use crate::receiver::{Call, Outgoing, Receiver, Request};

const CHAT: [&str; 5] = ["teams", "google_chat", "discord", "mattermost", "rocketchat"];

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
        Just("\u{202e}slla\u{202c}".to_owned()),
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
                prop_assert!(!text.contains(['\u{0}', '\u{1b}', '\u{202e}']), "{kind}: {text:?}");
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
