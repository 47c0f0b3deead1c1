//! Reading a receiver's settings from routes.yaml.

use std::sync::Arc;

use super::kind::{Entry, Given};
use super::kinds::KINDS;
use super::settings::{CommonSettings, Tls};
use super::{Common, Kind, MessageRef, Receiver, kinds, retired};
use crate::message::{Definition, Engine, Template, read_body, read_definition};
use crate::yaml::{Code, Key, Map, Node, Problems, Value, fingerprint, nearest, read};

/// Reads one receiver (secrets already in place), recording every problem. `None` if its kind or settings cannot be made out.
pub fn read_receiver(name: &str, node: &Node, engine: &mut Engine, problems: &mut Problems) -> Option<Receiver> {
    let Value::Map(map) = &node.value else {
        let help = "write `{ kind: slack, url: … }`".to_owned();
        problems.error(Code::WrongType, node.span, format!("receiver {name:?} is a map of settings"), help);
        return None;
    };
    let entry = kind_of(name, node, map, problems)?;
    let (common, own) = sort(entry, map, problems);
    let with = |entries| Node { span: node.span, value: Value::Map(Map(entries)) };
    let common =
        read::<CommonSettings>(&with(common), problems).map(|settings| settings.complete(entry.rate, entry.recovered));
    let kind = (entry.read)(&with(own), problems);
    let message = map.get("message").map(|(_, node)| read_message(node, engine, problems)).unwrap_or_default();
    let body = map.get("body").filter(|_| entry.http).map(|(_, node)| read_body(node, engine, problems));
    let (common, kind) = (common?, kind?);
    check_common(map, &common, problems);
    check_retired(map, problems);
    for (key, _) in &map.0 {
        if let Some(why) = kind.no_effect(&key.text, Given { settings: map, body: body.as_ref() }) {
            problems.error(
                Code::NoEffect,
                key.span,
                format!("`{}` has no effect: {why}", key.text),
                "remove it".to_owned(),
            );
        }
    }
    check_mentions(map, &message, &*kind, problems);
    let name: Arc<str> = name.into();
    Some(Receiver { name, kind_name: entry.name, kind, common, message, body, fingerprint: fingerprint(node) })
}

fn kind_of(name: &str, node: &Node, map: &Map, problems: &mut Problems) -> Option<&'static Entry> {
    let list = kinds().collect::<Vec<_>>().join(", ");
    let Some((_, kind)) = map.get("kind") else {
        let meant = |key: &&Key| key.text == "type" || nearest(&key.text, ["kind"]).is_some();
        if let Some(key) = map.0.iter().map(|(key, _)| key).find(meant) {
            let help = format!("did you mean `kind`? (one of {list})");
            problems.error(Code::UnknownKey, key.span, format!("unknown key {:?}", key.text), help);
            return None;
        }
        let help = format!("add `kind`: one of {list}");
        problems.error(Code::MissingKey, node.span, format!("receiver {name:?} has no kind"), help);
        return None;
    };
    let Value::Scalar(scalar) = &kind.value else {
        problems.error(Code::WrongType, kind.span, "a kind is a name", format!("one of {list}"));
        return None;
    };
    let wanted = scalar.text.as_str();
    let entry = KINDS.iter().find(|entry| entry.name == wanted);
    if let (None, Some(retired)) = (entry, retired::kind(wanted)) {
        problems.error(Code::RetiredService, kind.span, retired.what, retired.instead.to_owned());
    } else if entry.is_none() {
        let help = nearest(wanted, kinds()).map_or_else(
            || format!("the kinds are {list}; `webhook` with a `body` speaks to any service"),
            |near| format!("did you mean `{near}`?"),
        );
        problems.error(Code::UnknownKind, kind.span, format!("there is no kind \"{wanted}\""), help);
    }
    entry
}

type Entries = Vec<(Key, Node)>;

