//! More than can be done at once: floods, large events, long backlogs.

mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use self::sink::Sink;
use crate::figures::{Arrived, PATIENCE, held, median, per_second, settle, until};
use crate::senders::door::{Door, answer};
use crate::senders::post;
use crate::support::{Fake, PLANNING_FAILED, Relay, Sender, update};

const MIB: usize = 1 << 20;

/// An event of nearly 1 MiB.
fn large(job: &str) -> Vec<u8> {
    let mut event = update(job, "large", "");
    event["filler"] = "f".repeat(MIB - 2_000).into();
    event.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_beyond_the_memory_for_them_are_told_503_and_small_ones_are_taken() {
    const LARGE: usize = 150;
    let mut door = Door::open().await;
    let mut streams = Vec::new();
    for n in 0..LARGE {
        let job = format!("l{n:03}-0");
        let (mut stream, request) = (door.connect().await, post(&large(&job)));
        // All but the end: the relay has to hold it, or say that it cannot.
        let (last, most) = request.split_last().expect("not empty");
        let sent = tokio::time::timeout(PATIENCE, stream.write_all(most)).await.expect("the relay reads on");
        sent.expect("the relay reads on, even what it drops");
        streams.push((stream, *last, job));
    }
    let full = door.held();
    door.others().await;
    let mut answered: BTreeMap<u16, usize> = BTreeMap::new();
    for (mut stream, last, job) in streams {
        stream.write_all(&[last]).await.expect("the connection holds");
        let answer = answer(&mut stream).await.expect("each is answered");
        match answer.status {
            200 => _ = door.accepted.insert(job),
            503 => assert_eq!(answer.header("retry-after"), "1"),
            status => panic!("{status}: {answer:?}"),
        }
        *answered.entry(answer.status).or_default() += 1;
    }
    assert!(answered[&200] >= 40 && answered[&503] >= 40, "{answered:?}");
    assert_eq!(door.refused("busy").await, answered[&503] as u64);
    // Well again at once.
    let (status, said) = door.relay.post_raw("application/cloudevents+json", &[], large("again-0")).await;
    assert_eq!(status, 200, "{said}");
    door.accepted.insert("again-0".to_owned());
    let said = format!("{LARGE} at once were answered {answered:?}, memory then {} MiB", full.now);
    door.close("bodies of 1 MiB", &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_flood_what_is_accepted_arrives_and_what_is_not_is_told_503() {
    const LARGE_SENDERS: usize = 96;
    const LARGE_EACH: usize = 6;
    let fake = Fake::start();
    let relay = Relay::start(&format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 200ms }} }}\nroutes:\n  - name: jobs\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    ))
    .await;
    let (stop, begun) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let sender = Sender::start(&relay);
    let mut flood = JoinSet::new();
    for task in 0..LARGE_SENDERS {
        let (http, url, stop) = (relay.http.clone(), relay.url("/webhooks"), Arc::clone(&stop));
        flood.spawn(async move {
            let mut answers = Vec::new();
            for n in 0..LARGE_EACH {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let job = format!("f{task:02}-{n:02}");
                let asked = Instant::now();
                let answer = http.post(&url).header("content-type", "application/cloudevents+json").body(large(&job));
                let answer = answer.send().await.expect("each is answered");
                let again = answer.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
                answers.push((job, answer.status().as_u16(), again, asked.elapsed()));
            }
            answers
        });
    }
    let answers: Vec<_> = flood.join_all().await.into_iter().flatten().collect();
    stop.store(true, Ordering::SeqCst);
    let refused = sender.refused();
    let mut accepted = sender.finish().await;
    let flooded = begun.elapsed();
    let small = accepted.len();
    let taken: Vec<_> = answers.iter().filter(|(_, status, ..)| *status == 200).collect();
    accepted.extend(taken.iter().map(|(job, ..)| job.clone()));
    for (job, status, again, _) in &answers {
        assert!(*status == 200 || *status == 503 && again.is_some(), "{job}: {status} {again:?}");
    }
    assert!(refused.keys().all(|(status, again)| *status == 503 && !again.is_empty()), "{refused:?}");
    let slowest = taken.iter().map(|(.., took)| *took).max().unwrap_or_default();
    // The load is gone: well at once.
    let (mut after, calm) = (Vec::new(), Instant::now());
    for n in 0..20 {
        let (job, asked) = (format!("after-{n:02}"), Instant::now());
        relay.accept(&update(&job, "after", "")).await;
        after.push(asked.elapsed());
        accepted.insert(job);
    }
    let calm = calm.elapsed();
    relay.drained("sink").await;
    let arrivals: Vec<_> =
        fake.requests().iter().map(|r| (r.at, r.json()["job"].as_str().expect("a job").to_owned())).collect();
    let Arrived { lost, repeated } = settle(&accepted, &arrivals);
    let held = held(&relay);
    println!(
        "flood of {:.1} s: {small} small and {} large events accepted, {} large ones and {refused:?} small ones refused · lost {}, \
         repeated {repeated} · the slowest large answer {slowest:.1?} · afterwards 20 answers in {calm:.1?}, median {:.1?} · memory {} MiB \
         (most {}), {} files",
        flooded.as_secs_f64(),
        taken.len(),
        answers.len() - taken.len(),
        lost.len(),
        median(after),
        held.now,
        held.peak,
        held.files
    );
    assert!(lost.is_empty() && repeated == 0, "lost {lost:?}");
    assert_eq!(arrivals.len(), accepted.len(), "only what was accepted arrives");
    assert!(slowest < PATIENCE && calm < flooded + PATIENCE);
    assert!(held.peak < 300, "{held:?}");
}

