//! What people read: the message at a fake Slack, over TLS at a fake endpoint, with hostile values and broken templates.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, STOPPED, finished, update};

/// All the text of a Slack payload, as a person sees it.
fn slack_text(body: &Value) -> String {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(text) = map.get("text").and_then(Value::as_str) {
                    into.push(text.to_owned());
                }
                map.iter()
                    .filter(|(key, _)| *key != "text" || map["text"].is_object())
                    .for_each(|(_, v)| collect(v, into));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    collect(&body["blocks"], &mut texts);
    texts.join("\n")
}

#[tokio::test]
async fn the_vendors_two_errors_read_well_in_slack() {
    let fake = Fake::start();
    let routes = "receivers:\n  data-ops: { kind: slack, url: \"${SLACK_WEBHOOK_URL}\", rate: 100/s }\nroutes:\n  - name: finished jobs\n    when: { state: DONE }\n    to: data-ops\n";
    let secret = fake.url("/services/T000/B000/very-secret");
    let mut relay = Relay::prepare(routes).env("SLACK_WEBHOOK_URL", &secret);
    relay.run().await;
    relay.accept(&update("job-1", "Customers", STOPPED)).await;
    fake.wait_for(1).await;
    relay.accept(&update("job-2", "Customers", PLANNING_FAILED)).await;
    let requests = fake.wait_for(2).await;
    let stopped = slack_text(&requests[0].json());
    for fact in ["Customers", "stopped", "26m", "finished jobs"] {
        assert!(stopped.contains(fact), "{fact} is not in:\n{stopped}");
    }
    let failed = slack_text(&requests[1].json());
    for fact in ["Customers", "failed", "Something went wrong while planning the job", "26m"] {
        assert!(failed.contains(fact), "{fact} is not in:\n{failed}");
    }
    assert!(
        !requests[1].json()["text"].as_str().unwrap_or_default().is_empty(),
        "the notification's text is always set"
    );
    assert!(!relay.log_text().contains("very-secret"));
    assert!(!relay.get("/api/v1/receivers").await.to_string().contains("very-secret"));
    for entry in std::fs::read_dir(relay.path("data")).expect("the store's directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file of the store");
        assert!(!bytes.windows(11).any(|window| window == b"very-secret"), "no secret in the store");
    }
}

/// The five job types and the legacy forms, to Slack as a person reads it and to an HTTPS endpoint with a private authority.
#[tokio::test]
async fn every_job_type_reads_well_and_reaches_both_kinds() {
    let slack = Fake::start();
    let (endpoint, ca) = Fake::start_tls();
    let routes = format!(
        "receivers:\n  people: {{ kind: slack, url: \"{}\", rate: 100/s }}\n  machine: {{ kind: webhook, url: \"{}\", tls: {{ ca: ca.pem }} }}\nroutes:\n  - name: finished\n    when: {{ state: DONE }}\n    to: [people, machine]\n",
        slack.url("/"),
        endpoint.url("/")
    );
    let mut relay = Relay::prepare(&routes);
    std::fs::write(relay.path("ca.pem"), ca).expect("a file can be written");
    relay.run().await;
    let failed = PLANNING_FAILED;
    let cases = [
        (
            json!({"jobType": "LOAD_SOURCE", "sourceId": "s1", "sourceDisplayName": "CRM"}),
            "",
            "Load source succeeded: CRM",
        ),
        (
            json!({"jobType": "UPDATE_DATA_PRODUCT", "dataProductId": "d1", "dataProductDisplayName": "Customers", "workflowId": "", "workflowDisplayName": ""}),
            failed,
            "Update data product failed: Customers",
        ),
        (
            json!({"jobType": "UPDATE_WORKFLOW", "workflowId": "w1", "workflowDisplayName": "Nightly", "dataProductId": "", "dataProductDisplayName": ""}),
            STOPPED,
            "Update workflow stopped: Nightly",
        ),
        (
            json!({"jobType": "PUBLISH_CONFIGURATION", "dataProductId": "d1", "dataProductDisplayName": "Customers", "destinationId": "t1", "destinationDisplayName": ""}),
            failed,
            "Publish configuration failed: Customers → t1",
        ),
        (
            json!({"jobType": "PUBLISH_DESTINATION", "destinationId": "t1", "destinationDisplayName": "Warehouse", "dataProductId": "", "dataProductDisplayName": ""}),
            "",
            "Publish destination succeeded: Warehouse",
        ),
        (json!({"dataProductId": "legacy-1"}), failed, "Update data product failed: legacy-1"),
        (json!({"destinationId": "legacy-2"}), failed, "Publish configuration failed: legacy-2"),
    ];
    for (n, (job, error, expected)) in cases.iter().enumerate() {
        let mut job = job.clone();
        job["jobId"] = json!(format!("job-{n}"));
        relay.accept(&finished(job, error)).await;
        let message = slack_text(&slack.wait_for(n + 1).await[n].json());
        let mut facts = vec![*expected, "26m 4s", "acme.tamr.cloud"];
        if *error == PLANNING_FAILED {
            facts.push("Planning failed:* Something went wrong while planning the job.");
        } else if *error == STOPPED {
            facts.push("The job was stopped by a user.");
        }
        for fact in facts {
            assert!(message.contains(fact), "{fact} is not in:\n{message}");
        }
        let body = endpoint.wait_for(n + 1).await[n].json();
        let outcome = match *error {
            "" => "succeeded",
            STOPPED => "stopped",
            _ => "failed",
        };
        assert_eq!((&body["job"], &body["outcome"]), (&json!(format!("job-{n}")), &json!(outcome)));
    }
}

