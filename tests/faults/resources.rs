//! What the process may have of the machine runs out.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::account::{Account, everything_to};
use crate::support::{Fake, Relay, Sender, update};

/// Connections that say nothing.
fn flood(relay: &Relay) -> Vec<TcpStream> {
    let address = relay.url("").trim_start_matches("http://").to_owned();
    (0..500).map(|_| TcpStream::connect(&address).expect("the kernel takes it")).collect()
}

/// Who comes now, by a connection of its own, is let in.
async fn lets_in(relay: &Relay, job: &str) {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = http
        .post(relay.url("/webhooks/v1alpha1/jobEvents"))
        .header("content-type", "application/cloudevents+json")
        .body(update(job, "Z", "").to_string())
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// All that was accepted arrives once, and of trouble the log says little since it had `lines`.
async fn settle(relay: &Relay, sender: Sender, account: &Account, a: &Fake, lines: usize) {
    let refused = sender.refused();
    let accepted = sender.finish().await;
    relay.drained("a").await;
    account.settle(&accepted, &[a]);
    let text = relay.log_text();
    let troubles = |line: &&str| !line.contains(r#""level":"INFO""#);
    let logged: Vec<&str> = text.lines().skip(lines).filter(troubles).collect();
    println!("answers other than 200: {refused:?}; {} lines of trouble were logged", logged.len());
    assert!(logged.len() < 50, "{} lines:\n{}", logged.len(), logged.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_connections_do_not_take_the_last_descriptors() {
    let a = Fake::start();
    let mut relay = Relay::prepare(&everything_to(&[&a])).under(&["prlimit", "--nofile=256:256"]);
    relay.run().await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    sender.accepts(100).await;
    let lines = relay.log_text().lines().count();
    let mut account = Account::new();
    for round in 0..2 {
        let flood = flood(&relay);
        // Those who were in go on, and what they bring is kept and delivered.
        sender.accepts(500).await;
        a.wait_for(a.count() + 200).await;
        drop(flood);
        account.is_back();
        lets_in(&relay, &format!("zz-{round}")).await;
    }
    settle(&relay, sender, &account, &a, lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_descriptor_left_existing_work_goes_on_and_the_door_opens_again_by_itself() {
    let a = Fake::start();
    let relay = Relay::start(&everything_to(&[&a])).await;
    let sender = Sender::paced(&relay, Duration::from_millis(2));
    sender.accepts(300).await;
    let lines = relay.log_text().lines().count();
    let mut account = Account::new();
    for round in 0..2 {
        let open = std::fs::read_dir(format!("/proc/{}/fd", relay.pid())).expect("a process of ours").count();
        limit_descriptors(&relay, &(open + 40).to_string());
        let flood = flood(&relay);
        sender.accepts(500).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(flood);
        lets_in(&relay, &format!("zy-{round}")).await;
        limit_descriptors(&relay, "4096");
        account.is_back();
        lets_in(&relay, &format!("zz-{round}")).await;
    }
    settle(&relay, sender, &account, &a, lines).await;
}

/// From now on the process may have no descriptor above so many.
fn limit_descriptors(relay: &Relay, most: &str) {
    let status =
        Command::new("prlimit").args(["--pid", &relay.pid().to_string(), &format!("--nofile={most}:")]).status();
    assert!(status.expect("prlimit can be run").success());
}