/// So many deliveries owed; `JOBRELAY_FAULT_BACKLOG=1000000` for more.
fn owed() -> usize {
    std::env::var("JOBRELAY_FAULT_BACKLOG").map_or(30_000, |n| n.parse().expect("a number"))
}

const KEYS: usize = 2_000;
/// MiB that a backlog may add: less than the deliveries owed would take if they were all held.
const LITTLE: u64 = 80;

/// Posts batches of a thousand successes over many keys, and posts again what is told 503.
async fn preload(relay: &Relay, count: usize) {
    let mut batches = JoinSet::new();
    for sender in 0..4 {
        let (http, url) = (relay.http.clone(), relay.url("/webhooks"));
        // One sender for each key, so that the order of a key is known.
        batches.spawn(async move {
            for round in 0..count / 4_000 {
                let event = |n: usize| {
                    let key = sender * (KEYS / 4) + n % (KEYS / 4);
                    update(&format!("k{key:04}-{:05}", round * 2 + n / (KEYS / 4)), &format!("k{key}"), "")
                };
                let body = Value::Array((0..1_000).map(event).collect()).to_string();
                loop {
                    let request = http.post(&url).header("content-type", "application/cloudevents-batch+json");
                    let status = request.body(body.clone()).send().await.expect("an answer").status();
                    if status == 200 {
                        break;
                    }
                    assert_eq!(status, 503);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
    }
    batches.join_all().await;
}

/// Posts `count` events that both receivers get, and says how long the healthy one waited for them.
async fn healthy_ones(relay: &Relay, healthy: &Fake, name: &str, count: usize) -> Duration {
    let mut took = Vec::new();
    for n in 0..count {
        let (before, begun) = (healthy.count(), Instant::now());
        relay.accept(&update(&format!("{name}-{n:04}"), &format!("both {name}"), "")).await;
        healthy.wait_for(before + 1).await;
        took.push(begun.elapsed());
    }
    median(took)
}

/// How long the relay needs to answer this.
async fn asked(relay: &Relay, path: &str) -> Duration {
    let begun = Instant::now();
    let answer = relay.http.get(relay.url(path)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    answer.bytes().await.expect("a whole answer");
    begun.elapsed()
}

async fn looked_at(relay: &Relay) -> String {
    let mut said = Vec::new();
    for path in
        ["/readyz", "/api/v1/stats", "/api/v1/receivers", "/api/v1/deliveries?receiver=dead&limit=100", "/metrics"]
    {
        let took = asked(relay, path).await;
        assert!(took < PATIENCE / 4, "{path}: {took:?}");
        said.push(format!("{path} {took:.1?}"));
    }
    said.join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_backlog_costs_bounded_memory_drains_oldest_first_and_fresh_failures_overtake_it() {
    const FRESH: usize = 8;
    let (count, healthy, mut dead) = (owed() / 4_000 * 4_000, Fake::start(), Sink::away());
    let mut relay = Relay::start(&format!(
        "receivers:\n  dead: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 1s }} }}\n  healthy: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: both\n    \
         when: {{ data_product: \"both *\" }}\n    to: [dead, healthy]\n  - name: everything else\n    when: {{ type: \"*\" }}\n    otherwise: true\n    to: dead\n",
        dead.url(),
        healthy.url("/")
    ))
    .await;
    let before = healthy_ones(&relay, &healthy, "before", 20).await;
    let light = held(&relay);
    let begun = Instant::now();
    preload(&relay, count).await;
    let loaded = begun.elapsed();
    let heavy = held(&relay);
    let meanwhile = healthy_ones(&relay, &healthy, "meanwhile", 20).await;
    println!(
        "{count} owed: loaded in {:.1} s ({}/s) · memory {} MiB before, {} with them (most {}), {} files · healthy median {before:.1?} before, \
         {meanwhile:.1?} beside it · {}",
        loaded.as_secs_f64(),
        per_second(count, loaded),
        light.now,
        heavy.now,
        heavy.peak,
        heavy.files,
        looked_at(&relay).await,
    );
    assert!(heavy.peak < light.now + LITTLE, "{heavy:?}");
    assert!(meanwhile < before * 5 + Duration::from_secs(1), "{before:?} {meanwhile:?}");

    let begun = Instant::now();
    relay.restart().await;
    let started = begun.elapsed();
    let (ready, said) = (asked(&relay, "/readyz").await, looked_at(&relay).await);
    let after = held(&relay);
    println!("restarted in {started:.1?}, ready {ready:.1?} later, memory {} MiB · {said}", after.now);
    assert_eq!(relay.lane("dead").await["owed"], count + 40);

    let begun = Instant::now();
    dead.back(Duration::from_millis(5));
    until("it is sent again", &relay, async || dead.count() > 200).await;
    let again = begun.elapsed();
    let mut turns = Vec::new();
    for n in 0..FRESH {
        let job = format!("fresh{n}-0");
        relay.accept(&update(&job, &format!("fresh {n}"), PLANNING_FAILED)).await;
        let accepted = dead.count();
        let owed = relay.lane("dead").await["owed"].as_u64().expect("a number");
        let mut at = None;
        until("the fresh failure arrives", &relay, async || {
            at = dead.before(&job);
            at.is_some()
        })
        .await;
        turns.push((at.expect("it came").saturating_sub(accepted), owed));
    }
    drained(&relay, &dead, count + 40 + FRESH).await;
    let took = begun.elapsed();
    let came = dead.came();
    let accepted = came.iter().map(|(_, job)| job.clone()).collect();
    let Arrived { repeated, .. } = settle(&accepted, &came);
    assert_eq!((accepted.len(), repeated), (count + 40 + FRESH, 0), "all of them came, once");
    let behind = furthest(&came);
    let peak = held(&relay);
    println!(
        "drained: first after {:.1} s, all after {:.1} s ({}/s), lost 0, repeated {repeated} · at most {behind} places away from the order of \
         acceptance · fresh failures came after so many others, of so many owed: {turns:?} · memory {} MiB (most {})",
        again.as_secs_f64(),
        took.as_secs_f64(),
        per_second(came.len(), took),
        peak.now,
        peak.peak
    );
    for (others, owed) in &turns {
        assert!(*owed < 5_000 || (*others as u64) < owed / 4, "a fresh failure waited for {others} of {owed} others");
    }
    assert!(turns[0].1 > 5_000, "thousands were owed when the first came: {turns:?}");
    assert!(peak.peak < light.now + LITTLE, "{peak:?}");
}

/// Waits as long as something comes, until all is there.
async fn drained(relay: &Relay, dead: &Sink, all: usize) {
    let (mut seen, mut deadline) = (0, Instant::now() + PATIENCE);
    while relay.lane("dead").await["owed"] != 0 || dead.count() < all {
        let count = dead.count();
        if count > seen {
            (seen, deadline) = (count, Instant::now() + PATIENCE);
        }
        assert!(Instant::now() < deadline, "{count} of {all} came, and no more");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How many keys' worth of messages came before one that is older: the widest gap between the rounds at work at the same time,
/// times the number of keys.
fn furthest(came: &[(Instant, String)]) -> usize {
    let rounds = came.iter().filter(|(_, job)| job.starts_with('k'));
    let rounds = rounds.map(|(_, job)| job.rsplit('-').next().and_then(|n| n.parse::<usize>().ok()).expect("a number"));
    let (mut newest, mut widest) = (0, 0);
    for round in rounds {
        newest = newest.max(round);
        widest = widest.max(newest - round);
    }
    widest * KEYS
}