#[tokio::test]
async fn a_machine_gets_its_body_over_tls_with_signature_and_credentials() {
    let (fake, ca) = Fake::start_tls();
    let routes = format!(
        r#"
receivers:
  pipeline:
    kind: webhook
    url: "{}"
    method: PUT
    auth: {{ bearer: "${{TOKEN}}" }}
    sign: "${{SIGN}}"
    headers: {{ X-Team: data }}
    tls: {{ ca: ca.pem }}
    success: [2xx, 409]
    body:
      event: published
      product: "{{{{ data_product.id }}}}"
      seconds: "{{{{ ran_for }}}}"
      note: "took {{{{ ran_for }}}}"
      nested: [1, true, null, "{{{{ history }}}}"]
routes:
  - name: published
    when: {{ type: publish_configuration, outcome: succeeded }}
    to: pipeline
"#,
        fake.url("/run?x=1")
    );
    fake.replies(|_| Reply::Status(409, "already running"));
    let mut relay = Relay::prepare(&routes)
        .env("TOKEN", "t0p-secret")
        .env("SIGN", "whsec_c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1sZW5ndGghIQ==");
    std::fs::write(relay.path("ca.pem"), ca).expect("a file can be written");
    relay.run().await;
    relay.accept(&finished(json!({"jobId": "j", "dataProductId": "d1", "destinationId": "t1"}), "")).await;
    let request = fake.wait_for(1).await.remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/run?x=1"));
    assert_eq!((request.header("authorization"), request.header("x-team")), ("Bearer t0p-secret", "data"));
    assert!(request.header("user-agent").starts_with("jobrelay/"));
    assert_eq!(
        request.json(),
        json!({
            "event": "published", "product": "d1", "seconds": 1564, "note": "took 26m 4s",
            "nested": [1, true, null, [
                {"state": "PENDING", "since": "2025-12-02T14:19:00.000Z"},
                {"state": "RUNNING", "since": "2025-12-02T14:20:00.000Z"},
            ]],
        })
    );
    // Standard Webhooks: HMAC-SHA256 over id.timestamp.body.
    let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    assert_eq!(id, request.delivery());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"secret-key-of-32-bytes-length!!").expect("any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&request.body);
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(request.header("webhook-signature"), signature);
    relay.drained("pipeline").await;
    let deliveries = relay.get("/api/v1/deliveries").await;
    assert_eq!(deliveries["items"][0]["state"], "delivered", "409 counts as done: {deliveries}");
}

