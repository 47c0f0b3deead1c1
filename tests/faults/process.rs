//! The process dies or is told to stop, at any moment: what was answered 200 is on disk, and reaches everyone it was decided for.

use std::time::Duration;

use crate::account::{Account, everything_to};
use crate::support::{Fake, Relay, Sender};

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
    relay.drained("a").await;
    relay.drained("b").await;
    account.settle(&accepted, &[&a, &b]);
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
    relay.drained("a").await;
    relay.drained("b").await;
    account.settle(&accepted, &[&a, &b]);
}
