//! The account of a fault: what was accepted against what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use jobrelay::event::DeliveryId;

use crate::support::{Fake, Relay, Request};

/// A webhook receiver for each fake, named `a`, `b` …, that all get everything, and try again soon.
pub fn everything_to(fakes: &[&Fake]) -> String {
    let names: Vec<String> = (b'a'..).take(fakes.len()).map(|letter| char::from(letter).to_string()).collect();
    let receivers: String = names
        .iter()
        .zip(fakes)
        .map(|(name, fake)| {
            format!("  {name}: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 200ms }} }}\n", fake.url("/"))
        })
        .collect();
    format!("receivers:\n{receivers}routes:\n  - name: everything\n    to: [{}]\n", names.join(", "))
}

/// The time between a kill and the relay being back.
struct Cut {
    /// Deliveries whose end was not on disk.
    owed: BTreeSet<String>,
    back: Instant,
}

/// Kills, and what they may repeat.
pub struct Account {
    cuts: Vec<Cut>,
    /// When the last fault ended.
    restart: Instant,
}

impl Account {
    pub fn new() -> Account {
        Account { cuts: Vec::new(), restart: Instant::now() }
    }

    /// kill -9, notes what is owed, and runs the relay again.
    pub async fn kill(&mut self, relay: &mut Relay) {
        relay.kill();
        self.killed(relay);
        relay.run().await;
        self.is_back();
    }

    /// The relay was killed just now: notes what is owed.
    pub fn killed(&mut self, relay: &Relay) {
        self.cuts.push(Cut { owed: owed(&relay.path("data/jobrelay.db")), back: Instant::now() });
    }

    /// The fault is over: the relay listens again, the disk has room, whatever it was.
    pub fn is_back(&mut self) {
        self.restart = Instant::now();
        if let Some(cut) = self.cuts.last_mut() {
            cut.back = self.restart;
        }
    }

    /// Holds what arrived (all of it has) against what was accepted, and says what it came to.
    ///
    /// Nothing is lost; keys are in order; and a message comes again only under the same ID, and only if it was in flight at a kill:
    /// sent, its end not yet on disk.
    pub fn settle(&self, accepted: &BTreeSet<String>, fakes: &[&Fake]) {
        let (mut lost, mut repeated, mut in_flight) = (BTreeSet::new(), 0, 0);
        let mut last = self.restart;
        for fake in fakes {
            let requests = fake.requests();
            let arrivals = arrivals(&requests);
            in_order(&arrivals);
            lost.extend(accepted.iter().filter(|job| !arrivals.contains_key(*job)).cloned());
            for (job, times) in &arrivals {
                let delivery = times[0].delivery();
                for pair in times.windows(2) {
                    assert_eq!(pair[1].delivery(), delivery, "{job} came again under another ID");
                    let cut = self.cuts.iter().any(|cut| {
                        cut.owed.contains(&delivery) && pair[0].at <= cut.back && pair[1].at + BEFORE_BACK >= cut.back
                    });
                    assert!(cut, "{job} came again, and was not in flight at a kill");
                    repeated += 1;
                }
                in_flight +=
                    self.cuts.iter().filter(|cut| cut.owed.contains(&delivery) && times[0].at <= cut.back).count();
                last = last.max(times[0].at);
            }
        }
        let seconds = last.duration_since(self.restart).as_secs_f64();
        println!(
            "lost {} · repeated {repeated} (in flight at most {in_flight}) · last message {seconds:.1} s after the restart \
             · {} accepted, {} kills",
            lost.len(),
            accepted.len(),
            self.cuts.len()
        );
        assert!(lost.is_empty(), "lost: {lost:?}");
        assert!(repeated <= in_flight, "{repeated} repeated, {in_flight} in flight");
        assert!(!accepted.is_empty(), "there was something to lose");
    }
}

/// A relay sends before it listens, but hardly so long.
const BEFORE_BACK: Duration = Duration::from_secs(60);

/// What arrived for each job, in the order in which it did.
fn arrivals(requests: &[Request]) -> BTreeMap<String, Vec<&Request>> {
    let mut arrivals: BTreeMap<String, Vec<&Request>> = BTreeMap::new();
    for request in requests {
        let job = request.json()["job"].as_str().expect("a job").to_owned();
        arrivals.entry(job).or_default().push(request);
    }
    arrivals
}

/// The first arrivals of each key (the beginning of the job's name) came in order.
fn in_order(arrivals: &BTreeMap<String, Vec<&Request>>) {
    let mut latest: HashMap<&str, (Instant, &str)> = HashMap::new();
    for (job, times) in arrivals {
        let key = job.split('-').next().expect("a split text has a part");
        if let Some((before, earlier)) = latest.insert(key, (times[0].at, job)) {
            assert!(before <= times[0].at, "{job} came before {earlier}");
        }
    }
}

/// The deliveries a store that nobody has open owes. It is looked at in a copy: opening the log in place would change it.
pub fn owed(store: &Path) -> BTreeSet<String> {
    let copies = tempfile::TempDir::new().expect("a temporary directory");
    let copy = copies.path().join("jobrelay.db");
    if std::fs::copy(store, &copy).is_err() {
        return BTreeSet::new();
    }
    // A log is there only after a kill.
    let _ = std::fs::copy(store.with_extension("db-wal"), copy.with_extension("db-wal"));
    let db = rusqlite::Connection::open(&copy).expect("a store is a SQLite file");
    let mut owed = db.prepare("SELECT id FROM deliveries WHERE state = 0").expect("the store's own table");
    let ids = owed.query_map([], |row| row.get(0)).expect("it can be read");
    ids.map(|id| DeliveryId(id.expect("a number")).to_string()).collect()
}