#[tokio::test]
async fn an_alert_is_never_swallowed_and_a_machine_never_gets_anything_else() {
    let (people, machine) = (Fake::start(), Fake::start());
    // `+` on a list and a number fails only when it is rendered; for this job alone, or the file would be refused.
    let routes = format!(
        r#"
receivers:
  people: {{ kind: slack, url: "{}", rate: 100/s }}
  machine: {{ kind: webhook, url: "{}", body: {{ n: "{{{{ history + 1 if job == 'job-1' else 1 }}}}" }} }}
routes:
  - name: failed
    when: {{ outcome: failed }}
    to: [people, machine]
    message: {{ text: "{{{{ history + 1 if job == 'job-1' else 1 }}}}" }}
"#,
        people.url("/"),
        machine.url("/")
    );
    let relay = Relay::start(&routes).await;
    // The rich form is refused, the plain one taken.
    people.replies(|request| {
        if request.json().get("blocks").is_some() {
            Reply::Status(400, "invalid_blocks")
        } else {
            Reply::Status(200, "ok")
        }
    });
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    let requests = people.wait_for(2).await;
    let plain = requests[1].json();
    let text = plain["text"].as_str().expect("the plain form is text");
    assert!(text.contains("Customers") && text.contains("the one in routes.yaml failed"), "{text}");
    assert_ne!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"), "other bytes, other key");

    relay.drained("machine").await;
    assert_eq!(machine.count(), 0, "nothing, rather than something else");
    let dead = relay.get("/api/v1/deliveries?state=dead").await;
    assert_eq!(
        (&dead["items"][0]["receiver"], &dead["items"][0]["reason"]),
        (&json!("machine"), &json!("template")),
        "{dead}"
    );

    // Mended, it can be replayed.
    relay.edit(&routes.replace("history + 1", "history | length")).await;
    let id = dead["items"][0]["id"].as_str().expect("an ID");
    relay.says(&["replay", id]).await;
    assert_eq!(machine.wait_for(1).await[0].json(), json!({"n": 2}));
}

#[tokio::test]
async fn values_cannot_page_anyone_or_break_the_form() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  s: {{ kind: slack, url: \"{}\", rate: 100/s }}\nroutes:\n  - name: failed\n    when: {{ outcome: failed }}\n    to: s\n    message: {{ title: \"{{{{ data_product }}}}\", text: \"**{{{{ error }}}}** `{{{{ reason }}}}`\" }}\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    let hostile =
        "<!channel> & <https://evil.example|click> *bold* _it_ `code` \"q\" \\ \n\n- x\n# y \u{202e}rtl \u{1f600}";
    let error = json!({"reason": hostile, "message": hostile.repeat(2_000)}).to_string();
    relay.accept(&update("job-1", hostile, &error)).await;
    let request = fake.wait_for(1).await.remove(0);
    let text = request.text();
    assert!(!text.contains("<!channel>") && !text.contains("<https://evil"), "{text}");
    for block in request.json()["blocks"].as_array().expect("blocks") {
        let length = block["text"]["text"].as_str().unwrap_or_default().chars().count();
        assert!(length <= if block["type"] == "header" { 150 } else { 3_000 }, "{length}: {block}");
    }
}

#[tokio::test]
async fn a_late_message_says_how_late_and_what_happened_since() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  s: {{ kind: slack, url: \"{}\", rate: 100/s, retry: {{ first: 10ms, max: 50ms }} }}\nroutes:\n  - name: failed\n    when: {{ outcome: failed }}\n    to: s\n",
        fake.url("/")
    );
    let mut relay = Relay::start(&routes).await;
    fake.replies(|_| Reply::Status(503, "later"));
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    fake.wait_for(1).await;
    relay.accept(&update("job-2", "Customers", "")).await;
    relay.terminate().await;
    // Half an hour passes: the event's time of receipt is all that knows the wall clock.
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    store.execute("UPDATE events SET received_at = received_at - 1800 * 1000000000", []).expect("it has events");
    drop(store);
    fake.replies(|_| Reply::Status(200, "ok"));
    let before = fake.count();
    relay.run().await;
    let late = fake.wait_for(before + 1).await.pop().expect("one came");
    let text = slack_text(&late.json());
    assert!(text.contains("30m") && text.contains("succeeded"), "{text}");
}
