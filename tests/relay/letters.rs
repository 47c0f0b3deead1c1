//! What waits for people: what could not be read, and what did not arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, Request, update};

fn all_to(fake: &Fake) -> String {
    format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", rate: 100000/s }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    )
}

async fn totals(relay: &Relay) -> Value {
    relay.get("/api/v1/stats").await["totals"].clone()
}

/// Runs a command that is expected to fail; returns its exit code and what it said.
async fn refused(relay: &Relay, arguments: &[&str]) -> (Option<i32>, String) {
    let output = relay.cli(arguments).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{arguments:?}: {said}");
    (output.status.code(), said)
}

#[tokio::test]
async fn what_could_not_be_read_is_listed_with_why_and_shown_as_it_came() {
    let fake = Fake::start();
    let relay = Relay::start(&all_to(&fake)).await;
    let empty = relay.says(&["quarantine"]).await;
    assert!(empty.contains("is empty"), "{empty}");
    let body = b"{\"jobId\": \"\x1b[2J\",\n  oops}".to_vec();
    let headers = [("ce-id", "77"), ("ce-type", "job"), ("ce-source", "//acme"), ("ce-specversion", "1.0")];
    for _ in 0..3 {
        let (status, answer) = relay.post_raw("application/json", &headers, body.clone()).await;
        assert_eq!(status, 422, "{answer}");
    }
    let png = b"\x89PNG\r\n\x1a\n\0\xff".repeat(100);
    relay.post_raw("image/png", &[], png.clone()).await;

    let list = relay.says(&["quarantine"]).await;
    assert!(list.contains("line 1") && list.contains("2 repeats only counted"), "{list}");
    let json: Value = serde_json::from_str(&relay.says(&["quarantine", "--json"]).await).expect("JSON");
    let item = &json["items"][1];
    assert_eq!(
        (&item["count"], &item["bytes"], &item["content_type"]),
        (&json!(3), &json!(body.len()), &json!("application/json"))
    );
    let mut headers: Vec<_> = item["headers"].as_array().expect("headers").iter().map(Value::to_string).collect();
    headers.sort();
    assert_eq!(headers, [r#"["id","77"]"#, r#"["source","//acme"]"#, r#"["specversion","1.0"]"#, r#"["type","job"]"#]);

    let (text, picture) = (item["id"].to_string(), json["items"][0]["id"].to_string());
    let shown = relay.says(&["quarantine", &text]).await;
    assert!(
        shown.contains("came 3 times")
            && shown.lines().any(|line| line.starts_with("ce-source ") && line.ends_with(" //acme")),
        "{shown}"
    );
    assert!(shown.contains("{\"jobId\": \"\\u{1b}[2J\",\n  oops}") && !shown.contains('\u{1b}'), "{shown}");
    let shown = relay.says(&["quarantine", &picture]).await;
    assert!(shown.contains("00000000  89 50 4e 47") && shown.contains("512 of 1000 bytes shown"), "{shown}");
    for (id, bytes) in [(&text, &body), (&picture, &png)] {
        assert_eq!(relay.cli(&["quarantine", id, "--raw"]).await.stdout, **bytes, "byte for byte");
    }

    let (code, said) = refused(&relay, &["dismiss", "--quarantine", "--all"]).await;
    assert!(code == Some(2) && said.contains("--yes"), "{said}");
    relay.says(&["dismiss", "--quarantine", &text]).await;
    relay.says(&["dismiss", "--quarantine", "--all", "--yes"]).await;
    let list = relay.says(&["quarantine"]).await;
    assert!(list.contains("is empty") && list.contains("2 were dismissed") && list.contains("2 repeats"), "{list}");
    let metrics = relay.http.get(relay.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains("\njobrelay_quarantine_dismissed_total 2\n"), "{metrics}");
    assert!(refused(&relay, &["quarantine", &text]).await.1.contains("may have been read again"));
}

/// Puts items into the quarantine of a stopped relay, as an older version would have that could not read them: at noon of the second of
/// January 2026.
fn left_by_an_older_version(relay: &Relay, items: &[(&str, &str, String)]) {
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    for (content_type, attributes, body) in items {
        store
            .execute(
                "INSERT INTO quarantine(hash, first, last, count, content_type, attributes, reason, body) \
                 VALUES(randomblob(32), ?1, ?1, 1, ?2, nullif(?3, ''), 'too new for me', CAST(?4 AS BLOB))",
                rusqlite::params![1_767_355_200_000_000_000_i64, content_type, attributes, body],
            )
            .expect("it can be written");
    }
}

#[tokio::test]
async fn after_an_upgrade_the_quarantine_is_read_again_through_the_same_door() {
    let fake = Fake::start();
    let mut relay = Relay::start(&all_to(&fake)).await;
    let known = update("job-known", "Customers", "");
    relay.accept(&known).await;
    fake.wait_for(1).await;
    relay.drained("sink").await;
    assert!(relay.terminate().await.success());
    let binary =
        r#"[["id","b1"],["source","//acme.tamr.cloud/x"],["specversion","1.0"],["type","com.tamr.job.v1alpha1"]]"#;
    let batch = json!([update("job-3", "Parts", ""), update("job-4", "Parts", "")]).to_string();
    left_by_an_older_version(
        &relay,
        &[
            ("application/json", binary, update("job-2", "Orders", "")["data"].to_string()),
            ("application/json", "", "still { not readable".to_owned()),
            ("application/cloudevents+json", "", known.to_string()),
            ("application/cloudevents+json", "", batch),
            ("application/cloudevents+json", "", update("job-5", "Customers", PLANNING_FAILED).to_string()),
        ],
    );
    relay.run().await;

    let dry = relay.says(&["replay", "--quarantine", "--dry-run"]).await;
    assert!(dry.contains("3 items could be read now") && dry.contains("to sink") && dry.contains("2 cannot"), "{dry}");
    assert_eq!(totals(&relay).await["quarantine"]["items"], 5, "nothing was done");
    let (code, said) = refused(&relay, &["replay", "--quarantine"]).await;
    assert!(code == Some(2) && said.contains("5 items"), "{said}");
    let said = relay.says(&["replay", "--quarantine", "--yes"]).await;
    assert!(said.contains("3 items read and accepted") && said.contains("known already, not sent again"), "{said}");
    relay.drained("sink").await;

    // An array that is whole was one item of a batch: the door would refuse it.
    let sent: Vec<_> = fake.requests().iter().map(|r| r.json()["job"].as_str().expect("a job").to_owned()).collect();
    assert_eq!(sent, ["job-known", "job-2", "job-5"]);
    let events = relay.get("/api/v1/events?job=job-2").await;
    assert_eq!(events["items"][0]["received_at"], "2026-01-02T12:00:00Z", "when it came");
    assert_eq!(events["items"][0]["event"]["event_id"], "b1", "its headers were kept");
    let left = relay.get("/api/v1/quarantine").await;
    let why: Vec<_> = left["items"].as_array().expect("items").iter().filter_map(|i| i["reason"].as_str()).collect();
    assert!(why.len() == 2 && why[0].contains("array") && why[1].contains("not JSON"), "the reasons of now: {why:?}");
    assert_eq!(left["totals"]["reread"], 3);
    let again = relay.says(&["replay", "--quarantine", "--yes"]).await;
    assert!(again.contains("no items read and accepted; 2 cannot"), "{again}");
    assert_eq!(fake.count(), 3, "nothing twice");
}

/// A command of the binary against this relay, left to itself.
fn begun(relay: &Relay, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_jobrelay"))
        .args(arguments)
        .env("JOBRELAY_URL", relay.url(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary can be run")
}

/// Waits until a number of the totals falls below `below`, or the command has ended.
async fn until_below(relay: &Relay, command: &mut Child, place: &str, below: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ended = command.try_wait().expect("a child can be asked").is_some();
        let now = totals(relay).await.pointer(place).and_then(Value::as_u64).expect("a number");
        if now < below || ended {
            return now;
        }
        assert!(Instant::now() < deadline, "{now} of {below} are left\n{}", relay.log_text());
    }
}

/// By job, the IDs under which it was sent.
fn sent(requests: &[Request]) -> BTreeMap<String, BTreeSet<String>> {
    let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in requests {
        sent.entry(request.json()["job"].as_str().expect("a job").to_owned()).or_default().insert(request.delivery());
    }
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_the_quarantine_is_read_again_lose_and_double_nothing() {
    const ITEMS: u64 = 900;
    let fake = Fake::start();
    let mut relay = Relay::start(&all_to(&fake)).await;
    assert!(relay.terminate().await.success());
    let items: Vec<_> = (0..ITEMS)
        .map(|n| {
            ("application/cloudevents+json", "", update(&format!("job-{n:03}"), &format!("p{}", n % 7), "").to_string())
        })
        .collect();
    left_by_an_older_version(&relay, &items);
    let (mut left, mut kills) = (ITEMS, 0);
    relay.run().await;
    while left > 0 {
        let mut command = begun(&relay, &["replay", "--quarantine", "--yes"]);
        let now = until_below(&relay, &mut command, "/quarantine/items", left).await;
        if now > 0 && kills < 5 {
            relay.kill();
            kills += 1;
            relay.run().await;
        }
        command.wait().expect("it ends");
        left = totals(&relay).await["quarantine"]["items"].as_u64().expect("a number");
    }
    relay.drained("sink").await;
    assert!(kills > 0, "it was killed in the middle");
    let sent = sent(&fake.requests());
    assert_eq!(sent.len() as u64, ITEMS, "none is lost");
    assert!(sent.values().all(|ids| ids.len() == 1), "none became two events: {sent:#?}");
    assert_eq!(totals(&relay).await["quarantine"]["reread"], ITEMS, "counted over {kills} kills");
    println!("{ITEMS} items read again over {kills} kills: none lost, none doubled");
}

/// Posts `count` events in batches and waits until the receiver has refused them all.
async fn make_dead(relay: &Relay, count: u64) {
    let events: Vec<Value> =
        (0..count).map(|n| update(&format!("job-{n:05}"), &format!("p{}", n % 5), PLANNING_FAILED)).collect();
    for batch in events.chunks(1_000) {
        let body = Value::from(batch.to_vec()).to_string().into_bytes();
        let (status, answer) = relay.post_raw("application/cloudevents-batch+json", &[], body).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(batch.len())), "{answer}");
    }
    relay.drained("sink").await;
    assert_eq!(totals(relay).await["dead"], count);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_middle_of_a_big_replay_lose_and_double_nothing() {
    const DEAD: u64 = 5_000;
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(400, "not like this"));
    let mut relay = Relay::start(&all_to(&fake)).await;
    make_dead(&relay, DEAD).await;
    let refused = fake.count();
    fake.replies(|_| Reply::Status(200, "ok"));
    let (mut left, mut kills) = (DEAD, 0);
    while left > 0 {
        let mut command = begun(&relay, &["replay", "--receiver", "sink", "--yes"]);
        let now = until_below(&relay, &mut command, "/dead", left).await;
        if now > 0 && kills < 4 {
            relay.kill();
            kills += 1;
            relay.run().await;
        }
        command.wait().expect("it ends");
        left = totals(&relay).await["dead"].as_u64().expect("a number");
    }
    relay.drained("sink").await;
    assert!(kills > 0, "it was killed in the middle");
    let requests = fake.requests().split_off(refused);
    let sent = sent(&requests);
    assert_eq!(sent.len() as u64, DEAD, "none is lost");
    let twice: Vec<_> = sent.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "replayed twice: {twice:?}");
    let mut last: BTreeMap<u32, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for job in requests.iter().map(|r| r.json()["job"].as_str().expect("a job").to_owned()) {
        if seen.insert(job.clone()) {
            let key = job[4..].parse::<u32>().expect("a number") % 5;
            let before = last.insert(key, job.clone()).unwrap_or_default();
            assert!(before < job, "in the order they were owed: {job} after {before}");
        }
    }
    let nothing = relay.says(&["replay", "--receiver", "sink", "--yes"]).await;
    assert!(nothing.starts_with("Nothing to replay"), "{nothing}");
    println!(
        "{DEAD} dead deliveries replayed over {kills} kills: none lost, none replayed twice, {} repeats",
        requests.len() - sent.len()
    );
}

#[tokio::test]
async fn a_range_is_shown_and_asked_for_before_it_is_replayed() {
    let (fake, other) = (Fake::start(), Fake::start());
    for fake in [&fake, &other] {
        fake.replies(|_| Reply::Status(400, "not like this"));
    }
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\n  other: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: failed\n    when: {{ outcome: failed }}\n    to: sink\n  - name: ended\n    when: {{ state: DONE }}\n    to: other\n",
        fake.url("/"),
        other.url("/")
    );
    let relay = Relay::start(&routes).await;
    for n in 0..3 {
        relay.accept(&update(&format!("job-{n}"), "Customers", PLANNING_FAILED)).await;
    }
    relay.drained("sink").await;
    relay.drained("other").await;

    let dry = relay.says(&["replay", "--reason", "client", "--route", "failed", "--since", "1h", "--dry-run"]).await;
    assert!(dry.contains("3 deliveries would be replayed") && dry.contains("not like this"), "{dry}");
    assert!(!dry.contains("other"), "{dry}");
    let none = relay.says(&["replay", "--until", "1h", "--dry-run"]).await;
    assert!(none.starts_with("Nothing to replay"), "{none}");
    let none = relay.says(&["replay", "--reason", "auth", "--dry-run"]).await;
    assert!(none.starts_with("Nothing to replay"), "{none}");
    let (code, said) = refused(&relay, &["replay", "--state", "dead"]).await;
    assert!(code == Some(2) && said.contains("6 deliveries") && said.contains("--dry-run"), "{said}");
    assert_eq!((totals(&relay).await["dead"].clone(), fake.count() + other.count()), (json!(6), 6), "nothing was done");

    // What dies again at once is another delivery: not part of what was asked for.
    relay.says(&["replay", "--receiver", "sink", "--yes"]).await;
    relay.drained("sink").await;
    assert_eq!((fake.count(), totals(&relay).await["dead"].clone()), (6, json!(6)));
    let json: Value =
        serde_json::from_str(&relay.says(&["deliveries", "--state", "dismissed", "--json"]).await).expect("JSON");
    let old = json[0]["id"].as_str().expect("an ID").to_owned();
    let shown = relay.says(&["deliveries", &old]).await;
    let new = json[0]["replayed_by"].as_str().expect("the new one");
    assert!(shown.contains(&format!("replayed as {new}")) && shown.contains("\"jobId\""), "{shown}");

    let (_, said) = refused(&relay, &["dismiss", "--route", "ended"]).await;
    assert!(said.contains("3 deliveries to dismiss"), "{said}");
    relay.says(&["dismiss", "--route", "ended", "--yes"]).await;
    assert_eq!(totals(&relay).await["dead"], 3);
    let listed = relay.says(&["deliveries", "--state", "dead", "--reason", "client", "--limit", "2"]).await;
    assert!(listed.contains("2 of 3 dead ones shown"), "{listed}");
    let health = relay.says(&["health"]).await;
    assert!(health.contains("3 deliveries dead"), "{health}");
}

