//! Finding the routes that an event may match by its own texts: ten thousand routes, each for a data product of its own, must cost an
//! event hardly more than ten. A route that is found may still not hold; one that is not found cannot.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::path::Path;
use super::pattern::folded;
use super::when::{Is, Member, Part, When, Word};
use super::{Pattern, Route};
use crate::event::{Event, JobType, State};

/// Where each route of a file is kept: at the rarest of what it asks for at its top. Names routes by their place in the file.
pub(super) struct Index {
    drawers: Drawers,
    /// Those that no text finds.
    always: Vec<usize>,
}

impl Index {
    pub fn of(routes: &[Route]) -> Index {
        Index::with(routes, Aspect::price)
    }

    /// `price`: how many routes are read in the time it takes to look up one aspect of an event.
    fn with(routes: &[Route], price: fn(&Aspect) -> usize) -> Index {
        // First in every drawer that it asks for, which tells how rare each text is.
        let mut everywhere = Drawers::default();
        for (at, route) in routes.iter().enumerate() {
            route.when.asked().for_each(|asked| everywhere.put(asked, at));
        }
        everywhere.0.retain(|aspect, drawer| drawer.count > price(aspect));
        let mut index = Index { drawers: Drawers::default(), always: Vec::new() };
        for (at, route) in routes.iter().enumerate() {
            let counted = route.when.asked().filter_map(|asked| {
                // A beginning is asked for by few, but had by many.
                let begins = asked.texts.iter().any(|text| !text.whole);
                Some((everywhere.count(&asked)? + price(&asked.aspect), begins, asked))
            });
            match counted.min_by_key(|(count, begins, _)| (*count, *begins)) {
                Some((.., rarest)) => index.drawers.put(rarest, at),
                None => index.always.push(at),
            }
        }
        index
    }

    /// Among them are all routes that hold for `event`. Top to bottom, each once.
    pub fn candidates(&self, event: &Event) -> impl Iterator<Item = usize> + use<'_> {
        let (mut found, mut text) = (Vec::new(), String::new());
        for (aspect, drawer) in &self.drawers.0 {
            aspect.each_text(event, |said| {
                drawer.fold(said, &mut text);
                drawer.find(&text, &mut found);
            });
        }
        #[expect(
            clippy::stable_sort_primitive,
            reason = "few runs, each in order already: only this sort merges them"
        )]
        found.sort();
        found.dedup();
        let (mut found, mut always) = (found.into_iter().peekable(), self.always.iter().copied().peekable());
        std::iter::from_fn(move || match (found.peek(), always.peek()) {
            (Some(one), Some(other)) if one < other => found.next(),
            (Some(_), None) => found.next(),
            _ => always.next(),
        })
    }
}

impl fmt::Debug for Index {
    /// Nothing: it follows from the routes, and a map has no order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

/// What of an event texts are looked up of.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Aspect {
    Type,
    State,
    Outcome,
    Text(Word),
    /// Of any sort, by ID and name: few events have the same of two.
    Resource,
    Raw(Path),
}

impl Aspect {
    /// In routes that are read meanwhile. The raw envelope has to be made first.
    fn price(&self) -> usize {
        if matches!(self, Aspect::Raw(_)) { 128 } else { 8 }
    }

    fn each_text(&self, event: &Event, mut each: impl FnMut(&str)) {
        let job = event.job.as_ref();
        let mut and_on = |text: &str| {
            each(text);
            false
        };
        match self {
            Aspect::Type => job.and_then(|job| job.job_type.as_ref()).is_some_and(|is| and_on(is.as_str())),
            Aspect::State => job.and_then(|job| job.state.as_ref()).is_some_and(|is| and_on(is.as_str())),
            Aspect::Outcome => job.and_then(|job| job.outcome).is_some_and(|is| and_on(is.as_str())),
            Aspect::Text(word) => word.any_text(event, and_on),
            Aspect::Resource => {
                job.is_some_and(|job| job.resources().any(|one| Member::Either.any_text(one, &mut and_on)))
            }
            Aspect::Raw(path) => path.any_text(event.raw(), and_on),
        };
    }
}

/// What one part of a condition asks for: it holds for no event that has none of these texts.
struct Asked {
    aspect: Aspect,
    texts: Vec<Text>,
}

/// A text of an event, folded.
struct Text {
    text: String,
    /// Else it begins with this.
    whole: bool,
}

impl Text {
    /// `None`: any text may match.
    fn of(pattern: &Pattern) -> Option<Text> {
        let (text, whole) = pattern.beginning();
        (whole || !text.is_empty()).then_some(Text { text, whole })
    }

