//! The relay watches itself: what it tells of its own troubles, its readiness, its heartbeat, its log.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Fake, Relay, Reply, Request, update};

/// Waits for what may take minutes.
async fn within_minutes(relay: &Relay, what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everything to `sink`, and the relay's own events to `ops` and, as far as they do not speak of it, to `sink`.
fn watched(sink: &Fake, ops: &Fake) -> String {
    format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", format: raw, retry: {{ first: 5ms, max: 20ms }} }}\n  ops: {{ kind: webhook, url: \"{}\", format: raw }}\nroutes:\n  - {{ name: jobs, when: {{ not: {{ event_type: \"jobrelay.*\" }} }}, to: sink }}\n  - {{ name: own, when: {{ event_type: \"jobrelay.*\" }}, to: [ops, sink] }}\n",
        sink.url("/"),
        ops.url("/")
    )
}

/// The relay's own events of this sort that `ops` got.
fn told(ops: &Fake, sort: &str) -> Vec<Value> {
    let all = ops.requests();
    all.iter().map(Request::json).filter(|event| event["type"] == format!("jobrelay.{sort}")).collect()
}

async fn metric(relay: &Relay, line: &str) -> Option<f64> {
    let text = relay.http.get(relay.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
}

/// No file of the process may grow beyond what it has: writes fail as on a full disk.
fn limit_files(relay: &Relay, bytes: &str) {
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &relay.pid().to_string(), &format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(status.expect("prlimit can be run").success());
}

async fn ready(relay: &Relay) -> (u16, String) {
    let answer = relay.http.get(relay.url("/readyz")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

#[tokio::test]
async fn what_is_held_for_its_pace_is_told_after_a_restart() {
    let (sink, ops) = (Fake::start(), Fake::start());
    sink.replies(|_| Reply::Status(400, "not like this"));
    let mut relay = Relay::start(&watched(&sink, &ops)).await;
    for n in 0..3 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), "")).await;
        relay.drained("sink").await;
    }
    relay.until("the first is told", || told(&ops, "delivery_dead").len() == 1).await;
    relay.restart().await;
    relay.until("the others are told", || told(&ops, "delivery_dead").len() == 2).await;
    let others: Vec<u64> =
        told(&ops, "delivery_dead").iter().map(|event| event["data"]["more"].as_u64().unwrap_or(0)).collect();
    assert_eq!(others.iter().sum::<u64>() + 2, 3, "{others:?}");
}

#[tokio::test]
async fn storms_of_dead_letters_and_of_unreadable_items_are_one_event_a_minute_each() {
    const DEAD: u64 = 30;
    let (sink, ops) = (Fake::start(), Fake::start());
    sink.replies(|_| Reply::Status(400, "not like this"));
    let relay = Relay::start(&watched(&sink, &ops)).await;
    for n in 0..DEAD {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), "")).await;
        let (status, _) = relay.post_raw("application/json", &[], format!("{{ item {n}").into_bytes()).await;
        assert_eq!(status, 422);
    }
    relay.drained("sink").await;
    let stand_for = |sort: &str| {
        told(&ops, sort).iter().map(|event| event["data"]["more"].as_u64().expect("a number") + 1).sum::<u64>()
    };
    within_minutes(&relay, "all are told of", || {
        stand_for("delivery_dead") == DEAD && stand_for("quarantined") == DEAD
    })
    .await;
    for (sort, lists_them) in [
        ("delivery_dead", "`jobrelay deliveries --receiver sink --state dead` lists them"),
        ("quarantined", "`jobrelay quarantine` lists them"),
    ] {
        let told = told(&ops, sort);
        assert_eq!(told.len(), 2, "the first at once, a minute later the others: {told:#?}");
        let last = told[1]["data"]["summary"].as_str().expect("a sentence");
        assert!(last.contains(lists_them), "{last}");
    }
    // `sink` hears of the items, refuses to, and that is told of no further.
    let own: Vec<Value> = sink.requests().iter().map(Request::json).filter(|e| e["source"] == "/jobrelay").collect();
    assert!(own.iter().all(|event| event["type"] == "jobrelay.quarantined") && !own.is_empty(), "{own:#?}");
    assert_eq!(told(&ops, "delivery_dead").len(), 2);
}

#[tokio::test]
async fn the_death_of_an_own_event_is_told_to_nobody() {
    let (sink, ops) = (Fake::start(), Fake::start());
    for fake in [&sink, &ops] {
        fake.replies(|_| Reply::Status(400, "not like this"));
    }
    let relay = Relay::start(&watched(&sink, &ops)).await;
    relay.accept(&update("job-1", "A", "")).await;
    ops.wait_for(1).await;
    relay.drained("ops").await;
    // A second one of another receiver would be told at once.
    relay.accept(&update("job-2", "A", "")).await;
    relay.drained("sink").await;
    let events = relay.get("/api/v1/events?event_type=jobrelay.*").await;
    let events = events["items"].as_array().expect("a list");
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(ops.count(), 1);
    let dead = relay.get("/api/v1/deliveries?receiver=ops&state=dead").await;
    assert_eq!(dead["items"].as_array().map(Vec::len), Some(1), "{dead}");
}

