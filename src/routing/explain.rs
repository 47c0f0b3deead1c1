//! Why an event was decided as it was: every route with each of its conditions, what it wanted and what it saw.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::when::{Clause, Member, Part, When};
use super::{Decision, Route, Routes, decide};
use crate::event::{Event, Resource};
use crate::yaml::nearest;

/// The decision, and how each route was read for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Top to bottom.
    pub routes: Vec<RouteReading>,
    /// What [`decide`] says.
    pub decision: Decision,
}

/// One route, read for an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteReading {
    /// Its name.
    pub route: Arc<str>,
    /// What came of it.
    pub reading: Reading,
    /// Its `when`, in the order of the file. Also of a route that was not read: what it would have seen.
    pub conditions: Vec<Condition>,
    /// Its receivers.
    pub to: Vec<Arc<str>>,
    /// Ends the reading when it matches.
    pub stop: bool,
    /// Applies only if no route above matched.
    pub otherwise: bool,
}

/// What came of reading a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// All its conditions hold.
    Matched,
    /// A condition does not hold.
    NotMatched,
    /// An `otherwise` below a route that matched.
    Skipped,
    /// Below a `stop` that matched.
    NotRead,
}

/// One key of a `when`; of `raw`, one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// `outcome`, `source.name`, `raw.data.priority`, `not`.
    pub key: String,
    /// Whether it holds.
    pub holds: bool,
    /// As written, on one line.
    pub wanted: String,
    /// What the event says, on one line; `None` if it says nothing, and of `not` and `any`.
    pub saw: Option<String>,
    /// Of what was wanted, the value that what was seen is only a slip away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearly: Option<String>,
    /// Of `not` and `any`: the conditions inside, one list each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Vec<Condition>>,
}

/// Reads the routes for `event` as [`decide`] does, and says why.
#[must_use]
pub fn explain(routes: &Routes, event: &Event) -> Explanation {
    Explanation { routes: read(routes, event, |_| true), decision: decide(routes, event) }
}

/// How the routes that name `receiver` were read; the others are only read.
#[must_use]
pub fn readings_for(routes: &Routes, event: &Event, receiver: &str) -> Vec<RouteReading> {
    read(routes, event, |route| route.to.iter().any(|to| **to == *receiver))
}

fn read(routes: &Routes, event: &Event, shown: impl Fn(&Route) -> bool) -> Vec<RouteReading> {
    let (mut matched, mut stopped) = (false, false);
    let mut readings = Vec::new();
    for route in routes.all() {
        let reading = if stopped {
            Reading::NotRead
        } else if route.otherwise && matched {
            Reading::Skipped
        } else if route.when.holds(event, &routes.timezone) {
            matched = true;
            stopped = route.stop;
            Reading::Matched
        } else {
            Reading::NotMatched
        };
        if shown(route) {
            readings.push(RouteReading {
                route: route.name.clone(),
                reading,
                conditions: route.when.explain(event, &routes.timezone),
                to: route.to.clone(),
                stop: route.stop,
                otherwise: route.otherwise,
            });
        }
    }
    readings
}

impl Explanation {
    /// Of the routes that were read and did not match, those that came nearest: with the fewest conditions that do not hold. One that
    /// fails by a mere slip in a name hardly counts.
    #[must_use]
    pub fn nearest_misses(&self) -> Vec<&RouteReading> {
        let unmatched = || self.routes.iter().filter(|route| route.reading == Reading::NotMatched);
        let least = unmatched().map(RouteReading::distance).min();
        unmatched().filter(|route| Some(route.distance()) == least).collect()
    }
}

impl RouteReading {
    /// The conditions that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter().filter(|condition| !condition.holds)
    }

    /// How far it is from matching: what is plainly different, then what is nearly the same.
    fn distance(&self) -> (usize, usize) {
        let slips = self.failed().filter(|condition| condition.nearly.is_some()).count();
        (self.failed().count() - slips, slips)
    }
}

impl When {
    fn explain(&self, event: &Event, timezone: &TimeZone) -> Vec<Condition> {
        // What is quick to ask comes first in a condition, so the file's order has to be found again.
        let mut clauses: Vec<&Clause> = self.clauses.iter().collect();
        clauses.sort_by_key(|clause| clause.written.place);
        clauses.into_iter().map(|clause| clause.explain(event, timezone)).collect()
    }