/// Parts settings into the common ones and the kind's own; the rest are problems.
fn sort(entry: &Entry, map: &Map, problems: &mut Problems) -> (Entries, Entries) {
    let common_names = names(&schemars::schema_for!(CommonSettings));
    let own_names = names(&(entry.schema)());
    let (mut common, mut own) = (Vec::new(), Vec::new());
    for (key, value) in &map.0 {
        let name = key.text.as_str();
        let is_common = common_names.iter().any(|known| known == name);
        if own_names.iter().any(|known| known == name) {
            own.push((key.clone(), value.clone()));
        } else if (is_common || name == "body") && !entry.takes(name) {
            let message = format!("`{name}` has no effect: `{}` sends nothing over HTTP", entry.name);
            problems.error(Code::NoEffect, key.span, message, "remove it".to_owned());
        } else if is_common {
            common.push((key.clone(), value.clone()));
        } else if !matches!(name, "kind" | "message" | "body") {
            let known: Vec<&str> = own_names
                .iter()
                .map(String::as_str)
                .chain(common_names.iter().map(String::as_str).filter(|known| entry.takes(known)))
                .chain(["kind", "message"])
                .chain(entry.http.then_some("body"))
                .collect();
            let near = nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("a {} receiver has {}", entry.name, known.join(", ")));
            problems.error(Code::UnknownKey, key.span, format!("unknown key \"{name}\""), help);
        }
    }
    (common, own)
}

/// The settings a JSON Schema names.
fn names(schema: &schemars::Schema) -> Vec<String> {
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    properties.map(|properties| properties.keys().cloned().collect()).unwrap_or_default()
}

fn read_message(node: &Node, engine: &mut Engine, problems: &mut Problems) -> MessageRef {
    match &node.value {
        Value::Scalar(scalar) => MessageRef::Named(scalar.text.clone()),
        _ => MessageRef::Inline(read_definition(node, engine, problems)),
    }
}

/// What the settings' types cannot say.
fn check_common(map: &Map, common: &Common, problems: &mut Problems) {
    if let Some((_, node)) = map.get("retry")
        && common.retry.first > common.retry.max
    {
        let help = "`max` bounds every delay, the first one too".to_owned();
        problems.error(Code::BadValue, node.span, "`first` is longer than `max`", help);
    }
    if let Some((_, node)) = map.get("tls") {
        let missing = match &common.tls {
            Some(Tls { cert: Some(_), key: None, .. }) => "key",
            Some(Tls { cert: None, key: Some(_), .. }) => "cert",
            _ => return,
        };
        problems.error(
            Code::MissingKey,
            node.span,
            format!("`tls` has no `{missing}`"),
            "`cert` and `key` belong together".to_owned(),
        );
    }
}

/// Addresses of services that are no more.
fn check_retired(map: &Map, problems: &mut Problems) {
    if let Some((_, Node { value: Value::Scalar(url), span })) = map.get("url")
        && let Some(retired) = retired::address(&url.text)
    {
        problems.error(Code::RetiredService, *span, retired.what, retired.instead.to_owned());
    }
}

