//! The `receivers` section: variables replaced, each receiver read, no secret in any problem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Redactor;
use super::sections::sections;
use super::substitute::{Lookup, Substitution, Unset};
use crate::message::Engine;
use crate::receiver::{Receiver, names_a_secret, read_receiver};
use crate::yaml::{Code, Map, Node, Problems, Value};

/// What the section came to.
pub(super) struct Section {
    pub receivers: BTreeMap<Arc<str>, Arc<Receiver>>,
    /// Knows every secret of the section, looked up or written in plain.
    pub redactor: Redactor,
    /// Receivers whose message or body holds an imagined value: nobody knows what they say.
    pub imagined: BTreeSet<Arc<str>>,
}

/// Settings that hold secrets, for receivers that could not be read and so cannot tell.
const SECRET_SETTINGS: [&str; 11] = [
    "url",
    "proxy",
    "auth",
    "token",
    "sign",
    "api_key",
    "auth_token",
    "routing_key",
    "password",
    "access_key",
    "secret_key",
];

pub(super) fn read_receivers(
    text: &str,
    section: &Map,
    lookup: &Lookup<'_>,
    unset: Unset,
    engine: &mut Engine,
    problems: &mut Problems,
) -> Section {
    let mut substitution = Substitution {
        text,
        lookup,
        unset,
        secrets: BTreeSet::new(),
        failed: BTreeSet::new(),
        imagined: BTreeSet::new(),
    };
    let mut found = Problems::default();
    let mut receivers = BTreeMap::new();
    let mut secrets = BTreeSet::new();
    let mut imagined = BTreeSet::new();
    for (key, node) in &section.0 {
        if sections().any(|name| name == key.text) && !has_kind(node) {
            let message = format!("the section `{}` stands among the receivers", key.text);
            problems.error(Code::WrongType, key.span, message, "take the spaces before it away".to_owned());
            continue;
        }
        let before = substitution.imagined.len();
        let node = substitution.receiver(node, problems);
        if substitution.imagined.len() > before {
            imagined.insert(Arc::from(key.text.as_str()));
        }
        match read_receiver(&key.text, &node, engine, &mut found) {
            Some(receiver) => {
                secrets.extend(receiver.secrets());
                receivers.insert(Arc::from(key.text.as_str()), Arc::new(receiver));
            }
            None => secret_settings(&node, &mut secrets),
        }
    }
    secrets.extend(substitution.secrets);
    let redactor = Redactor::new(secrets);
    found.retain(|problem| {
        let unknown = problem.code == Code::BadValue && substitution.imagined.contains(&problem.span);
        !unknown && !substitution.failed.contains(&problem.span)
    });
    problems.extend(found.reworded(|text| redactor.redact(text).into_owned()));
    Section { receivers, redactor, imagined }
}

fn has_kind(receiver: &Node) -> bool {
    matches!(&receiver.value, Value::Map(map) if map.get("kind").is_some())
}

fn secret_settings(receiver: &Node, secrets: &mut BTreeSet<String>) {
    let Value::Map(map) = &receiver.value else { return };
    for (key, value) in &map.0 {
        if key.text == "headers" {
            let Value::Map(headers) = &value.value else { continue };
            let named = headers.0.iter().filter(|(name, _)| names_a_secret(&name.text));
            named.for_each(|(_, value)| scalars(value, secrets));
        } else if SECRET_SETTINGS.contains(&key.text.as_str()) {
            scalars(value, secrets);
        }
    }
}

fn scalars(node: &Node, found: &mut BTreeSet<String>) {
    match &node.value {
        // Of an address that only begins, nothing is secret, and its scheme stands in every help.
        Value::Scalar(scalar) if !"https://".starts_with(scalar.text.as_str()) => {
            found.insert(scalar.text.clone());
        }
        Value::List(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Map(map) => map.0.iter().for_each(|(_, value)| scalars(value, found)),
        Value::Null | Value::Scalar(_) => {}
    }
}
