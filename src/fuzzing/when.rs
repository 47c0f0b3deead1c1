//! Any conditions over any events: an independent, naive reading of the condition's YAML agrees, and what is said to follow does.

use std::sync::OnceLock;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::event::{Event, Job, JobType, Outcome, Resource, Sample, State, parse, split};
use crate::routing::{When, implies, read_when};
use crate::yaml::{self, Node, Problems, Value};

/// Reads two conditions and an event, parted by lines `---`, and asks both conditions about it and about one event of every sort.
///
/// # Panics
/// When a condition holds where the naive reading says it does not or the other way round, or a conclusion is wrong.
pub fn when(data: &[u8]) {
    let [one, other, body] = super::parts(data);
    let own = event(&body);
    let events = || every_sort().iter().chain(&own);
    let conditions: Vec<(Node, When)> = [one, other].iter().filter_map(|text| condition(text)).collect();
    for (node, when) in &conditions {
        for event in events() {
            let holds = when.holds(event, &TimeZone::UTC);
            if let Some(naive) = naive_when(node, event) {
                assert_eq!(holds, naive, "{when:?} of {event:?}");
            }
            assert!(!holds || (when.may_hold(event) && !when.is_impossible()), "{when:?} of {event:?}");
        }
        assert!(implies(when, &When::default()));
    }
    let [(_, one), (_, other)] = &conditions[..] else { return };
    for (this, that) in [(one, other), (other, one), (one, one)] {
        if implies(this, that) {
            let wrong = events().find(|event| this.holds(event, &TimeZone::UTC) && !that.holds(event, &TimeZone::UTC));
            assert!(wrong.is_none(), "{this:?} does not imply {that:?}: {wrong:?}");
        }
    }
}

/// A condition without errors, and the YAML it was read from. One that is deeply nested says no more, and takes long.
fn condition(text: &str) -> Option<(Node, When)> {
    let mut problems = Problems::default();
    let node = yaml::parse(text, &mut problems).filter(|_| text.len() < 2000)?;
    let when = read_when(&node, &mut problems);
    (!problems.has_errors()).then_some((node, when))
}

fn every_sort() -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS
        .get_or_init(|| Sample::every_sort().filter_map(|sample| sample.read(Timestamp::UNIX_EPOCH, 7).ok()).collect())
}

fn event(body: &str) -> Option<Event> {
    let body = Bytes::from(body.to_owned());
    let mut items = split("application/json", Vec::new(), body, Timestamp::UNIX_EPOCH).ok()?;
    parse(items.pop()?).ok()
}

/// Whether all keys hold, straight from the text; `None` where this cannot tell.
fn naive_when(node: &Node, event: &Event) -> Option<bool> {
    let Value::Map(map) = &node.value else { return None };
    let each: Option<Vec<bool>> = map.0.iter().map(|(key, node)| naive_key(&key.text, node, event)).collect();
    each.map(|each| each.into_iter().all(|holds| holds))
}

fn naive_key(key: &str, node: &Node, event: &Event) -> Option<bool> {
    let job = event.job.as_ref();
    let of_job = |get: fn(&Job) -> Option<&str>| vec![job.and_then(get)];
    let values = match key {
        "not" => return Some(!some_of(node, event)?),
        "any" => return some_of(node, event),
        "reason" => of_job(|job| job.reason.as_deref()),
        "error" => of_job(|job| job.error.as_deref()),
        "job" => of_job(|job| job.id.as_deref()),
        "event_id" => vec![Some(event.id.as_str())],
        "event_type" => vec![Some(event.event_type.as_str())],
        "tenant" => vec![Some(event.tenant.as_str()), event.tenant.split('.').next()],
        "type" => {
            let spelt = |text: &str| job.is_some_and(|job| job.job_type == Some(JobType::from_name(text)));
            return words(node, job.and_then(|job| job.job_type.as_ref()).map(JobType::as_str), spelt);
        }
        "state" => {
            let spelt = |text: &str| job.is_some_and(|job| job.state == Some(State::from_name(text)));
            return words(node, job.and_then(|job| job.state.as_ref()).map(State::as_str), spelt);
        }
        "outcome" => of_job(|job| job.outcome.map(Outcome::as_str)),
        "raw" => {
            let Value::Map(paths) = &node.value else { return None };
            let mut all = true;
            for (path, node) in &paths.0 {
                let names: Vec<&str> = path.text.split('.').collect();
                let mut found = Vec::new();
                leaves(event.raw(), if path.text.contains('\\') { return None } else { &names }, &mut found);
                all &= any_pattern(node, &found.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>())?;
            }
            return Some(all);
        }
        _ => resource(key, job)?,
    };
    any_pattern(node, &values)
}

