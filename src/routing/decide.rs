//! Reading the routes top to bottom for one event.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::candidates::Index;
use super::{When, hours};
use crate::event::Event;

/// The routes of one routes.yaml, in order.
#[derive(Debug)]
pub struct Routes {
    // Not to be changed: the index was made of them.
    all: Vec<Route>,
    index: Index,
    /// For `time` conditions.
    pub timezone: TimeZone,
}

/// The week whose moments stand for any: far from every change of clocks that is known. 2025-12-01 was a Monday.
const WEEK: civil::Date = civil::date(2025, 12, 1);

impl Routes {
    /// From top to bottom.
    #[must_use]
    pub fn new(routes: Vec<Route>, timezone: TimeZone) -> Routes {
        Routes { index: Index::of(&routes), all: routes, timezone }
    }

    /// Top to bottom.
    #[must_use]
    pub fn all(&self) -> &[Route] {
        &self.all
    }

    /// Those among which are all that hold for `event`, top to bottom.
    pub fn candidates(&self, event: &Event) -> impl Iterator<Item = &Route> {
        self.index.candidates(event).map(|at| &self.all[at])
    }

    /// Moments of one week: for each stretch of it over which no `time` condition changes, its first; without such conditions a single one.
    #[must_use]
    pub fn moments(&self) -> Vec<Timestamp> {
        let mut hours = Vec::new();
        self.all.iter().for_each(|route| route.when.add_hours(&mut hours));
        let begins = if hours.is_empty() { vec![(0, 0)] } else { hours::stretches(&hours).collect() };
        let moment = |(day, minute): (u8, u16)| {
            let local = WEEK.at(0, 0, 0, 0)
                + SignedDuration::from_hours(24 * i64::from(day))
                + SignedDuration::from_mins(minute.into());
            self.timezone.to_timestamp(local).ok()
        };
        begins.into_iter().filter_map(moment).collect()
    }
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique in its file.
    pub name: Arc<str>,
    /// Whether it is for an event.
    pub when: When,
    /// Receivers; empty says "nobody".
    pub to: Vec<Arc<str>>,
    /// Ends the reading when this route matches.
    pub stop: bool,
    /// Applies only if no route above matched.
    pub otherwise: bool,
}

/// What routing said about one event. Stored with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Names of the routes that matched, in order. Empty: unmatched.
    pub matched: Vec<Arc<str>>,
    /// One for each receiver, from the first route that named it.
    pub targets: Vec<Target>,
}

/// One receiver an event goes to, and the route that said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the route.
    pub route: Arc<str>,
    /// Name of the receiver.
    pub receiver: Arc<str>,
}

/// Decides. Never names the receiver that one of the relay's own events speaks of.
#[must_use]
pub fn decide(routes: &Routes, event: &Event) -> Decision {
    let mut decision = Decision { matched: Vec::new(), targets: Vec::new() };
    // Reading these alone is reading all: a route that does not hold changes nothing for those below it.
    for route in routes.candidates(event) {
        if route.otherwise && !decision.matched.is_empty() || !route.when.holds(event, &routes.timezone) {
            continue;
        }
        decision.matched.push(Arc::clone(&route.name));
        for receiver in &route.to {
            let spoken_of = event.about.as_deref() == Some(&**receiver);
            if !spoken_of && decision.targets.iter().all(|target| target.receiver != *receiver) {
                decision.targets.push(Target { route: Arc::clone(&route.name), receiver: Arc::clone(receiver) });
            }
        }
        if route.stop {
            break;
        }
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{OwnEvent, own, parse};
    use crate::routing::testing::{failed_load, when};

    fn route(name: &str, condition: &str, to: &[&str]) -> Route {
        let to = to.iter().map(|receiver| Arc::from(*receiver)).collect();
        Route { name: name.into(), when: when(condition), to, stop: false, otherwise: false }
    }

    /// Matched routes, then `route→receiver`.
    fn decided(routes: Vec<Route>, event: &Event) -> (Vec<String>, Vec<String>) {
        let decision = decide(&Routes::new(routes, TimeZone::UTC), event);
        let matched = decision.matched.iter().map(ToString::to_string).collect();
        (matched, decision.targets.iter().map(|t| format!("{}→{}", t.route, t.receiver)).collect())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_matching_route_applies_and_a_receiver_gets_one_delivery() {
        let routes = vec![
            route("failed", "outcome: failed", &["ops", "log"]),
            route("other", "outcome: succeeded", &["boss"]),
            route("all", "{}", &["log", "archive", "archive"]),
        ];
        let said = decided(routes, &failed_load());
        assert_eq!(said, (texts(&["failed", "all"]), texts(&["failed→ops", "failed→log", "all→archive"])));
    }

    #[test]
    fn stop_ends_the_reading_only_when_it_matches() {
        let mut routes = vec![
            route("not this", "outcome: stopped", &["a"]),
            route("this", "outcome: failed", &["b"]),
            route("never read", "{}", &["c"]),
        ];
        routes[0].stop = true;
        routes[1].stop = true;
        assert_eq!(decided(routes, &failed_load()), (texts(&["this"]), texts(&["this→b"])));
    }

    #[test]
    fn otherwise_applies_only_where_nothing_above_matched() {
        let routes = |condition: &str| {
            let mut routes = vec![
                route("first", condition, &["a"]),
                route("rest", "{}", &["b"]),
                route("still the rest", "{}", &["c"]),
                route("all", "{}", &["d"]),
            ];
            routes[1].otherwise = true;
            routes[2].otherwise = true;
            routes
        };
        assert_eq!(decided(routes("outcome: failed"), &failed_load()).0, texts(&["first", "all"]));
        assert_eq!(decided(routes("outcome: stopped"), &failed_load()).0, texts(&["rest", "all"]));
    }

    #[test]
    fn nobody_is_an_answer_and_unmatched_another() {
        let mut routes = vec![route("ignored", "outcome: failed", &[]), route("rest", "{}", &["a"])];
        routes[1].otherwise = true;
        assert_eq!(decided(routes, &failed_load()), (texts(&["ignored"]), Vec::new()));
        assert_eq!(decided(vec![route("x", "state: RUNNING", &["a"])], &failed_load()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn an_own_event_never_goes_where_it_speaks_of() {
        let down = OwnEvent::ReceiverDown { receiver: "ops".to_owned(), reason: "503".to_owned() };
        let event = parse(own(&down, Timestamp::UNIX_EPOCH)).expect("readable");
        let routes = vec![route("relay", "event_type: jobrelay.*", &["ops", "boss"]), route("all", "{}", &["ops"])];
        assert_eq!(decided(routes, &event), (texts(&["relay", "all"]), texts(&["relay→boss"])));
    }
}
