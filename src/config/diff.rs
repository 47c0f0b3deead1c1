//! What tells one routes.yaml from another, part by part: a typed diff that people read in the log after an edit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::Config;
use crate::yaml::{Map, Node, Scalar, Value, fingerprint};

/// Every part in which a new routes.yaml differs from the old one, in the order of the sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

/// One part, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub part: Part,
    /// What became of it.
    pub how: How,
}

/// A part of a routes.yaml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// By name.
    Receiver(Arc<str>),
    /// By name.
    Route(Arc<str>),
    /// An entry of `messages`, by name.
    Message(Arc<str>),
    /// The time zone of the whole file.
    Timezone,
    /// All of them.
    Tests,
}

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Altered,
    /// Of a receiver: written as before, with other values of its variables.
    NewSecrets,
    /// Of a route: says the same, but is read earlier or later than others that stayed.
    Moved,
    /// Of a route: both.
    AlteredAndMoved,
}

impl Changes {
    /// What changes from `old` to `new`.
    #[must_use]
    pub fn between(old: &Config, new: &Config) -> Changes {
        let mut changes = Changes(Vec::new());
        changes.receivers(old, new);
        changes.routes(&old.parts.routes, &new.parts.routes);
        changes.named(&old.parts.messages, &new.parts.messages, Part::Message, |_| None);
        if old.routes.timezone != new.routes.timezone {
            changes.0.push(Change { part: Part::Timezone, how: How::Altered });
        }
        let tests = match (old.parts.tests, new.parts.tests) {
            (None, Some(_)) => Some(How::Added),
            (Some(_), None) => Some(How::Removed),
            (old, new) => (old != new).then_some(How::Altered),
        };
        changes.0.extend(tests.map(|how| Change { part: Part::Tests, how }));
        changes
    }

    /// Nothing that counts: layout, comments, or nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of the sections.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    /// Whether an event may be decided otherwise, or a message read otherwise, than before.
    #[must_use]
    pub fn may_be_noticed(&self) -> bool {
        self.0.iter().any(|change| change.how != How::NewSecrets && change.part != Part::Tests)
    }

    fn receivers(&mut self, old: &Config, new: &Config) {
        let resolved = |config: &Config, name: &str| config.receivers.get(name).map(|receiver| receiver.fingerprint);
        self.named(&old.parts.receivers, &new.parts.receivers, Part::Receiver, |name| {
            (resolved(old, name) != resolved(new, name)).then_some(How::NewSecrets)
        });
    }

    /// Compares by name; `unseen` knows of changes that the file does not show.
    fn named(
        &mut self,
        old: &BTreeMap<Arc<str>, u64>,
        new: &BTreeMap<Arc<str>, u64>,
        part: impl Fn(Arc<str>) -> Part,
        unseen: impl Fn(&str) -> Option<How>,
    ) {
        let names: BTreeSet<&Arc<str>> = old.keys().chain(new.keys()).collect();
        for name in names {
            let how = match (old.get(name), new.get(name)) {
                (None, _) => Some(How::Added),
                (_, None) => Some(How::Removed),
                (Some(old), Some(new)) if old != new => Some(How::Altered),
                _ => unseen(name),
            };
            self.0.extend(how.map(|how| Change { part: part(Arc::clone(name)), how }));
        }
    }

    fn routes(&mut self, old: &[(Arc<str>, u64)], new: &[(Arc<str>, u64)]) {
        let before: HashMap<&str, (usize, u64)> =
            old.iter().enumerate().map(|(place, (name, says))| (&**name, (place, *says))).collect();
        let now: BTreeSet<&str> = new.iter().map(|(name, _)| &**name).collect();
        let gone = old.iter().filter(|(name, _)| !now.contains(&**name));
        self.0.extend(gone.map(|(name, _)| Change { part: Part::Route(Arc::clone(name)), how: How::Removed }));
        let places: Vec<usize> =
            new.iter().filter_map(|(name, _)| before.get(&**name).map(|(place, _)| *place)).collect();
        let stayed = longest_rise(&places);
        for (name, says) in new {
            let how = match before.get(&**name) {
                None => Some(How::Added),
                Some((place, said)) => match (said != says, !stayed.contains(place)) {
                    (true, true) => Some(How::AlteredAndMoved),
                    (true, false) => Some(How::Altered),
                    (false, true) => Some(How::Moved),
                    (false, false) => None,
                },
            };
            self.0.extend(how.map(|how| Change { part: Part::Route(Arc::clone(name)), how }));
        }
    }
}

