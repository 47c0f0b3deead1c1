//! The commands, as a person at a terminal uses them.

use std::time::Duration;

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, run_in, update};

#[tokio::test]
async fn send_says_what_was_decided_and_how_each_delivery_ended() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  ops: {{ kind: slack, url: \"{}\", rate: 100/s }}\nroutes:\n  - name: failed customers\n    when: {{ outcome: failed, data_product: Customers }}\n    to: ops\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    let said = relay
        .says(&[
            "send",
            "--type",
            "update_data_product",
            "--outcome",
            "failed",
            "--reason",
            "PLANNING_FAILED",
            "--data-product",
            "Customers",
        ])
        .await;
    assert!(said.contains("failed customers") && said.contains("ops") && said.contains("delivered"), "{said}");
    let message = fake.wait_for(1).await.remove(0).text();
    assert!(message.to_lowercase().contains("test"), "always marked as a test: {message}");

    let unmatched = relay.says(&["send", "--type", "load_source", "--outcome", "succeeded", "--source", "CRM"]).await;
    assert!(unmatched.contains("no route"), "{unmatched}");

    for args in [&["send", "--type", "load_sorce", "--outcome", "succeeded"][..], &["events", "--type", "load_sorce"]] {
        let slip = relay.cli(args).await;
        let said = String::from_utf8_lossy(&slip.stderr);
        assert!(slip.status.success() && said.contains("did you mean \"load_source\"?"), "{args:?}: {said}");
    }

    fake.replies(|_| Reply::Status(403, "invalid_token"));
    let output = relay.cli(&["send", "--to", "ops", "--wait", "2s"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("invalid_token") && said.contains("webhook"), "the service's words and what to do: {said}");
}

#[tokio::test]
async fn events_deliveries_replay_and_dismiss() {
    let (fake, other) = (Fake::start(), Fake::start());
    fake.replies(|_| Reply::Status(400, "not like this"));
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\n  other: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: failed\n    when: {{ outcome: failed }}\n    to: sink\n",
        fake.url("/"),
        other.url("/")
    );
    let relay = Relay::start(&routes).await;
    for n in 0..3 {
        relay.accept(&update(&format!("job-{n}"), "Customers", PLANNING_FAILED)).await;
    }
    fake.wait_for(3).await;
    relay.drained("sink").await;
    let events = relay.says(&["events"]).await;
    assert!(events.contains("job-2") && events.contains("Customers") && events.contains("failed"), "{events}");
    let names = relay.says(&["events", "--names"]).await;
    assert!(names.contains("Customers") && names.contains("PLANNING_FAILED"), "{names}");
    let dead = relay.says(&["deliveries", "--state", "dead"]).await;
    assert_eq!(dead.matches("not like this").count(), 3, "{dead}");

    for args in [["deliveries", "--receiver", "snk"].as_slice(), &["deliveries", "--message", "--receiver", "snk"]] {
        let slip = relay.cli(args).await;
        let said = String::from_utf8_lossy(&slip.stderr);
        assert!(slip.status.code() == Some(1) && said.contains("did you mean \"sink\"?"), "{slip:?}");
    }

    let json = relay.says(&["deliveries", "--state", "dead", "--json"]).await;
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON for programs");
    let id = rows[0]["id"].as_str().expect("an ID").to_owned();
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.says(&["replay", &id]).await;
    fake.wait_for(4).await;
    relay.says(&["replay", "--receiver", "sink", "--to", "other", "--yes"]).await;
    other.wait_for(2).await;

    fake.replies(|_| Reply::Status(400, "no"));
    relay.accept(&update("job-9", "Customers", PLANNING_FAILED)).await;
    fake.wait_for(5).await;
    relay.drained("sink").await;
    relay.says(&["dismiss", "--receiver", "sink"]).await;
    let dead = relay.get("/api/v1/deliveries?state=dead").await;
    assert_eq!(dead["items"].as_array().map(Vec::len), Some(0), "{dead}");
    relay.says(&["health"]).await;
}

#[tokio::test]
async fn an_event_that_says_nothing_any_more_hides_no_older_one_and_large_ones_come_in_short_pages() {
    let relay = Relay::start("receivers:\n  kept: { kind: inbox }\nroutes:\n  - name: all\n    to: kept\n").await;
    for n in 1..=3 {
        relay.accept(&update(&format!("job-{n}"), "Customers", "")).await;
    }
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    store
        .execute("UPDATE events SET content_type = x'ff' WHERE id = (SELECT max(id) FROM events)", [])
        .expect("it can be harmed");
    let listed = relay.says(&["events", "--limit", "2"]).await;
    assert!(listed.contains("job-1") && listed.contains("job-2") && !listed.contains("job-3"), "{listed}");
    let found = relay.get("/api/v1/events?outcome=succeeded&limit=2").await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(2), "{found}");
    assert_eq!(relay.get("/api/v1/names").await["events"], 2);

    let mut large = update("large", "Customers", "");
    large["data"]["padding"] = "x".repeat(900_000).into();
    for n in 0..12 {
        large["id"] = format!("large-{n}").into();
        relay.accept(&large).await;
    }
    let page = relay.get("/api/v1/events?limit=12").await;
    let items = page["items"].as_array().map_or(0, Vec::len);
    assert!((9..12).contains(&items) && page["next"].is_string(), "{items} and {}", page["next"]);
    let all: Vec<serde_json::Value> =
        serde_json::from_str(&relay.says(&["events", "--limit", "100", "--json"]).await).expect("JSON");
    assert_eq!(all.len(), 14);
}