/// Mentions that can be told wrong now; those from templates are looked at when they are made.
fn check_mentions(map: &Map, message: &MessageRef, kind: &dyn Kind, problems: &mut Problems) {
    let (Some((_, node)), MessageRef::Inline(Definition { mention: Some(mentions), .. })) =
        (map.get("message"), message)
    else {
        return;
    };
    let Value::Map(parts) = &node.value else { return };
    let place = parts.get("mention").map_or(node, |(_, node)| node);
    for (at, mention) in mentions.iter().enumerate() {
        let span = match &place.value {
            Value::List(items) => items.get(at).unwrap_or(place).span,
            _ => place.span,
        };
        if let Template::Literal(text) = mention
            && let Err(why) = kind.check_mention(text)
        {
            problems.error(Code::BadValue, span, why, "write one of these, or leave the mention out".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::node;

    #[test]
    fn wrong_settings_name_their_place_and_cure() {
        let cases = [
            ("{ url: x }", "", "no kind"),
            ("{ kind: slak }", "slak", "did you mean `slack`?"),
            (
                "{ kind: teams, url: 'https://acme.webhook.office.com/webhookb2/a/IncomingWebhook/b/c' }",
                "https://acme.webhook.office.com/webhookb2/a/IncomingWebhook/b/c",
                "Microsoft has retired those: make a workflow instead",
            ),
            (
                "{ kind: teams, url: 'https://x.example', message: { mention: Ann } }",
                "Ann",
                "`Ann Lee <ann@example.com>`",
            ),
            ("{ kind: discord, url: 'https://x.example', thread_id: general }", "general", "it is a number"),
            (
                "{ kind: discord, url: 'https://x.example/?thread_id=1', thread_id: 1234567890123456789 }",
                "thread_id",
                "`url` names a thread already",
            ),
            ("{ kind: discord, url: 'https://x.example', message: { mention: '@ops' } }", "@ops", "a user's ID"),
            ("{ kind: google_chat, url: 'https://x.example', message: { mention: bob } }", "bob", "write `all` or"),
            (
                "{ kind: mattermost, url: 'https://x.example', message: { mention: 'Ann Lee' } }",
                "Ann Lee",
                "write `here`",
            ),
            ("{ kind: rocketchat, url: 'https://x.example', channel: x }", "channel", "unknown key"),
            ("{ kind: slack }", "", "url"),
            ("{ kind: slack, token: xoxb-1 }", "", "channel"),
            ("{ kind: slack, channel: C1 }", "", "token"),
            ("{ kind: slack, url: 'https://x.example', channel: C1 }", "channel", "`channel` has no effect"),
            ("{ kind: slack, url: hooks.slack.com/x }", "hooks.slack.com/x", "write it in full"),
            ("{ kind: slack, url: 'https://x.example', token: x }", "token", "`token` has no effect"),
            ("{ kind: slack, url: 'https://x.example', timeuot: 5s }", "timeuot", "did you mean `timeout`?"),
            ("{ kind: slack, url: 'https://x.example', uurl: x }", "uurl", "did you mean `url`?"),
            ("{ kind: slack, url: 'https://x.example', rate: 1/d }", "1/d", "write `1/s`"),
            ("{ kind: slack, url: 'https://x.example', timeout: soon }", "soon", ""),
            ("{ kind: slack, url: 'https://x.example', timeout: 0s }", "0s", "longer than nothing"),
            ("{ kind: slack, url: 'https://x.example', concurrency: 0 }", "0", ""),
            ("{ kind: slack, url: 'https://x.example', retry: { first: 1h } }", "{ first: 1h }", "longer than `max`"),
            ("{ kind: slack, url: 'https://x.example', tls: { cert: a } }", "{ cert: a }", "has no `key`"),
            ("{ kind: slack, url: 'https://x.example', headers: { Host: a } }", "", "set by the relay"),
            (
                "{ kind: slack, url: 'https://x.example', message: { mention: bob } }",
                "bob",
                "Slack cannot mention \"bob\"",
            ),
            ("{ kind: slack, url: 'https://x.example', body: { a: '{{ nme }}' } }", "nme", "nothing called `nme`"),
            ("{ kind: console, headers: { A: b } }", "headers", "sends nothing over HTTP"),
            ("{ kind: console, body: x }", "body", "sends nothing over HTTP"),
            ("{ kind: inbox, url: x }", "url", "unknown key \"url\""),
            (
                "{ kind: webhook, url: 'https://x.example', method: GET, sign: whsec_AAAA }",
                "sign",
                "`method: GET` sends no body",
            ),
            (
                "{ kind: webhook, url: 'https://x.example', method: GET, body: x }",
                "body",
                "`method: GET` sends no body",
            ),
            ("{ kind: webhook, url: 'https://x.example', format: raw, body: x }", "format", "`body` says what is sent"),
            (
                "{ kind: webhook, url: 'https://x.example', message: { title: x } }",
                "message",
                "a webhook sends no message unless",
            ),
            (
                "{ kind: webhook, url: 'https://x.example', auth: { bearer: x }, headers: { authorization: y } }",
                "auth",
                "`headers` sets",
            ),
            (
                "{ kind: webhook, url: 'https://me:pw@x.example', auth: { bearer: x } }",
                "auth",
                "`url` carries credentials",
            ),
            ("{ kind: webhook, url: 'https://x.example', auth: { bearer: 'a b' } }", "a b", "one word of visible"),
            ("{ kind: webhook, url: 'http://x.example', tls: { ca: x } }", "tls", "begins with `http://`"),
            ("{ kind: webhook, url: 'https://x.example', auth: { basic: x } }", "x", "`user:password`"),
            ("{ kind: webhook, url: 'https://x.example', sign: abc }", "abc", "begins with `whsec_`"),
            ("{ kind: webhook, url: 'https://x.example', success: [2xx, 99] }", "99", "is no status"),
            ("{ kind: webhook, url: 'https://x.example', format: xml }", "xml", ""),
        ];
        for (settings, place, expected) in cases {
            let mut problems = Problems::default();
            read_receiver("data-ops", &node(settings), &mut Engine::default(), &mut problems);
            let found: Vec<_> = problems
                .iter()
                .map(|p| {
                    (
                        &settings[p.span.start..p.span.end],
                        format!("{}; {}", p.message, p.help.as_deref().unwrap_or_default()),
                    )
                })
                .collect();
            assert_eq!(found.len(), 1, "{settings}: {found:?}");
            assert!(place.is_empty() || found[0].0.trim_matches('\'') == place, "{settings}: {found:?}");
            assert!(found[0].1.contains(expected), "{settings}: {found:?}");
        }
    }
}
