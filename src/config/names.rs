//! The names that the routes ask for: of sources, data products, job types and so on. A typo in one is an alert that never comes, and
//! only events can tell.

use std::sync::Arc;

use crate::event::Event;
use crate::routing::{When, read_when};
use crate::yaml::{Key, Map, Node, Problems, Scalar, Span, Value};

/// The words whose values are the sender's, so that no list of known ones can tell a typo.
const WORDS: [&str; 9] =
    ["type", "reason", "job", "tenant", "resource", "source", "data_product", "workflow", "destination"];

/// A name in a route's `when`, also inside its `not` and `any`.
#[derive(Debug)]
pub struct Name {
    /// The route's.
    pub route: Arc<str>,
    /// What is asked: `data_product`, `source.id`.
    pub key: String,
    /// As written: a pattern.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether an event has it.
    when: When,
}

impl Name {
    /// Whether the event has this name at this word, whatever else the route asks for.
    #[must_use]
    pub fn is_in(&self, event: &Event) -> bool {
        // Only `time` knows of zones, and it is no name.
        self.when.holds(event, &jiff::tz::TimeZone::UTC)
    }

    /// The word without `.id` and `.name`, and which of them.
    pub(super) fn word(&self) -> (&str, Option<&str>) {
        self.key.split_once('.').map_or((&self.key, None), |(word, member)| (word, Some(member)))
    }
}

/// All names of the `routes` section, top to bottom.
pub(super) fn read_names(routes: &[Node]) -> Vec<Name> {
    let mut found = Vec::new();
    for route in routes {
        let Value::Map(route) = &route.value else { continue };
        if let (Some((_, Node { value: Value::Scalar(name), .. })), Some((_, when))) =
            (route.get("name"), route.get("when"))
        {
            in_when(&Arc::from(name.text.as_str()), when, &mut found);
        }
    }
    found
}

fn in_when(route: &Arc<str>, when: &Node, found: &mut Vec<Name>) {
    let Value::Map(map) = &when.value else { return };
    for (key, value) in &map.0 {
        let values = match &value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if matches!(key.text.as_str(), "not" | "any") {
            for when in values {
                in_when(route, when, found);
            }
        } else if WORDS.contains(&key.text.split('.').next().unwrap_or_default()) {
            found.extend(values.iter().filter_map(|value| name(route, key, value)));
        }
    }
}

fn name(route: &Arc<str>, key: &Key, value: &Node) -> Option<Name> {
    let Value::Scalar(Scalar { text, .. }) = &value.value else { return None };
    // `*` asks whether there is one at all.
    if text.chars().all(|c| matches!(c, '*' | '?')) {
        return None;
    }
    let alone = Node { span: value.span, value: Value::Map(Map(vec![(key.clone(), value.clone())])) };
    // What is wrong with it has been said where the route was read.
    let when = read_when(&alone, &mut Problems::default());
    Some(Name { route: Arc::clone(route), key: key.text.clone(), text: text.clone(), span: value.span, when })
}