/// The most of these numbers (no two alike) that already stand in rising order.
fn longest_rise(numbers: &[usize]) -> BTreeSet<usize> {
    // For each length, the rise of that length with the smallest end; each number knows the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: HashMap<usize, usize> = HashMap::new();
    for &number in numbers {
        let length = ends.partition_point(|&end| end < number);
        if length > 0 {
            before.insert(number, ends[length - 1]);
        }
        match ends.get_mut(length) {
            Some(end) => *end = number,
            None => ends.push(number),
        }
    }
    std::iter::successors(ends.last().copied(), |number| before.get(number).copied()).collect()
}

impl fmt::Display for Changes {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, change) in self.0.iter().enumerate() {
            let end = if place == 0 { "" } else { "\n" };
            write!(f, "{end}{change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.part, self.how)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Receiver(name) => write!(f, "receiver {name:?}"),
            Part::Route(name) => write!(f, "route {name:?}"),
            Part::Message(name) => write!(f, "message {name:?}"),
            Part::Timezone => f.write_str("timezone"),
            Part::Tests => f.write_str("tests"),
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Added => "added",
            How::Removed => "removed",
            How::Altered => "altered",
            How::NewSecrets => "has new secrets",
            How::Moved => "moved",
            How::AlteredAndMoved => "altered and moved",
        })
    }
}

/// What each part of a file says, as numbers to compare.
#[derive(Debug)]
pub(super) struct Parts {
    /// With variables as they are written.
    receivers: BTreeMap<Arc<str>, u64>,
    routes: Vec<(Arc<str>, u64)>,
    messages: BTreeMap<Arc<str>, u64>,
    tests: Option<u64>,
}

impl Parts {
    /// Of the whole file.
    pub fn of(root: &Map) -> Parts {
        let section = |name: &str| root.get(name).map(|(_, node)| node);
        let named = |name: &str| match section(name) {
            Some(Node { value: Value::Map(map), .. }) => {
                map.0.iter().map(|(key, node)| (Arc::from(key.text.as_str()), fingerprint(node))).collect()
            }
            _ => BTreeMap::new(),
        };
        let routes = match section("routes") {
            Some(Node { value: Value::List(items), .. }) => {
                items.iter().filter_map(|node| Some((name(node)?, fingerprint(node)))).collect()
            }
            _ => Vec::new(),
        };
        let tests = section("tests").filter(|node| node.value != Value::Null).map(fingerprint);
        Parts { receivers: named("receivers"), routes, messages: named("messages"), tests }
    }
}

