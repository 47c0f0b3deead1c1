//! The routes.yaml of a simulated relay: drawn at random, written as text for the real reader, and understood a second time here in the
//! simplest way, so that what the relay decides can be judged.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::config::{self, Config, Secrets};
use crate::event::{Event, Outcome};
use crate::receiver::Rate;

/// Always there, without a rate, always well: what others suffer must not be felt here.
pub const STEADY: &str = "steady";
/// The others, with their kinds.
const OTHERS: [(&str, &str); 3] = [("chat", "slack"), ("hook", "webhook"), ("pager", "pagerduty")];

/// So many of those that were read are kept at hand.
const REMEMBERED: usize = 256;

/// One version of routes.yaml.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    pub receivers: BTreeMap<&'static str, Settings>,
    pub routes: Vec<Route>,
}

/// The settings of a receiver that make a difference to its lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub kind: &'static str,
    pub rate: Option<&'static str>,
    pub concurrency: usize,
    pub timeout: u64,
    /// `retry`, in seconds: for, first, max.
    pub retry: [u64; 3],
    pub recovered: bool,
    /// Grows when someone mends the receiver's credentials.
    pub credentials: u32,
}

/// A route of a simple kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub when: When,
    pub to: Vec<&'static str>,
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    Always,
    Failed,
    Succeeded,
    Running,
    Own,
}

impl Settings {
    fn draw(kind: &'static str, rng: &mut Rng) -> Settings {
        let rates = match kind {
            "webhook" => [None, Some("5/s"), Some("40/s"), Some("60/m")],
            _ => [None, Some("2/s"), Some("20/s"), Some("30/m")],
        };
        Settings {
            kind,
            rate: pick(rng, &rates),
            concurrency: pick(rng, &[1, 2, 4, 16]),
            timeout: pick(rng, &[2, 5, 15]),
            retry: pick(rng, &[[20, 1, 5], [60, 1, 20], [300, 2, 60], [259_200, 1, 30], [259_200, 1, 900]]),
            recovered: rng.bool(),
            credentials: 0,
        }
    }

    /// As the relay takes it, the kind's own default included.
    pub fn rate(&self) -> Option<Rate> {
        let default = match self.kind {
            "slack" => Some("1/s"),
            "pagerduty" => Some("120/m"),
            _ => None,
        };
        self.rate.or(default).map(|rate| Rate::parse(rate).expect("a rate"))
    }

    pub fn give_up(&self) -> Duration {
        Duration::from_secs(self.retry[0])
    }
}

impl File {
    pub fn draw(rng: &mut Rng) -> File {
        let steady = Settings {
            rate: None,
            concurrency: 16,
            timeout: 15,
            retry: [259_200, 1, 900],
            ..Settings::draw("webhook", rng)
        };
        let mut receivers = BTreeMap::from([(STEADY, steady)]);
        for (name, kind) in OTHERS {
            receivers.insert(name, Settings::draw(kind, rng));
        }
        let mut file = File { receivers, routes: Vec::new() };
        file.draw_routes(rng);
        file
    }

    fn draw_routes(&mut self, rng: &mut Rng) {
        let names: Vec<&'static str> = self.receivers.keys().copied().collect();
        let some = |rng: &mut Rng| {
            let mut to: Vec<_> = names.iter().copied().filter(|_| rng.u8(..3) > 0).collect();
            rng.shuffle(&mut to);
            to
        };
        let mut routes = vec![Route { when: When::Failed, to: names.clone() }];
        for when in [When::Always, When::Succeeded, When::Running, When::Own] {
            if rng.bool() {
                routes.push(Route { when, to: some(rng) });
            }
        }
        rng.shuffle(&mut routes);
        self.routes = routes;
    }