    fn exactly(text: &str) -> Text {
        Text { text: text.chars().map(folded).collect(), whole: true }
    }
}

impl<T> Is<T> {
    fn asked(&self, text: fn(&T) -> &str) -> Option<Text> {
        match self {
            Is::Exactly(value) => Some(Text::exactly(text(value))),
            Is::Like(pattern) => Text::of(pattern),
        }
    }
}

impl When {
    /// By each part at its top that holds for events with certain texts only.
    fn asked(&self) -> impl Iterator<Item = Asked> {
        self.clauses.iter().filter_map(|clause| clause.part.asked())
    }
}

impl Part {
    fn asked(&self) -> Option<Asked> {
        let patterns = |all: &[Pattern]| all.iter().map(Text::of).collect();
        let (aspect, texts): (Aspect, Option<Vec<Text>>) = match self {
            Part::Type(types) => (Aspect::Type, types.iter().map(|is| is.asked(JobType::as_str)).collect()),
            Part::State(states) => (Aspect::State, states.iter().map(|is| is.asked(State::as_str)).collect()),
            Part::Outcome(all) => {
                (Aspect::Outcome, Some(all.iter().map(|outcome| Text::exactly(outcome.as_str())).collect()))
            }
            Part::Text(word, all) => (Aspect::Text(*word), patterns(all)),
            Part::Resource { patterns: all, .. } => (Aspect::Resource, patterns(all)),
            Part::Raw(path, all) => (Aspect::Raw(path.clone()), patterns(all)),
            Part::Lasted(..) | Part::Time(_) | Part::Not(_) | Part::Any(_) => return None,
        };
        Some(Asked { aspect, texts: texts? })
    }
}

/// Routes by what they ask for.
#[derive(Default)]
struct Drawers(HashMap<Aspect, Drawer>);

impl Drawers {
    fn put(&mut self, asked: Asked, route: usize) {
        let drawer = self.0.entry(asked.aspect).or_default();
        asked.texts.into_iter().for_each(|text| drawer.put(text, route));
    }

    /// How many routes ask for any of it; `None`: nobody looks there.
    fn count(&self, asked: &Asked) -> Option<usize> {
        let drawer = self.0.get(&asked.aspect)?;
        Some(asked.texts.iter().map(|text| drawer.texts(text.whole).get(text.text.as_str()).map_or(0, Vec::len)).sum())
    }
}

type Texts = HashMap<Box<str>, Vec<usize>>;

/// The routes that ask for one aspect, by the text.
#[derive(Default)]
struct Drawer {
    whole: Texts,
    beginnings: Texts,
    /// Of the beginnings, in bytes.
    lengths: BTreeSet<usize>,
    /// Of all texts, in bytes.
    longest: usize,
    count: usize,
}

impl Drawer {
    fn texts(&self, whole: bool) -> &Texts {
        if whole { &self.whole } else { &self.beginnings }
    }

    fn put(&mut self, Text { text, whole }: Text, route: usize) {
        self.longest = self.longest.max(text.len());
        self.count += 1;
        if !whole {
            self.lengths.insert(text.len());
        }
        let texts = if whole { &mut self.whole } else { &mut self.beginnings };
        let routes = texts.entry(text.into()).or_insert_with(|| Vec::with_capacity(1));
        if routes.last() != Some(&route) {
            routes.push(route);
        }
    }

    /// As it is looked up: an error message may be long, and no more of it counts than of what is asked for.
    fn fold(&self, said: &str, text: &mut String) {
        text.clear();
        for c in said.chars().map(folded) {
            text.push(c);
            if text.len() > self.longest {
                break;
            }
        }
    }

