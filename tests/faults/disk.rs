//! The disk fails: what cannot be kept is never answered 200, what is kept is not lost, and what is damaged is left as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::account::{Account, everything_to, owed};
use crate::support::{Fake, Relay, Sender};

const PATIENCE: Duration = Duration::from_secs(60);

/// The relay in a namespace of its own, where `mount` (shell words) has changed what lies at `data`. `None`, loudly, where this machine
/// does not let tests mount.
fn mounted(relay: Relay, mount: &str) -> Option<Relay> {
    let allowed = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/tmp"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        crate::not_tried("nothing can be mounted here (unshare -rm mount)");
        return None;
    }
    fs::create_dir_all(relay.path("data")).expect("a directory can be made");
    Some(relay.under(&["unshare", "-rm", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]))
}

/// `data` as the relay sees it.
fn inside(relay: &Relay) -> PathBuf {
    let data = relay.path("data");
    Path::new("/proc")
        .join(relay.pid().to_string())
        .join("root")
        .join(data.strip_prefix("/").expect("an absolute path"))
}

/// Waits until the sender is told 503, and then that it is told nothing else, and always when to come back.
async fn refuses(relay: &Relay, sender: &Sender) {
    let deadline = Instant::now() + PATIENCE;
    while sender.refused().is_empty() {
        assert!(Instant::now() < deadline, "nothing is refused: {}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let accepted = sender.count().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(sender.count().await <= accepted + 24, "one answer for each key may have been on its way");
    assert_eq!(relay.http.get(relay.url("/readyz")).send().await.expect("an answer").status(), 503);
    for (status, after) in sender.refused().into_keys() {
        assert!(status == 503 && after.parse::<u32>().is_ok(), "{status}, Retry-After: {after:?}");
    }
}

/// All that was accepted arrives once.
async fn settle(account: &Account, relay: &Relay, sender: Sender, fake: &Fake) {
    sender.accepts(50).await;
    let accepted = sender.finish().await;
    relay.drained("a").await;
    account.settle(&accepted, &[fake]);
}

/// No file of the process may grow beyond so many bytes: writes fail as on a full disk.
fn limit_files(relay: &Relay, bytes: &str) {
    let status = Command::new("prlimit")
        .args(["--pid", &relay.pid().to_string(), &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(status.expect("prlimit can be run").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_at_its_limit_is_answered_503_and_heals_without_a_restart() {
    let a = Fake::start();
    let relay = Relay::start(&everything_to(&[&a])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    for _ in 0..3 {
        sender.accepts(50).await;
        limit_files(&relay, "1");
        refuses(&relay, &sender).await;
        limit_files(&relay, "unlimited");
        account.is_back();
        sender.accepts(50).await;
    }
    settle(&account, &relay, sender, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_answered_503_and_heals_without_a_restart() {
    let a = Fake::start();
    let relay = Relay::prepare(&everything_to(&[&a]));
    let Some(mut relay) = mounted(relay, "mount -t tmpfs -o size=16m none data") else { return };
    relay.run().await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    let filler = inside(&relay).join("filler");
    for _ in 0..3 {
        sender.accepts(50).await;
        let mut file = fs::File::create(&filler).expect("a file can be made");
        while file.write_all(&[1; 4096]).is_ok() {}
        refuses(&relay, &sender).await;
        fs::remove_file(&filler).expect("a file can be removed");
        drop(file);
        account.is_back();
        sender.accepts(50).await;
    }
    settle(&account, &relay, sender, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_for_another_file_is_no_matter() {
    let a = Fake::start();
    let relay = Relay::prepare(&everything_to(&[&a]));
    let Some(mut relay) = mounted(relay, "mount -t tmpfs -o size=64m,nr_inodes=64 none data") else { return };
    relay.run().await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    sender.accepts(50).await;
    let data = inside(&relay);
    let files = (0..100).take_while(|n| fs::File::create(data.join(format!("file-{n}"))).is_ok()).count();
    assert!(files < 100, "no inode is left");
    sender.accepts(200).await;
    assert_eq!(sender.refused(), BTreeMap::new());
    settle(&Account::new(), &relay, sender, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_made_immutable_under_load_are_answered_503_and_heal() {
    let a = Fake::start();
    let relay = Relay::start(&everything_to(&[&a])).await;
    let change = |flag: &str| {
        let files = ["data/jobrelay.db", "data/jobrelay.db-wal"].map(|name| relay.path(name));
        Command::new("chattr").arg(flag).args(files).output().is_ok_and(|output| output.status.success())
    };
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    sender.accepts(50).await;
    if !change("+i") {
        change("-i");
        crate::not_tried("no file can be made immutable here (chattr +i)");
        return;
    }
    let mut account = Account::new();
    refuses(&relay, &sender).await;
    assert!(change("-i"));
    account.is_back();
    settle(&account, &relay, sender, &a).await;
}

/// A relay that was killed while it owed everything it had accepted.
async fn owing(fake: &Fake, events: usize) -> (Relay, BTreeSet<String>) {
    fake.down().await;
    let mut relay = Relay::start(&everything_to(&[fake])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    sender.accepts(events).await;
    let accepted = sender.finish().await;
    relay.kill();
    fake.up();
    (relay, accepted)
}

/// The relay runs again, and all that it owed arrives.
async fn all_arrives(relay: &mut Relay, accepted: &BTreeSet<String>, fake: &Fake) {
    let mut account = Account::new();
    relay.run().await;
    account.is_back();
    relay.drained("a").await;
    account.settle(accepted, &[fake]);
}

/// What is done to a file's bytes.
type Damage = Box<dyn Fn(&mut Vec<u8>)>;

/// Names and bytes of what lies in `data`, but for the index of the log, which is made anew at will, and the lock.
fn contents(relay: &Relay) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for entry in fs::read_dir(relay.path("data")).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if name != "jobrelay.db-shm" && name != "jobrelay.db.lock" {
            contents.insert(name, fs::read(entry.path()).expect("readable"));
        }
    }
    contents
}

/// The relay does not start, says so in these words, and changes nothing.
async fn is_refused(what: &str, relay: &Relay, words: &[&str]) {
    let before = contents(relay);
    let (code, said) = relay.fails().await;
    assert_eq!(code, Some(1), "{what}: {said}");
    for word in words {
        assert!(said.contains(word), "{what}: {word:?} is not said: {said}");
    }
    let after = contents(relay);
    let names = |contents: &BTreeMap<String, Vec<u8>>| contents.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after), "{what}: nothing is made or removed");
    assert!(before == after, "{what}: no byte is changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_or_file_that_is_read_only_is_refused_and_nothing_is_lost() {
    let a = Fake::start();
    let (mut relay, accepted) = owing(&a, 100).await;
    let file = "data/jobrelay.db";
    for (what, place) in [("the directory", "data"), ("the file", file)] {
        let mount = format!("mount --bind {place} {place} && mount -o remount,bind,ro {place}");
        let Some(refusing) = mounted(relay, &mount) else { return };
        is_refused(what, &refusing, &["cannot be written", file]).await;
        relay = refusing.under(&[]);
    }
    all_arrives(&mut relay, &accepted, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_refused_and_not_touched() {
    let a = Fake::start();
    let (mut relay, accepted) = owing(&a, 300).await;
    let (file, log) = (relay.path("data/jobrelay.db"), relay.path("data/jobrelay.db-wal"));
    // Once as it was left by a kill, its newest pages in the log; once as an orderly stop leaves it.
    let killed = (fs::read(&file).expect("readable"), Some(fs::read(&log).expect("readable")));
    {
        let db = rusqlite::Connection::open(&file).expect("a store is a SQLite file");
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("the log can be moved");
    }
    let stopped = (fs::read(&file).expect("readable"), None);
    assert!(!log.exists(), "it goes with the last who used it");
    let noise = |from: usize, length: usize| {
        move |bytes: &mut Vec<u8>| {
            let end = bytes.len().min(from + length);
            bytes[from..end].iter_mut().for_each(|byte| *byte = fastrand::u8(..));
        }
    };
    let ways: [(&str, Damage, &str); 7] = [
        ("emptied", Box::new(Vec::clear), "empty"),
        ("cut to a few bytes", Box::new(|bytes| bytes.truncate(50)), "too short"),
        ("header zeroed", Box::new(|bytes| bytes[..100].fill(0)), "not a SQLite file"),
        ("overwritten", Box::new(noise(0, usize::MAX / 2)), "not a SQLite file"),
        ("overwritten behind the header", Box::new(noise(100, usize::MAX / 2)), "is damaged"),
        ("cut to a half", Box::new(|bytes| bytes.truncate(bytes.len() / 2)), "cut short"),
        ("last page cut", Box::new(|bytes| bytes.truncate(bytes.len() - 4096)), "cut short"),
    ];
    for (left, (bytes, in_log)) in [("stopped", &stopped), ("killed", &killed)] {
        for (what, damage, word) in &ways {
            // What the log has makes up for damage to the file: how much depends on how much was moved.
            if in_log.is_some() && !matches!(*what, "emptied" | "header zeroed" | "overwritten") {
                continue;
            }
            let mut damaged = bytes.clone();
            damage(&mut damaged);
            fs::write(&file, damaged).expect("writable");
            if let Some(in_log) = in_log {
                fs::write(&log, in_log).expect("writable");
            }
            let word = if left == "killed" && *what == "emptied" { "its log" } else { word };
            is_refused(&format!("{left}, {what}"), &relay, &[word, "nothing was changed", "jobrelay.db", " back"])
                .await;
        }
    }
    fs::remove_file(&file).expect("a file can be removed");
    is_refused("only the log is left", &relay, &["missing", "its log", "nothing was changed"]).await;
    fs::write(&file, &killed.0).expect("writable");
    fs::write(&log, killed.1.expect("a log")).expect("writable");
    let _ = fs::remove_file(relay.path("data/jobrelay.db-shm"));
    all_arrives(&mut relay, &accepted, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_ends_in_half_a_write_loses_nothing() {
    let a = Fake::start();
    let (mut relay, accepted) = owing(&a, 300).await;
    let mut log = fs::File::options().append(true).open(relay.path("data/jobrelay.db-wal")).expect("a log");
    log.write_all(&[7; 3_000]).expect("writable");
    all_arrives(&mut relay, &accepted, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_keeps_what_came_before_the_cut() {
    let a = Fake::start();
    let (mut relay, accepted) = owing(&a, 300).await;
    let (store, log) = (relay.path("data/jobrelay.db"), relay.path("data/jobrelay.db-wal"));
    let whole = fs::read(&log).expect("a log");
    let before = owed(&store);
    fs::write(&log, &whole[..whole.len() * 2 / 3]).expect("writable");
    let kept = owed(&store);
    assert!(!kept.is_empty() && kept.len() < before.len(), "{} of {} are before the cut", kept.len(), before.len());
    relay.run().await;
    relay.drained("a").await;
    let arrived: BTreeSet<String> = a.requests().iter().map(crate::support::Request::delivery).collect();
    assert_eq!((arrived.len(), a.count()), (kept.len(), kept.len()), "what is before the cut arrives, once");
    assert_eq!(arrived, kept);
    relay.accept(&crate::support::update("afterwards", "A", "")).await;
    a.wait_for(kept.len() + 1).await;
    println!(
        "{} accepted · {} cut away with the log, {} kept and delivered",
        accepted.len(),
        before.len() - kept.len(),
        kept.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_of_the_log_may_be_deleted_at_any_time() {
    let a = Fake::start();
    let mut relay = Relay::start(&everything_to(&[&a])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    for _ in 0..3 {
        sender.accepts(50).await;
        fs::remove_file(relay.path("data/jobrelay.db-shm")).expect("it is there while the relay runs");
        sender.accepts(50).await;
        relay.kill();
        let _ = fs::remove_file(relay.path("data/jobrelay.db-shm"));
        account.killed(&relay);
        relay.run().await;
        account.is_back();
        sender.now_at(&relay);
    }
    settle(&account, &relay, sender, &a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_200_once_the_directory_or_the_log_is_deleted() {
    for (what, delete) in [
        ("data", fs::remove_dir_all::<PathBuf> as fn(PathBuf) -> std::io::Result<()>),
        ("data/jobrelay.db-wal", fs::remove_file::<PathBuf>),
    ] {
        let a = Fake::start();
        let relay = Relay::start(&everything_to(&[&a])).await;
        let sender = Sender::paced(&relay, Duration::from_millis(2));
        sender.accepts(100).await;
        delete(relay.path(what)).expect("it can be deleted");
        refuses(&relay, &sender).await;
        let accepted = sender.finish().await;
        a.wait_for(accepted.len()).await;
        Account::new().settle(&accepted, &[&a]);
        assert!(
            relay.log_text().contains("is gone") && relay.log_text().contains("put it back"),
            "{}",
            relay.log_text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_moved_away_and_back_heals_without_a_restart() {
    let a = Fake::start();
    let relay = Relay::start(&everything_to(&[&a])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    let mut account = Account::new();
    for _ in 0..2 {
        sender.accepts(100).await;
        fs::rename(relay.path("data"), relay.path("away")).expect("it can be moved");
        refuses(&relay, &sender).await;
        fs::rename(relay.path("away"), relay.path("data")).expect("it can be moved");
        account.is_back();
        sender.accepts(50).await;
    }
    settle(&account, &relay, sender, &a).await;
}
