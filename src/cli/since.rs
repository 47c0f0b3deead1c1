//! `check --since`: what the checked file would have meant for the events in a store, beside the file that ran last.

mod print;
mod progress;
mod read;

use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use self::progress::Progress;
use super::failure::Failure;
use super::output::count;
use super::store::StoreArgs;
use super::times::{Since, since, stamp};
use crate::config::compare::{Comparison, Difference};
use crate::config::{Config, load_unjudged};
use crate::store::Version;
use crate::yaml::{self, Code, Node, Problems, Span, Value};

/// How to look back.
#[derive(Args)]
pub struct SinceArgs {
    /// Also say what the file would have meant for the events recorded since then, like 30d or 2026-01-31T00:00:00Z, beside the one
    /// that ran last. A failed job that would no longer reach anyone is an error
    #[arg(long, value_name = "SINCE", value_parser = since)]
    since: Option<Since>,

    #[command(flatten)]
    store: StoreArgs,
}

/// What looking back has shown.
#[derive(Debug, Serialize)]
pub struct Hindsight {
    /// Events received from then on were compared.
    pub since: Timestamp,
    /// The version that ran last.
    pub before: Arc<str>,
    /// When it last began to rule.
    pub before_since: Timestamp,
    /// The checked file's version.
    pub after: Arc<str>,
    /// Events that this version cannot read any more.
    pub unreadable: u64,
    /// What would have been different.
    #[serde(flatten)]
    pub difference: Difference,
}

impl SinceArgs {
    /// Compares, if asked to, and adds what is wrong with the file in the light of it to `problems`.
    pub fn look_back(
        &self,
        text: &str,
        config: &Config,
        problems: &mut Problems,
    ) -> Result<Option<Hindsight>, Failure> {
        let Some(since) = self.since else { return Ok(None) };
        let hindsight = self.compare(since.at(Timestamp::now()), config)?;
        hindsight.add_problems(text, config, problems);
        Ok(Some(hindsight))
    }

    fn compare(&self, since: Timestamp, config: &Config) -> Result<Hindsight, Failure> {
        let history = self.store.open()?;
        let unreadable = |e: crate::store::StoreError| Failure::new(format!("--since: {e}"));
        let Some(before) = history.last_version().map_err(unreadable)? else {
            return Err(Failure::new(format!(
                "--since: no routes.yaml has run on the store {} yet",
                self.store.path()?.display()
            ))
            .help("without a relay's history, leave --since out"));
        };
        // Both are read the same way, so that no secret makes a difference.
        let old = readable(&before.text, &format!("version {} of the store, the one that ran last,", before.version))?;
        let new = readable(&config.masked, "the file")?;
        let mut progress = Progress::new(since, Timestamp::now());
        let read = read::compare(&history, since, Comparison::new(old, new), |events, at| progress.show(events, at));
        progress.end();
        let (difference, unreadable) = read.map_err(unreadable)?;
        let Version { version, at, .. } = before;
        let after = Arc::clone(&config.version);
        Ok(Hindsight { since, before: version, before_since: at, after, unreadable, difference })
    }
}

fn readable(text: &str, what: &str) -> Result<Arc<Config>, Failure> {
    let (config, problems) = load_unjudged(text);
    config.map(Arc::new).ok_or_else(|| {
        let why = problems.iter().next().map_or_else(String::new, |problem| format!(": {}", problem.message));
        Failure::new(format!("--since: {what} cannot be read where its secrets are masked{why}"))
    })
}

impl Hindsight {
    fn add_problems(&self, text: &str, config: &Config, problems: &mut Problems) {
        let Difference { events, failed_unheard, routes_unmatched, names_unseen, .. } = &self.difference;
        if *events == 0 {
            return;
        }
        let places = Places::of(text);
        let since = stamp(self.since);
        if let Some(first) = failed_unheard.examples.first() {
            let failed = count(failed_unheard.count, "failed job");
            problems.error(
                Code::FailedJobUnheard,
                places.routes,
                format!("{failed} since {since} would no longer reach anyone"),
                format!(
                    "the first is {} ({}), sent by route {:?} before: add a route for it",
                    first.event, first.what, first.route
                ),
            );
        }
        for unseen in names_unseen {
            let help = match &unseen.nearest {
                Some(near) => format!("did you mean {near:?}?"),
                None => "if it is spelt right, nothing of that name has come since then".to_owned(),
            };
            let message = format!("{}: no event since {since} has {:?}", unseen.key, unseen.name);
            problems.warn(Code::UnseenName, config.names[unseen.index].span, message, help);
        }
        // Where a name was not seen, that is why.
        let explained = |route: &str| names_unseen.iter().any(|unseen| *unseen.route == *route);
        for route in routes_unmatched.iter().filter(|route| !explained(route)) {
            problems.warn(
                Code::UnmatchedRoute,
                places.route(route),
                format!("no event since {since} matches the route {route:?}"),
                "`jobrelay events` lists what came; if it waits for something rare, all is well".to_owned(),
            );
        }
    }
}

/// Where things stand in the file.
struct Places {
    routes: Span,
    names: Vec<(String, Span)>,
}

impl Places {
    fn of(text: &str) -> Places {
        let root = yaml::parse(text, &mut Problems::default());
        let Some(Node { value: Value::Map(root), .. }) = root else {
            return Places { routes: Span::default(), names: Vec::new() };
        };
        let Some((key, Node { value: Value::List(routes), .. })) = root.get("routes") else {
            return Places { routes: Span::default(), names: Vec::new() };
        };
        let names = routes.iter().filter_map(|route| {
            let Value::Map(route) = &route.value else { return None };
            let (_, Node { value: Value::Scalar(name), span }) = route.get("name")? else { return None };
            Some((name.text.clone(), *span))
        });
        Places { routes: key.span, names: names.collect() }
    }

    fn route(&self, name: &str) -> Span {
        self.names.iter().find(|(known, _)| known == name).map_or(self.routes, |(_, span)| *span)
    }
}
