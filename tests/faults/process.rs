//! The process dies or is told to stop, at any moment: what was answered 200 is on disk, and reaches everyone it was decided for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::account::{Account, everything_to, schema};
use crate::support::{Fake, Relay, Reply, Sender};

/// How often the relay is killed under load.
fn rounds() -> usize {
    std::env::var("JOBRELAY_FAULT_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(50)
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_a_loop_under_load_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let mut relay = Relay::start(&everything_to(&[&a, &b])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    for _ in 0..rounds() {
        sender.accepts(10).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        account.kill(&mut relay).await;
        sender.now_at(&relay);
    }
    let accepted = sender.finish().await;
    account.settle_drained(&relay, &accepted, [&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_away_and_a_kill_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let mut relay = Relay::start(&everything_to(&[&a, &b])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    a.wait_for(50).await;
    a.down().await;
    let before = b.count();
    b.wait_for(before + 300).await;
    account.kill(&mut relay).await;
    sender.now_at(&relay);
    let before = b.count();
    b.wait_for(before + 100).await;
    let accepted = sender.finish().await;
    relay.kill();
    account.killed(&relay);
    a.up();
    relay.run().await;
    account.is_back();
    account.settle_drained(&relay, &accepted, [&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_ends_in_order_and_sends_nothing_twice() {
    let (a, b) = (Fake::start(), Fake::start());
    a.replies(|_| Reply::Late(Duration::from_millis(50), 200));
    let mut relay = Relay::start(&everything_to(&[&a, &b])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(5));
    let mut account = Account::new();
    for _ in 0..4 {
        sender.accepts(150).await;
        assert_eq!(relay.terminate().await.code(), Some(0), "{}", relay.log_text());
        relay.run().await;
        account.is_back();
        sender.now_at(&relay);
    }
    let accepted = sender.finish().await;
    account.settle_drained(&relay, &accepted, [&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_relay_on_the_same_file_is_refused_and_harms_nothing() {
    let a = Fake::start();
    let relay = Relay::start(&everything_to(&[&a])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    for _ in 0..3 {
        sender.accepts(50).await;
        let (code, said) = relay.fails().await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("in use") && said.contains(&relay.pid().to_string()), "{said}");
    }
    let accepted = sender.finish().await;
    relay.drained("a").await;
    Account::new().settle(&accepted, &[&a]);
}

/// A relay that accepted events, all owed to both fakes, and was killed; also how long its start takes.
async fn killed_with_a_backlog(fakes: [&Fake; 2], events: usize, error: &str) -> (Relay, BTreeSet<String>, Duration) {
    for fake in fakes {
        fake.down().await;
    }
    let mut relay = Relay::prepare(&everything_to(&fakes));
    let begun = Instant::now();
    relay.run().await;
    let start = begun.elapsed();
    let sender = Sender::saying(&relay, Duration::from_millis(2), error);
    sender.accepts(events).await;
    let accepted = sender.finish().await;
    relay.kill();
    for fake in fakes {
        fake.up();
    }
    (relay, accepted, start)
}

/// Starts, and kills at some moment of the start.
async fn kill_during_start(relay: &mut Relay, start: Duration) {
    relay.spawn();
    tokio::time::sleep(start.mul_f64(fastrand::f64() * 1.5)).await;
    relay.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_the_start_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let (mut relay, accepted, start) = killed_with_a_backlog([&a, &b], 400, "").await;
    let mut account = Account::new();
    account.killed(&relay);
    for _ in 0..25 {
        account.is_back();
        kill_during_start(&mut relay, start).await;
        account.killed(&relay);
    }
    relay.run().await;
    account.is_back();
    account.settle_drained(&relay, &accepted, [&a, &b]).await;
}

/// Makes a store one of the first schema again: what later ones added goes. Returns the schema it had.
fn set_back(store: &Path) -> i64 {
    const FIRST: &str = "'meta', 'names', 'events', 'deliveries', 'attempts', 'copies', 'openings', 'lookup', 'lanes', 'quarantine', 'probe'";
    let db = rusqlite::Connection::open(store).expect("a store is a SQLite file");
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
    if found > 1 {
        let tables: Vec<String> = db
            .prepare(&format!("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ({FIRST})"))
            .and_then(|mut later| later.query_map([], |row| row.get(0))?.collect())
            .expect("the names of tables");
        let drop: Vec<String> = tables.iter().map(|table| format!("DROP TABLE {table};")).collect();
        let mut drop = drop.concat();
        if found > 8 {
            // So few events are not indexed yet.
            drop.push_str(
                "CREATE TABLE lookup(generation INTEGER NOT NULL, hash INTEGER NOT NULL, event INTEGER NOT NULL, \
                 PRIMARY KEY(generation, hash, event)) WITHOUT ROWID;",
            );
        }
        if found > 7 {
            // What is packed are the relay's own words, which nobody is sent here.
            drop.push_str("DELETE FROM events WHERE unpacked NOTNULL; ALTER TABLE events DROP COLUMN unpacked;");
        }
        if found > 4 {
            drop.push_str("ALTER TABLE quarantine DROP COLUMN attributes;");
        }
        db.execute_batch(&format!(
            "BEGIN; {drop} CREATE TABLE versions(version TEXT PRIMARY KEY, text TEXT NOT NULL, saved_at INTEGER NOT NULL); \
             PRAGMA user_version = 1; COMMIT;"
        ))
        .expect("the store can be set back");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_an_old_store_is_brought_up_to_date_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    // Large ones are not packed, as none was then.
    let error = json!({"reason": "FAILED", "message": "x".repeat(10_000)}).to_string();
    let (mut relay, accepted, start) = killed_with_a_backlog([&a, &b], 200, &error).await;
    let store = relay.path("data/jobrelay.db");
    let mut account = Account::new();
    account.killed(&relay);
    let (mut schemas, mut old) = (BTreeMap::new(), 0);
    for _ in 0..25 {
        old += usize::from(set_back(&store) == 1);
        account.is_back();
        kill_during_start(&mut relay, start).await;
        account.killed(&relay);
        *schemas.entry(schema(&store)).or_insert(0) += 1;
    }
    set_back(&store);
    relay.run().await;
    account.is_back();
    println!("left by the kills: {schemas:?} (schema: times); {old} of them were gone on with");
    account.settle_drained(&relay, &accepted, [&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_during_a_reload_lose_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let routes = everything_to(&[&a, &b]);
    let mut relay = Relay::start(&routes).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    for round in 0..15 {
        sender.accepts(20).await;
        let (old, new) = if round % 2 == 0 { ("everything", "all of it") } else { ("all of it", "everything") };
        let text = std::fs::read_to_string(relay.path("routes.yaml")).expect("readable").replace(old, new);
        std::fs::write(relay.path("routes.yaml"), format!("{text}# {round}\n")).expect("writable");
        let reload = tokio::spawn(relay.http.post(relay.url("/api/v1/reload")).send());
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
        account.kill(&mut relay).await;
        // Answered or cut off: both may be.
        let _ = reload.await;
        sender.now_at(&relay);
    }
    let accepted = sender.finish().await;
    account.settle_drained(&relay, &accepted, [&a, &b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_old_events_are_deleted_lose_nothing_that_is_owed() {
    let (a, b) = (Fake::start(), Fake::start());
    let routes = everything_to(&[&a, &b])
        .replace("to: [a, b]\n", "to: a\n  - { name: some, when: { data_product: \"P1*\" }, to: b }\n");
    let mut relay = Relay::prepare(&routes).flag("--retention", "2s");
    b.down().await;
    relay.run().await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    sender.accepts(1_500).await;
    let accepted = sender.finish().await;
    relay.drained("a").await;
    let mut account = Account::new();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..200))).await;
        account.kill(&mut relay).await;
    }
    b.up();
    relay.drained("b").await;
    Account::new().settle(&accepted, &[&a]);
    let some = accepted.into_iter().filter(|job| job.starts_with('1') || job.starts_with("01")).collect();
    account.settle(&some, &[&b]);
    // Now nothing is owed any more, and all of it goes.
    let deadline = Instant::now() + Duration::from_secs(60);
    while relay.get("/api/v1/events").await["items"] != serde_json::json!([]) {
        assert!(Instant::now() < deadline, "what owes nothing is deleted: {}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
