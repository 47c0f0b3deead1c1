//! Routes that change nothing where they stand, whatever comes: what those above them already do.

use std::collections::HashMap;

use super::Pattern;
use super::implies::{Known, Proof};
use super::when::{Part, When, Word};
use super::{Route, Routes};

/// Why a route changes nothing. Routes are named by their place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unneeded {
    /// No event fulfils its `when`.
    Impossible,
    /// What it is for ends at this route above, whose `stop` ends the reading.
    BelowStop(usize),
    /// An `otherwise`, and this route above matches whenever it would.
    NeverLeftOver(usize),
    /// Its receivers are named already by routes above that match whenever it does; the first of them.
    NothingNew(usize),
}

/// Steps spent on one file. A reload must not wait for the last word on ten thousand routes.
const STEPS: u32 = 2_000_000;

/// Finds the routes that change nothing, at least those for which that is easily shown.
#[must_use]
pub fn unneeded(routes: &Routes) -> Vec<(usize, Unneeded)> {
    let mut found = Vec::new();
    let mut above = Above::over(routes.all());
    let mut steps = STEPS;
    for (at, route) in routes.all().iter().enumerate() {
        if route.when.is_impossible() {
            found.push((at, Unneeded::Impossible));
        } else {
            found.extend(judge(route, &above.candidates(&route.when), routes.all(), &mut steps).map(|why| (at, why)));
            above.add(at, route);
        }
    }
    found
}

/// Why `route` changes nothing below `candidates`, which are all that it may imply.
fn judge(route: &Route, candidates: &[usize], routes: &[Route], steps: &mut u32) -> Option<Unneeded> {
    let known = Known::of(&route.when);
    let mut missing: Vec<&str> = route.to.iter().map(|receiver| &**receiver).collect();
    let mut given_by = None;
    for &at in candidates {
        let above = &routes[at];
        let ends_here = above.stop && !above.otherwise;
        let gives = !route.stop && !above.otherwise && above.to.iter().any(|receiver| missing.contains(&&**receiver));
        *steps = steps.checked_sub(1)?;
        if !(ends_here || route.otherwise || gives) {
            continue;
        }
        let mut proof = Proof::new();
        let implied = proof.implies(known, &above.when);
        *steps = steps.saturating_sub(proof.taken());
        if !implied {
            continue;
        }
        if ends_here {
            return Some(Unneeded::BelowStop(at));
        }
        if route.otherwise {
            return Some(Unneeded::NeverLeftOver(at));
        }
        missing.retain(|receiver| above.to.iter().all(|given| **given != **receiver));
        given_by = given_by.or(Some(at));
    }
    given_by.filter(|_| missing.is_empty()).map(Unneeded::NothingNew)
}

/// The routes above, by what another must say to imply them: one of these literals, if a route asks for literals of one text.
struct Above<'a> {
    /// How often each literal is asked for in the whole file: the rarer, the better to find routes by.
    counts: HashMap<&'a Pattern, usize>,
    by_literal: HashMap<&'a Pattern, Vec<usize>>,
    others: Vec<usize>,
}

