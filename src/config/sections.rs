//! The sections of the file: which there are, and the small ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::routes::Names;
use crate::message::{Definition, Engine, read_definition};
use crate::routing::Route;
use crate::yaml::{self, Code, Map, Node, Problems, Scalar, Span, Value};

/// The sections and what each is.
pub(super) const SECTIONS: [(&str, &str); 5] = [
    ("receivers", "The places messages go, by a name of your choice."),
    ("routes", "Who should know about which events, read from top to bottom: every route whose `when` holds applies."),
    ("messages", "Messages by name. What `default` says is filled in where a message leaves it out."),
    ("tests", "Examples of events and of what must come of them: run by `check` and before a change applies."),
    ("timezone", "For times of day in `when` and in messages: an IANA name such as `Europe/Berlin` (UTC)."),
];

/// Their names.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|(name, _)| *name)
}

/// Records every key at the top that is no section.
pub(super) fn check_names(root: &Map, problems: &mut Problems) {
    for (key, _) in root.0.iter().filter(|(key, _)| !sections().any(|name| name == key.text)) {
        let help = match yaml::nearest(&key.text, sections()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the sections of the file are {}", sections().collect::<Vec<_>>().join(", ")),
        };
        problems.error(Code::UnknownKey, key.span, format!("unknown key {:?}", key.text), help);
    }
}

static NO_ENTRIES: Map = Map(Vec::new());

/// A half-written file must not look like an empty one: without receivers it is refused.
pub(super) fn receivers_section<'a>(root: &'a Map, problems: &mut Problems) -> &'a Map {
    let help = "add one: `receivers: { console: { kind: console } }`";
    match root.get("receivers") {
        Some((_, Node { value: Value::Map(map), .. })) if !map.0.is_empty() => return map,
        Some((_, node @ Node { value: Value::Map(_) | Value::Null, .. })) => {
            problems.error(Code::NoReceivers, node.span, "there are no receivers", help.to_owned());
        }
        Some((_, node)) => {
            let help = "write each as `name: { kind: … }`".to_owned();
            problems.error(Code::WrongType, node.span, "receivers: expected a map from name to settings", help);
        }
        None if misspelt(root, "receivers") => {}
        None => problems.error(Code::NoReceivers, start(root), "`receivers` is missing", help.to_owned()),
    }
    &NO_ENTRIES
}

/// Without routes it is refused as well.
pub(super) fn routes_section<'a>(root: &'a Map, problems: &mut Problems) -> &'a [Node] {
    let help = "add one: `routes: [{ name: everything, to: console }]`";
    match root.get("routes") {
        Some((_, Node { value: Value::List(items), .. })) if !items.is_empty() => return items,
        Some((_, node @ Node { value: Value::List(_) | Value::Null, .. })) => {
            problems.error(Code::NoRoutes, node.span, "there are no routes", help.to_owned());
        }
        Some((_, node)) => {
            let help = "write each as `- name: …`, with its `when` and `to` below".to_owned();
            problems.error(Code::WrongType, node.span, "routes: expected a list of routes", help);
        }
        None if misspelt(root, "routes") => {}
        None => problems.error(Code::NoRoutes, start(root), "`routes` is missing", help.to_owned()),
    }
    &[]
}

/// Then the unknown key is the problem, and says so.
fn misspelt(root: &Map, section: &str) -> bool {
    // Indented by mistake, it stands among the receivers, and that is said there.
    if let Some((_, Node { value: Value::Map(receivers), .. })) = root.get("receivers")
        && receivers.get(section).is_some()
    {
        return true;
    }
    root.0.iter().any(|(key, _)| yaml::nearest(&key.text, sections()) == Some(section))
}

fn start(root: &Map) -> Span {
    root.0.first().map_or_else(Span::default, |(key, _)| key.span)
}

pub(super) fn read_messages(root: &Map, engine: &mut Engine, problems: &mut Problems) -> BTreeMap<String, Definition> {
    match root.get("messages") {
        None | Some((_, Node { value: Value::Null, .. })) => BTreeMap::new(),
        Some((_, Node { value: Value::Map(map), .. })) => {
            map.0.iter().map(|(key, node)| (key.text.clone(), read_definition(node, engine, problems))).collect()
        }
        Some((_, node)) => {
            let help = "write each as `name: { title: …, text: … }`".to_owned();
            problems.error(Code::WrongType, node.span, "messages: expected a map from name to message", help);
            BTreeMap::new()
        }
    }
}

/// Named by a receiver: the message must be there.
pub(super) fn check_message(receiver: &Node, names: &Names<'_>, problems: &mut Problems) {
    if let Value::Map(map) = &receiver.value
        && let Some((_, Node { value: Value::Scalar(Scalar { text, .. }), span })) = map.get("message")
        // With a variable in it, it is no name; read_receiver sees the value.
        && !text.contains("${")
    {
        names.message(text, *span, problems);
    }
}

pub(super) fn read_timezone(root: &Map, problems: &mut Problems) -> TimeZone {
    let Some((_, node)) = root.get("timezone") else { return TimeZone::UTC };
    let zone = match &node.value {
        Value::Scalar(Scalar { text, .. }) => TimeZone::get(text).ok(),
        _ => None,
    };
    zone.unwrap_or_else(|| {
        let help = "give an IANA name such as Europe/Berlin, America/New_York or UTC".to_owned();
        problems.error(Code::BadValue, node.span, "timezone: this is no time zone", help);
        TimeZone::UTC
    })
}

pub(super) fn warn_unused(receivers: &Map, routes: &[Route], problems: &mut Problems) {
    let used: BTreeSet<&str> = routes.iter().flat_map(|route| &route.to).map(|name| &**name).collect();
    for (key, _) in receivers.0.iter().filter(|(key, _)| !used.contains(key.text.as_str())) {
        problems.warn(
            Code::UnusedReceiver,
            key.span,
            format!("no route names the receiver {:?}", key.text),
            "name it in a route's `to`, or remove it; `recovered: true` brings only the end of failures that a route sent there"
                .to_owned(),
        );
    }
}
