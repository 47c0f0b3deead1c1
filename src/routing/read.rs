//! Located tree → condition, recording every problem on the way.

use super::context::{Around, Contradiction};
use super::hours::{self, Hours};
use super::lasts::Comparison;
use super::path::Path;
use super::values::{each, outcomes, patterns, quoted, states, types};
use super::when::{Clause, Lasted, Member, Part, When, Word, Written};
use crate::event::ResourceKind;
use crate::event::vocabulary::{Use, names};
use crate::yaml::{Code, Key, Map, Node, Problems, Value, nearest};

/// What a condition may ask for.
fn keys() -> impl Iterator<Item = &'static str> {
    names(Use::When).chain(["not", "any"])
}

/// Reads a `when`, recording every problem in it. Where an error was recorded, the condition must not be used.
///
/// The keys are the words of the vocabulary up to `event_type`, `time`, `raw`, `not` and `any`. Also `type_label`, and
/// `.id` and `.name` of a resource (`source.id`) may be asked for; without them, a resource is compared by both. `since`
/// is compared as text, in UTC with milliseconds.
pub fn read_when(node: &Node, problems: &mut Problems) -> When {
    read(node, &Around::default(), problems)
}

/// Whether a condition can ask for this.
#[must_use]
pub fn is_condition(key: &str) -> bool {
    keys().any(|known| known == key)
}

fn read(node: &Node, around: &Around, problems: &mut Problems) -> When {
    let map = match &node.value {
        Value::Map(map) => map,
        Value::Null => {
            let help = "write `when: { outcome: failed }`, or leave `when` out to match every event";
            problems.error(Code::WrongType, node.span, "a condition without keys", help.to_owned());
            return When::default();
        }
        Value::Scalar(_) | Value::List(_) => {
            let help = "write `{ outcome: failed }`; for one of several conditions, `{ any: [ … ] }`";
            problems.error(
                Code::WrongType,
                node.span,
                "expected a condition, a map of keys to patterns",
                help.to_owned(),
            );
            return When::default();
        }
    };
    // What conditions inside this one may be, and whether a duration can be judged, depends on all its plain keys.
    let mut clauses: Vec<Clause> = Vec::with_capacity(map.0.len());
    let mut read_from: Vec<&Key> = Vec::with_capacity(map.0.len());
    let mut dependent = Vec::new();
    for (place, (key, value)) in map.0.iter().enumerate() {
        match key.text.as_str() {
            "not" | "any" | "ran_for" | "queued_for" => dependent.push((place, key, value)),
            "raw" => clauses.extend(raw(place, value, problems)),
            name => {
                if let Some(part) = plain(key, value, problems) {
                    clauses.push(clause(part, place, name.to_owned(), value));
                }
            }
        }
        read_from.resize(clauses.len(), key);
    }
    for (clause, key) in clauses.iter().zip(&read_from) {
        match around.contradiction(&clause.part, &clauses) {
            Some(Contradiction::Wrong(why)) => {
                let message = format!("{} can never hold here: {why}", key.text);
                let help = "take one of them out, or use two routes";
                problems.error(Code::NeverHolds, key.span, message, help.to_owned());
            }
            Some(Contradiction::Idle(why)) => {
                let message = format!("{} can never hold here, so `not` has nothing to exclude: {why}", key.text);
                problems.warn(Code::AlwaysHolds, key.span, message, "take it out: it changes nothing".to_owned());
            }
            None => {}
        }
    }
    let inside = around.with(&clauses, false);
    let inside_not = around.with(&clauses, true);
    for (place, key, value) in dependent {
        let part = match key.text.as_str() {
            "not" => Part::Not(nested(key, value, true, &inside_not, problems)),
            "any" => Part::Any(nested(key, value, false, &inside, problems)),
            name => {
                let lasted = if name == "ran_for" { Lasted::Ran } else { Lasted::Queued };
                duration(key, lasted, value, &inside, problems)
            }
        };
        clauses.push(clause(part, place, key.text.clone(), value));
    }
    When { clauses }
}

