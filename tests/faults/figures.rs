//! Figures of a running relay, and of what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::support::Relay;

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Resident memory now, in MiB.
    pub now: u64,
    /// The most it ever was, in MiB.
    pub peak: u64,
    /// Open file descriptors.
    pub files: usize,
}

/// What the relay holds.
pub fn held(relay: &Relay) -> Held {
    let pid = relay.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of every process");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    };
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    Held { now: mib("VmRSS:"), peak: mib("VmHWM:"), files }
}

/// The middle one. Of none, nothing.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How many a second.
pub fn per_second(count: usize, took: Duration) -> u128 {
    count as u128 * 1_000 / took.as_millis().max(1)
}

/// Waits until `done` says so.
pub async fn until(what: &str, relay: &Relay, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        if Instant::now() > deadline {
            let log = relay.log_text();
            let end: Vec<&str> = log.lines().rev().take(30).collect();
            panic!("waited in vain: {what}\n{}", end.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What arrived of what was accepted.
#[derive(Debug)]
pub struct Arrived {
    pub lost: BTreeSet<String>,
    pub repeated: usize,
}

/// Holds arrivals (job and moment, in any order) against the jobs accepted. The first arrivals of each key, the part of a job's
/// name before its `-`, must be in the order of the names.
pub fn settle(accepted: &BTreeSet<String>, arrivals: &[(Instant, String)]) -> Arrived {
    let mut first: BTreeMap<&str, Instant> = BTreeMap::new();
    for (at, job) in arrivals {
        let entry = first.entry(job).or_insert(*at);
        *entry = (*entry).min(*at);
    }
    let mut latest: HashMap<&str, (Instant, &str)> = HashMap::new();
    for (&job, &at) in &first {
        let key = job.split('-').next().expect("a split text has a part");
        if let Some((before, earlier)) = latest.insert(key, (at, job)) {
            assert!(before <= at, "{job} came before {earlier}");
        }
    }
    let lost = accepted.iter().filter(|job| !first.contains_key(job.as_str())).cloned().collect();
    Arrived { lost, repeated: arrivals.len() - first.len() }
}