fn name(route: &Node) -> Option<Arc<str>> {
    let Value::Map(map) = &route.value else { return None };
    match map.get("name") {
        Some((_, Node { value: Value::Scalar(Scalar { text, .. }), .. })) => Some(text.as_str().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::config::{Secrets, load};

    fn config(text: &str, secrets: &str) -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        fs::write(&path, secrets).unwrap();
        let (config, problems) = load(text, &Secrets { path: Some(path) });
        config.unwrap_or_else(|| panic!("{}", crate::yaml::report("routes.yaml", text, &problems, false)))
    }

    const OLD: &str = "receivers:
  a: { kind: webhook, url: \"https://x.example/${PATH_A}\" }
  b: { kind: inbox }
messages:
  short: { title: x, fields: { One: 1, Two: 2 } }
routes:
  - { name: first, to: a }
  - { name: second, when: { outcome: failed }, to: [a, b], message: short }
  - { name: third, to: b }
";

    #[track_caller]
    fn says(old: &str, new: &str, expected: &[&str]) {
        let secrets = "PATH_A=old-secret\n";
        let changes = Changes::between(&config(old, secrets), &config(new, secrets));
        assert_eq!(changes.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{new}");
        assert_eq!(changes.to_string(), expected.join("\n"));
        assert_eq!(changes.is_empty(), expected.is_empty());
    }

    #[test]
    fn each_change_is_one_line() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("", "", &[]),
            ("routes:", "# a comment\n\nroutes:", &[]),
            ("{ kind: inbox }", "\n    kind: inbox", &[]),
            (
                "kind: webhook, url: \"https://x.example/${PATH_A}\"",
                "url: \"https://x.example/${PATH_A}\", kind: webhook",
                &[],
            ),
            ("x.example", "y.example", &["receiver \"a\" altered"]),
            ("{ kind: inbox }", "{ kind: inbox, rate: 1/s }", &["receiver \"b\" altered"]),
            ("messages:", "  c: { kind: inbox }\nmessages:", &["receiver \"c\" added"]),
            ("to: a }", "to: b }", &["route \"first\" altered"]),
            ("name: first", "name: primary", &["route \"first\" removed", "route \"primary\" added"]),
            ("title: x", "title: y", &["message \"short\" altered"]),
            ("One: 1, Two: 2", "Two: 2, One: 1", &["message \"short\" altered"]),
            ("routes:", "timezone: Europe/Berlin\nroutes:", &["timezone altered"]),
            ("routes:", "timezone: UTC\nroutes:", &[]),
        ];
        for (part, instead, expected) in cases {
            says(OLD, &OLD.replacen(part, instead, 1), expected);
        }
    }

    #[test]
    fn a_route_that_changes_its_place_moved() {
        let order = |names: &[&str]| {
            let routes: Vec<String> = names.iter().map(|name| format!("  - {{ name: {name}, to: r }}\n")).collect();
            format!("receivers: {{ r: {{ kind: inbox }} }}\nroutes:\n{}", routes.concat())
        };
        let old = order(&["a", "b", "c", "d"]);
        says(&old, &order(&["d", "a", "b", "c"]), &["route \"d\" moved"]);
        says(&old, &order(&["b", "c", "a", "d"]), &["route \"a\" moved"]);
        says(&old, &order(&["x", "a", "b", "y", "c", "d"]), &["route \"x\" added", "route \"y\" added"]);
        says(&old, &order(&["d", "b", "c"]), &["route \"a\" removed", "route \"d\" moved"]);
        let altered = order(&["d", "a", "b", "c"]).replace("name: d,", "name: d, stop: true,");
        says(&old, &altered, &["route \"d\" altered and moved"]);
    }

    #[test]
    fn a_rotated_secret_is_no_edit_and_is_not_shown() {
        let changes = Changes::between(&config(OLD, "PATH_A=old-secret\n"), &config(OLD, "PATH_A=new-secret\n"));
        assert_eq!(changes.to_string(), "receiver \"a\" has new secrets");
        assert!(!changes.may_be_noticed());
    }

    proptest! {
        #[test]
        fn what_stays_is_in_order_and_nothing_more_could(numbers in proptest::sample::subsequence((0..12).collect::<Vec<usize>>(), 0..9).prop_shuffle()) {
            let rise = longest_rise(&numbers);
            let kept: Vec<usize> = numbers.iter().copied().filter(|number| rise.contains(number)).collect();
            prop_assert!(kept.is_sorted());
            let longest = (0..1u32 << numbers.len())
                .map(|choice| (0..numbers.len()).filter(|at| choice >> at & 1 == 1).map(|at| numbers[at]).collect::<Vec<_>>())
                .filter(|chosen| chosen.is_sorted())
                .map(|chosen| chosen.len())
                .max();
            prop_assert_eq!(Some(kept.len()), longest);
        }
    }
}
