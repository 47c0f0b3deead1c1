//! Lanes: retries, order, pacing, health, recovery; no receiver delays another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, Request, update};

fn jobs(fake: &Fake) -> Vec<String> {
    fake.requests().iter().map(|request| request.json()["job"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn retries_keep_the_order_of_a_key_and_the_delivery_id() {
    let fake = Fake::start();
    let failing = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&failing);
    fake.replies(move |request| {
        let poisonous = request.json()["job"] == "a-1";
        if poisonous && flag.load(Ordering::SeqCst) { Reply::Status(500, "oops") } else { Reply::Status(200, "ok") }
    });
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 100ms }} }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    for (job, product) in [("a-1", "A"), ("a-2", "A"), ("b-1", "B"), ("c-1", "C"), ("a-3", "A")] {
        relay.accept(&update(job, product, "")).await;
    }
    relay.until("the other keys go on", || jobs(&fake).iter().filter(|job| !job.starts_with('a')).count() == 2).await;
    relay.until("the head is tried again", || jobs(&fake).iter().filter(|job| *job == "a-1").count() >= 3).await;
    assert!(!jobs(&fake).iter().any(|job| job == "a-2" || job == "a-3"), "they wait behind their head");
    failing.store(false, Ordering::SeqCst);
    relay.drained("sink").await;
    let of_a: Vec<_> = fake.requests().into_iter().filter(|r| r.json()["resource"]["name"] == "A").collect();
    let mut order: Vec<String> = of_a.iter().map(|r| r.json()["job"].as_str().expect("a job").to_owned()).collect();
    order.dedup();
    assert_eq!(order, ["a-1", "a-2", "a-3"]);
    let ids: std::collections::BTreeSet<String> =
        of_a.iter().filter(|r| r.json()["job"] == "a-1").map(Request::delivery).collect();
    assert_eq!(ids.len(), 1, "the same delivery ID on every attempt");
}

#[tokio::test]
async fn an_answer_whose_body_never_ends_is_an_answer() {
    let fake = Fake::start();
    fake.replies(|_| Reply::NoEnd(200));
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", timeout: 300ms, retry: {{ first: 10ms, max: 10ms }} }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    relay.drained("sink").await;
    assert_eq!(fake.count(), 1, "it was taken, and is not sent again");
}

#[tokio::test]
async fn an_answer_that_is_cut_shows_no_half_of_a_secret() {
    const ECHO: &str = "----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- \
        ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- ----- you sent: tell-no-one-about-this-key";
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(400, ECHO));
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", headers: {{ X-Key: tell-no-one-about-this-key }} }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    relay.drained("sink").await;
    let shown = relay.get("/api/v1/deliveries").await.to_string();
    assert!(shown.contains("you sent"), "{shown}");
    assert!(!shown.contains("tell-no") && !relay.log_text().contains("tell-no"), "{shown}");
}

#[tokio::test]
async fn a_secret_as_common_as_true_changes_no_verdict() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(200, r#"{"ok":true,"channel":"C0123ABCDEF","ts":"1764686764.000100"}"#));
    let routes = format!(
        "receivers:\n  chat: {{ kind: slack, token: xoxb-0123456789, channel: C0123ABCDEF, endpoint: \"{}\", retry: {{ first: 10ms, max: 10ms }} }}\n  other: {{ kind: webhook, url: \"{}\", body: {{ urgent: \"${{URGENT}}\" }} }}\nroutes:\n  - name: all\n    to: chat\n",
        fake.url("/"),
        fake.url("/")
    );
    let mut relay = Relay::prepare(&routes).env("URGENT", "true");
    relay.run().await;
    relay.accept(&update("job-1", "A", "")).await;
    relay.drained("chat").await;
    assert_eq!(fake.count(), 1, "it arrived, and is not sent again");
    let shown = relay.get("/api/v1/deliveries").await.to_string();
    assert!(shown.contains("delivered") && !shown.contains("\"dead\""), "{shown}");
}