fn clause(part: Part, place: usize, key: String, node: &Node) -> Clause {
    let text = |node: &Node| match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    };
    let (values, list) = match &node.value {
        Value::List(nodes) => (nodes.iter().filter_map(text).collect(), true),
        _ => (text(node).into_iter().collect(), false),
    };
    Clause { part, written: Box::new(Written { place, key, values, list }) }
}

/// A key that stands for itself.
fn plain(key: &Key, node: &Node, problems: &mut Problems) -> Option<Part> {
    let name = key.text.as_str();
    let words = [
        ("reason", Word::Reason),
        ("error", Word::Error),
        ("job", Word::Job),
        ("tenant", Word::Tenant),
        ("event_id", Word::EventId),
        ("event_type", Word::EventType),
        ("since", Word::Since),
        ("type_label", Word::TypeLabel),
    ];
    if let Some((_, word)) = words.into_iter().find(|(known, _)| *known == name) {
        return Some(Part::Text(word, patterns(name, node, problems)));
    }
    if let Some((kind, member)) = resource(name) {
        return Some(Part::Resource { kind, member, patterns: patterns(name, node, problems) });
    }
    match name {
        "type" => Some(Part::Type(types(node, problems))),
        "state" => Some(Part::State(states(node, problems))),
        "outcome" => Some(Part::Outcome(outcomes(node, problems))),
        "time" => Some(Part::Time(time(node, problems))),
        _ => {
            unknown(key, problems);
            None
        }
    }
}

/// `source`, `source.id`, `source.name`, and the same of any.
fn resource(name: &str) -> Option<(Option<ResourceKind>, Member)> {
    let (name, member) = match name.split_once('.') {
        None => (name, Member::Either),
        Some((name, "id")) => (name, Member::Id),
        Some((name, "name")) => (name, Member::Name),
        Some(_) => return None,
    };
    let kind = match name {
        "resource" => None,
        "source" => Some(ResourceKind::Source),
        "data_product" => Some(ResourceKind::DataProduct),
        "workflow" => Some(ResourceKind::Workflow),
        "destination" => Some(ResourceKind::Destination),
        _ => return None,
    };
    Some((kind, member))
}

fn unknown(key: &Key, problems: &mut Problems) {
    let help = match key.text.as_str() {
        "received_at" => "when an event was received is asked by `time: \"Mon-Fri 08:00-18:00\"`".to_owned(),
        "history" => "past statuses can be asked for through `raw`, by their path in the event".to_owned(),
        "status" => "did you mean \"state\"? (how a DONE job ended is its `outcome`)".to_owned(),
        "jobType" | "job_type" => "did you mean \"type\"?".to_owned(),
        "jobId" | "job_id" => "did you mean \"job\"?".to_owned(),
        "error_reason" | "errorReason" => "did you mean \"reason\"?".to_owned(),
        "or" => "did you mean \"any\"?".to_owned(),
        "and" => "all keys of a condition must hold anyway: write them beside each other".to_owned(),
        name => match nearest(name, keys()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("a condition can ask for {}", keys().collect::<Vec<_>>().join(", ")),
        },
    };
    problems.error(Code::UnknownKey, key.span, format!("unknown key {}", quoted(&key.text)), help);
}

/// A clause for each path.
fn raw(place: usize, node: &Node, problems: &mut Problems) -> Vec<Clause> {
    let help = "write `raw: { data.priority: high }`";
    let Value::Map(Map(entries)) = &node.value else {
        problems.error(Code::WrongType, node.span, "raw: expected a map of paths to patterns", help.to_owned());
        return Vec::new();
    };
    if entries.is_empty() {
        problems.error(Code::NoEffect, node.span, "raw: no path is asked for", help.to_owned());
    }
    let mut clauses = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let patterns = patterns("raw", value, problems);
        if let Some(path) = Path::new(&key.text) {
            clauses.push(clause(Part::Raw(path, patterns), place, format!("raw.{}", key.text), value));
        } else {
            let message = format!("raw: {} is no path: a name between its dots is empty", quoted(&key.text));
            problems.error(Code::BadValue, key.span, message, "a dot inside a name is written `\\.`".to_owned());
        }
    }
    clauses
}

