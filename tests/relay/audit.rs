//! `audit`: beside a relay under load it has nothing to say, and what is wrong it finds and names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, Sender, run_in, update};

/// Two receivers that hear of everything and of recoveries; one of them sometimes fails.
pub fn unsteady(a: &Fake, b: &Fake) -> String {
    let count = Arc::new(AtomicUsize::new(0));
    b.replies(move |_| match count.fetch_add(1, Ordering::Relaxed) % 7 {
        0 => Reply::Status(503, "busy"),
        3 => Reply::Status(400, "no"),
        _ => Reply::Status(200, "ok"),
    });
    let receiver = |fake: &Fake| {
        format!(
            "{{ kind: webhook, url: \"{}\", recovered: true, retry: {{ first: 20ms, max: 200ms }} }}",
            fake.url("/")
        )
    };
    format!(
        "receivers:\n  a: {}\n  b: {}\nroutes:\n  - name: to both\n    when: {{ type: \"*\" }}\n    to: [a, b]\n",
        receiver(a),
        receiver(b)
    )
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The audit says that all is well; returns what was checked.
pub async fn clean(relay: &Relay, when: &str) -> Value {
    let output = relay.cli(&["audit", "--json"]).await;
    let report = json(&output);
    assert_eq!((output.status.code(), &report["ok"]), (Some(0), &Value::from(true)), "{when}: {report:#}");
    report["checked"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_relay_under_load_it_never_cries_wolf() {
    let (a, b) = (Fake::start(), Fake::start());
    let mut relay = Relay::start(&unsteady(&a, &b)).await;
    let sender = Sender::paced(&relay, Duration::from_millis(300));
    let (begun, mut audits, mut events) = (Instant::now(), 0, 0);
    while audits < 12 || begun.elapsed() < Duration::from_secs(8) {
        // Failures and successes beside the sender's, so that failures open and close.
        for outcome in [PLANNING_FAILED, ""] {
            relay.accept(&update(&format!("more-{audits}-{}", outcome.len()), "Customers", outcome)).await;
        }
        let checked = clean(&relay, "under load").await;
        (audits, events) = (audits + 1, checked["events"].as_u64().expect("a number").max(events));
        if audits % 5 == 0 {
            relay.kill();
            clean_file(&relay, "after a kill");
            relay.run().await;
            sender.now_at(&relay);
        }
    }
    let accepted = sender.finish().await.len() as u64;
    relay.drained("a").await;
    relay.drained("b").await;
    let checked = clean(&relay, "at rest").await;
    let all = checked["events"].as_u64().expect("a number");
    assert!(events > 100 && all >= accepted, "{events} {all} {accepted}");
    println!("{audits} audits beside a relay under load, {all} events at the end: no false alarm");
    let life = relay.get("/api/v1/stats").await["life"].clone();
    assert_eq!(life["events"]["accepted"], all, "{life}");
    for receiver in ["a", "b"] {
        let books = &life["receivers"][receiver];
        let of = |line: &str| books[line].as_u64().unwrap_or_else(|| panic!("{line}: {books}"));
        assert_eq!(of("made"), of("delivered") + of("dead") + of("dismissed") + of("owed"), "{receiver}: {books}");
        // Of its own events, none is told to the receiver it speaks of.
        assert!(of("made") >= accepted, "{receiver}: {books}");
    }
    assert!(life["receivers"]["b"]["dead"].as_u64() > Some(0), "{life}");
}

/// The same, of the file alone: no relay runs.
fn clean_file(relay: &Relay, when: &str) {
    let output = run_in(&relay.path(""), &["audit", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{when}: {:#}", json(&output));
}

#[tokio::test]
async fn what_is_wrong_is_told_on_a_page_with_what_to_do() {
    let fake = Fake::start();
    let mut relay = Relay::start(&unsteady(&fake, &fake)).await;
    for n in 0..5 {
        relay.accept(&update(&format!("job-{n}"), "A", "")).await;
    }
    relay.drained("a").await;
    let said = relay.says(&["audit"]).await;
    for part in [" events: readable", "(0 owed)", "the running relay: its books", "All is well."] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    // Behind the relay's back: one that is owed, and it does not know.
    let file = relay.path("data/jobrelay.db");
    let store = rusqlite::Connection::open(&file).expect("the store is a SQLite file");
    store
        .execute_batch(
            "UPDATE deliveries SET state = 0, attempts = 0, at = NULL, took = NULL, verdict = NULL, detail = NULL WHERE id = \
             (SELECT max(id) FROM deliveries WHERE attempts = 1 AND state = 1 AND receiver = (SELECT id FROM names WHERE text = 'a'));",
        )
        .expect("it can be written");
    let output = relay.cli(&["audit"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["The books do not say what the rows say: ", "owed to \"a\": the books say 0, the rows 1", "to do: "] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    store
        .execute_batch(
            "UPDATE ledger SET count = count - 1 WHERE line = 1 AND receiver = (SELECT id FROM names WHERE text = 'a')",
        )
        .expect("it can be written");
    relay.kill();
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.run().await;
    relay.drained("a").await;
    clean(&relay, "the restart found it").await;
}

#[tokio::test]
async fn what_is_owed_and_forgotten_is_found() {
    let fake = Fake::start();
    let relay = Relay::start(&unsteady(&fake, &fake)).await;
    relay.accept(&update("job-1", "A", "")).await;
    relay.drained("a").await;
    relay.drained("b").await;
    // A whole delivery, made behind the relay's back, books and all: only its lane does not know of it.
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    store
        .execute_batch(
            "INSERT INTO deliveries(id, event, receiver, route, key, state, extra, attempts) \
               SELECT (SELECT max(id) + 1 FROM deliveries), d.event, d.receiver, d.route, d.key, 0, 1, 0 FROM deliveries d JOIN names n ON n.id = d.receiver WHERE n.text = 'a' LIMIT 1;\
             UPDATE ledger SET count = count + 1 WHERE line = 4 AND receiver = (SELECT id FROM names WHERE text = 'a');",
        )
        .expect("it can be written");
    let output = relay.cli(&["audit", "--json"]).await;
    let report = json(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    let forgotten = report["findings"]["forgotten"]["examples"].to_string();
    assert!(forgotten.contains("\\\"a\\\" is owed 1, and its lane is open and idle"), "{report:#}");
    // The relay's own books lack it too.
    let books = report["findings"]["books-wrong"]["examples"].to_string();
    assert!(books.contains("made for"), "{report:#}");
}

#[tokio::test]
async fn without_a_store_it_says_so_and_wrong_words_are_wrong_usage() {
    let relay = Relay::prepare("");
    let output = run_in(&relay.path(""), &["audit"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no store at data/jobrelay.db"));
    assert!(!relay.path("data").exists(), "it makes none");
    assert_eq!(run_in(&relay.path(""), &["audit", "--store", "x"]).status.code(), Some(2));
}
