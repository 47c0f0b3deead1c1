//! routes.yaml changes while the relay runs: as a whole or not at all, however it is saved, and never unnoticed.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, Sender, update};

/// Asks for the file to be read now; returns status and answer.
async fn reload(relay: &Relay) -> (u16, Value) {
    let answer = relay.http.post(relay.url("/api/v1/reload")).send().await.expect("the relay answers");
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.expect("a whole answer")).expect("JSON"))
}

/// In place, as `>` does.
fn write(relay: &Relay, name: &str, text: &str) {
    fs::write(relay.path(name), text).expect("a file can be written");
}

/// Waits until `GET /api/v1/config` is as wanted.
async fn config(relay: &Relay, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let config = relay.get("/api/v1/config").await;
        if wanted(&config) {
            return config;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}: {config}\n{}", relay.log_text());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the one route has this name.
async fn runs(relay: &Relay, route: &str) {
    config(relay, route, |config| config["routes"][0] == route && config.get("refused").is_none()).await;
}

async fn refused(relay: &Relay) -> Value {
    config(relay, "refused", |config| config.get("refused").is_some()).await["refused"].clone()
}

/// The value of one line of `/metrics`.
async fn metric(relay: &Relay, name: &str) -> u64 {
    let answer = relay.http.get(relay.url("/metrics")).send().await.expect("the relay answers");
    assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.expect("a whole answer");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().expect("a number")
}

fn console(route: &str) -> String {
    format!("receivers: {{ log: {{ kind: console }} }}\nroutes: [{{ name: {route}, to: log }}]\n")
}

/// The file of round `n`: its route is named after it, `b` changes now and then, `c` comes and goes.
fn round(n: usize, [a, b, c]: [&Fake; 3]) -> String {
    let rate = 1_000 + n / 7;
    let (third, to) = if n % 3 == 1 {
        (String::new(), "[a, b]")
    } else {
        (format!("  c: {{ kind: webhook, url: \"{}\" }}\n", c.url("/")), "[a, b, c]")
    };
    format!(
        "receivers:\n  a: {{ kind: webhook, url: \"{}\" }}\n  b: {{ kind: webhook, url: \"{}\", rate: {rate}/s }}\n{third}routes:\n  - {{ name: round-{n}, to: {to} }}\n",
        a.url("/"),
        b.url("/")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_under_load_lose_and_double_nothing() {
    let (a, b, c) = (Fake::start(), Fake::start(), Fake::start());
    let fakes = [&a, &b, &c];
    let relay = Relay::start(&round(0, fakes)).await;
    let first = relay.get("/api/v1/config").await["version"].as_str().expect("a version").to_owned();
    let mut versions = HashMap::from([(first, "round-0".to_owned())]);
    let sender = Sender::paced(&relay, Duration::from_millis(50));
    let mut refusals = 0;
    for n in 1..=200 {
        let mut text = round(n, fakes);
        if n % 5 == 0 {
            text.truncate(text.len() - 4);
        }
        if n % 2 == 0 {
            write(&relay, "routes.yaml", &text);
        } else {
            write(&relay, "routes.yaml.new", &text);
            fs::rename(relay.path("routes.yaml.new"), relay.path("routes.yaml")).expect("a file can be renamed");
        }
        let (status, answer) = reload(&relay).await;
        if n % 5 == 0 {
            assert_eq!(status, 422, "{answer}");
            refusals += 1;
        } else {
            assert_eq!((status, &answer["result"]), (200, &Value::from("applied")), "{answer}");
            versions.insert(answer["version"].as_str().expect("a version").to_owned(), format!("round-{n}"));
        }
    }
    write(&relay, "routes.yaml", &round(201, fakes));
    let (_, answer) = reload(&relay).await;
    versions.insert(answer["version"].as_str().expect("a version").to_owned(), "round-201".to_owned());
    let accepted = sender.finish().await;
    for receiver in ["a", "b", "c"] {
        relay.drained(receiver).await;
    }
    assert_eq!((refusals, versions.len()), (40, 162));

    // What the store says was decided, and by which version.
    let mut decided: BTreeMap<String, String> = BTreeMap::new();
    let mut path = "/api/v1/events?limit=1000".to_owned();
    loop {
        let page = relay.get(&path).await;
        for item in page["items"].as_array().expect("a list") {
            let Some(job) = item["event"]["job"].as_str() else { continue };
            let version = item["version"].as_str().expect("a version");
            let route = versions.get(version).unwrap_or_else(|| panic!("{version} never ruled"));
            assert_eq!(item["matched"], Value::from(vec![route.as_str()]), "{job} by {version}");
            assert!(decided.insert(job.to_owned(), route.clone()).is_none(), "{job} was accepted twice");
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/events?limit=1000&before={next}"),
            None => break,
        }
    }
    assert!(accepted.iter().all(|job| decided.contains_key(job)));
    let rounds: std::collections::BTreeSet<&String> = decided.values().collect();
    println!("200 reloads, {} events, decided by {} versions", decided.len(), rounds.len());
    assert!(rounds.len() > 20, "events flowed all the while: {rounds:?}");

    // What arrived: everything once, in the words of the version that decided.
    for (name, fake) in [("a", &a), ("b", &b), ("c", &c)] {
        let mut arrived: BTreeMap<String, String> = BTreeMap::new();
        for request in fake.requests() {
            let body = request.json();
            let Some(job) = body["job"].as_str() else { continue };
            let route = body["route"].as_str().expect("a route").to_owned();
            assert_eq!(decided.get(job), Some(&route), "{name}: {job}");
            assert!(arrived.insert(job.to_owned(), route).is_none(), "{name} got {job} twice");
        }
        let goes = |route: &str| name != "c" || route["round-".len()..].parse::<usize>().expect("a round") % 3 != 1;
        let expected: Vec<&String> = decided.iter().filter(|(_, route)| goes(route)).map(|(job, _)| job).collect();
        assert_eq!(arrived.keys().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[tokio::test]
async fn however_the_file_is_saved_it_applies() {
    let relay = Relay::start(&console("start")).await;
    write(&relay, "routes.yaml", &console("in-place"));
    runs(&relay, "in-place").await;
    relay.edit(&console("renamed")).await;
    runs(&relay, "renamed").await;

    fs::remove_file(relay.path("routes.yaml")).expect("removed");
    let refusal = refused(&relay).await;
    assert_eq!(refusal["summary"], "it cannot be read");
    write(&relay, "routes.yaml", &console("renamed"));
    runs(&relay, "renamed").await;

    // As Kubernetes mounts a config map.
    for (version, route) in [("..1", "linked"), ("..2", "swapped")] {
        fs::create_dir(relay.path(version)).expect("a directory");
        write(&relay, &format!("{version}/routes.yaml"), &console(route));
    }
    symlink("..1", relay.path("..data")).expect("a link");
    symlink("..data/routes.yaml", relay.path("link")).expect("a link");
    fs::rename(relay.path("link"), relay.path("routes.yaml")).expect("renamed");
    runs(&relay, "linked").await;
    symlink("..2", relay.path("..data_tmp")).expect("a link");
    fs::rename(relay.path("..data_tmp"), relay.path("..data")).expect("renamed");
    runs(&relay, "swapped").await;

    write(&relay, "..2/routes.yaml", &console("signalled"));
    relay.signal("HUP");
    runs(&relay, "signalled").await;
}

#[tokio::test]
async fn half_a_file_is_not_applied_while_the_rest_is_being_written() {
    let relay = Relay::start(&console("start")).await;
    // Every beginning is a valid file, and a wrong one.
    let whole = (0..13).fold("receivers: { log: { kind: console } }\nroutes:".to_owned(), |text, n| {
        format!("{text}\n  - {{ name: half-{n}, to: log }}")
    });
    for (end, _) in whole.match_indices('}').skip(2) {
        write(&relay, "routes.yaml", &whole[..=end]);
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    config(&relay, "the whole file", |config| config["routes"].as_array().is_some_and(|routes| routes.len() == 13))
        .await;
    assert_eq!(relay.log_text().matches("a changed ").count(), 1, "{}", relay.log_text());
}

#[tokio::test]
async fn a_reload_on_request_says_what_came_of_it() {
    let relay = Relay::start(&console("start")).await;
    let (status, answer) = reload(&relay).await;
    assert_eq!((status, &answer["result"]), (200, &Value::from("unchanged")), "{answer}");
    write(
        &relay,
        "routes.yaml",
        "receivers:\n  log: { kind: console }\n  inbox: { kind: inbox }\nroutes:\n  - { name: failed, when: { outcome: failed }, to: inbox }\n  - { name: start, to: log, stop: true }\n",
    );
    let (status, applied) = reload(&relay).await;
    assert_eq!((status, &applied["result"], &applied["before"]), (200, &Value::from("applied"), &answer["version"]));
    let changes = ["receiver \"inbox\" added", "route \"failed\" added", "route \"start\" altered"];
    assert_eq!(applied["changes"], Value::from(changes.to_vec()));
    for change in changes {
        let logged = format!("\"message\":{}", Value::from(change));
        relay.until(change, || relay.log_text().contains(&logged)).await;
    }

    write(&relay, "routes.yaml", "receivers: { log: { kind: console } }\nroutes: [{ name: x, to: lgo }]\n");
    let (status, problem) = reload(&relay).await;
    assert_eq!((status, &problem["type"]), (422, &Value::from("/problems/routes-refused")), "{problem}");
    let detail = problem["detail"].as_str().expect("the report");
    assert!(detail.contains("routes.yaml:2:") && detail.contains("did you mean \"log\"?"), "{detail}");
    assert_eq!(relay.get("/api/v1/config").await["version"], applied["version"]);
    let wrong = relay.http.get(relay.url("/api/v1/reload")).send().await.expect("an answer");
    assert_eq!((wrong.status().as_u16(), &wrong.headers()["allow"]), (405, &"POST".parse().expect("a value")));
}

#[tokio::test]
async fn a_refused_file_shows_until_it_is_mended() {
    let relay = Relay::start(&console("start")).await;
    assert_eq!(metric(&relay, "jobrelay_config_last_reload_successful").await, 1);
    assert!(metric(&relay, "jobrelay_config_last_reload_success_timestamp_seconds").await > 1_700_000_000);
    let before = relay.get("/api/v1/config").await;

    write(&relay, "routes.yaml", &console("start").replace("to: log", "to: lgo, stpo: true"));
    let refusal = refused(&relay).await;
    assert_eq!(
        (&refusal["problems"], &refusal["summary"]),
        (&Value::from(2), &Value::from("unknown-receiver at 2:29, and 1 more"))
    );
    assert!(refusal["report"].as_str().expect("text").contains(":2:34: error[unknown-key]"), "{refusal}");
    let now = relay.get("/api/v1/config").await;
    assert_eq!((&now["version"], &now["since"]), (&before["version"], &before["since"]));
    let ready = relay.http.get(relay.url("/readyz")).send().await.expect("an answer");
    assert_eq!(ready.status(), 200);
    let ready = ready.text().await.expect("text");
    assert!(ready.contains("\"ready\":true") && ready.contains("unknown-receiver at 2:29"), "{ready}");
    assert_eq!(ready.lines().count(), 1);
    let said = relay.says(&["health"]).await;
    assert!(said.contains("is not the one that runs"), "{said}");
    assert_eq!(metric(&relay, "jobrelay_config_last_reload_successful").await, 0);
    // Broken in another way: still since the first time. The relay tells of each once.
    write(&relay, "routes.yaml", &console("start").replace("kind: console", "kind: consloe"));
    let other = config(&relay, "the other refusal", |config| config["refused"]["problems"] == 1).await;
    assert_eq!(other["refused"]["since"], refusal["since"]);
    reload(&relay).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let events = relay.get("/api/v1/events?event_type=jobrelay.routes_refused").await;
        let count = events["items"].as_array().map_or(0, Vec::len);
        assert!(count <= 2 && Instant::now() < deadline, "{events}");
        if count == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    write(&relay, "routes.yaml", &console("start"));
    runs(&relay, "start").await;
    assert_eq!(relay.get("/api/v1/config").await, before);
    assert_eq!(relay.get("/readyz").await, serde_json::json!({ "ready": true }));
    assert_eq!(metric(&relay, "jobrelay_config_last_reload_successful").await, 1);
    assert!(relay.log_text().contains("is again what runs"), "{}", relay.log_text());
}

#[tokio::test]
async fn what_fails_for_another_reason_than_the_file_is_tried_again() {
    let relay = Relay::start(&console("start")).await;
    let ca = relay.path("ca.pem");
    write(
        &relay,
        "routes.yaml",
        &format!(
            "receivers:\n  log: {{ kind: webhook, url: \"https://x.example\", tls: {{ ca: \"{}\" }} }}\nroutes: [{{ name: tls, to: log }}]\n",
            ca.display()
        ),
    );
    let (status, problem) = reload(&relay).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().expect("text").contains("ca.pem"), "{problem}");
    assert_eq!(relay.get("/api/v1/config").await["routes"][0], "start", "nothing of it applies");
    let (_, pem) = Fake::start_tls();
    write(&relay, "ca.pem", &pem);
    runs(&relay, "tls").await;
}

#[tokio::test]
async fn a_new_url_and_rate_apply_to_what_waits_and_nothing_is_sent_again() {
    let (old, new, other) = (Fake::start(), Fake::start(), Fake::start());
    other.replies(|_| Reply::Late(Duration::from_millis(1_500), 200));
    let routes = |url: &str, rate: &str| {
        format!(
            "receivers:\n  slow: {{ kind: webhook, url: \"{url}\", rate: {rate} }}\n  other: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - {{ name: all, to: [slow, other] }}\n",
            other.url("/")
        )
    };
    let relay = Relay::start(&routes(&old.url("/old"), "1/h")).await;
    for n in 0..5 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), "")).await;
    }
    let sent = old.wait_for(1).await.len();
    other.wait_for(5).await;
    write(&relay, "routes.yaml", &routes(&new.url("/new"), "1000/s"));
    let (_, answer) = reload(&relay).await;
    assert_eq!(answer["changes"], Value::from(vec!["receiver \"slow\" altered"]));
    new.wait_for(5 - sent).await;
    relay.drained("slow").await;
    relay.drained("other").await;
    let mut jobs: Vec<Value> = old.requests().iter().chain(&new.requests()).map(|r| r.json()["job"].clone()).collect();
    jobs.sort_by_key(ToString::to_string);
    assert_eq!(jobs, ["job-0", "job-1", "job-2", "job-3", "job-4"]);
    assert_eq!(other.count(), 5, "what was under way there was not cut");
    let attempts = relay.lane("other").await["attempts"].clone();
    assert_eq!((&attempts["delivered"], &attempts["later"]), (&Value::from(5), &Value::from(0)), "nor did it notice");
    assert_eq!(metric(&relay, "jobrelay_attempts_total{receiver=\"other\",verdict=\"delivered\"}").await, 5);
}

#[tokio::test]
async fn a_rotated_secret_applies_like_an_edit_and_is_never_shown() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}/${{TOKEN}}\" }}\nroutes: [{{ name: all, to: sink }}]\n",
        fake.url("")
    );
    let mut relay = Relay::prepare(&routes).flag("--secrets", "secrets");
    fs::create_dir(relay.path("secrets")).expect("a directory");
    write(&relay, "secrets/TOKEN", "first-token");
    relay.run().await;
    let version = relay.get("/api/v1/config").await["version"].clone();
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    write(&relay, "secrets/TOKEN", "second-token");
    relay.until("the secret applies", || relay.log_text().contains(r#"receiver \"sink\" has new secrets"#)).await;
    relay.accept(&update("job-2", "A", "")).await;
    let targets: Vec<String> = fake.wait_for(2).await.into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/first-token", "/second-token"]);
    assert_eq!(relay.get("/api/v1/config").await["version"], version, "it decides the same");
    assert!(!relay.log_text().contains("-token"), "{}", relay.log_text());
}

#[tokio::test]
async fn after_a_change_the_log_says_what_it_would_have_meant() {
    let routes = |to: &str| {
        format!(
            "receivers: {{ a: {{ kind: inbox }}, b: {{ kind: inbox }} }}\nroutes:\n  - {{ name: failed, when: {{ outcome: failed }}, to: {to} }}\n"
        )
    };
    let relay = Relay::start(&routes("a")).await;
    for n in 0..3 {
        relay.accept(&update(&format!("bad-{n}"), "A", PLANNING_FAILED)).await;
        relay.accept(&update(&format!("good-{n}"), "A", "")).await;
    }
    let line = |receiver: &str| {
        let log = relay.log_text();
        let found = log
            .lines()
            .rfind(|line| line.contains("last 24 h") && line.contains(&format!("\"receiver\":\"{receiver}\"")));
        found.map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"))
    };
    relay.edit(&routes("b")).await;
    relay.until("both are told", || line("a").is_some() && line("b").is_some()).await;
    let (a, b) = (line("a").expect("told"), line("b").expect("told"));
    assert_eq!((&a["events"], &a["fewer"], &a["more"]), (&Value::from(6), &Value::from(3), &Value::from(0)), "{a}");
    assert_eq!((&b["fewer"], &b["more"]), (&Value::from(0), &Value::from(3)), "{b}");
}

#[tokio::test]
async fn a_change_is_not_judged_by_more_than_it_says() {
    let routes = |name: &str| {
        format!(
            "receivers: {{ a: {{ kind: inbox }} }}\nroutes:\n  - {{ name: {name}, when: {{ outcome: stopped }}, to: a }}\n"
        )
    };
    let relay = Relay::start(&routes("one")).await;
    for batch in 0..11 {
        let events: Vec<Value> = (0..1_000).map(|n| update(&format!("job-{batch}-{n}"), "A", "")).collect();
        let body = serde_json::to_vec(&events).expect("JSON");
        assert_eq!(relay.post_raw("application/cloudevents-batch+json", &[], body).await.0, 200);
    }
    relay.edit(&routes("two")).await;
    let said = "everything among the newest 10,000 events would have been sent as it was";
    relay.until("it tells how far it looked", || relay.log_text().contains(said)).await;
}

#[tokio::test]
async fn a_certificate_renewed_in_place_is_taken_up() {
    let (fake, authority) = Fake::start_tls();
    let (_, another) = Fake::start_tls();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", tls: {{ ca: ca.pem }} }}\nroutes:\n  - name: all\n    to: sink\n",
        fake.url("/")
    );
    let mut relay = Relay::prepare(&routes);
    write(&relay, "ca.pem", &another);
    relay.run().await;
    relay.accept(&update("job-1", "A", "")).await;
    relay.until("nobody is trusted", || relay.log_text().contains("TLS")).await;
    write(&relay, "ca.pem", &authority);
    relay.drained("sink").await;
    assert!(relay.log_text().contains(r#"receiver \"sink\" has new secrets"#), "{}", relay.log_text());
}

#[tokio::test]
async fn a_recovery_owed_to_an_old_name_is_loud() {
    let routes = |name: &str| {
        format!(
            "receivers: {{ {name}: {{ kind: inbox, recovered: true }} }}\nroutes:\n  - {{ name: failed, when: {{ outcome: failed }}, to: {name} }}\n"
        )
    };
    let relay = Relay::start(&routes("old")).await;
    relay.accept(&update("bad", "A", PLANNING_FAILED)).await;
    relay.drained("old").await;
    relay.edit(&routes("new")).await;
    assert!(!relay.log_text().contains("orphaned"));
    relay.accept(&update("good", "A", "")).await;
    relay.until("it is told", || relay.log_text().contains("jobrelay replay --receiver old --to ANOTHER")).await;
}

#[tokio::test]
async fn a_removed_receiver_is_loud_at_the_change_and_resumes_when_its_name_returns() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(503, "no"));
    let with = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\n  log: {{ kind: console }}\nroutes: [{{ name: all, to: [sink, log] }}]\n",
        fake.url("/")
    );
    let relay = Relay::start(&with).await;
    relay.accept(&update("job-1", "A", "")).await;
    fake.wait_for(1).await;
    write(&relay, "routes.yaml", &console("all"));
    let (_, answer) = reload(&relay).await;
    assert_eq!(answer["changes"], serde_json::json!(["receiver \"sink\" removed", "route \"all\" altered"]));
    let orphaned = || relay.log_text().lines().any(|line| line.contains("orphaned") && line.contains("\"owed\":1"));
    relay.until("it is told", orphaned).await;
    assert_eq!(metric(&relay, "jobrelay_receiver_health{receiver=\"sink\",health=\"orphaned\"}").await, 1);
    fake.replies(|_| Reply::Status(200, "ok"));
    write(&relay, "routes.yaml", &with);
    reload(&relay).await;
    relay.drained("sink").await;
    assert!(fake.requests().iter().all(|request| request.delivery() == fake.requests()[0].delivery()));
}