fn time(node: &Node, problems: &mut Problems) -> Vec<Hours> {
    let hours = each("time", node, problems, hours::parse).concat();
    if hours::are_always(&hours) {
        let help = "leave the key out, or name the hours that are meant: `Mon-Fri 08:00-18:00`";
        problems.warn(
            Code::AlwaysHolds,
            node.span,
            "time: this is the whole week, so it always holds",
            help.to_owned(),
        );
    }
    hours
}

/// `not` takes a condition or a list, `any` a list.
fn nested(key: &Key, node: &Node, single: bool, around: &Around, problems: &mut Problems) -> Vec<When> {
    let name = key.text.as_str();
    let nodes = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        Value::Map(_) if single => std::slice::from_ref(node),
        _ => {
            let (expected, help) = if single {
                ("a condition or a list of them", "write `not: { state: RUNNING }`")
            } else {
                ("a list of conditions", "write `any: [ { outcome: failed }, { state: STOPPING } ]`")
            };
            problems.error(Code::WrongType, node.span, format!("{name}: expected {expected}"), help.to_owned());
            return Vec::new();
        }
    };
    if nodes.is_empty() {
        let (code, effect) = if single { (Code::NoEffect, "always holds") } else { (Code::NeverHolds, "never holds") };
        problems.error(code, node.span, format!("{name}: an empty list {effect}"), "take it out".to_owned());
    }
    nodes
        .iter()
        .map(|node| {
            if matches!(&node.value, Value::Map(Map(entries)) if entries.is_empty()) {
                let (code, effect) =
                    if single { (Code::NeverHolds, "never holds") } else { (Code::NoEffect, "always holds") };
                let message = format!("{name}: with an empty condition it {effect}");
                problems.error(code, node.span, message, "take it out".to_owned());
            }
            read(node, around, problems)
        })
        .collect()
}

/// A duration grows without any event arriving, so it can only be judged once it is over.
fn duration(key: &Key, lasted: Lasted, node: &Node, around: &Around, problems: &mut Problems) -> Part {
    let name = key.text.as_str();
    if !around.is_over(lasted) {
        let (message, help) = match lasted {
            Lasted::Ran => (
                "ran_for needs a job that is DONE: while one runs, no event arrives when the time is up",
                "add `state: DONE` or an `outcome` to judge a job when it has ended; to hear of one that is still \
                 running, let an outside check ask `jobrelay events` (README: what it cannot notice yet)",
            ),
            Lasted::Queued => (
                "queued_for needs a job that has left PENDING: while one waits, no event arrives when the time is up",
                "add `state: RUNNING` to judge a job when it starts; to hear of one that is still waiting, let an \
                 outside check ask `jobrelay events` (README: what it cannot notice yet)",
            ),
        };
        problems.error(Code::NeedsState, key.span, message, help.to_owned());
    }
    let comparisons = each(name, node, problems, Comparison::parse);
    if comparisons.iter().any(|comparison| comparison.always_holds()) {
        let message = format!("{name}: this holds for every duration");
        let help = "leave the key out, or compare with the duration that is meant: `> 2h`";
        problems.warn(Code::AlwaysHolds, node.span, message, help.to_owned());
    } else if !comparisons.is_empty() && comparisons.iter().all(|comparison| comparison.never_holds()) {
        let help = "compare with the duration that is meant: `< 1m`";
        problems.error(Code::NeverHolds, node.span, format!("{name}: no duration is that short"), help.to_owned());
    }
    Part::Lasted(lasted, comparisons)
}

#[cfg(test)]
#[path = "when_tests.rs"]
mod tests;
