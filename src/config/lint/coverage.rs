//! What could happen without anybody hearing of it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Read;
use crate::event::{Event, JobType, Resource, Sample};
use crate::routing::Routes;
use crate::yaml::{Code, Problems, Span};

/// A name and a reason that no pattern asks for, unless it asks for anything.
const UNHEARD_OF: &str = "(unheard of)";

/// What the types of the relay's own events begin with.
const OWN: &str = "jobrelay.";

/// How many routes are read for one file, each time an event is held against it: a reload must not wait for long.
const ROUTES_READ: usize = 10_000_000;
/// What making an event costs, in routes read.
const EVENT: usize = 500;

pub(super) fn warn(read: &Read<'_>, problems: &mut Problems) {
    let place = read.root.get("routes").map_or_else(Span::default, |(key, _)| key.span);
    let moments = read.routes.moments();
    uncaught_failures(read.routes, &moments, place, problems);
    unheard_relay(read, &moments, place, problems);
}

/// Whether any route is for `event`. The first that is, is read: `stop` and `otherwise` only matter below one that matched.
fn is_caught(routes: &Routes, event: &Event) -> bool {
    routes.candidates(event).any(|route| route.when.holds(event, &routes.timezone))
}

/// Job types whose failures can go by, and the moment at which they do, if not at every.
fn uncaught_failures(routes: &Routes, moments: &[Timestamp], place: Span, problems: &mut Problems) {
    let senders = senders(routes);
    let moments = affordable(moments, routes, senders.len() * JobType::KNOWN.len());
    let (mut always, mut sometimes, mut example) = (Vec::new(), Vec::new(), None);
    for job_type in JobType::KNOWN {
        let caught = |moment: &Timestamp| {
            senders
                .iter()
                .any(|sender| failure(&job_type, sender, *moment).is_some_and(|event| is_caught(routes, &event)))
        };
        let missed: Vec<Timestamp> = moments.iter().filter(|moment| !caught(moment)).copied().collect();
        if missed.len() == moments.len() {
            always.push(job_type);
        } else if let Some(first) = missed.first() {
            sometimes.push(job_type);
            example.get_or_insert(*first);
        }
    }
    let mut which = Vec::new();
    if !always.is_empty() {
        which.push(of_types(&always));
    }
    if let Some(example) = example {
        let local = example.to_zoned_datetime(routes.timezone.clone());
        which.push(format!("{} at some times, such as {}", of_types(&sometimes), local.strftime("%A %H:%M")));
    }
    if !which.is_empty() {
        let message = format!(
            "failed jobs can go unheard: those {}, if no route asks for their name or reason",
            which.join(", and those ")
        );
        let help = "add a route with `when: { outcome: failed }`, or one with `otherwise: true` at the end; with `to: []` it says that \
                    nobody should hear";
        problems.warn(Code::UncaughtFailure, place, message, help.to_owned());
    }
}

/// Of the moments as many as can be looked at, with so many events at each; spread over the week.
fn affordable(moments: &[Timestamp], routes: &Routes, events: usize) -> Vec<Timestamp> {
    let affordable = ROUTES_READ / (routes.all().len() + EVENT) / events.max(1);
    let step = moments.len().div_ceil(affordable.max(1)).max(1);
    moments.iter().step_by(step).copied().collect()
}

fn of_types(types: &[JobType]) -> String {
    if types.len() == JobType::KNOWN.len() {
        return "of any type".to_owned();
    }
    let names: Vec<String> = types.iter().map(|job_type| format!("`{}`", job_type.as_str())).collect();
    format!("of type {}", names.join(", "))
}

/// Tenant and event type of the samples: none that a route asks for, and each pair that one asks for at its top.
fn senders(routes: &Routes) -> Vec<(Option<String>, Option<String>)> {
    const MOST: usize = 20;
    let mut senders = BTreeSet::new();
    for route in routes.all().iter().filter(|route| !route.to.is_empty()) {
        let pair = (route.when.asked_for("tenant"), route.when.asked_for("event_type"));
        let of_the_relay = pair.1.as_ref().is_some_and(|event_type| event_type.starts_with(OWN));
        if pair != (None, None) && !of_the_relay && senders.len() < MOST {
            senders.insert(pair);
        }
    }
    std::iter::once((None, None)).chain(senders).collect()
}

/// A failure with names and a reason that no route asks for.
fn failure(
    job_type: &JobType,
    (tenant, event_type): &(Option<String>, Option<String>),
    moment: Timestamp,
) -> Option<Event> {
    let resource = || Some(Resource::named(UNHEARD_OF));
    let mut sample = Sample {
        job_type: Some(job_type.clone()),
        reason: Some(UNHEARD_OF.to_owned()),
        error: Some(UNHEARD_OF.to_owned()),
        tenant: tenant.clone().or_else(|| Some("unheard-of".to_owned())),
        event_type: event_type.clone(),
        ..Sample::default()
    };
    match job_type {
        JobType::LoadSource => sample.source = resource(),
        JobType::UpdateDataProduct => sample.data_product = resource(),
        JobType::UpdateWorkflow => sample.workflow = resource(),
        JobType::PublishConfiguration => (sample.data_product, sample.destination) = (resource(), resource()),
        JobType::PublishDestination | JobType::Other(_) => sample.destination = resource(),
    }
    sample.read(moment, 0).ok()
}

/// That some are seen is a choice; that none is, an oversight.
fn unheard_relay(read: &Read<'_>, moments: &[Timestamp], place: Span, problems: &mut Problems) {
    let own: Vec<Sample> = Sample::every_sort()
        .filter(|sample| sample.event_type.as_deref().is_some_and(|event_type| event_type.starts_with(OWN)))
        .collect();
    let moments = affordable(moments, read.routes, own.len());
    let caught =
        |sample: &Sample, moment: &Timestamp| sample.read(*moment, 0).is_ok_and(|event| is_caught(read.routes, &event));
    if moments.iter().any(|moment| own.iter().any(|sample| caught(sample, moment))) {
        return;
    }
    let receiver = read.receivers.keys().next().map_or("console", |name| name);
    problems.warn(
        Code::UnheardRelay,
        place,
        "nobody hears what the relay says about itself: of a receiver that is down, a message given up, a routes.yaml refused",
        format!("add a route such as `{{ name: the relay itself, when: {{ event_type: jobrelay.* }}, to: {receiver} }}`"),
    );
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::routing::{Route, When};

    #[test]
    fn no_file_costs_more_than_can_be_afforded() {
        let moments: Vec<Timestamp> = (0..10_000).map(|s| Timestamp::new(s, 0).expect("a time")).collect();
        let route = |n: usize| {
            let name = n.to_string().into();
            Route { name, when: When::default(), to: Vec::new(), stop: false, otherwise: false }
        };
        for (count, events) in [(1, 1), (1, 16), (5_000, 16), (5_000, 0)] {
            let routes = Routes::new((0..count).map(route).collect(), TimeZone::UTC);
            let kept = affordable(&moments, &routes, events);
            assert!(!kept.is_empty() && kept.len() * events * (count + EVENT) <= ROUTES_READ, "{count} {events}");
        }
    }
}
