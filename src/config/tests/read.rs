//! Reading the section: each test on its own, every problem at its place.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::expect::read_expected;
use super::settings::{JobSettings, ResourceSettings, TestSettings};
use super::{Test, received};
use crate::config::routes::{Names, unique};
use crate::event::{Event, JobType, Received, Resource, Sample, State, parse};
use crate::routing::Path;
use crate::yaml::{self, Code, Map, Node, Problems, Scalar, Span, Value, nearest};

/// Of what is made up, so that a test says the same each time.
const CHANCE: u128 = 7;

/// Reads the tests. Where an error was recorded, they must not be run.
pub(in crate::config) fn read_tests(
    root: &Map,
    names: &Names<'_>,
    zone: &TimeZone,
    problems: &mut Problems,
) -> Vec<Test> {
    let items = match root.get("tests") {
        None | Some((_, Node { value: Value::Null, .. })) => &[],
        Some((_, Node { value: Value::List(items), .. })) => items.as_slice(),
        Some((_, node)) => {
            let help = "write each as `- name: …`, with its `job` and `expect` below".to_owned();
            problems.error(Code::WrongType, node.span, "tests: expected a list of tests", help);
            &[]
        }
    };
    let mut seen = BTreeSet::new();
    items.iter().filter_map(|item| read_test(item, names, zone, &mut seen, problems)).collect()
}

fn read_test(
    node: &Node,
    names: &Names<'_>,
    zone: &TimeZone,
    seen: &mut BTreeSet<String>,
    problems: &mut Problems,
) -> Option<Test> {
    let settings = yaml::read::<TestSettings>(node, problems);
    // Read even if the settings are not all right, to find all problems of a file at once.
    let Value::Map(map) = &node.value else { return None };
    if let Some((_, name)) = map.get("name") {
        unique(name, "test", "a failing one is named", seen, problems);
    }
    let expected = map.get("expect").and_then(|(_, expect)| read_expected(expect, names, problems));
    let (_, job) = map.get("job")?;
    let Value::Map(words) = &job.value else { return None };
    let resources = RESOURCES.map(|word| words.get(word).and_then(|(_, node)| resource(word, node, problems)));
    let settings = settings?;
    suspect(&settings.job, words, problems);
    let at = moment(&settings.job, words, zone, problems);
    let event = event(settings.job, job, words, resources, at, problems)?;
    Some(Test { name: settings.name, event, expected: expected? })
}

const RESOURCES: [&str; 4] = ["source", "data_product", "workflow", "destination"];

/// A name as written, or ID and name.
fn resource(word: &str, node: &Node, problems: &mut Problems) -> Option<Resource> {
    match &node.value {
        Value::Scalar(Scalar { text, .. }) if !text.trim().is_empty() => Some(Resource::named(text.as_str())),
        Value::Map(map) if !map.0.is_empty() => {
            let ResourceSettings { id, name } = yaml::read(node, problems)?;
            Some(Resource { id: id.map(|id| id.0.into()), name: name.map(|name| name.0.into()) })
        }
        Value::Scalar(_) | Value::Null | Value::Map(_) | Value::List(_) => {
            let help = format!("write `{word}: Customers`, or `{word}: {{ id: dp-1, name: Customers }}`");
            problems.error(Code::WrongType, node.span, format!("{word}: expected a name, or an ID and a name"), help);
            None
        }
    }
}

/// Types and states are open, so one that is not known is only suspected.
fn suspect(job: &JobSettings, words: &Map, problems: &mut Problems) {
    let types = job.job_type.as_ref().map(|said| (&said.0, matches!(JobType::from_name(&said.0), JobType::Other(_))));
    let states = job.state.as_ref().map(|said| (&said.0, matches!(State::from_name(&said.0), State::Other(_))));
    let known_types = JobType::KNOWN.map(|known| known.as_str().to_owned());
    let known_states = State::KNOWN.map(|known| known.as_str().to_owned());
    for (word, said, known) in [("type", types, &known_types[..]), ("state", states, &known_states[..])] {
        if let Some((text, true)) = said
            && let Some(near) = nearest(text, known.iter().map(String::as_str))
        {
            let message = format!("{word}: {text:?} is no known {word}");
            problems.warn(Code::UnknownValue, place(words, word), message, format!("did you mean {near:?}?"));
        }
    }
}

fn place(words: &Map, word: &str) -> Span {
    words.get(word).map_or_else(Span::default, |(_, node)| node.span)
}

fn moment(job: &JobSettings, words: &Map, zone: &TimeZone, problems: &mut Problems) -> Timestamp {
    let Some(time) = &job.time else { return received::by_default(zone) };
    received::parse(&time.0, zone).unwrap_or_else(|why| {
        let help = "it is when the event is received, for routes that ask for the `time`".to_owned();
        problems.error(Code::BadValue, place(words, "time"), format!("time: {why}"), help);
        received::by_default(zone)
    })
}

fn event(
    job: JobSettings,
    node: &Node,
    words: &Map,
    resources: [Option<Resource>; 4],
    at: Timestamp,
    problems: &mut Problems,
) -> Option<Arc<Event>> {
    let [source, data_product, workflow, destination] = resources;
    let sample = Sample {
        job_type: job.job_type.map(|said| JobType::from_name(&said.0)),
        state: job.state.map(|said| State::from_name(&said.0)),
        outcome: job.outcome.map(Into::into),
        reason: job.reason.map(|said| said.0),
        error: job.error.map(|said| said.0),
        source,
        data_product,
        workflow,
        destination,
        job: job.job.map(|said| said.0),
        tenant: job.tenant.map(|said| said.0),
        queued_for: job.queued_for.map(|lasted| lasted.0),
        ran_for: job.ran_for.map(|lasted| lasted.0),
        event_type: job.event_type.map(|said| said.0),
        receiver: job.receiver.map(|said| said.0),
        test: false,
    };
    let mut envelope = match sample.event(at, CHANCE) {
        Ok(envelope) => envelope,
        Err(contradiction) => {
            let span = words.get(contradiction.word).map_or(node.span, |(key, _)| key.span);
            let help = "no event says this: take it out, or change what it does not go with".to_owned();
            problems.error(Code::Contradiction, span, contradiction.message, help);
            return None;
        }
    };
    for (text, value) in job.raw.unwrap_or_default() {
        let key = || match words.get("raw") {
            Some((_, Node { value: Value::Map(paths), .. })) => paths.get(&text).map(|(key, _)| key.span),
            _ => None,
        };
        if let Some(path) = Path::new(&text) {
            path.put(&mut envelope, value);
        } else {
            let help = "write the names of the members that lead there: `data.status.state`".to_owned();
            problems.error(Code::BadValue, key().unwrap_or(node.span), format!("raw: {text:?} is no path"), help);
        }
    }
    match parse(Received::structured(&envelope, at)) {
        Ok(event) => Some(Arc::new(event)),
        Err((_, why)) => {
            let message = format!("raw: with this, the event could not be read: {why}");
            problems.error(
                Code::BadValue,
                place(words, "raw"),
                message,
                "write `raw: { data.priority: high }`".to_owned(),
            );
            None
        }
    }
}