#[tokio::test]
async fn retry_after_holds_the_lane_and_redirects_are_not_followed() {
    let fake = Fake::start();
    let elsewhere = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    let first = AtomicBool::new(true);
    fake.replies(move |_| {
        if first.swap(false, Ordering::SeqCst) {
            Reply::Header(429, "retry-after", "2".to_owned(), "slow down")
        } else {
            Reply::Status(200, "ok")
        }
    });
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    relay.accept(&update("job-2", "B", "")).await;
    let requests = fake.wait_for(3).await;
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_millis(1_900), "{waited:?}");

    let location = elsewhere.url("/");
    fake.replies(move |_| Reply::Header(302, "location", location.clone(), ""));
    relay.accept(&update("job-3", "A", "")).await;
    fake.wait_for(4).await;
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.drained("sink").await;
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn a_service_that_says_come_again_at_once_is_not_hammered() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    fake.replies(|_| Reply::Header(429, "retry-after", "0".to_owned(), "slow down"));
    relay.accept(&update("job-1", "A", "")).await;
    relay.accept(&update("job-2", "B", "")).await;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let sent = fake.count();
    assert!((2..=6).contains(&sent), "{sent} requests in 3.5 s");
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.drained("sink").await;
}

#[tokio::test]
async fn the_rate_of_a_receiver_is_kept() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", rate: 10/s }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    for n in 0..12 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), "")).await;
    }
    let requests = fake.wait_for(12).await;
    let span = requests[11].at - requests[0].at;
    assert!(span >= Duration::from_millis(1_050), "12 messages at 10/s take 1.1 s, not {span:?}");
}

