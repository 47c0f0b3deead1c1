//! `backup`: one moment of the store, taken under load, from which nothing is missing.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::audit::{clean, unsteady};
use crate::support::{Fake, Relay, Sender, run_in, update};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_has_all_that_was_accepted_before_it_began() {
    let (a, b) = (Fake::start(), Fake::start());
    let mut relay = Relay::start(&unsteady(&a, &b)).await;
    let sender = Sender::start(&relay);
    a.wait_for(300).await;
    // It takes its time, so that much happens meanwhile.
    let mut before = Vec::new();
    let mut made = Value::Null;
    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        for n in 0..20 {
            let job = format!("before-{round}-{n}");
            let begun = Instant::now();
            relay.accept(&update(&job, &format!("B{n}"), "")).await;
            slowest = slowest.max(begun.elapsed());
            before.push(job);
        }
        made = serde_json::from_str(&relay.says(&["backup", "copy.db", "--force", "--json"]).await).expect("JSON");
    }
    let accepted = sender.finish().await;
    relay.kill();
    let copy = relay.path("copy.db");
    assert_eq!(std::fs::metadata(&copy).expect("it is there").permissions().mode() & 0o777, 0o600);
    for left in ["copy.db.new", "copy.db.new-journal", "copy.db-wal", "copy.db-shm"] {
        assert!(!relay.path(left).exists(), "{left}");
    }
    let audit = run_in(&relay.path(""), &["audit", "--store", "sqlite:copy.db", "--json"]);
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.status.success(), "{said}");

    for name in ["data/jobrelay.db-wal", "data/jobrelay.db-shm"] {
        let _ = std::fs::remove_file(relay.path(name));
    }
    std::fs::copy(&copy, relay.path("data/jobrelay.db")).expect("it can be copied back");
    relay.run().await;
    relay.drained("a").await;
    relay.drained("b").await;
    let checked = clean(&relay, "restored").await;
    // What it says of itself since comes on top.
    assert!(checked["events"].as_u64() >= made["events"].as_u64() && checked["owed"] == 0, "{made} {checked}");
    for fake in [&a, &b] {
        let got: std::collections::BTreeSet<String> =
            fake.requests().iter().map(|r| r.json()["job"].as_str().expect("a job").to_owned()).collect();
        assert!(before.iter().all(|job| got.contains(job)), "all of before arrived");
    }
    let page = relay.get("/api/v1/events?job=before-4-19").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "{page}");
    println!(
        "{} accepted under load, backup {made}, slowest accept beside it {slowest:?}",
        accepted.len() + before.len()
    );
}

#[tokio::test]
async fn nothing_is_overwritten_unasked_and_no_half_copy_is_left() {
    let fake = Fake::start();
    let mut relay = Relay::start(&unsteady(&fake, &fake)).await;
    relay.accept(&update("job-1", "A", "")).await;
    std::fs::write(relay.path("mine.txt"), "mine").expect("a file can be written");
    let refused = relay.cli(&["backup", "mine.txt"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("mine.txt exists") && said.contains("--force"), "{said}");
    assert_eq!(std::fs::read(relay.path("mine.txt")).expect("readable"), b"mine");
    let itself = relay.cli(&["backup", "data/jobrelay.db", "--force"]).await;
    assert_eq!(itself.status.code(), Some(2), "{}", String::from_utf8_lossy(&itself.stderr));
    let nowhere = relay.cli(&["backup", "no/such/place.db"]).await;
    let told = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert_eq!(nowhere.status.code(), Some(1), "{told}");
    assert_eq!(told, "error: no backup was made: there is no directory no/such\nhelp: mkdir -p no/such\n");
    let below_a_file = relay.cli(&["backup", "mine.txt/copy.db"]).await;
    let told = String::from_utf8_lossy(&below_a_file.stderr).into_owned();
    assert!(told.contains("no backup was made: mine.txt/copy.db: "), "not the store: {told}");
    let said = relay.says(&["backup", "mine.txt", "--force"]).await;
    assert!(said.starts_with("mine.txt: 1 event, ") && said.trim_end().ends_with("checked"), "{said}");
    // Without a relay too, and again from the copy.
    assert!(relay.terminate().await.success());
    for arguments in [&["backup", "second.db"][..], &["backup", "third.db", "--store", "sqlite:second.db"]] {
        let output = run_in(&relay.path(""), arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(run_in(&relay.path(""), &["audit", "--store", "sqlite:third.db"]).status.success());
}
