//! The `routes` section, and the names it speaks of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::message::{Definition, Engine, read_definition};
use crate::routing::{Route, When, is_condition, read_when};
use crate::yaml::{self, Code, Map, Node, Problems, Scalar, Span, Style, Value};

/// One rule: who should know about which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "declares every key; those with a language of their own are read from the tree")]
pub(super) struct RouteSettings {
    /// What the route is called in decisions, messages and logs; no two routes share a name.
    name: String,
    /// Which events it is for; without it, every event.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    when: IgnoredAny,
    /// The receiver, or a list of them; `[]` says "nobody".
    #[schemars(with = "serde_json::Value")]
    to: IgnoredAny,
    /// What is said: a message, or the name of one under `messages`.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    message: IgnoredAny,
    /// Ends the reading of the routes when this one applies.
    #[serde(default)]
    stop: bool,
    /// Applies only if no route above did.
    #[serde(default)]
    otherwise: bool,
}

/// What routes may name.
pub(super) struct Names<'a> {
    /// In the order of the file, as they are shown.
    receivers: Vec<&'a str>,
    /// The same, as each route asks for some.
    known: HashSet<&'a str>,
    messages: &'a BTreeMap<String, Definition>,
}

impl<'n> Names<'n> {
    /// What is named in the `receivers` section, and the messages.
    pub fn of(receivers: &'n Map, messages: &'n BTreeMap<String, Definition>) -> Names<'n> {
        let receivers: Vec<&str> = receivers.0.iter().map(|(key, _)| key.text.as_str()).collect();
        Names { known: receivers.iter().copied().collect(), receivers, messages }
    }

    /// Records an error unless a receiver has this name.
    pub fn receiver(&self, name: &str, span: Span, problems: &mut Problems) {
        // That there are none is a problem of its own.
        if !self.receivers.is_empty() && !self.known.contains(name) {
            unknown(name, &self.receivers, "receiver", "receivers", span, problems);
        }
    }

    /// A name or a list of them, as in `to`.
    pub fn receivers<'a>(&self, node: &'a Node, problems: &mut Problems) -> Vec<(&'a str, Span)> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut to: Vec<(&str, Span)> = Vec::new();
        for item in items {
            let Value::Scalar(Scalar { text, .. }) = &item.value else {
                problems.error(
                    Code::WrongType,
                    item.span,
                    "to: expected the name of a receiver or a list of names",
                    "write `to: name`, `to: [name, other]`, or `to: []` for nobody".to_owned(),
                );
                continue;
            };
            self.receiver(text, item.span, problems);
            if !to.iter().any(|(name, _)| name == text) {
                to.push((text, item.span));
            }
        }
        to
    }

    /// The message of this name; an error if there is none.
    pub fn message(&self, name: &str, span: Span, problems: &mut Problems) -> Option<&Definition> {
        let found = self.messages.get(name);
        if found.is_none() {
            let known: Vec<&str> = self.messages.keys().map(String::as_str).collect();
            unknown(name, &known, "message", "messages", span, problems);
        }
        found
    }
}

fn unknown(name: &str, known: &[&str], what: &str, section: &str, span: Span, problems: &mut Problems) {
    let parts: Vec<&str> = name.split([',', ' ']).filter(|part| !part.is_empty()).collect();
    let help = match yaml::nearest(name, known.iter().copied()) {
        _ if what == "receiver" && parts.len() > 1 && parts.iter().all(|part| known.contains(part)) => {
            format!("several are a list: [{}]", parts.join(", "))
        }
        _ if what == "message" && (name.contains("{{") || name.contains(char::is_whitespace)) => {
            "a text alone is the name of a message; to write one here: `message: { title: \"…\" }`".to_owned()
        }
        _ if what == "receiver" && ["nobody", "none", "no one"].contains(&name.to_lowercase().as_str()) => {
            "nobody is `to: []`".to_owned()
        }
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => format!("there are none yet: add it under `{section}`"),
        None => format!("add it under `{section}`, or name one of {}", known.join(", ")),
    };
    problems.error(
        if what == "receiver" { Code::UnknownReceiver } else { Code::UnknownMessage },
        span,
        format!("there is no {what} {name:?}"),
        help,
    );
}

/// Reads the routes, and their messages by the route's name.
pub(super) fn read_routes(
    items: &[Node],
    names: &Names<'_>,
    engine: &mut Engine,
    problems: &mut Problems,
) -> (Vec<Route>, HashMap<Arc<str>, Definition>) {
    let (mut routes, mut messages) = (Vec::new(), HashMap::new());
    let mut seen = BTreeSet::new();
    for node in items {
        let mut found = Problems::default();
        let settings = yaml::read::<RouteSettings>(node, &mut found);
        conditions_outside(node, &mut found);
        problems.extend(found);
        // Read even if the settings are not all there, to find all problems of a file at once.
        let Value::Map(map) = &node.value else { continue };
        let when = map.get("when").map_or_else(When::default, |(_, when)| read_when(when, problems));
        let to = map.get("to").map_or_else(Vec::new, |(_, to)| names.receivers(to, problems));
        let to = to.into_iter().map(|(name, _)| name.into()).collect();
        let message = map.get("message").and_then(|(_, message)| read_message(message, names, engine, problems));
        if let Some((_, name)) = map.get("name") {
            unique(name, "route", "decisions and messages go", &mut seen, problems);
        }
        let Some(RouteSettings { name, stop, otherwise, .. }) = settings else { continue };
        let name: Arc<str> = name.into();
        if let Some(message) = message {
            messages.insert(name.clone(), message);
        }
        routes.push(Route { name, when, to, stop, otherwise });
    }
    (routes, messages)
}

/// A key of `when` beside it, not in it: then its own list of keys says nothing.
fn conditions_outside(route: &Node, problems: &mut Problems) {
    let Value::Map(map) = &route.value else { return };
    for (key, value) in map.0.iter().filter(|(key, _)| is_condition(&key.text)) {
        let before = problems.len();
        problems.retain(|problem| problem.code != Code::UnknownKey || problem.span != key.span);
        if problems.len() < before {
            let name = &key.text;
            let value = match &value.value {
                Value::Scalar(Scalar { text, style: Style::Plain, .. }) => text.as_str(),
                _ => "…",
            };
            let help = format!("put it into the route's `when`: `when: {{ {name}: {value} }}`");
            problems.error(
                Code::UnknownKey,
                key.span,
                format!("`{name}` is a condition, and stands outside of `when`"),
                help,
            );
        }
    }
}

/// Records a name that is empty or given twice. `what` bears it, and `why` it must be its own.
pub(super) fn unique(name: &Node, what: &str, why: &str, seen: &mut BTreeSet<String>, problems: &mut Problems) {
    let Value::Scalar(Scalar { text, .. }) = &name.value else { return };
    if text.trim().is_empty() {
        let help = format!("say what the {what} is for: `failed jobs`");
        problems.error(Code::EmptyName, name.span, "the name is empty", help);
    } else if !seen.insert(text.clone()) {
        let help = format!("give each {what} its own name: {why} by it");
        problems.error(Code::DuplicateName, name.span, format!("another {what} is called {text:?}"), help);
    }
}

fn read_message(node: &Node, names: &Names<'_>, engine: &mut Engine, problems: &mut Problems) -> Option<Definition> {
    match &node.value {
        Value::Null => None,
        Value::Scalar(Scalar { text, .. }) => names.message(text, node.span, problems).cloned(),
        Value::List(_) | Value::Map(_) => Some(read_definition(node, engine, problems)),
    }
}
