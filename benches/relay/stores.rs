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

const DATA: &str = "data";
/// A history longer than this is not copied for each run: what a run adds to it hardly counts.
const LONG: usize = 500_000;

/// A directory with a store of so many delivered events.
#[derive(Clone)]
pub struct Kept {
    dir: Rc<TempDir>,
    events: usize,
}

impl Kept {
    /// The one of this sitting.
    pub fn of(bench: &mut Bench, events: usize) -> Kept {
        if let Some(kept) = bench.stores.get(&events) {
            return kept.clone();
        }
        eprintln!("  making a history of {events} events");
        let kept = Kept { dir: Rc::new(fill(&bench.sink.url(), events)), events };
        bench.stores.insert(events, kept.clone());
        kept
    }

    /// For a run that adds to it.
    pub fn for_a_run(&self) -> Kept {
        if self.events > LONG {
            return self.clone();
        }
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join(DATA)).expect("it is empty");
        for file in std::fs::read_dir(self.path().join(DATA)).expect("it is there") {
            let file = file.expect("it can be listed");
            let copy = dir.path().join(DATA).join(file.file_name());
            std::fs::copy(file.path(), &copy).expect("there is room");
            // Else it would still be on its way to the disk while the relay is measured.
            std::fs::File::open(&copy).and_then(|copy| copy.sync_all()).expect("there is room");
        }
        Kept { dir: Rc::new(dir), events: self.events }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn fill(url: &str, events: usize) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join(DATA)).expect("it is empty");
    let (config, problems) = config::load_without_secrets(&Setup::one(url).routes);
    let config = config.unwrap_or_else(|| panic!("{problems:?}"));
    let bodies: Vec<String> =
        (0..PRODUCTS).map(|product| job(&format!("Customers {product}"), product, true)).collect();
    let body = |n: usize| numbered(&bodies[n % PRODUCTS], FIRST + n);
    let history = History { config: &config, events, body: &body, delivered: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(history::fill(&dir.path().join(DATA).join("jobrelay.db"), &history));
    dir
}