#[tokio::test]
async fn resume_tries_a_blocked_receiver_at_once() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(410, "gone"));
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", retry: {{ first: 5ms, max: 10ms }} }}\n  kept: {{ kind: inbox }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    let event = relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(3).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while relay.lane("sink").await["health"] != "blocked" {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let delivery = fake.requests()[0].delivery();
    for args in
        [&["explain", &event][..], &["explain", &delivery], &["deliveries", &delivery], &["events", "show", &event]]
    {
        let said = relay.says(args).await.replace('\n', " ");
        assert!(said.contains("sink is blocked since ") && said.contains("jobrelay resume sink"), "{args:?}: {said}");
    }

    let moving = ["replay", "--receiver", "sink", "--to", "kept"];
    let dry = relay.says(&[moving.as_slice(), &["--dry-run"]].concat()).await;
    assert!(!dry.contains("next try") && dry.contains("waits for its receiver"), "{dry}");
    assert!(dry.contains("dlv_") && dry.contains("gone") && dry.contains("1 owed delivery would be moved"), "{dry}");
    relay.accept(&update("job-2", "B", "")).await;
    let asked = relay.cli(&moving).await;
    let said = String::from_utf8_lossy(&asked.stdout).into_owned() + &String::from_utf8_lossy(&asked.stderr);
    assert!(said.matches("dlv_").count() == 2 && said.contains("about 2 owed deliveries to move:"), "{said}");

    fake.replies(|_| Reply::Status(200, "ok"));
    relay.says(&["resume", "sink"]).await;
    relay.drained("sink").await;
}

#[test]
fn init_writes_a_sample_that_check_passes() {
    let dir = tempfile::tempdir().expect("a directory");
    let init = run_in(dir.path(), &["init"]);
    assert!(init.status.success(), "{init:?}");
    let check = run_in(dir.path(), &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    assert!(!run_in(dir.path(), &["init"]).status.success(), "it overwrites nothing");
    let sample = std::fs::read_to_string(dir.path().join("routes.yaml")).expect("the sample");
    assert_eq!(sample, include_str!("../../routes.yaml"));
}

#[test]
fn check_shows_every_problem_with_its_place_and_cure() {
    let dir = tempfile::tempdir().expect("a directory");
    let routes = "receivers:\n  ops: { kind: slak, url: \"https://hooks.slack.com/services/x\" }\n  log: { kind: console }\nroutes:\n  - name: failed\n    when: { outcome: faild, stat: DONE }\n    to: [log, opps]\n";
    std::fs::write(dir.path().join("routes.yaml"), routes).expect("a file can be written");
    let output = run_in(dir.path(), &["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for (place, cure) in [
        ("routes.yaml:2:16", "slack"),
        ("routes.yaml:6:22", "failed"),
        ("routes.yaml:6:29", "state"),
        ("routes.yaml:7:15", "ops"),
    ] {
        assert!(said.contains(place) && said.contains(cure), "{place} {cure} in:\n{said}");
    }
}

#[tokio::test]
async fn an_address_in_use_says_who_may_have_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let relay = Relay::prepare("receivers: { log: { kind: console } }\nroutes: [{ name: all, to: log }]\n");
    let (code, said) = relay.flag("--listen", &address).fails().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("help: another relay") && said.contains("--listen"), "{said}");
}