impl<'a> Above<'a> {
    fn over(routes: &'a [Route]) -> Above<'a> {
        let mut counts = HashMap::new();
        for route in routes {
            for literal in literals(&route.when) {
                *counts.entry(literal).or_default() += 1;
            }
        }
        Above { counts, by_literal: HashMap::new(), others: Vec::new() }
    }

    fn add(&mut self, at: usize, route: &'a Route) {
        let count =
            |patterns: &[Pattern]| patterns.iter().filter_map(|literal| self.counts.get(literal)).sum::<usize>();
        let asked = route.when.clauses.iter().filter_map(|clause| texts(&clause.part));
        let by = asked
            .filter(|patterns| !patterns.is_empty() && patterns.iter().all(Pattern::is_literal))
            .min_by_key(|patterns| count(patterns));
        match by {
            Some(patterns) => patterns.iter().for_each(|literal| self.by_literal.entry(literal).or_default().push(at)),
            None => self.others.push(at),
        }
    }

    /// From top to bottom.
    fn candidates(&self, when: &When) -> Vec<usize> {
        let found = literals(when).into_iter().filter_map(|literal| self.by_literal.get(literal)).flatten();
        let mut candidates: Vec<usize> = found.chain(&self.others).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

/// The texts a part asks for that nothing but the same texts implies.
fn texts(part: &Part) -> Option<&[Pattern]> {
    match part {
        // Follows from an outcome, too.
        Part::Text(Word::Reason, _) => None,
        Part::Text(_, patterns) | Part::Resource { patterns, .. } | Part::Raw(_, patterns) => Some(patterns),
        _ => None,
    }
}

fn literals(when: &When) -> Vec<&Pattern> {
    let mut found = Vec::new();
    for clause in &when.clauses {
        match &clause.part {
            Part::Any(choices) => found.extend(choices.iter().flat_map(literals)),
            part => found.extend(texts(part).unwrap_or_default().iter().filter(|pattern| pattern.is_literal())),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::routing::testing::{any_event, any_routes, when};
    use crate::routing::{Reading, explain};

    /// `condition → receivers`, with `stop` and `otherwise` before it.
    fn route(text: &str) -> Route {
        let (left, to) = text.split_once(" → ").expect("receivers");
        let (stop, left) = left.strip_prefix("stop ").map_or((false, left), |left| (true, left));
        let (otherwise, left) = left.strip_prefix("otherwise ").map_or((false, left), |left| (true, left));
        let to = to.split('+').filter(|name| !name.is_empty()).map(Into::into).collect();
        Route { name: text.into(), when: when(left), to, stop, otherwise }
    }

    #[test]
    fn what_changes_nothing_is_found() {
        use Unneeded::{BelowStop, Impossible, NeverLeftOver, NothingNew};
        for (texts, found) in [
            (&["stop outcome: failed → a", "{ outcome: failed, source: CRM } → b"][..], Some((1, BelowStop(0)))),
            (&["stop {} → a", "outcome: failed → b"], Some((1, BelowStop(0)))),
            (&["stop source: [CRM, ERP] → a", "resource: x → b", "source: crm → b"], Some((2, BelowStop(0)))),
            (&["stop otherwise {} → a", "outcome: failed → b"], None),
            (&["stop outcome: failed → a", "state: DONE → b"], None),
            (&["state: DONE → a", "otherwise outcome: failed → b"], Some((1, NeverLeftOver(0)))),
            (&["outcome: failed → a", "otherwise state: DONE → b"], None),
            (&["{ outcome: failed, not: { state: DONE } } → a"], Some((0, Impossible))),
            (&["outcome: failed → a+b", "{ outcome: failed, source: CRM } → b"], Some((1, NothingNew(0)))),
            (&["outcome: failed → a", "state: DONE → b", "outcome: failed → b+a"], Some((2, NothingNew(0)))),
            (&["outcome: failed → a", "outcome: failed → b+a"], None),
            (&["outcome: failed → a", "stop outcome: failed → a"], None),
            (&["otherwise outcome: failed → a", "outcome: failed → a"], None),
            (&["outcome: failed → ", "outcome: failed → "], None),
        ] {
            let routes = texts.iter().map(|text| route(text)).collect();
            let said = unneeded(&Routes::new(routes, TimeZone::UTC));
            assert_eq!(said, found.into_iter().collect::<Vec<_>>(), "{texts:?}");
        }
    }

    #[test]
    fn many_routes_are_judged_too() {
        let mut routes: Vec<Route> = (0..3_000).map(|n| route(&format!("stop source: s-{n} → a"))).collect();
        routes.push(route("source: s-7 → b"));
        assert_eq!(unneeded(&Routes::new(routes, TimeZone::UTC)), [(3_000, Unneeded::BelowStop(7))]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_without_them(routes in any_routes(), events in prop::collection::vec(any_event(), 12)) {
            let found = unneeded(&routes);
            let mut needed = routes.all().to_vec();
            let before: Vec<_> = events.iter().map(|event| explain(&routes, event)).collect();
            for (at, why) in found.iter().rev() {
                for explanation in &before {
                    let reading = explanation.routes[*at].reading;
                    prop_assert!(reading != Reading::Matched || matches!(why, Unneeded::NothingNew(_)), "{why:?}");
                }
                needed.remove(*at);
            }
            let routes = Routes::new(needed, routes.timezone);
            for (event, before) in events.iter().zip(before) {
                prop_assert_eq!(explain(&routes, event).decision.targets, before.decision.targets);
            }
        }
    }
}