    /// As written, on one line.
    fn written(&self) -> String {
        let mut clauses: Vec<&Clause> = self.clauses.iter().collect();
        clauses.sort_by_key(|clause| clause.written.place);
        let entries: Vec<String> =
            clauses.iter().map(|clause| format!("{}: {}", clause.written.key, clause.wanted())).collect();
        format!("{{ {} }}", entries.join(", "))
    }
}

impl Clause {
    fn explain(&self, event: &Event, timezone: &TimeZone) -> Condition {
        let holds = self.part.holds(event, timezone);
        let seen = self.seen(event, timezone);
        let inside = match &self.part {
            Part::Not(conditions) | Part::Any(conditions) => {
                conditions.iter().map(|when| when.explain(event, timezone)).collect()
            }
            _ => Vec::new(),
        };
        let named = matches!(self.part, Part::Type(_) | Part::Text(..) | Part::Resource { .. } | Part::Raw(..));
        let nearly = if holds || !named { None } else { self.nearly(&seen) };
        let saw = (!seen.is_empty()).then(|| shortened(&seen.iter().map(shown).collect::<Vec<_>>().join(", ")));
        Condition { key: self.written.key.clone(), holds, wanted: shortened(&self.wanted()), saw, nearly, inside }
    }

    fn wanted(&self) -> String {
        let (inside, list) = match &self.part {
            Part::Not(conditions) | Part::Any(conditions) => {
                (conditions.iter().map(When::written).collect(), self.written.list)
            }
            _ => (self.written.values.clone(), self.written.list),
        };
        if list { format!("[{}]", inside.join(", ")) } else { inside.concat() }
    }

    /// What of the event this clause looks at; a resource by its name and its ID.
    fn seen(&self, event: &Event, timezone: &TimeZone) -> Vec<Vec<String>> {
        let job = event.job.as_ref();
        match &self.part {
            Part::Not(_) | Part::Any(_) => Vec::new(),
            Part::Raw(path, _) => path.texts(event.raw()).into_iter().map(|text| vec![text]).collect(),
            Part::Time(_) => vec![vec![local(event.received.received_at, timezone)]],
            Part::Resource { kind, member, .. } => {
                let of = |resource: &Resource| {
                    let name = resource.name.clone().filter(|_| *member != Member::Id);
                    let id = resource.id.clone().filter(|_| *member != Member::Name);
                    [name, id].into_iter().flatten().map(String::from).collect::<Vec<_>>()
                };
                let resources = job.into_iter().flat_map(|job| match kind {
                    Some(kind) => job.of_kind(*kind).map(of).into_iter().collect(),
                    None => job.resources().map(of).collect::<Vec<_>>(),
                });
                resources.filter(|names| !names.is_empty()).collect()
            }
            Part::Type(_) | Part::State(_) | Part::Outcome(_) | Part::Text(..) | Part::Lasted(..) => {
                event.text(&self.written.key).into_iter().map(|text| vec![text.into_owned()]).collect()
            }
        }
    }

    /// A value that was wanted, if any of what was seen is only a slip away from it.
    fn nearly(&self, seen: &[Vec<String>]) -> Option<String> {
        let near = |wanted: &String| seen.iter().flatten().any(|seen| is_near(wanted, seen));
        self.written.values.iter().find(|wanted| near(wanted)).cloned()
    }
}

/// Whether `seen` would fit but for a slip. Of a pattern, what stands before or behind its only star is compared.
fn is_near(wanted: &str, seen: &str) -> bool {
    let length = |text: &str| text.chars().count();
    // `s-1` is no slip of `s-2`.
    let letters = |text: &str| text.chars().filter(|c| !c.is_numeric()).collect::<String>();
    let slip = |wanted: &str, seen: &str| letters(wanted) != letters(seen) && nearest(wanted, [seen]).is_some();
    match wanted.split_once('*') {
        None => slip(wanted, seen),
        Some((start, "")) if length(start) > 2 => slip(start, &seen.chars().take(length(start)).collect::<String>()),
        Some(("", end)) if length(end) > 2 && !end.contains('*') => {
            slip(end, &seen.chars().skip(length(seen).saturating_sub(length(end))).collect::<String>())
        }
        Some(_) => false,
    }
}

