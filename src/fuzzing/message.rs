//! Any template and any value, in the form of every kind: what an event says stays text, and what is sent is well-formed.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use pulldown_cmark::{Event as Md, LinkType, Options, Parser, Tag};
use serde_json::{Value, json};

use crate::config::{self, Config};
use crate::event::{DeliveryId, Event, parse, split};
use crate::message::{Circumstances, Definition, Engine, Message, Scope, compose, cut, read_definition};
use crate::receiver::{Audience, Call, Outgoing, Receiver, Request, describe};
use crate::yaml::{self, Problems};

/// More than any service takes in one message, and than any form needs around it.
const MOST: usize = 600_000;

/// Reads a template and a value, parted by a line `---`, and writes messages of both for every kind.
///
/// # Panics
/// When a form is not well-formed or endless, or a value has opened what the same message with another value has not.
pub fn message(data: &[u8]) {
    let [template, value] = super::parts(data);
    a_cut_is_whole(&value);
    let harmless = event("x");
    let event = event(&value);
    let own_template = written(&event, &json!({ "text": template, "title": template }));
    let own = "**{{ error }}** [go](https://x.example/) `{{ error }}`";
    let layer = json!({ "text": own, "title": "T {{ error }}", "fields": { "F": "{{ error }}" }, "mention": "here" });
    let (hostile, harmless) = (written(&event, &layer), written(&harmless, &layer));
    for receiver in receivers().receivers.values() {
        for (message, plain) in [(own_template.as_ref(), false), (hostile.as_ref(), false), (hostile.as_ref(), true)] {
            if let Some(message) = message {
                is_well_formed(receiver, &event, message, plain);
            }
        }
        if let (Some(hostile), Some(harmless)) = (&hostile, &harmless) {
            says_only_text(receiver, hostile, harmless);
        }
    }
}

/// The message of one definition; `None` where the definition is refused.
fn written(event: &Arc<Event>, layer: &Value) -> Option<Message> {
    let (mut engine, mut problems) = (Engine::default(), Problems::default());
    let node = yaml::parse(&layer.to_string(), &mut problems)?;
    let layer: Definition = read_definition(&node, &mut engine, &mut problems);
    if problems.has_errors() {
        return None;
    }
    let scope = Scope {
        event: Arc::clone(event),
        route: "nightly".into(),
        receiver: "data-ops".into(),
        delivery: DeliveryId(1 << 50),
    };
    Some(compose(&engine, &[&layer], &scope, &Circumstances::default()).message)
}

/// A failed load that says `value` wherever a sender can say something.
fn event(value: &str) -> Arc<Event> {
    let body = json!({
        "specversion": "1.0", "id": "e-1", "source": "acme.tamr.cloud/webhooks/7", "type": "job",
        "data": {
            "jobId": "j-17", "jobType": "LOAD_SOURCE", "sourceId": "s-1", "sourceDisplayName": value,
            "status": { "state": "DONE", "error": { "reason": value, "message": value } }
        }
    });
    let body = Bytes::from(body.to_string());
    let mut items = split("application/json", Vec::new(), body, Timestamp::UNIX_EPOCH).expect("an object");
    Arc::new(parse(items.remove(0)).map_err(|(_, why)| why).expect("a job event"))
}

/// Every kind's own example, with a fitting value for each variable.
pub(super) fn receivers() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let kinds = describe();
        let mut text = String::from("routes: [{ name: all, to: [console] }]\nreceivers:\n");
        for kind in &kinds {
            let mut settings = kind.example.clone();
            while let Some(at) = settings.find("${") {
                let end = at + settings[at..].find('}').expect("a variable ends");
                let name = settings[at + 2..end].to_lowercase().replace('_', "-");
                let value = if name.ends_with("url") { format!("https://x.example/{name}") } else { name };
                settings.replace_range(at..=end, &value);
            }
            text.extend(["  ", &kind.kind, ": ", &settings, "\n"]);
        }
        let (config, problems) = config::load_without_secrets(&text);
        let config = config.unwrap_or_else(|| panic!("{problems:?}\n{text}"));
        assert_eq!(config.receivers.len(), kinds.len());
        config
    })
}

