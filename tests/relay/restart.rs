//! Stopping and starting: nobody is refused, nothing in flight is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Fake, Relay, Reply, update};

#[tokio::test(flavor = "multi_thread")]
async fn restarts_under_load_refuse_no_request_while_the_socket_is_held() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    );
    let mut relay = Relay::prepare(&routes).hold_socket();
    relay.run().await;
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            let url = relay.url("/webhooks/v1alpha1/jobEvents");
            let http = relay.http.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let body = update(&format!("{task}-{n}"), &format!("P{task}"), "").to_string();
                    let answer = http.post(&url).header("content-type", "application/json").body(body).send().await;
                    let answer = answer.unwrap_or_else(|error| panic!("request {task}-{n} was refused: {error:?}"));
                    assert_eq!(answer.status(), 200, "request {task}-{n}");
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        relay.restart().await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.expect("no request was refused");
    }
    relay.drained("sink").await;
    let sent = sent.load(Ordering::SeqCst);
    println!("5 restarts, {sent} requests, none refused");
    let jobs: std::collections::BTreeSet<String> =
        fake.requests().iter().map(|r| r.json()["job"].as_str().expect("a job").to_owned()).collect();
    assert_eq!(jobs.len(), sent);
}

#[tokio::test]
async fn an_orderly_stop_waits_for_the_plain_form_too() {
    let fake = Fake::start();
    let plain = AtomicBool::new(false);
    fake.replies(move |_| {
        let status = if plain.swap(true, Ordering::SeqCst) { 200 } else { 400 };
        Reply::Late(Duration::from_millis(4_200), status)
    });
    let routes = format!(
        "receivers:\n  chat: {{ kind: slack, url: \"{}\", timeout: 5s }}\nroutes:\n  - name: all\n    to: chat\n",
        fake.url("/")
    );
    let mut relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    relay.terminate().await;
    assert_eq!(fake.count(), 2, "{}", relay.log_text());
    assert!(!relay.log_text().contains("orphaned"), "{}", relay.log_text());
    relay.run().await;
    relay.drained("chat").await;
    assert_eq!(fake.count(), 2, "what was answered is on record");
}

fn all_to(fake: &Fake) -> String {
    format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    )
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Late(Duration::from_millis(800), 200));
    let routes = all_to(&fake);
    let mut relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    assert!(relay.terminate().await.success());
    relay.run().await;
    relay.drained("sink").await;
    assert_eq!(fake.count(), 1, "it was recorded, and is not sent again");
}

#[tokio::test]
async fn a_stop_waits_as_long_as_a_receiver_has_for_its_answer() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Late(Duration::from_secs(8), 200));
    let mut relay = Relay::start(&all_to(&fake)).await;
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    assert!(relay.terminate().await.success());
    relay.run().await;
    relay.drained("sink").await;
    assert_eq!(fake.count(), 1, "it was recorded, and is not sent again");
}

#[tokio::test]
async fn a_file_that_changes_during_the_stop_brings_no_lane_back() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Late(Duration::from_millis(1_500), 200));
    let routes = all_to(&fake);
    let mut relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    relay.signal("TERM");
    std::fs::write(
        relay.path("routes.yaml"),
        format!("{routes}# as deployments do: a new file, and at once a restart\n"),
    )
    .expect("the file can be written");
    assert!(relay.ended().await.success());
    assert_eq!(fake.count(), 1, "what was in flight is not sent by another lane, too");
}

#[tokio::test]
async fn sigint_stops_too() {
    let mut relay = Relay::start("receivers:\n  log: { kind: console }\nroutes:\n  - name: all\n    to: log\n").await;
    relay.signal("INT");
    assert_eq!(relay.ended().await.code(), Some(0));
}