/// `CRM (s-1)`
fn shown(names: &Vec<String>) -> String {
    match names.as_slice() {
        [name, id] => format!("{name} ({id})"),
        other => other.concat(),
    }
}

/// `Tue 14:46 Europe/Berlin`
fn local(time: Timestamp, timezone: &TimeZone) -> String {
    let local = time.to_zoned_datetime(timezone.clone());
    let zone = timezone.iana_name().map_or_else(|| local.strftime("%Z").to_string(), str::to_owned);
    format!("{} {zone}", local.strftime("%a %H:%M"))
}

/// Every route shows what it saw: a text as long as an event may be is shown by its beginning.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 500;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", one_line(&text[..end])),
        None => one_line(text),
    }
}

/// Breaks and other control characters would tear a report apart.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control()).filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::testing::{any_event, any_routes, failed_load, when};

    fn route(name: &str, condition: &str) -> Route {
        Route { name: name.into(), when: when(condition), to: vec!["ops".into()], stop: false, otherwise: false }
    }

    fn explained(routes: Vec<Route>) -> Explanation {
        explain(&Routes::new(routes, TimeZone::get("Europe/Berlin").expect("bundled")), &failed_load())
    }

    /// `✗ key: wanted | saw`, what is inside a step further in.
    fn lines(conditions: &[Condition], depth: usize) -> String {
        let line = |condition: &Condition| {
            let Condition { key, holds, wanted, saw, nearly, inside } = condition;
            let nearly = nearly.as_ref().map(|near| format!(" (nearly {near})")).unwrap_or_default();
            let inside: String = inside.iter().map(|conditions| lines(conditions, depth + 1)).collect();
            let mark = if *holds { '✓' } else { '✗' };
            let saw = saw.as_deref().unwrap_or("-");
            format!("{}{mark} {key}: {wanted} | {saw}{nearly}\n{inside}", "  ".repeat(depth))
        };
        conditions.iter().map(line).collect()
    }

    #[test]
    fn every_condition_says_what_it_wanted_and_what_it_saw() {
        let condition = "type: [load_*,\n  update_*]\nnot:\n  - event_type: record.*\n  - { data_product: '*' }\nraw: { data.tags: [eu, us], data.missing: x }\n\
                         source: CRN\nresource: ERP\nsource.id: s-1\noutcome:\n  - failed\n  - stopped\nran_for: '> 2h'\ntime: \"Mon-Fri 08:00-18:00\"\n\
                         reason: PLANING*\ntenant: globex\nany: [{ error: \"*wrong*\" }, { not: { job: j-1 } }]\n";
        insta::assert_snapshot!(lines(&explained(vec![route("a", condition)]).routes[0].conditions, 0), @r"
        ✓ type: [load_*, update_*] | load_source
        ✓ not: [{ event_type: record.* }, { data_product: * }] | -
          ✗ event_type: record.* | tamr.job.status
          ✗ data_product: * | -
        ✓ raw.data.tags: [eu, us] | prod, EU
        ✗ raw.data.missing: x | -
        ✗ source: CRN | CRM (s-1) (nearly CRN)
        ✗ resource: ERP | CRM (s-1)
        ✓ source.id: s-1 | s-1
        ✓ outcome: [failed, stopped] | failed
        ✗ ran_for: > 2h | 1h 30m
        ✓ time: Mon-Fri 08:00-18:00 | Tue 15:46 Europe/Berlin
        ✗ reason: PLANING* | PLANNING_FAILED (nearly PLANING*)
        ✗ tenant: globex | acme.tamr.cloud
        ✓ any: [{ error: *wrong* }, { not: { job: j-1 } }] | -
          ✓ error: *wrong* | Something went wrong.
          ✓ not: { job: j-1 } | -
            ✗ job: j-1 | j-17
        ");
    }

    #[test]
    fn readings_tell_where_the_reading_stopped() {
        let mut routes = vec![
            route("no", "outcome: stopped"),
            route("yes", "outcome: failed"),
            route("rest", "{}"),
            route("last", "source: CRM"),
            route("below", "{}"),
        ];
        routes[2].otherwise = true;
        routes[3].stop = true;
        let readings: Vec<Reading> = explained(routes).routes.iter().map(|route| route.reading).collect();
        let wanted = [Reading::NotMatched, Reading::Matched, Reading::Skipped, Reading::Matched, Reading::NotRead];
        assert_eq!(readings, wanted);
    }

    #[test]
    fn the_nearest_miss_is_the_one_with_the_least_to_mend() {
        let misses = |conditions: &[&str]| {
            let routes = conditions.iter().enumerate().map(|(n, condition)| route(&n.to_string(), condition)).collect();
            let names =
                explained(routes).nearest_misses().iter().map(|route| route.route.to_string()).collect::<Vec<_>>();
            names.join(" ")
        };
        for (conditions, nearest) in [
            (&["outcome: stopped", "{ outcome: stopped, source: ERP }", "type: update_workflow"][..], "0 2"),
            (&["outcome: stopped", "{ outcome: failed, source: CMR }"], "1"),
            (&["outcome: stopped", "reason: PLANING*"], "1"),
            (&["outcome: stopped", "reason: \"*_FALED\""], "1"),
            (&["{ outcome: stopped, source: CMR }", "{ outcome: stopped, type: update_workflow }"], "0"),
            (&["outcome: stopped", "source.id: s-2"], "0 1"),
            (&["outcome: failed", "{}"], ""),
        ] {
            assert_eq!(misses(conditions), nearest, "{conditions:?}");
        }
    }

    #[test]
    fn long_texts_are_shown_by_their_beginning() {
        let mut event = failed_load();
        event.job.as_mut().expect("a job").error = Some("ä".repeat(1_000_000));
        let long = format!("error: '{}'", "x".repeat(1_000_000));
        let zone = TimeZone::UTC;
        let routes = Routes::new(vec![route("a", &long)], zone);
        let Condition { wanted, saw, .. } = &explain(&routes, &event).routes[0].conditions[0];
        let saw = saw.as_ref().expect("an error");
        assert_eq!((wanted.chars().count(), saw.chars().count()), (501, 501));
        assert!(saw.ends_with('…'));
    }

    #[test]
    fn an_explanation_survives_json() {
        let explanation = explained(vec![route("a", "{ not: { source: CRM }, reason: PLANING* }")]);
        let json = serde_json::to_string(&explanation).expect("JSON");
        assert!(json.contains(r#""reading":"not_matched""#), "{json}");
        assert_eq!(serde_json::from_str::<Explanation>(&json).expect("the same"), explanation);
    }

    /// Each condition says what its part does, inside too.
    fn agrees(when: &When, conditions: &[Condition], event: &Event, zone: &TimeZone) -> bool {
        let mut clauses: Vec<&Clause> = when.clauses.iter().collect();
        clauses.sort_by_key(|clause| clause.written.place);
        clauses.len() == conditions.len()
            && clauses.iter().zip(conditions).all(|(clause, condition)| {
                let inside = match &clause.part {
                    Part::Not(inside) | Part::Any(inside) => inside.as_slice(),
                    _ => &[],
                };
                clause.part.holds(event, zone) == condition.holds
                    && inside.len() == condition.inside.len()
                    && inside.iter().zip(&condition.inside).all(|(when, inside)| agrees(when, inside, event, zone))
            })
    }

    proptest! {
        #[test]
        fn it_explains_what_is_decided(routes in any_routes(), event in any_event()) {
            let Explanation { routes: readings, decision } = explain(&routes, &event);
            for receiver in routes.all().iter().flat_map(|route| &route.to) {
                let naming: Vec<_> = readings.iter().filter(|route| route.to.contains(receiver)).cloned().collect();
                prop_assert_eq!(readings_for(&routes, &event, receiver), naming);
            }
            prop_assert_eq!(&decision, &decide(&routes, &event));
            let matched: Vec<_> = readings.iter().filter(|r| r.reading == Reading::Matched).map(|r| r.route.clone()).collect();
            prop_assert_eq!(matched, decision.matched);
            for (route, reading) in routes.all().iter().zip(&readings) {
                prop_assert!(agrees(&route.when, &reading.conditions, &event, &routes.timezone));
            }
        }
    }
}