#[tokio::test]
async fn last_good_runs_what_ran_last_and_says_so() {
    let mut relay = Relay::start(&console("good")).await;
    relay.terminate().await;
    write(&relay, "routes.yaml", "receivers: {}\n");
    let (code, said) = relay.fails().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-receivers"), "{said}");

    let mut relay = relay.switch("--last-good");
    relay.run().await;
    let refusal = refused(&relay).await;
    assert!(refusal["report"].as_str().expect("text").contains("no-receivers"), "{refusal}");
    assert_eq!(relay.get("/api/v1/config").await["routes"][0], "good");
    assert_eq!(metric(&relay, "jobrelay_config_last_reload_successful").await, 0);
    assert!(relay.log_text().contains("by --last-good the version that ran last"), "{}", relay.log_text());
    relay.accept(&update("job-1", "A", "")).await;
    relay
        .until("its own event is there", || relay.log_text().contains("routes.yaml was refused: 2 errors, the first: "))
        .await;
    write(&relay, "routes.yaml", &console("mended"));
    runs(&relay, "mended").await;
    assert_eq!(metric(&relay, "jobrelay_config_last_reload_successful").await, 1);
}

#[tokio::test]
async fn last_good_needs_a_version_with_its_secrets() {
    let relay = Relay::prepare("receivers: {}\n").switch("--last-good");
    let (code, said) = relay.fails().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-receivers") && said.contains("has run on this store yet"), "{said}");

    let plain = "receivers: { a: { kind: slack, url: https://hooks.slack.com/services/T0/B0/KEY } }\nroutes: [{ name: all, to: a }]\n";
    let mut relay = Relay::prepare(plain).switch("--last-good");
    relay.run().await;
    relay.terminate().await;
    write(&relay, "routes.yaml", "receivers: {}\n");
    let (code, said) = relay.fails().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("secrets written in plain") && said.contains("no-receivers") && !said.contains("KEY"),
        "{said}"
    );
}