#[tokio::test]
async fn what_arrived_goes_out_again_once() {
    let fake = Fake::start();
    let relay = Relay::start(&all_to(&fake)).await;
    for n in 0..3 {
        relay.accept(&update(&format!("job-{n}"), "Customers", "")).await;
    }
    relay.drained("sink").await;
    for _ in 0..2 {
        relay.says(&["replay", "--state", "delivered", "--since", "1h", "--yes"]).await;
        relay.drained("sink").await;
        assert_eq!(fake.count(), 6, "neither the replayed nor their replays");
    }
    relay.says(&["replay", "--state", "delivered", "--since", "1h", "--again", "--yes"]).await;
    relay.drained("sink").await;
    assert_eq!(fake.count(), 12, "unless it is said");
}

#[tokio::test]
async fn what_is_still_owed_is_not_sent_twice_to_its_own_receiver() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(503, "no"));
    let relay = Relay::start(&all_to(&fake)).await;
    relay.accept(&update("job-1", "A", "")).await;
    let delivery = fake.wait_for(1).await[0].delivery();
    let (_, said) = refused(&relay, &["replay", &delivery, "--to", "sink", "--yes"]).await;
    assert!(said.contains("still owed"), "{said}");
    assert_eq!(relay.get("/api/v1/deliveries").await["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_was_dead_when_its_retention_ended_is_counted_and_told() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(400, "no"));
    let mut relay = Relay::prepare(&all_to(&fake)).flag("--retention", "1s");
    relay.run().await;
    for n in 0..2 {
        relay.accept(&update(&format!("job-{n}"), "Customers", "")).await;
    }
    relay.drained("sink").await;
    assert!(relay.terminate().await.success());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    relay.run().await;
    relay.until("they are deleted", || relay.log_text().contains("dead deliveries were deleted")).await;
    for _ in 0..2 {
        let now = totals(&relay).await;
        assert_eq!((&now["dead"], &now["dead_expired"]), (&json!(0), &json!(2)));
        let said = relay.says(&["deliveries", "--state", "dead"]).await + &relay.says(&["health"]).await;
        assert!(said.contains("2 deliveries went, still dead") && said.contains("2 went past the retention"), "{said}");
        relay.kill();
        relay.run().await;
    }
}

#[tokio::test]
async fn a_secret_in_an_event_is_not_shown() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}/${{TOKEN}}\" }}\nroutes: [{{ name: all, to: sink }}]\n",
        fake.url("")
    );
    let mut relay = Relay::prepare(&routes).env("TOKEN", "hunter22-token");
    relay.run().await;
    let error = r#"{"reason": "AUTH", "message": "the key hunter22-token was refused"}"#;
    let event = relay.accept(&update("job-1", "Customers", error)).await;
    relay.drained("sink").await;
    let delivery = relay.get("/api/v1/deliveries").await["items"][0]["id"].as_str().expect("an ID").to_owned();
    relay.post_raw("text/plain", &[], b"hunter22-token".to_vec()).await;
    let item = relay.get("/api/v1/quarantine").await["items"][0]["id"].to_string();
    for arguments in [
        &["events", "--json"][..],
        &["events", "show", &event],
        &["events", "show", &event, "--json"],
        &["events", "show", &event, "--raw"],
        &["explain", &event, "--json"],
        &["deliveries", &delivery],
        &["quarantine", &item],
        &["quarantine", &item, "--json"],
        &["quarantine", &item, "--raw"],
    ] {
        let said = relay.says(arguments).await;
        assert!(said.contains("***") && !said.contains("hunter22"), "{arguments:?}: {said}");
    }
    assert!(fake.requests()[0].text().contains("hunter22-token"), "what is sent is as it came");
}

#[tokio::test]
async fn send_refuses_what_the_webhook_could_not_read() {
    let fake = Fake::start();
    let relay = Relay::start(&all_to(&fake)).await;
    for event in [json!({"hello": "world"}), json!({}), json!({"id": "7", "name": "Customers"})] {
        std::fs::write(relay.path("event.json"), event.to_string()).expect("written");
        let (_, said) = refused(&relay, &["send", "--file", "event.json"]).await;
        let (status, answer) = relay.post_raw("application/json", &[], event.to_string().into_bytes()).await;
        let detail = answer["detail"].as_str().expect("a reason");
        let why = detail.split(". It is kept").next().expect("a sentence");
        assert!(status == 422 && said.contains(why), "{why:?}: {said}");
    }
    std::fs::write(relay.path("event.json"), json!({"data": {"jobId": "7", "jobType": "LOAD_SOURCE"}}).to_string())
        .expect("written");
    relay.says(&["send", "--file", "event.json"]).await;
    assert_eq!(fake.wait_for(1).await[0].json()["job"], "7");
}
