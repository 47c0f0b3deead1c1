//! The disk fails: what cannot be kept is never answered 200, and what is kept is not lost.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Fake, Relay, update};

#[tokio::test]
async fn a_full_disk_is_answered_503_and_heals_without_a_restart() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    relay.accept(&update("before", "A", "")).await;
    fake.wait_for(1).await;
    // No file of the process may grow beyond what it has: writes fail as on a full disk.
    let limit = |bytes: &str| {
        let status = std::process::Command::new("prlimit")
            .args(["--pid", &relay.pid().to_string(), &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(status.expect("prlimit can be run").success());
    };
    limit("1");
    let (status, answer) = relay.post(&update("lost-to-the-sender", "A", "")).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(relay.http.get(relay.url("/readyz")).send().await.expect("an answer").status(), 503);
    limit("unlimited");
    let deadline = Instant::now() + Duration::from_secs(30);
    while relay.post(&update("after", "A", "")).await.0 != 200 {
        assert!(Instant::now() < deadline, "it heals by itself: {}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fake.wait_for(2).await;
    let jobs: Vec<Value> = fake.requests().iter().map(|r| r.json()["job"].clone()).collect();
    assert_eq!(jobs, ["before", "after"], "what was refused was not half accepted");
}
