//! The store's file: no newer schema, modes, retention.

use std::time::{Duration, Instant};

use crate::support::{Fake, Relay, Reply, update};

const LOG_ONLY: &str =
    "receivers:\n  log: { kind: console }\nroutes:\n  - name: all\n    when: { type: \"*\" }\n    to: log\n";

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_damaged() {
    let mut relay = Relay::start(LOG_ONLY).await;
    relay.terminate().await;
    let file = relay.path("data/jobrelay.db");
    let store = rusqlite::Connection::open(&file).expect("the store is a SQLite file");
    store.pragma_update(None, "user_version", 1_000).expect("it can be written");
    drop(store);
    let before = std::fs::read(&file).expect("readable");
    let (code, said) = relay.fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("newer jobrelay") && said.contains("1000"), "{said}");
    assert_eq!(std::fs::read(&file).expect("readable"), before);
}

#[tokio::test]
async fn a_start_that_fails_sends_nothing() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(503, "no"));
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", retry: {{ first: 50ms, max: 50ms }} }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let mut relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    relay.kill();
    let before = fake.count();
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    store.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let (code, said) = relay.fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(fake.count(), before, "{said}");
    drop(store);
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.run().await;
    relay.drained("sink").await;
    assert_eq!(fake.count(), before + 1);
}

#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let relay = Relay::start(LOG_ONLY).await;
    relay.accept(&update("job-1", "A", "")).await;
    for entry in std::fs::read_dir(relay.path("data")).expect("the store's directory") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn retention_deletes_the_old_but_never_what_is_owed() {
    let (well, sick) = (Fake::start(), Fake::start());
    sick.replies(|_| Reply::Status(503, "no"));
    let routes = format!(
        "receivers:\n  well: {{ kind: webhook, url: \"{}\" }}\n  sick: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: done\n    when: {{ state: DONE }}\n    to: well\n  - name: also\n    when: {{ data_product: B }}\n    to: sick\n",
        well.url("/"),
        sick.url("/")
    );
    let mut relay = Relay::prepare(&routes).flag("--retention", "1s");
    relay.run().await;
    for n in 0..20 {
        relay.accept(&update(&format!("job-{n}"), if n == 7 { "B" } else { "A" }, "")).await;
    }
    well.wait_for(20).await;
    relay.drained("well").await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    // The first sweep comes right after the start.
    relay.restart().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let events = relay.get("/api/v1/events").await;
        let kept: Vec<_> =
            events["items"].as_array().expect("a list").iter().map(|e| e["event"]["job"].clone()).collect();
        if kept == ["job-7"] {
            break;
        }
        assert!(Instant::now() < deadline, "{kept:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sick.replies(|_| Reply::Status(200, "ok"));
    relay.says(&["resume", "sick"]).await;
    relay.drained("sick").await;
}
