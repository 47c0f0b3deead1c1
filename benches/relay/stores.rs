//! Stores that hold a history, each made once in a sitting: a directory to start relays in.

use std::path::Path;
use std::rc::Rc;

use jobrelay::config;
use tempfile::TempDir;

use crate::bench::{Bench, PRODUCTS};
use crate::events::{job, numbered};
use crate::history::{self, History};
use crate::subject::Setup;

/// Numbers of events in a history begin here, where no generator comes.
pub const FIRST: usize = 500_000_000_000;

/// A directory with a store of so many delivered events.
#[derive(Clone)]
pub struct Kept(Rc<TempDir>);

impl Kept {
    /// The one of this sitting. What was measured in it before has added to it.
    pub fn of(bench: &mut Bench, events: usize) -> Kept {
        if let Some(kept) = bench.stores.get(&events) {
            return kept.clone();
        }
        eprintln!("  making a history of {events} events");
        let kept = Kept(Rc::new(fill(&bench.sink.url(), events)));
        bench.stores.insert(events, kept.clone());
        kept
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn fill(url: &str, events: usize) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("data")).expect("it is empty");
    let (config, problems) = config::load_without_secrets(&Setup::one(url).routes);
    let config = config.unwrap_or_else(|| panic!("{problems:?}"));
    let bodies: Vec<String> =
        (0..PRODUCTS).map(|product| job(&format!("Customers {product}"), product, true)).collect();
    let body = |n: usize| numbered(&bodies[n % PRODUCTS], FIRST + n);
    let history = History { config: &config, events, body: &body, delivered: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(history::fill(&dir.path().join("data/jobrelay.db"), &history));
    dir
}