#[test]
fn a_routes_yaml_that_cannot_be_used_ends_serve_with_2() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("routes.yaml"), "receivers: {}\n").expect("a file can be written");
    assert_eq!(run_in(dir.path(), &["serve"]).status.code(), Some(2));
    assert_eq!(run_in(dir.path(), &["serve", "--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn check_finds_certificates_that_serve_could_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = "receivers:\n  a: { kind: webhook, url: https://x.example, tls: { ca: missing.pem } }\nroutes:\n  - { name: x, to: a }\n";
    std::fs::write(dir.path().join("routes.yaml"), text).expect("written");
    let output = run_in(dir.path(), &["check"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("routes.yaml:2:") && said.contains("missing.pem cannot be read"), "{said}");
}

#[test]
fn check_counts_warnings_if_strict_and_explains_codes() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = "receivers: { a: { kind: console }, b: { kind: inbox } }\nroutes: [{ name: x, to: a }]\n";
    std::fs::write(dir.path().join("routes.yaml"), text).expect("written");
    for (args, code, expected) in [
        (&["check"][..], 0, "routes.yaml: ok, 2 receivers, 1 route, 1 warning"),
        (&["check", "--strict"], 1, "1 warning (--strict: they count)"),
        (&["check", "--strict", "--format", "json"], 1, "\"ok\": false"),
        (
            &["check", "--format", "github"],
            0,
            "::warning file=routes.yaml,line=1,endLine=1,col=36,endColumn=37,title=unused-receiver::",
        ),
        (&["check", "--explain", "unused-receiver"], 0, "## unused-receiver"),
        (&["check", "--explain", "unused-reciever"], 2, ""),
    ] {
        let output = run_in(dir.path(), args);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
}

#[test]
fn the_examples_of_the_readme_pass_check() {
    let readme = include_str!("../../README.md");
    let examples: Vec<&str> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty(), "the README shows a routes.yaml");
    for example in examples {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("routes.yaml"), example).expect("a file can be written");
        std::fs::write(dir.path().join("secrets"), "SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T0/B0/x\n")
            .expect("a file can be written");
        let output = run_in(dir.path(), &["check", "--strict", "--secrets", "secrets"]);
        assert_eq!(output.status.code(), Some(0), "{example}\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[tokio::test]
async fn the_api_describes_every_kind_with_its_settings() {
    let relay = Relay::start("receivers:\n  log: { kind: console }\nroutes:\n  - name: all\n    to: log\n").await;
    let kinds = relay.get("/api/v1/kinds").await;
    let kinds = kinds["items"].as_array().unwrap_or_else(|| panic!("{kinds}"));
    let names: Vec<&str> = kinds.iter().filter_map(|kind| kind["kind"].as_str()).collect();
    assert_eq!(names, jobrelay::receiver::kinds().collect::<Vec<_>>());
    let pagerduty = kinds.iter().find(|kind| kind["kind"] == "pagerduty").expect("it is a kind");
    assert_eq!(pagerduty["settings"]["required"], serde_json::json!(["routing_key"]));
    assert!(pagerduty["settings"]["properties"]["region"]["description"].is_string(), "{pagerduty}");
    assert!(pagerduty["example"].as_str().is_some_and(|example| example.contains("routing_key")), "{pagerduty}");
    assert!(pagerduty["obtain"].as_str().is_some_and(|where_to| where_to.contains("Integration Key")), "{pagerduty}");
    assert_eq!((&pagerduty["recovered"], &pagerduty["rate"]), (&true.into(), &"120/m".into()));
}
