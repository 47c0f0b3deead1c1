//! The account of a fault: what was accepted against what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Instant;

use jobrelay::event::DeliveryId;

use crate::support::{Fake, Relay, Request};

/// A webhook receiver for each fake, named `a`, `b` …, that all get every job event, and try again soon.
pub fn everything_to(fakes: &[&Fake]) -> String {
    let names: Vec<String> = (b'a'..).take(fakes.len()).map(|letter| char::from(letter).to_string()).collect();
    let receivers: Vec<String> = names
        .iter()
        .zip(fakes)
        .map(|(name, fake)| {
            format!("  {name}: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 200ms }} }}\n", fake.url("/"))
        })
        .collect();
    let receivers = receivers.concat();
    format!(
        "receivers:\n{receivers}routes:\n  - name: everything\n    when: {{ type: \"*\" }}\n    to: [{}]\n",
        names.join(", ")
    )
}

/// The time between a kill and the relay being back.
struct Cut {
    /// Deliveries whose end was not on disk.
    owed: BTreeSet<String>,
    /// When the relay that was killed had begun.
    begun: Instant,
    dead: Instant,
    back: Instant,
}

impl Cut {
    /// What arrived from the relay that was killed.
    fn cut_off(&self, request: &Request) -> bool {
        self.begun <= request.at && request.at <= self.dead
    }
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
        let owed = owed(&relay.path("data/jobrelay.db"));
        self.cuts.push(Cut { owed, begun: self.restart, dead: Instant::now(), back: Instant::now() });
    }

    /// The fault is over: the relay listens again, the disk has room, whatever it was.
    pub fn is_back(&mut self) {
        self.restart = Instant::now();
        if let Some(cut) = self.cuts.last_mut() {
            cut.back = self.restart;
        }
    }

    /// [`settle`](Account::settle), once nothing is owed to `a` and `b` any more.
    pub async fn settle_drained(&self, relay: &Relay, accepted: &BTreeSet<String>, [a, b]: [&Fake; 2]) {
        relay.drained("a").await;
        relay.drained("b").await;
        self.settle(accepted, &[a, b]);
    }

    /// Holds what arrived (all of it has) against what was accepted, and says what it came to.
    ///
    /// Nothing is lost; keys are in order; and a message comes again only under the same ID, and only if it was in flight at a kill:
    /// sent, its end not yet on disk.
    pub fn settle(&self, accepted: &BTreeSet<String>, fakes: &[&Fake]) {
        let (mut lost, mut repeated, mut in_flight) = (BTreeSet::new(), 0, 0);
        let mut latest = self.restart;
        for fake in fakes {
            let requests = fake.requests();
            let arrivals = arrivals(&requests);
            in_order(&arrivals);
            lost.extend(accepted.iter().filter(|job| !arrivals.contains_key(*job)).cloned());
            for (job, times) in &arrivals {
                let delivery = times[0].delivery();
                let cuts: Vec<&Cut> = self.cuts.iter().filter(|cut| cut.owed.contains(&delivery)).collect();
                for pair in times.windows(2) {
                    // The last bytes of a dead relay may be read when the next one is there already.
                    let cut = cuts.iter().any(|cut| pair[0].at <= cut.back && pair[1].at >= cut.dead);
                    assert!(cut, "{job} came again, and was not in flight at a kill");
                    repeated += 1;
                }
                in_flight += cuts
                    .iter()
                    .filter(|cut| times.iter().any(|request| cut.cut_off(request)))
                    .count()
                    .max(times.len() - 1);
                latest = latest.max(times[0].at);
            }
        }
        let seconds = latest.duration_since(self.restart).as_secs_f64();
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

/// The deliveries a store owes that nobody has open.
pub fn owed(store: &Path) -> BTreeSet<String> {
    let Some((db, _copy)) = copy(store) else { return BTreeSet::new() };
    let mut owed = db.prepare("SELECT id FROM deliveries WHERE state = 0").expect("the store's own table");
    let ids = owed.query_map([], |row| row.get(0)).expect("it can be read");
    ids.map(|id| DeliveryId(id.expect("a number")).to_string()).collect()
}

/// The schema of a store that nobody has open.
pub fn schema(store: &Path) -> i64 {
    number(store, "PRAGMA user_version")
}

/// How many events of jobs a store holds that nobody has open.
pub fn events(store: &Path) -> i64 {
    number(store, "SELECT count(*) FROM events WHERE job IS NOT NULL")
}

fn number(store: &Path, sql: &str) -> i64 {
    copy(store).expect("a store").0.query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// A copy of a store, to be looked at: opening the log in place would change it.
fn copy(store: &Path) -> Option<(rusqlite::Connection, tempfile::TempDir)> {
    let copies = tempfile::TempDir::new().expect("a temporary directory");
    let copy = copies.path().join("jobrelay.db");
    std::fs::copy(store, &copy).ok()?;
    // A log is there only after a kill.
    let _ = std::fs::copy(store.with_extension("db-wal"), copy.with_extension("db-wal"));
    Some((rusqlite::Connection::open(&copy).expect("a store is a SQLite file"), copies))
}