/// The IDs and names that a key of a resource is about.
fn resource<'a>(key: &str, job: Option<&'a Job>) -> Option<Vec<Option<&'a str>>> {
    let (kind, member) = key.split_once('.').unwrap_or((key, ""));
    let of = |get: fn(&Job) -> &Option<Resource>| job.and_then(|job| get(job).as_ref());
    let all = [
        ("source", of(|job| &job.source)),
        ("data_product", of(|job| &job.data_product)),
        ("workflow", of(|job| &job.workflow)),
        ("destination", of(|job| &job.destination)),
    ];
    if kind != "resource" && all.iter().all(|(name, _)| *name != kind) {
        return None;
    }
    let wanted = all.into_iter().filter(|(name, _)| kind == "resource" || *name == kind).filter_map(|(_, found)| found);
    let texts = wanted.flat_map(|found| {
        [found.id.as_deref().filter(|_| member != "name"), found.name.as_deref().filter(|_| member != "id")]
    });
    Some(texts.collect())
}

fn some_of(node: &Node, event: &Event) -> Option<bool> {
    let nodes = match &node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let each: Option<Vec<bool>> = nodes.iter().map(|node| naive_when(node, event)).collect();
    each.map(|each| each.contains(&true))
}

fn scalars(node: &Node) -> Option<Vec<&str>> {
    match &node.value {
        Value::Scalar(scalar) => Some(vec![&scalar.text]),
        Value::List(nodes) => nodes
            .iter()
            .map(|node| match &node.value {
                Value::Scalar(scalar) => Some(scalar.text.as_str()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn any_pattern(node: &Node, values: &[Option<&str>]) -> Option<bool> {
    let patterns = scalars(node)?;
    Some(values.iter().flatten().any(|value| patterns.iter().any(|pattern| matches(pattern, value))))
}

/// Of a word that may be spelt in several ways.
fn words(node: &Node, value: Option<&str>, spelt: impl Fn(&str) -> bool) -> Option<bool> {
    let patterns = scalars(node)?;
    // How an escape is spelt, and a type without a letter of its own, is the reader's affair.
    if patterns.iter().any(|pattern| pattern.contains('\\')) {
        return None;
    }
    let like = |pattern: &str| value.is_some_and(|value| matches(pattern, value));
    Some(patterns.iter().any(|pattern| if pattern.contains(['*', '?']) { like(pattern) } else { spelt(pattern) }))
}

/// Every text at a path, through lists.
fn leaves(at: &Json, path: &[&str], out: &mut Vec<String>) {
    match (at, path) {
        (Json::Array(items), [index, rest @ ..]) if index.parse::<usize>().is_ok() => {
            if let Some(item) = index.parse().ok().and_then(|index: usize| items.get(index)) {
                leaves(item, rest, out);
            }
        }
        (Json::Array(items), path) => items.iter().for_each(|item| leaves(item, path, out)),
        (Json::Object(members), [name, rest @ ..]) => {
            if let Some(value) = members.get(*name) {
                leaves(value, rest, out);
            }
        }
        (Json::String(text), []) => out.push(text.clone()),
        (Json::Number(_) | Json::Bool(_), []) => out.push(at.to_string()),
        _ => {}
    }
}

/// A pattern by a table: which beginnings of the pattern fit which beginnings of the value.
fn matches(pattern: &str, value: &str) -> bool {
    let fold = |c: char| {
        let small: Vec<char> = c.to_lowercase().collect();
        if small.len() == 1 { small[0] } else { c }
    };
    let value: Vec<char> = value.chars().map(fold).collect();
    let mut signs = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(c) = letters.next() {
        let escaped = c == '\\' && letters.peek().is_some_and(|c| "*?\\".contains(*c));
        let c = if escaped { letters.next().unwrap_or(c) } else { c };
        signs.push((fold(c), !escaped && (c == '*' || c == '?')));
    }
    let mut fits = vec![false; value.len() + 1];
    fits[0] = !value.is_empty();
    for (sign, special) in signs {
        let before = fits.clone();
        let mut reached = false;
        for (at, fit) in fits.iter_mut().enumerate() {
            reached |= before[at];
            *fit = match (sign, special) {
                ('*', true) => reached,
                ('?', true) => at > 0 && before[at - 1],
                (letter, _) => at > 0 && before[at - 1] && value[at - 1] == letter,
            };
        }
    }
    fits[value.len()]
}