#[tokio::test]
async fn a_receiver_down_for_a_minute_is_told_and_so_is_its_recovery() {
    let (sink, ops) = (Fake::start(), Fake::start());
    let relay = Relay::start(&watched(&sink, &ops)).await;
    sink.down().await;
    let begun = Instant::now();
    for n in 0..3 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), "")).await;
    }
    within_minutes(&relay, "it is told", || !told(&ops, "receiver_down").is_empty()).await;
    assert!(begun.elapsed() >= Duration::from_secs(60), "a shorter trouble is worth no event");
    sink.up();
    within_minutes(&relay, "the end is told", || !told(&ops, "receiver_recovered").is_empty()).await;
    relay.drained("sink").await;
    assert_eq!(ops.count(), 2, "{:#?}", told(&ops, "receiver_down"));
    assert!(sink.requests().iter().all(|r| r.json()["source"] != "/jobrelay"), "never to whom it speaks of");
}

#[tokio::test]
async fn a_nearly_full_disk_is_told_once_and_shows_in_the_metrics() {
    let (sink, ops) = (Fake::start(), Fake::start());
    // No disk is wholly free.
    let mut relay = Relay::prepare(&watched(&sink, &ops)).flag("--disk-low", "100%");
    relay.run().await;
    ops.wait_for(1).await;
    let low = told(&ops, "disk_low");
    assert_eq!(low.len(), 1);
    assert!(low[0]["data"]["path"].as_str().is_some_and(|path| path.ends_with("jobrelay.db")), "{}", low[0]);
    let (free, size) = (
        metric(&relay, "jobrelay_store_disk_free_bytes").await,
        metric(&relay, "jobrelay_store_disk_size_bytes").await,
    );
    assert!(free > Some(0.0) && free < size, "{free:?} of {size:?}");
    assert!(relay.log_text().contains("the disk is nearly full"));
    // The next look is ten seconds later.
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(told(&ops, "disk_low").len(), 1);
}

#[tokio::test]
async fn the_heartbeat_goes_out_while_the_relay_is_ready_and_only_then() {
    let (sink, ops, switch) = (Fake::start(), Fake::start(), Fake::start());
    let mut relay = Relay::prepare(&watched(&sink, &ops))
        .flag("--heartbeat", &switch.url("/ping/5d7f2c1e-secret?key=hidden"))
        .flag("--heartbeat-every", "1s");
    relay.run().await;
    let beat = switch.wait_for(2).await.remove(1);
    assert_eq!((beat.method.as_str(), beat.target.as_str()), ("GET", "/ping/5d7f2c1e-secret?key=hidden"));

    limit_files(&relay, "1");
    assert_eq!(relay.post(&update("job-1", "A", "")).await.0, 503);
    let (status, said) = ready(&relay).await;
    assert!(status == 503 && said.contains("the store cannot be written"), "{said}");
    relay.until("it stops", || relay.log_text().contains("the heartbeat stops: the store cannot be written")).await;
    let before = switch.count();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(switch.count(), before, "three were due");
    limit_files(&relay, "unlimited");
    switch.wait_for(before + 2).await;
    relay.until("it says so", || relay.log_text().contains("the heartbeat is heard again")).await;

    switch.replies(|_| Reply::Status(404, "no such check: /ping/5d7f2c1e-secret"));
    let before = switch.count();
    switch.wait_for(before + 3).await;
    relay.until("it is logged", || relay.log_text().contains("the heartbeat is not heard: answered 404")).await;
    let log = relay.log_text();
    assert_eq!(log.matches("is not heard").count(), 1, "once, not at each beat:\n{log}");
    assert!(!log.contains("5d7f2c1e") && !log.contains("hidden"), "{log}");
}

#[tokio::test]
async fn a_heartbeat_address_that_is_none_is_refused_without_being_shown() {
    let relay = Relay::prepare("receivers: { log: { kind: console } }\nroutes: [{ name: all, to: log }]\n")
        .env("JOBRELAY_HEARTBEAT", "hc-ping.example/5d7f2c1e-secret");
    let (code, said) = relay.fails().await;
    assert!(code == Some(2) && said.contains("--heartbeat") && !said.contains("5d7f2c1e"), "{said}");
}

