//! A real process, really killed.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::nobody;
use crate::store::conformance::{Sample, tried};
use crate::store::{End, EventFilter, SqliteStore, Store as _, StoreError};

const PATH: &str = "JOBRELAY_TEST_STORE";

/// Not a test by itself: the process to be killed. It says each ID once it was answered.
#[tokio::test]
async fn child() {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return };
    let store = SqliteStore::open(&path, nobody()).unwrap();
    for n in 0.. {
        let accepted = store.accept(vec![Sample::new(&format!("{n}")).to(&["ops"]).build()]).await.unwrap().remove(0);
        if n % 2 == 0 {
            store.record([tried(accepted.deliveries[0].0, 1, End::Delivered)].into()).await.unwrap();
        }
        println!("accepted {}", accepted.id);
    }
}

#[tokio::test]
async fn a_killed_relay_leaves_all_it_answered_and_no_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobrelay.db");
    let name = concat!(module_path!(), "::child").split_once("::").unwrap().1;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PATH, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut answered: Vec<String> = Vec::new();
    for line in said {
        let Some((_, id)) = line.split_once("accepted ") else { continue };
        answered.push(id.to_owned());
        if answered.len() == 100 {
            let refused = SqliteStore::open(&path, nobody()).unwrap_err();
            assert!(matches!(&refused, StoreError::InUse { pid, .. } if *pid == child.id().to_string()), "{refused}");
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(answered.len() >= 100);

    let store = SqliteStore::open(&path, nobody()).unwrap();
    let kept = store.events(&EventFilter { limit: 100_000, ..EventFilter::default() }).await.unwrap().events;
    let kept: Vec<String> = kept.iter().rev().map(|e| e.id.to_string()).collect();
    assert_eq!(kept[..answered.len()], answered);
    assert!(kept.len() <= answered.len() + 1, "one more may have been under way");
    let owed = store.owed("ops", crate::event::DeliveryId(0), 100_000).await.unwrap();
    assert!(owed.len().abs_diff(kept.len() / 2) <= 1, "{} of {} are owed", owed.len(), kept.len());
    assert!(store.accept(vec![Sample::new("0").build()]).await.unwrap()[0].duplicate);
}