#[tokio::test]
async fn a_revoked_url_holds_everything_until_it_is_mended() {
    let fake = Fake::start();
    fake.replies(
        |request| {
            if request.target == "/new" { Reply::Status(200, "ok") } else { Reply::Status(404, "no_service") }
        },
    );
    let log = Fake::start();
    let routes = |path: &str| {
        format!(
            "receivers:\n  s: {{ kind: slack, url: \"{}\", rate: 1000/s, retry: {{ first: 10ms, max: 50ms }} }}\n  log: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: s\n    message: {{ title: \"{{{{ job }}}}\" }}\n  - name: the relay\n    when: {{ event_type: \"jobrelay.*\" }}\n    to: [s, log]\n",
            fake.url(path),
            log.url("/")
        )
    };
    let mut relay = Relay::start(&routes("/old")).await;
    let expected: Vec<String> = (0..40).map(|n| format!("job-{n:02}")).collect();
    for job in &expected {
        relay.accept(&update(job, "Customers", PLANNING_FAILED)).await;
    }
    let told = log.wait_for(1).await.remove(0).json();
    assert_eq!(told["event_type"], "jobrelay.receiver_blocked", "{told}");
    let lane = relay.lane("s").await;
    assert_eq!((&lane["health"], &lane["owed"]), (&json!("blocked"), &json!(40)), "{lane}");
    assert!(lane["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{lane}");
    // The block is remembered.
    relay.restart().await;
    assert_eq!(relay.lane("s").await["owed"], 40);

    let begun = Instant::now();
    relay.edit(&routes("/new")).await;
    relay.drained("s").await;
    assert!(begun.elapsed() < Duration::from_secs(30), "at once, not at the next probe in minutes");
    let titles: Vec<String> = fake
        .requests()
        .iter()
        .filter(|request| request.target == "/new")
        .map(|request| request.json().to_string())
        .filter_map(|text| text.find("job-").map(|at| text[at..at + 6].to_owned()))
        .collect();
    assert_eq!(titles, expected, "all of it, in order");
}

#[tokio::test]
async fn a_receivers_name_typed_wrong_loses_nothing() {
    let fake = Fake::start();
    let routes = |name: &str| {
        format!(
            "receivers:\n  {name}: {{ kind: webhook, url: \"{}\", retry: {{ first: 10ms, max: 20ms }} }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: {name}\n",
            fake.url("/")
        )
    };
    let relay = Relay::start(&routes("sink")).await;
    fake.replies(|_| Reply::Status(503, "no"));
    for n in 0..5 {
        relay.accept(&update(&format!("job-{n}"), "A", "")).await;
    }
    fake.wait_for(1).await;
    relay.edit(&routes("sinc")).await;
    let orphan = relay.lane("sink").await;
    assert_eq!((&orphan["health"], &orphan["owed"]), (&json!("orphaned"), &json!(5)), "{orphan}");
    relay.until("it is said aloud", || relay.log_text().contains("orphaned")).await;
    relay.edit(&routes("sink")).await;
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.drained("sink").await;
    let mut order = jobs(&fake);
    order.dedup();
    assert_eq!(order, ["job-0", "job-1", "job-2", "job-3", "job-4"]);
}

#[tokio::test]
async fn a_broken_edit_changes_nothing_and_is_told() {
    let (fake, log) = (Fake::start(), Fake::start());
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\n  log: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n  - name: relay\n    when: {{ event_type: \"jobrelay.*\" }}\n    to: log\n",
        fake.url("/"),
        log.url("/")
    );
    let relay = Relay::start(&routes).await;
    relay.edit(&routes.replace("to: sink", "to: sinc")).await;
    assert!(relay.log_text().contains("sinc"), "{}", relay.log_text());
    assert_eq!(log.wait_for(1).await[0].json()["event_type"], "jobrelay.routes_refused");
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
}

#[tokio::test]
async fn a_recovery_arrives_once_after_its_failure_over_kill_and_outage() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  oncall: {{ kind: webhook, url: \"{}\", recovered: true, retry: {{ first: 10ms, max: 50ms }} }}\nroutes:\n  - name: failures\n    when: {{ outcome: failed }}\n    to: oncall\n",
        fake.url("/")
    );
    let mut relay = Relay::start(&routes).await;
    fake.down().await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.accept(&update("job-x", "Suppliers", "")).await;
    relay.kill();
    relay.run().await;
    relay.accept(&update("job-2", "Customers", "")).await;
    relay.accept(&update("job-3", "Customers", "")).await;
    relay.kill();
    fake.up();
    relay.run().await;
    relay.drained("oncall").await;
    let seen: Vec<Value> =
        fake.requests().iter().map(Request::json).map(|b| json!([b["job"], b["outcome"], b["route"]])).collect();
    assert_eq!(
        seen,
        [json!(["job-1", "failed", "failures"]), json!(["job-2", "succeeded", ""])],
        "once, after the failure"
    );
}

/// One receiver hangs, one is broken for ever; the third must not notice.
#[tokio::test]
async fn lanes_are_independent() {
    let (hanging, broken, healthy) = (Fake::start(), Fake::start(), Fake::start());
    hanging.replies(|_| Reply::Late(Duration::from_secs(10), 200));
    broken.replies(|_| Reply::Status(503, "for ever"));
    let routes = |to: &str| {
        format!(
            "receivers:\n  hanging: {{ kind: webhook, url: \"{}\", concurrency: 1500, timeout: 15s }}\n  broken: {{ kind: webhook, url: \"{}\" }}\n  healthy: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: {to}\n",
            hanging.url("/"),
            broken.url("/"),
            healthy.url("/")
        )
    };
    let relay = Relay::start(&routes("healthy")).await;
    let delays = |from: usize| {
        let mut delays: Vec<f64> = healthy.requests()[from..]
            .iter()
            .map(|request| {
                let received: jiff::Timestamp =
                    request.json()["received_at"].as_str().expect("a time").parse().expect("RFC 3339");
                let age = request.at.elapsed().as_secs_f64();
                jiff::Timestamp::now().duration_since(received).as_secs_f64() - age
            })
            .collect();
        delays.sort_by(f64::total_cmp);
        delays[delays.len() / 2]
    };
    let load = async |count: usize| {
        let mut due = tokio::time::interval(Duration::from_micros(6_667));
        for n in 0..count {
            due.tick().await;
            relay.accept(&update(&format!("job-{n}"), &format!("P{}", n % 700), "")).await;
        }
    };
    load(300).await;
    healthy.wait_for(300).await;
    let alone = delays(0);
    relay.edit(&routes("[hanging, broken, healthy]")).await;
    load(1_500).await;
    healthy.wait_for(1_800).await;
    let beside = delays(300);
    assert!(hanging.count() > 500, "{} calls hang", hanging.count());
    println!(
        "median delay: {:.1} ms alone, {:.1} ms beside a hanging and a broken receiver",
        alone * 1e3,
        beside * 1e3
    );
    // Had it waited for the hanging one, it would be 10 s; a busy machine alone does not make so much.
    assert!(beside - alone < 5.0, "{alone} s alone, {beside} s beside the others");
    let status = std::fs::read_to_string(format!("/proc/{}/status", relay.pid())).expect("Linux");
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .expect("a number");
    println!("peak memory: {} MiB", peak / 1024);
    assert!(peak < 500 * 1024, "{peak} KiB");
}

#[tokio::test]
async fn console_and_inbox_need_no_account() {
    let routes = "receivers:\n  log: { kind: console }\n  box: { kind: inbox }\nroutes:\n  - name: failed\n    when: { outcome: failed }\n    to: [log, box]\n";
    let relay = Relay::start(routes).await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.drained("box").await;
    relay.until("the log has the message", || relay.log_text().contains("Something went wrong while planning")).await;
    let message = relay.says(&["deliveries", "--receiver", "box", "--message"]).await;
    assert!(message.contains("Customers") && message.contains("Something went wrong while planning"), "{message}");
}
