//! The wall clock jumps: nothing dies, nothing is deleted early, nothing is sent twice.
//!
//! By libfaketime: the relay reads a wall clock that is off by what a file says; its own clock goes on as it is.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::account::{Account, events, everything_to};
use crate::support::{Fake, Relay, Sender, update};

const LIBRARY: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// A relay whose wall clock can be set. `None`, loudly, where libfaketime is not installed.
fn with_a_clock(routes: &str) -> Option<Relay> {
    let Some(library) = LIBRARY.iter().find(|path| Path::new(path).exists()) else {
        crate::not_tried("libfaketime is not installed (scripts/prepare tests)");
        return None;
    };
    let relay = Relay::prepare(routes);
    let file = relay.path("clock").display().to_string();
    let relay = relay
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1");
    set(&relay, "+0");
    Some(relay)
}

/// Sets the wall clock off by `offset`, like `-1h`.
fn set(relay: &Relay, offset: &str) {
    let new = relay.path("clock.new");
    std::fs::write(&new, format!("{offset}\n")).expect("a file can be written");
    std::fs::rename(&new, relay.path("clock")).expect("a file can be renamed");
}

/// Waits until the relay's wall clock, as its answers show it, is `seconds` ahead of the real one.
async fn is_ahead(relay: &Relay, seconds: i64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = relay.http.get(relay.url("/healthz")).send().await.expect("the relay answers");
        let date = answer.headers()["date"].to_str().expect("ASCII").to_owned();
        let date = jiff::fmt::rfc2822::parse(&date).expect("a date").timestamp();
        if (date.as_second() - jiff::Timestamp::now().as_second() - seconds).abs() < 60 {
            return;
        }
        assert!(Instant::now() < deadline, "the clock is not {seconds} s ahead, it shows {date}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_of_the_clock_kill_nothing_delete_nothing_and_repeat_nothing() {
    let (a, b) = (Fake::start(), Fake::start());
    let Some(mut relay) = with_a_clock(&everything_to(&[&a, &b])) else { return };
    relay.run().await;
    let sender = Sender::paced(&relay, Duration::from_millis(100));
    let first = update("first-0", "first", "");
    let mut ids = vec![relay.accept(&first).await];
    a.wait_for(50).await;
    b.down().await;
    let begun = Instant::now();
    for (step, (offset, seconds)) in
        [("+1h", 3_600), ("-1h", -3_600), ("+0", 0), ("+31d", 31 * 86_400), ("+0", 0)].into_iter().enumerate()
    {
        set(&relay, offset);
        is_ahead(&relay, seconds).await;
        if seconds > 86_400 {
            // Old events are looked for once a minute.
            tokio::time::sleep(Duration::from_secs(63).saturating_sub(begun.elapsed())).await;
        }
        sender.accepts(24).await;
        ids.push(relay.accept(&update(&format!("step-{step}"), "steps", "")).await);
        let (status, answer) = relay.post(&first).await;
        assert_eq!((status, &answer["duplicates"]), (200, &1.into()), "{offset}: {answer}");
        assert_eq!(relay.http.get(relay.url("/readyz")).send().await.expect("an answer").status(), 200);
    }
    assert!(ids.is_sorted(), "{ids:?}");
    b.up();
    let account = Account::new();
    let mut accepted = sender.finish().await;
    accepted.extend(["first-0", "step-0", "step-1", "step-2", "step-3", "step-4"].map(str::to_owned));
    relay.drained("a").await;
    relay.drained("b").await;
    // Once more at a start: it looks for old events at once.
    for (offset, seconds) in [("+31d", 31 * 86_400), ("+0", 0)] {
        assert!(relay.terminate().await.success());
        set(&relay, offset);
        relay.run().await;
        is_ahead(&relay, seconds).await;
        let (_, answer) = relay.post(&first).await;
        assert_eq!(answer["duplicates"], 1, "{offset}: {answer}");
    }
    assert!(relay.terminate().await.success());
    account.settle(&accepted, &[&a, &b]);
    assert_eq!(usize::try_from(events(&relay.path("data/jobrelay.db"))), Ok(accepted.len()), "none was deleted");
}