    fn find(&self, text: &str, found: &mut Vec<usize>) {
        found.extend(self.whole.get(text).into_iter().flatten());
        for length in self.lengths.iter().take_while(|length| **length <= text.len()) {
            let beginning = text.get(..*length).and_then(|beginning| self.beginnings.get(beginning));
            found.extend(beginning.into_iter().flatten());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::testing::{any_event, any_when, failed_load, job_event, some_routes, when};
    use crate::routing::{Decision, Routes, Target, decide};
    use serde_json::json;

    fn routes(conditions: &[&str]) -> Vec<Route> {
        let route = |(n, condition): (usize, &&str)| Route {
            name: n.to_string().into(),
            when: when(condition),
            to: Vec::new(),
            stop: false,
            otherwise: false,
        };
        conditions.iter().enumerate().map(route).collect()
    }

    fn found(conditions: &[&str], event: &Event) -> Vec<usize> {
        Index::with(&routes(conditions), |_| 0).candidates(event).collect()
    }

    /// A failed load of CRM (s-1), of acme.tamr.cloud.
    #[test]
    fn a_route_is_found_by_the_rarest_it_asks_for() {
        for (conditions, places) in [
            (&["outcome: failed", "{}", "outcome: failed", "outcome: stopped"][..], &[0, 1, 2][..]),
            (&["source: crm", "source: ERP", "resource: S-1", "data_product: CRM"], &[0, 2, 3]),
            (&["source: [ERP, crm, s-1]", "source: [ERP, MDM]", "source.id: 's-*'"], &[0, 2]),
            (&["{ outcome: failed, source: ERP }", "{ outcome: failed, source: CRM }", "outcome: failed"], &[1, 2]),
            (&["tenant: acme", "tenant: ACME.tamr.cloud", "tenant: globex"], &[0, 1]),
            (&["type: Load source", "type: update_*", "type: load*"], &[0, 2]),
            (&["raw: { data.tags: eu }", "raw: { data.tags: us }", "raw: { data.code: 0123 }"], &[0, 2]),
            (&["not: { source: ERP }", "any: [{ source: ERP }, { source: MDM }]", "time: Mon"], &[0, 1, 2]),
            (
                &["source: '*RM'", "source: CR?", "source: '?RM'", "source: E*", "source: crm*", "source: crm?"],
                &[0, 1, 2, 4, 5],
            ),
            (&["error: Something went wrong.", "error: Something went wron", "error: some*"], &[0, 2]),
        ] {
            assert_eq!(found(conditions, &failed_load()), places, "{conditions:?}");
        }
    }

    #[test]
    fn letters_of_several_bytes_are_found_by_their_beginning() {
        let event = job_event(&json!({ "jobType": "LOAD_SOURCE", "sourceDisplayName": "aÄrger" }));
        assert_eq!(found(&["source: ab*", "source: AäR*", "source: aärger", "source: abc*"], &event), [1, 2]);
    }

    #[test]
    fn what_few_ask_for_is_not_looked_up() {
        let few = ["source: ERP", "raw: { data.tags: us }", "outcome: stopped"];
        assert_eq!(Index::of(&routes(&few)).candidates(&failed_load()).count(), 3);
        let of_sources: Vec<String> =
            (0..1_000).map(|n| format!("{{ source: s-{n}, raw: {{ data.tags: t{n} }} }}")).collect();
        let many: Vec<&str> = of_sources.iter().map(String::as_str).chain(few).collect();
        assert_eq!(Index::of(&routes(&many)).candidates(&failed_load()).collect::<Vec<_>>(), [1, 1_002]);
    }

    /// As the routes are meant: each is read.
    fn read_plainly(routes: &Routes, event: &Event) -> Decision {
        let mut decision = Decision { matched: Vec::new(), targets: Vec::new() };
        for route in routes.all() {
            if (!route.otherwise || decision.matched.is_empty()) && route.when.holds(event, &routes.timezone) {
                decision.matched.push(route.name.clone());
                for to in &route.to {
                    if event.about.as_ref().is_none_or(|about| **about != **to)
                        && decision.targets.iter().all(|target| target.receiver != *to)
                    {
                        decision.targets.push(Target { route: route.name.clone(), receiver: to.clone() });
                    }
                }
                if route.stop {
                    break;
                }
            }
        }
        decision
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn what_holds_is_found(routes in some_routes(any_when(), 0..24), events in prop::collection::vec(any_event(), 8)) {
            let all = Index::with(routes.all(), |_| 0);
            for event in &events {
                let found: Vec<usize> = all.candidates(event).collect();
                prop_assert!(found.is_sorted_by(|one, next| one < next), "{found:?}");
                for (at, route) in routes.all().iter().enumerate() {
                    prop_assert!(found.contains(&at) || !route.when.holds(event, &routes.timezone), "{at}: {route:?}");
                }
            }
        }

        #[test]
        fn finding_decides_as_reading_does(
            routes in some_routes(any_when(), 0..80),
            events in prop::collection::vec(any_event(), 8),
            about in prop::option::of(prop::sample::select(vec!["ops", "log"])),
        ) {
            for mut event in events {
                event.about = about.map(ToOwned::to_owned);
                prop_assert_eq!(decide(&routes, &event), read_plainly(&routes, &event));
            }
        }
    }
}
