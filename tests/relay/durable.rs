//! Accepted is durable: kill -9 under load, receivers away, and every event still reaches everyone it was decided for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Fake, Relay, Reply, Request, Sender, update};

/// Counts what arrived: everything accepted, each key in order, repeats with the same delivery ID only.
fn audit(receiver: &str, requests: &[Request], accepted: &BTreeSet<String>) -> usize {
    let mut first_seen: BTreeMap<String, String> = BTreeMap::new();
    let mut last_of_key: HashMap<String, String> = HashMap::new();
    let mut repeats = 0;
    for request in requests {
        let job = request.json()["job"].as_str().expect("a job").to_owned();
        if let Some(delivery) = first_seen.get(&job) {
            assert_eq!(*delivery, request.delivery(), "{receiver}: {job} was sent again under another ID");
            repeats += 1;
            continue;
        }
        let key = job[..2].to_owned();
        if let Some(last) = last_of_key.insert(key, job.clone()) {
            assert!(last < job, "{receiver}: {job} after {last}");
        }
        first_seen.insert(job, request.delivery());
    }
    let lost: Vec<_> = accepted.iter().filter(|job| !first_seen.contains_key(*job)).collect();
    assert!(lost.is_empty(), "{receiver}: {} of {} lost: {lost:?}", lost.len(), accepted.len());
    repeats
}

fn two_receivers(a: &Fake, b: &Fake) -> String {
    format!(
        "receivers:\n  a: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 200ms }} }}\n  b: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 200ms }} }}\nroutes:\n  - name: to both\n    when: {{ type: \"*\" }}\n    to: [a, b]\n",
        a.url("/"),
        b.url("/")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let mut relay = Relay::start(&two_receivers(&a, &b)).await;
    let sender = Sender::start(&relay);
    for round in 0..20 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..400))).await;
        if round % 5 == 3 {
            b.replies(|_| Reply::HangUp);
        }
        relay.kill();
        b.replies(|_| Reply::Status(200, "ok"));
        relay.run().await;
        sender.now_at(&relay);
    }
    let accepted = sender.finish().await;
    let begun = Instant::now();
    relay.drained("a").await;
    relay.drained("b").await;
    let settled = begun.elapsed();
    let repeats = [audit("a", &a.requests(), &accepted), audit("b", &b.requests(), &accepted)];
    println!(
        "20 kills, {} events accepted, 0 lost, repeats {repeats:?}, drained {settled:?} after the last",
        accepted.len()
    );
    // At worst what was in flight at each kill: 16 a lane, and what was sent but not yet recorded (up to a commit's worth).
    assert!(accepted.len() > 200, "there was load: {}", accepted.len());
    for repeats in repeats {
        assert!(repeats <= 20 * 16 * 4, "{repeats} repeats");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_away_and_a_kill_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let mut relay = Relay::start(&two_receivers(&a, &b)).await;
    let sender = Sender::start(&relay);
    a.wait_for(50).await;
    a.down().await;
    let before = b.count();
    b.wait_for(before + 300).await;
    relay.kill();
    relay.run().await;
    sender.now_at(&relay);
    let before = b.count();
    b.wait_for(before + 100).await;
    let accepted = sender.finish().await;
    relay.kill();
    a.up();
    relay.run().await;
    let begun = Instant::now();
    relay.drained("a").await;
    relay.drained("b").await;
    println!("{} events, all delivered {:?} after both were back", accepted.len(), begun.elapsed());
    audit("a", &a.requests(), &accepted);
    audit("b", &b.requests(), &accepted);
}

#[tokio::test]
async fn a_full_disk_is_answered_503_and_heals_without_a_restart() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    relay.accept(&update("before", "A", "")).await;
    fake.wait_for(1).await;
    // No file of the process may grow beyond what it has: writes fail as on a full disk.
    let limit = |bytes: &str| {
        let status = std::process::Command::new("prlimit")
            .args(["--pid", &relay.pid().to_string(), &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(status.expect("prlimit can be run").success());
    };
    limit("1");
    let (status, answer) = relay.post(&update("lost-to-the-sender", "A", "")).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(relay.http.get(relay.url("/readyz")).send().await.expect("an answer").status(), 503);
    limit("unlimited");
    let deadline = Instant::now() + Duration::from_secs(30);
    while relay.post(&update("after", "A", "")).await.0 != 200 {
        assert!(Instant::now() < deadline, "it heals by itself: {}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fake.wait_for(2).await;
    let jobs: Vec<Value> = fake.requests().iter().map(|r| r.json()["job"].clone()).collect();
    assert_eq!(jobs, ["before", "after"], "what was refused was not half accepted");
}