fn is_well_formed(receiver: &Receiver, event: &Arc<Event>, message: &Message, plain: bool) {
    let call = Call {
        event,
        delivery: DeliveryId(1 << 50),
        route: &"nightly".into(),
        message,
        engine: &receivers().engine,
        now: Timestamp::UNIX_EPOCH,
        plain,
        earlier: None,
    };
    let name = &receiver.name;
    match receiver.request(&call) {
        Ok(sent) => match sent.outgoing {
            Outgoing::Http(request) => is_request(receiver, &request),
            Outgoing::Mail(letter) => {
                assert!(!letter.subject.contains(['\r', '\n']), "{name}: {:?}", letter.subject);
                letter.html.iter().for_each(|html| is_html(name, html));
            }
            Outgoing::Console(text) | Outgoing::Inbox(text) => {
                assert!(!text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{name}: {text:?}");
            }
        },
        Err(why) => assert_eq!(receiver.kind.audience(), Audience::Machine, "{name}: {why}"),
    }
}

fn is_request(receiver: &Receiver, request: &Request) {
    let name = &receiver.name;
    for (header, value) in &request.headers {
        assert!(!value.contains(['\r', '\n', '\0']), "{name}: {header}: {value:?}");
    }
    if receiver.kind.audience() == Audience::People {
        assert!(request.body.len() <= MOST, "{name}: {} bytes", request.body.len());
    }
    match request.header("content-type") {
        Some(media) if media.starts_with("application/json") => {
            let json: Value = serde_json::from_slice(&request.body).unwrap_or_else(|e| panic!("{name}: {e}"));
            for key in ["html", "HtmlBody", "formatted_body"] {
                json[key].as_str().into_iter().for_each(|html| is_html(name, html));
            }
        }
        Some("application/x-www-form-urlencoded") => {
            if let Some((_, html)) = url::form_urlencoded::parse(&request.body).find(|(key, _)| key == "html") {
                is_html(name, &html);
            }
        }
        _ => {}
    }
}

/// Each tag is closed where it must be, and each `&` begins an entity.
fn is_html(kind: &str, html: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in tags(html) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        match name {
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "{kind}: {html}"),
            "br" | "hr" | "meta" | "img" => {}
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{kind}: {open:?} is left open in {html}");
    entities_are_whole(kind, html);
}

/// What stands in `<…>`, in order, but comments.
fn tags(html: &str) -> Vec<&str> {
    let tags = html.split('<').skip(1).map(|rest| rest.split_once('>').map_or(rest, |(tag, _)| tag));
    tags.filter(|tag| !tag.starts_with('!')).collect()
}

fn entities_are_whole(kind: &str, html: &str) {
    for rest in html.split('&').skip(1) {
        let name = rest.split_once(';').map_or("", |(name, _)| name.strip_prefix('#').unwrap_or(name));
        let whole = (1..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        assert!(whole, "{kind}: &{rest}");
    }
}

/// A value opens nothing: with it the text has no more structure than with an `x`.
fn says_only_text(receiver: &Receiver, hostile: &Message, harmless: &Message) {
    let name = &*receiver.name;
    let text = receiver.kind.markup().text;
    let (hostile, harmless) = (text(hostile), text(harmless));
    let structure: fn(&str) -> Vec<String> = match name {
        // A line's end is none. An invisible space after the sign is how Google Chat is told that it is only a sign.
        "telegram" | "matrix" | "slack" | "google_chat" => |text| {
            tags(text)
                .into_iter()
                .filter(|tag| *tag != "br" && !tag.starts_with('\u{200B}'))
                .map(str::to_owned)
                .collect()
        },
        "discord" | "mattermost" | "teams" | "webex" => commonmark,
        _ => return,
    };
    let (mut more, allowed) = (structure(&hostile), structure(&harmless));
    let mut left = allowed.clone();
    more.retain(|mark| left.iter().position(|known| known == mark).map(|at| left.swap_remove(at)).is_none());
    assert!(more.is_empty(), "{name}: {more:?} beside {allowed:?} in {hostile:?}");
    if matches!(name, "telegram" | "matrix" | "slack") {
        entities_are_whole(name, &hostile);
    }
}

/// What another reader of Markdown finds in a text, beside the text.
fn commonmark(text: &str) -> Vec<String> {
    let found = |event: Md<'_>| match event {
        Md::Start(Tag::Strong) => Some("bold".to_owned()),
        Md::Start(Tag::Emphasis) => Some("italic".to_owned()),
        // A bare address is a link in every chat: one that shows where it leads deceives nobody.
        Md::Start(Tag::Link { link_type: LinkType::Autolink | LinkType::Email, .. }) => None,
        Md::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(format!("link {dest_url}")),
        _ => None,
    };
    Parser::new_ext(text, Options::empty()).filter_map(found).collect()
}

/// Shortening never exceeds its bound, and never leaves half of an entity.
fn a_cut_is_whole(value: &str) {
    let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for max in [0, 1, 5, 20, 60] {
        let (short, was_cut) = cut(&escaped, max);
        assert!(short.encode_utf16().count() <= max, "{short:?} is longer than {max}");
        assert_eq!(was_cut, escaped.encode_utf16().count() > max);
        let kept = if was_cut { short.strip_suffix('…').unwrap_or_default() } else { &short };
        assert!(escaped.starts_with(kept), "{short:?} of {escaped:?}");
        entities_are_whole("cut", kept);
    }
}
