//! Addresses in a routes.yaml that are never called, found before anything runs: by `check`, and by `serve` at its start and at every
//! reload. What a name resolves to shows only when it is called.

use std::sync::Arc;

use jiff::Timestamp;

use super::guard::{forbidden_literal, forbidden_name};
use crate::config::Config;
use crate::event::{DeliveryId, Sample};
use crate::message::Message;
use crate::receiver::{Call, Outgoing, Receiver, SecretUrl};
use crate::yaml::{self, Code, Node, Problems, Span, Value};

/// Records every receiver whose address, mail server or proxy is an IP address that is never called.
pub fn check_addresses(config: &Config, text: &str, deny_private: bool, problems: &mut Problems) {
    for receiver in config.receivers.values() {
        for (keys, why) in forbidden_settings(config, receiver, deny_private) {
            let help = "give the address of the service itself: these belong to the machine's network and its cloud";
            let message = format!("receiver {:?}: {why}", receiver.name);
            problems.error(Code::ForbiddenAddress, place_of(text, &receiver.name, keys), message, help.to_owned());
        }
    }
}

/// Where the first of these settings that a receiver has stands in the file; else the receiver, or the file's beginning.
pub fn place_of(text: &str, receiver: &str, keys: &[&str]) -> Span {
    let root = yaml::parse(text, &mut Problems::default());
    let node = root.as_ref().and_then(|root| within(within(root, "receivers")?, receiver));
    let setting = node.and_then(|node| keys.iter().find_map(|key| within(node, key)));
    setting.or(node).map_or_else(Span::default, |node| node.span)
}

/// Each setting at fault, by the names it may have, and why.
fn forbidden_settings(
    config: &Config,
    receiver: &Receiver,
    deny_private: bool,
) -> Vec<(&'static [&'static str], String)> {
    let of_url = |url: Option<&SecretUrl>| url.and_then(|url| forbidden_literal(url.expose(), deny_private));
    let of_server = receiver.kind.mail_server().and_then(|server| forbidden_name(&server.host, deny_private));
    let address = receiver.kind.url().cloned().or_else(|| address(config, receiver));
    let faults: [(&[&str], _); 3] = [
        (&["url", "endpoint", "homeserver", "site"], of_url(address.as_ref())),
        (&["host"], of_server),
        (&["proxy"], of_url(receiver.common.proxy.as_ref())),
    ];
    faults.into_iter().filter_map(|(keys, why)| Some((keys, why?))).collect()
}

/// Where a message of any event would go.
fn address(config: &Config, receiver: &Receiver) -> Option<SecretUrl> {
    let event = Sample::every_sort().next()?.read(Timestamp::UNIX_EPOCH, 0).ok()?;
    let call = Call {
        event: &Arc::new(event),
        delivery: DeliveryId(1),
        route: &"".into(),
        message: &Message { title: "x".to_owned(), ..Message::default() },
        engine: &config.engine,
        now: Timestamp::UNIX_EPOCH,
        plain: false,
        earlier: None,
    };
    match receiver.request(&call).ok()?.outgoing {
        Outgoing::Http(request) => Some(request.url),
        _ => None,
    }
}

fn within<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) => map.get(key).map(|(_, node)| node),
        _ => None,
    }
}