    /// As someone might leave it after editing; `of` knows the settings of receivers that were there before.
    pub fn edited(&self, of: &File, rng: &mut Rng) -> File {
        let mut file = self.clone();
        let (name, kind) = pick(rng, &OTHERS);
        match (file.receivers.contains_key(name), rng.u8(..6)) {
            (false, _) => {
                file.receivers.insert(name, of.receivers[name].clone());
                file.routes.push(Route { when: When::Failed, to: vec![name] });
            }
            (true, 0) => return self.without(name),
            (true, 1) => file.draw_routes(rng),
            (true, 2) => {
                let settings = file.receivers.get_mut(name).expect("it is there");
                *settings = Settings { credentials: settings.credentials, ..Settings::draw(kind, rng) };
            }
            (true, 3) => {
                let settings = file.receivers.get_mut(name).expect("it is there");
                settings.rate = Settings::draw(kind, rng).rate;
            }
            (true, _) => file.heal(name),
        }
        file
    }

    /// A receiver is taken out.
    pub fn without(&self, name: &str) -> File {
        let mut file = self.clone();
        file.receivers.remove(name);
        file.routes.iter_mut().for_each(|route| route.to.retain(|to| *to != name));
        file
    }

    /// Someone puts new credentials in.
    pub fn heal(&mut self, name: &str) {
        if let Some(settings) = self.receivers.get_mut(name) {
            settings.credentials += 1;
        }
    }

    fn text(&self) -> String {
        let mut text = "receivers:\n".to_owned();
        for (name, settings) in &self.receivers {
            let Settings { kind, rate, concurrency, timeout, retry: [give_up, first, max], recovered, credentials } =
                settings;
            let address = match *kind {
                "pagerduty" => format!("routing_key: key-of-the-pager, endpoint: 'https://{name}.example'"),
                _ => format!("url: 'https://{name}.example/hook'"),
            };
            let rate = rate.map_or(String::new(), |rate| format!("rate: {rate}, "));
            writeln!(
                text,
                "  {name}: {{ kind: {kind}, {address}, {rate}concurrency: {concurrency}, timeout: {timeout}s, \
                 retry: {{ for: {give_up}s, first: {first}s, max: {max}s }}, recovered: {recovered}, \
                 headers: {{ X-Credentials: '{credentials}' }} }}"
            )
            .expect("a text takes all");
        }
        text.push_str("routes:\n");
        for (number, Route { when, to }) in self.routes.iter().enumerate() {
            let when = match when {
                When::Always => "",
                When::Failed => "when: { outcome: failed }, ",
                When::Succeeded => "when: { outcome: succeeded }, ",
                When::Running => "when: { state: RUNNING }, ",
                When::Own => "when: { event_type: jobrelay.* }, ",
            };
            writeln!(text, "  - {{ name: r{number}, {when}to: [{}] }}", to.join(", ")).expect("a text takes all");
        }
        text
    }

    /// As the relay reads it.
    pub fn load(&self) -> Arc<Config> {
        thread_local! {
            /// Reading takes longer than most simulations.
            static READ: RefCell<HashMap<String, Arc<Config>>> = RefCell::default();
        }
        let text = self.text();
        READ.with_borrow_mut(|read| {
            if read.len() == REMEMBERED {
                read.clear();
            }
            let known = read.entry(text).or_insert_with_key(|text| {
                let (config, problems) = config::load(text, &Secrets { path: None });
                Arc::new(config.unwrap_or_else(|| panic!("{text}{problems:?}")))
            });
            Arc::clone(known)
        })
    }

    /// Whom the routes name for an event.
    pub fn decides(&self, event: &Event) -> BTreeSet<&'static str> {
        let job = event.job.as_ref();
        let outcome = job.and_then(|job| job.outcome);
        let holds = |when: When| match when {
            When::Always => true,
            When::Failed => outcome == Some(Outcome::Failed),
            When::Succeeded => outcome == Some(Outcome::Succeeded),
            When::Running => job.and_then(|job| job.state.as_ref()).is_some_and(|state| state.as_str() == "RUNNING"),
            When::Own => event.event_type.starts_with("jobrelay."),
        };
        let named = self.routes.iter().filter(|route| holds(route.when)).flat_map(|route| route.to.iter().copied());
        named.filter(|name| event.about.as_deref() != Some(name)).collect()
    }

    /// Who of these hears of the recovery.
    pub fn wants_recovery(&self, name: &str) -> bool {
        self.receivers.get(name).is_some_and(|settings| settings.recovered)
    }
}

/// One of several.
pub fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())].clone()
}