#[tokio::test]
async fn a_writer_that_stands_still_makes_the_relay_unready_until_it_moves() {
    let (sink, ops) = (Fake::start(), Fake::start());
    let relay = Relay::start(&watched(&sink, &ops)).await;
    assert_eq!(ready(&relay).await.0, 200);
    // Another program holds the file's lock: every transaction waits.
    let db = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a file");
    db.execute_batch("BEGIN IMMEDIATE").expect("nobody writes just now");
    let deadline = Instant::now() + Duration::from_secs(60);
    let said = loop {
        let (status, said) = ready(&relay).await;
        if status == 503 {
            break said;
        }
        assert!(Instant::now() < deadline, "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(said.contains("store"), "{said}");
    db.execute_batch("ROLLBACK").expect("it was begun");
    while ready(&relay).await.0 != 200 {
        assert!(Instant::now() < deadline + Duration::from_secs(60), "{}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    relay.accept(&update("job-1", "A", "")).await;
}

#[tokio::test]
async fn failures_are_counted_and_found_by_their_reason() {
    let fake = Fake::start();
    fake.replies(|request| match request.target.as_str() {
        "/auth" => Reply::Status(401, "who are you?"),
        "/rate_limited" => Reply::Status(429, "slow down"),
        "/client" => Reply::Status(409, "no"),
        "/server" => Reply::Status(503, "busy"),
        "/timeout" => Reply::Late(Duration::from_secs(60), 200),
        "/connect" => Reply::HangUp,
        "/form" => Reply::Status(400, "invalid_blocks"),
        other => panic!("nobody calls {other}"),
    });
    let (nobody_trusts_it, _) = Fake::start_tls();
    let webhooks = ["auth", "rate_limited", "client", "server", "timeout", "connect"].map(|reason| {
        let url = fake.url(&format!("/{reason}"));
        format!("  {reason}: {{ kind: webhook, url: \"{url}\", timeout: 500ms, retry: {{ first: 1h, max: 1h }} }}\n")
    });
    let routes = format!(
        "receivers:\n{}  tls: {{ kind: webhook, url: \"{}\" }}\n  form: {{ kind: slack, url: \"{}\" }}\nroutes:\n  - {{ name: all, to: [auth, rate_limited, client, server, timeout, connect, tls, form] }}\n",
        webhooks.concat(),
        nobody_trusts_it.url("/"),
        fake.url("/form")
    );
    let relay = Relay::start(&routes).await;
    relay.accept(&update("job-1", "A", "")).await;
    for reason in ["auth", "rate_limited", "client", "server", "timeout", "connect", "tls", "form"] {
        let deadline = Instant::now() + Duration::from_secs(60);
        let lane = loop {
            let lane = relay.lane(reason).await;
            if lane["attempts"]["failed"][reason].as_u64() >= Some(1) {
                break lane;
            }
            assert!(Instant::now() < deadline, "{reason}: {lane}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(lane["attempts"]["failed"].as_object().map(serde_json::Map::len), Some(1), "{lane}");
        let name = format!("jobrelay_attempts_failed_total{{receiver=\"{reason}\",reason=\"{reason}\"}}");
        assert!(metric(&relay, &name).await >= Some(1.0), "{reason}");
        loop {
            let found = relay.get(&format!("/api/v1/deliveries?reason={reason}")).await;
            let found = found["items"].as_array().expect("a list");
            assert!(found.iter().all(|delivery| delivery["receiver"] == reason), "{found:#?}");
            if !found.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{reason}: it is recorded soon");
        }
    }
    let said = relay.says(&["deliveries", "--reason", "auth"]).await;
    assert!(said.contains("REASON") && said.contains("who are you?") && !said.contains("busy"), "{said}");
    let slip = relay.http.get(relay.url("/api/v1/deliveries?reason=tired")).send().await.expect("an answer");
    assert_eq!(slip.status(), 400);
    assert!(slip.text().await.expect("text").contains("rate_limited"), "it names those there are");
}

#[tokio::test]
async fn an_event_and_its_message_have_a_line_in_the_log_and_a_storm_is_summed_up() {
    let (sink, ops) = (Fake::start(), Fake::start());
    let relay = Relay::start(&watched(&sink, &ops)).await;
    relay.accept(&update("job-1", "Customers", "")).await;
    relay
        .until("both are said", || {
            let log = relay.log_text();
            log.contains("accepted: Update data product Customers succeeded, for sink")
                && log.contains("delivered to sink")
        })
        .await;
    for n in 0..300 {
        relay.accept(&update(&format!("storm-{n}"), "Customers", "")).await;
    }
    relay.until("the sum is said", || relay.log_text().contains("messages delivered; at this rate")).await;
    let lines = relay.log_text().lines().filter(|line| line.contains("accepted: ")).count();
    assert!(lines < 300, "{lines}");
}
