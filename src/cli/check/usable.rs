//! What `serve` would stumble over though the file reads well: certificates that cannot be read, addresses that are never called.

use crate::config::Config;
use crate::delivery::{Client, check_mail_server, forbidden_literal};
use crate::yaml::{self, Code, Node, Problems, Span, Value};

/// Records every receiver that could not be put to use.
pub fn check(config: &Config, text: &str, problems: &mut Problems) {
    let root = yaml::parse(text, &mut Problems::default());
    for receiver in config.receivers.values() {
        let name = &receiver.name;
        let node = root.as_ref().and_then(|root| within(within(root, "receivers")?, name));
        let place = |key: &str| {
            let setting = node.and_then(|node| within(node, key)).or(node);
            setting.map_or_else(Span::default, |node| node.span)
        };
        if let Some(why) = receiver.kind.url().and_then(|url| forbidden_literal(url.expose(), false)) {
            let help = "give the address of the service itself: these belong to the machine's network and its cloud";
            problems.error(Code::ForbiddenAddress, place("url"), format!("receiver {name:?}: {why}"), help.to_owned());
        }
        if let Some(Err(why)) = receiver.kind.mail_server().map(|server| check_mail_server(&server)) {
            let help = "`ca` takes the path of a PEM file that the relay's user can read".to_owned();
            problems.error(Code::UnusableReceiver, place("ca"), format!("receiver {name:?}: {why}"), help);
        }
        if let Err(why) = Client::new(&receiver.common, false) {
            let help = "`tls` takes paths of PEM files that the relay's user can read; `proxy` an http(s) address";
            let key = if receiver.common.tls.is_some() { "tls" } else { "proxy" };
            problems.error(Code::UnusableReceiver, place(key), format!("receiver {name:?}: {why}"), help.to_owned());
        }
    }
}

fn within<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::Map(map) => map.get(key).map(|(_, node)| node),
        _ => None,
    }
}
