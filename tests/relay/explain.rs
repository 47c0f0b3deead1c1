//! Why an event went where it went, and that a preview is what is sent.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, Request, STOPPED, event, finished, run_in, update};

/// What the HTTP client itself adds to a request.
const OF_THE_CLIENT: [&str; 3] = ["accept", "content-length", "host"];

const HOSTILE: &str =
    "<!channel> & <https://evil.example|x> *b* _i_ `c` \"q\" \\ \n# y \u{202e}rtl \u{1f600} {{ reason }}";

/// Routes to receivers of every kind that is here, with messages that fit, are cut, fail, or speak of anything.
fn generated(dice: &mut fastrand::Rng, fake: &Fake) -> Value {
    let mut receivers = serde_json::Map::new();
    let mut routes = Vec::new();
    for n in 0..14 {
        let name = format!("r{n}");
        receivers.insert(name.clone(), receiver(dice, &fake.url(&format!("/{name}"))));
        let mut route = json!({"name": format!("to {name}"), "to": [name]});
        if dice.bool() {
            route["message"] = message(dice);
        }
        routes.push(route);
    }
    json!({"receivers": receivers, "routes": routes, "messages": {"default": message(dice)}, "timezone": "Europe/Berlin"})
}

fn receiver(dice: &mut fastrand::Rng, url: &str) -> Value {
    let template = |dice: &mut fastrand::Rng| {
        let all = [
            "{{ job }}",
            "{{ ran_for }}",
            "{{ raw }}",
            "{{ message.title }}: {{ message.text }}",
            "{{ history }}",
            // Fails for some events, and only then: what always fails is refused with its file.
            "{{ 1 // ((history | length) - 1) }}",
            "at {{ received_at | datetime('%H:%M') }} {{ delivery }}",
        ];
        all[dice.usize(..all.len())]
    };
    let mut receiver = match dice.u8(0..6) {
        0 => return json!({"kind": "inbox", "message": message(dice)}),
        1 => return json!({"kind": "console"}),
        2 | 3 => json!({"kind": "slack", "url": url, "rate": "1000/s", "message": message(dice)}),
        _ => json!({"kind": "webhook", "url": url}),
    };
    if receiver["kind"] == "webhook" {
        match dice.u8(0..4) {
            0 => receiver["format"] = "raw".into(),
            1 => receiver["format"] = "cloudevents".into(),
            2 => receiver["method"] = "PUT".into(),
            _ => {}
        }
        if dice.bool() {
            receiver["sign"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
        }
        if dice.bool() {
            receiver["auth"] = json!({"bearer": "a-token-nobody-sees"});
        }
    }
    if dice.bool() && receiver.get("format").is_none() {
        receiver["body"] = json!({"text": format!("x {}", template(dice)), "a": template(dice), "b": [template(dice), 1, null], "c": {"d": HOSTILE.replace("{{ reason }}", "")}});
    }
    if dice.bool() {
        receiver["headers"] = json!({"X-Team": "k1"});
    }
    receiver
}

fn message(dice: &mut fastrand::Rng) -> Value {
    let texts = [
        "{{ type_label }} of {{ resource }} {{ outcome }}",
        "**{{ error }}** `{{ reason }}` [link](https://x.example/{{ job }})",
        "{{ error | truncate(20) }} {{ route }} {{ receiver }} {{ delivery }}",
        "{% for past in history %}- {{ past.state }} {{ past.since | datetime }}\n{% endfor %}",
        "{{ error * 1 }}",
        "{% for n in range(2000) %}long {{ n }} {% endfor %}",
    ];
    let text = |dice: &mut fastrand::Rng| texts[dice.usize(..texts.len())];
    let mut message = json!({"title": text(dice), "text": text(dice)});
    if dice.bool() {
        message["fields"] = json!({"Tenant": "", "Ran": "{{ ran_for }}", "Text": text(dice)});
    }
    if dice.bool() {
        message["mention"] = "here".into();
        message["level"] = "critical".into();
        message["link"] = "https://x.example/{{ job }}".into();
    }
    message
}

fn happening(dice: &mut fastrand::Rng, n: usize) -> Value {
    let error = match dice.u8(0..4) {
        0 => String::new(),
        1 => PLANNING_FAILED.to_owned(),
        2 => STOPPED.to_owned(),
        _ => json!({"reason": HOSTILE, "message": HOSTILE.repeat(dice.usize(1..60))}).to_string(),
    };
    let name = if dice.bool() { "Customers" } else { HOSTILE };
    match dice.u8(0..3) {
        0 => finished(
            json!({"jobId": n.to_string(), "jobType": "LOAD_SOURCE", "sourceId": "s-1", "sourceDisplayName": name}),
            &error,
        ),
        1 => event(&json!({"jobId": n.to_string(), "jobType": name, "status": {"state": "RUNNING"}})),
        _ => update(&n.to_string(), name, &error),
    }
}

/// That what the preview shows is, byte for byte, what came.
fn assert_same(preview: &Value, came: &Request, about: &str) {
    let shown = &preview["message"]["request"];
    assert_eq!(shown["method"], came.method, "{about}");
    let headers = shown["headers"].as_object().expect("headers");
    for (name, value) in headers.iter().filter(|(_, value)| **value != "***") {
        assert_eq!(*value, came.header(&name.to_ascii_lowercase()), "{about}: {name}");
    }
    let known: Vec<String> = headers.keys().map(|name| name.to_ascii_lowercase()).collect();
    let unknown: Vec<_> =
        came.headers.keys().filter(|name| !known.contains(name) && !OF_THE_CLIENT.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{about}: {unknown:?}");
    let body = match &shown["body"] {
        Value::Null => Vec::new(),
        body if body.get("json").is_some() => body["json"].to_string().into_bytes(),
        body if body.get("text").is_some() => body["text"].as_str().expect("text").as_bytes().to_vec(),
        body => BASE64_STANDARD.decode(body["base64"].as_str().expect("base64")).expect("base64"),
    };
    assert_eq!(String::from_utf8_lossy(&body), came.text(), "{about}");
    assert_eq!(body, came.body, "{about}");
}

/// Compares all previews of an event with what became of its deliveries. Returns how many requests there were.
async fn compare(relay: &Relay, fake: &Fake, id: &str) -> usize {
    let explained = relay.get(&format!("/api/v1/events/{id}/explain?message=true")).await;
    let deliveries = explained["deliveries"].as_array().unwrap_or_else(|| panic!("{explained}"));
    let told = explained["messages"].as_array().unwrap_or_else(|| panic!("{explained}"));
    assert_eq!(told.len(), deliveries.len(), "one for each receiver");
    let mut requests = 0;
    for preview in told {
        let delivery = deliveries.iter().find(|d| d["id"] == preview["delivery"]).expect("its delivery");
        let about = format!("{delivery}\n{preview}");
        let came = fake.requests().into_iter().rfind(|request| preview["delivery"] == request.delivery());
        match came {
            Some(came) => {
                assert_same(preview, &came, &about);
                requests += 1;
            }
            None if delivery["state"] == "dead" => {
                assert_eq!(delivery["reason"], "template", "{about}");
                assert_eq!(
                    format!("nothing can be sent: {}", delivery["detail"].as_str().expect("why")),
                    preview["unsendable"],
                    "{about}"
                );
            }
            None => {}
        }
        if delivery["state"] == "delivered" && preview["message"]["text"].is_string() {
            let copy =
                relay.get(&format!("/api/v1/deliveries/{}/message", delivery["id"].as_str().expect("an ID"))).await;
            assert_eq!((&copy["sent"], &copy["text"]), (&json!(true), &preview["message"]["text"]), "{about}");
        }
        if delivery["state"] == "delivered" {
            let of_attempt =
                relay.get(&format!("/api/v1/deliveries/{}", delivery["id"].as_str().expect("an ID"))).await;
            let notes = of_attempt["history"].as_array().and_then(|all| all.last()).map(|last| last["notes"].clone());
            let of_attempt: Vec<Value> = notes.and_then(|notes| notes.as_array().cloned()).unwrap_or_default();
            let shown = preview["message"]["notes"].as_array().expect("notes");
            assert_eq!(shown[..of_attempt.len()], of_attempt, "cuts and fallbacks: {about}");
        }
    }
    requests
}

#[tokio::test]
async fn a_preview_is_what_the_lane_sends() {
    for seed in 0..4 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let fake = Fake::start();
        let routes = generated(&mut dice, &fake);
        let mut relay = Relay::start(&routes.to_string()).await;
        let mut ids = Vec::new();
        for n in 0..10 {
            ids.push(relay.accept(&happening(&mut dice, n)).await);
        }
        for n in 0..14 {
            relay.drained(&format!("r{n}")).await;
        }
        let mut compared = 0;
        for id in &ids {
            compared += compare(&relay, &fake, id).await;
        }
        assert!(compared > 20, "seed {seed} sent only {compared} requests: {routes}");
        let output = relay.says(&["explain", &ids[0], "--message", "--json"]).await;
        assert!(!output.contains("a-token-nobody-sees") && !output.contains("whsec_"), "{output}");
        assert!(relay.terminate().await.success());
    }
}

#[tokio::test]
async fn a_preview_of_a_late_message_is_what_was_sent_late() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  s: {{ kind: slack, url: \"{}\", rate: 100/s, retry: {{ first: 10ms, max: 50ms }} }}\nroutes:\n  - name: failed\n    when: {{ outcome: failed }}\n    to: s\n",
        fake.url("/")
    );
    let mut relay = Relay::start(&routes).await;
    fake.replies(|_| Reply::Status(503, "later"));
    let late = relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    fake.wait_for(1).await;
    relay.accept(&update("job-2", "Customers", "")).await;
    relay.terminate().await;
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    store.execute("UPDATE events SET received_at = received_at - 1800 * 1000000000", []).expect("it has events");
    drop(store);
    fake.replies(|_| Reply::Status(200, "ok"));
    relay.run().await;
    relay.drained("s").await;
    // What came after the message was sent is not in it, and not in its preview.
    relay.accept(&update("job-3", "Customers", STOPPED)).await;
    assert_eq!(compare(&relay, &fake, &late).await, 1);
    let text = relay.says(&["explain", &late, "--message"]).await;
    assert!(text.contains("This message is 30m") && text.contains("late. The next run has since succeeded."), "{text}");
}

const ROUTES: &str = "receivers:
  data-ops: { kind: inbox }
  audit: { kind: inbox, message: { mention: here } }
  key: { kind: webhook, url: https://key.example/very/secret/path }
routes:
  - name: failed customers
    when: { outcome: failed, data_product: Customers }
    to: data-ops
  - name: nobody
    when: { type: publish_destination }
    to: key
  - name: rest
    otherwise: true
    to: audit
";

#[tokio::test]
async fn why_did_i_not_get_it() {
    let relay = Relay::start(ROUTES).await;
    let none = relay.cli(&["explain", "--last", "--receiver", "data-ops"]).await;
    assert_eq!(none.status.code(), Some(1), "nothing has failed yet");
    relay.says(&["send", "--outcome", "failed", "--to", "audit"]).await;
    let none = relay.cli(&["explain", "--last", "--receiver", "data-ops"]).await;
    assert_eq!(none.status.code(), Some(1), "a test is no failed job");
    relay.accept(&update("job-1", "Custmers", PLANNING_FAILED)).await;
    relay.accept(&update("job-2", "Customers", "")).await;
    let said = relay.says(&["explain", "--last", "--receiver", "data-ops"]).await;
    let answer = said.split("\n\n").nth(1).unwrap_or_default().replace('\n', " ");
    assert!(
        answer.starts_with(
            "data-ops does not get it: its only route is \"failed customers\", but data_product is Custmers"
        ),
        "{said}"
    );
    assert!(answer.contains("wanted Customers") && answer.contains("slip"), "{said}");
    assert!(said.contains("✓ outcome") && said.contains("✗ data_product"), "{said}");

    relay.drained("audit").await;
    let said = relay.says(&["explain", "--last", "--receiver", "audit"]).await;
    assert!(said.contains("audit got it at ") && said.contains("by route \"rest\""), "{said}");
    let slip = relay.cli(&["explain", "--last", "--receiver", "data-opps"]).await;
    assert!(!slip.status.success() && String::from_utf8_lossy(&slip.stderr).contains("data-ops"), "{slip:?}");
}

#[tokio::test]
async fn an_event_is_explained_by_the_file_that_decided_it() {
    let relay = Relay::start(ROUTES).await;
    let id = relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.drained("data-ops").await;
    let before = relay.says(&["explain", &id]).await;
    assert!(before.contains("runs still") && before.contains("✓ failed customers → data-ops"), "{before}");

    relay.edit(&ROUTES.replace("data_product: Customers", "data_product: Orders")).await;
    let after = relay.says(&["explain", &id]).await;
    assert!(after.contains("it has changed since"), "{after}");
    let after_words = after.replace('\n', " ");
    assert!(after_words.contains("runs now decides otherwise: route \"rest\" matches; told: audit"), "{after}");
    let routes = |text: &str| text.split("\n\n").nth(1).map(str::to_owned);
    assert_eq!(routes(&after), routes(&before), "the routes are read as they were");
    let delivery =
        relay.get("/api/v1/deliveries?receiver=data-ops").await["items"][0]["id"].as_str().expect("an ID").to_owned();
    assert!(after.contains(&format!("{delivery}  data-ops by route \"failed customers\"  delivered")), "{after}");

    let other = relay.path("other.yaml");
    std::fs::write(&other, ROUTES.replace("to: data-ops", "to: [data-ops, key]")).expect("a file can be written");
    let other = other.display().to_string();
    let said = relay.says(&["explain", &id, "--routes", &other]).await;
    assert!(said.contains("Goes to 2 receivers") && said.contains("key, by route \"failed customers\""), "{said}");
    assert!(said.contains(&delivery), "and what became of it: {said}");

    let shown = relay.says(&["events", "show", &id]).await;
    assert!(shown.contains("(in force from ") && shown.ends_with(&format!("jobrelay explain {id}\n")), "{shown}");
    let one = relay.says(&["deliveries", &delivery]).await;
    assert!(one.contains("kept in the inbox") && one.contains(&format!("jobrelay explain {delivery}")), "{one}");
    let by_delivery = relay.says(&["explain", &delivery]).await;
    assert!(by_delivery.contains("data-ops got it at"), "{by_delivery}");
    for args in [&["explain", "evt_0000000000001"][..], &["events", "show", "evt_0000000000001"]] {
        let unknown = relay.cli(args).await;
        let said = String::from_utf8_lossy(&unknown.stderr);
        assert!(unknown.status.code() == Some(1) && said.contains("`jobrelay events` lists what is kept"), "{said}");
    }
}

#[tokio::test]
async fn a_recovery_says_what_it_closes() {
    let routes = "receivers:\n  ops: { kind: inbox, recovered: true }\nroutes:\n  - { name: failed, when: { outcome: failed }, to: ops }\n";
    let relay = Relay::start(routes).await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.drained("ops").await;
    let failure = relay.get("/api/v1/deliveries").await["items"][0]["id"].as_str().expect("an ID").to_owned();
    let success = relay.accept(&update("job-2", "Customers", "")).await;
    relay.drained("ops").await;
    let said = relay.says(&["explain", &success]).await;
    assert!(said.contains(&format!("ops the recovery that closes {failure}  delivered")), "{said}");
    let message = relay.says(&["explain", &success, "--message"]).await;
    assert!(message.contains("recovered: Customers") && message.contains(&format!("closes {failure}")), "{message}");
    let made_up = relay.says(&["explain", "--outcome", "succeeded"]).await.replace('\n', " ");
    assert!(made_up.contains("hear that it is over: ops"), "{made_up}");
}

#[test]
fn without_a_relay_a_file_and_flags_are_enough() {
    let dir = tempfile::tempdir().expect("a directory");
    let routes = "receivers:\n  chat: { kind: slack, url: \"${NOT_SET_HERE}\" }\n  box: { kind: inbox, message: { mention: '@anna' } }\nroutes:\n  - { name: nights, when: { outcome: failed, time: 'Mon-Sun 22:00-06:00' }, to: [chat, box] }\n";
    std::fs::write(dir.path().join("routes.yaml"), routes).expect("a file can be written");
    std::fs::write(dir.path().join("event.json"), update("job-7", "Customers", PLANNING_FAILED).to_string())
        .expect("written");
    let said = |arguments: &[&str]| {
        let output = run_in(dir.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let night = said(&["explain", "event.json", "--at", "2026-01-31T23:30:00Z"]);
    assert!(night.contains("✓ nights → chat, box") && night.contains("Goes to 2 receivers"), "{night}");
    let day = said(&["explain", "event.json", "--at", "2026-01-31T12:30:00Z"]);
    assert!(day.contains("✗ time") && day.contains("Nobody is told: no route matched."), "{day}");
    let message = said(&["explain", "--outcome", "failed", "--at", "2026-01-31T23:30:00Z", "--message"]);
    assert!(message.contains("To chat (slack)") && message.contains("To box (inbox)"), "{message}");
    assert!(message.contains("the mention \"@anna\" is left out: inbox has no mentions"), "{message}");
    let json: Value =
        serde_json::from_str(&said(&["explain", "event.json", "--message", "--receiver", "chat", "--json"]))
            .expect("JSON");
    assert_eq!(json["messages"].as_array().map(Vec::len), Some(1));
    assert!(json["messages"][0]["message"]["request"]["body"]["json"]["blocks"].is_array(), "{json}");

    std::fs::write(dir.path().join("routes.yaml"), routes.replace("outcome", "outcom")).expect("a file can be written");
    let broken = run_in(dir.path(), &["explain", "event.json"]);
    let why = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(
        broken.status.code() == Some(1) && why.contains("1 error") && why.contains("jobrelay check routes.yaml"),
        "{why}"
    );
    assert_eq!(run_in(dir.path(), &["explain", "routes.yaml"]).status.code(), Some(1), "that is no event");
    let missing = run_in(dir.path(), &["explain", "missing.json"]);
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(said.contains("cannot read missing.json") && said.contains("help: name a JSON file"), "{said}");
}
