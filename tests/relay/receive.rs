//! What comes in: the forms of an event, credentials, refusals that say their cure.

use serde_json::{Value, json};

use crate::support::{Fake, PLANNING_FAILED, Relay, Request, event, finished, update};

fn to_webhook(url: &str) -> String {
    format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{url}\" }}\nroutes:\n  - name: all jobs\n    when: {{ event_type: \"com.*\" }}\n    to: sink\n"
    )
}

#[tokio::test]
async fn the_three_forms_of_an_event_and_a_bare_job_say_the_same() {
    let fake = Fake::start();
    let relay = Relay::start(
        &to_webhook(&fake.url("/hook")).replace("    when: { event_type: \"com.*\" }\n", "    when: { type: \"*\" }\n"),
    )
    .await;
    let structured = update("job-1", "Customers", PLANNING_FAILED);
    relay.accept(&structured).await;

    let data = structured["data"].to_string().into_bytes();
    let attributes = [
        ("ce-specversion", "1.0"),
        ("ce-id", "binary-1"),
        ("ce-source", "//acme.tamr.cloud/w"),
        ("ce-type", "com.tamr.job"),
    ];
    let (status, _) = relay.post_raw("application/json", &attributes, data.clone()).await;
    assert_eq!(status, 200);

    let batch = json!([update("job-1", "Customers", PLANNING_FAILED), update("job-1", "Customers", PLANNING_FAILED)]);
    let (status, answer) =
        relay.post_raw("application/cloudevents-batch+json", &[], batch.to_string().into_bytes()).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(2)));

    let (status, _) = relay.post_raw("application/json", &[], data).await;
    assert_eq!(status, 200);

    let requests = fake.wait_for(5).await;
    let facts = |body: &Value| {
        json!([body["job"], body["type"], body["outcome"], body["reason"], body["resource"]["name"], body["ran_for"]])
    };
    for request in &requests {
        assert_eq!(
            facts(&request.json()),
            json!(["job-1", "update_data_product", "failed", "PLANNING_FAILED", "Customers", 1564.518])
        );
    }
}

#[tokio::test]
async fn the_five_job_types_and_the_legacy_forms_are_told_apart() {
    let fake = Fake::start();
    let relay = Relay::start(&to_webhook(&fake.url("/hook"))).await;
    let cases = [
        (json!({"jobType": "LOAD_SOURCE", "sourceId": "s1", "sourceDisplayName": "CRM"}), "load_source", "CRM"),
        (json!({"jobType": "Load source", "sourceId": "s1", "sourceDisplayName": "CRM"}), "load_source", "CRM"),
        (json!({"sourceId": "s1", "sourceDisplayName": "CRM"}), "load_source", "CRM"),
        (
            json!({"dataProductId": "d1", "dataProductDisplayName": "Customers", "workflowId": "", "workflowDisplayName": ""}),
            "update_data_product",
            "Customers",
        ),
        (
            json!({"workflow_id": "w1", "workflow_display_name": "Nightly", "data_product_id": "", "data_product_display_name": ""}),
            "update_workflow",
            "Nightly",
        ),
        (
            json!({"dataProductId": "d1", "dataProductDisplayName": "Customers", "destinationId": "t1", "destinationDisplayName": ""}),
            "publish_configuration",
            "Customers → t1",
        ),
        (
            json!({"destinationId": "t1", "destinationDisplayName": "Snowflake", "dataProductId": "", "dataProductDisplayName": ""}),
            "publish_destination",
            "Snowflake",
        ),
        // Legacy data products.
        (json!({"dataProductId": "d1"}), "update_data_product", "d1"),
        (json!({"destinationId": "t1"}), "publish_configuration", "t1"),
        // The Jobs API's shape.
        (
            json!({"configuration": {"publish": {"destinationId": "t1", "dataProductId": "d1"}}}),
            "publish_configuration",
            "d1→t1",
        ),
        // A type nobody knows yet.
        (json!({"jobType": "REINDEX_ALL", "sourceId": "s1"}), "reindex_all", "s1"),
    ];
    let count = cases.len();
    for (n, (job, _, _)) in cases.iter().enumerate() {
        let mut job = job.clone();
        job["jobId"] = json!(format!("job-{n:02}"));
        relay.accept(&finished(job, "")).await;
    }
    let mut bodies: Vec<Value> = fake.wait_for(count).await.iter().map(Request::json).collect();
    bodies.sort_by_key(|body| body["job"].as_str().map(str::to_owned));
    for (body, (job, job_type, resource)) in bodies.iter().zip(&cases) {
        let name = body["resource"]["name"].as_str().or(body["resource"]["id"].as_str());
        assert_eq!((body["type"].as_str(), name), (Some(*job_type), Some(*resource)), "{job}");
    }
}

#[tokio::test]
async fn other_kinds_of_event_are_events_too() {
    let fake = Fake::start();
    let routes = format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\", format: raw }}\nroutes:\n  - name: merges\n    when: {{ event_type: \"*.record.*\", raw: {{ data.change: merge }} }}\n    to: sink\n",
        fake.url("/")
    );
    let relay = Relay::start(&routes).await;
    let mut record = event(&json!({"change": "merge", "recordId": "r1"}));
    record["type"] = json!("com.tamr.record.v1");
    // Odd spacing must come through: the body is forwarded byte for byte.
    let body = format!("{{  \"x\" : 1.50,{}", &record.to_string()[1..]);
    let (status, _) = relay.post_raw("application/cloudevents+json", &[], body.clone().into_bytes()).await;
    assert_eq!(status, 200);
    let requests = fake.wait_for(1).await;
    assert_eq!(requests[0].text(), body);
    assert_eq!(requests[0].header("content-type"), "application/cloudevents+json");
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_its_place_and_kept() {
    let fake = Fake::start();
    let relay = Relay::start(&to_webhook(&fake.url("/"))).await;
    let (status, problem) = relay.post_raw("application/json", &[], b"{\"jobId\": \"1\",\n  oops}".to_vec()).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("line 2")), "{problem}");
    let (status, problem) = relay.post_raw("application/json", &[], b"{\"hello\": \"world\"}".to_vec()).await;
    assert_eq!(status, 422, "{problem}");
    let kept = relay.get("/api/v1/quarantine").await;
    assert!(kept.to_string().contains("oops"), "{kept}");

    // One bad item does not take the others along.
    let batch = json!([update("job-1", "Customers", ""), {"hello": "world"}]);
    let (status, answer) =
        relay.post_raw("application/cloudevents-batch+json", &[], batch.to_string().into_bytes()).await;
    assert_eq!((status, &answer["accepted"], &answer["quarantined"]), (200, &json!(1), &json!(1)), "{answer}");

    let (status, problem) = relay.post_raw("application/json", &[], vec![b' '; 1024 * 1024 + 1]).await;
    assert_eq!(status, 413, "{problem}");
}

#[tokio::test]
async fn a_duplicate_is_answered_200_and_not_sent_again() {
    let fake = Fake::start();
    let mut relay = Relay::start(&to_webhook(&fake.url("/"))).await;
    let first = update("job-1", "Customers", "");
    let id = relay.accept(&first).await;
    let (status, answer) = relay.post(&first).await;
    assert_eq!((status, &answer["duplicates"], &answer["ids"][0]), (200, &json!(1), &json!(id)));
    relay.restart().await;
    let (_, answer) = relay.post(&first).await;
    assert_eq!(answer["duplicates"], 1, "over a restart too");
    // The same ID with other data is another event.
    let mut other = update("job-2", "Customers", "");
    other["id"] = first["id"].clone();
    relay.accept(&other).await;
    let jobs: Vec<Value> = fake.wait_for(2).await.iter().map(|request| request.json()["job"].clone()).collect();
    assert_eq!(jobs, ["job-1", "job-2"]);
}

#[tokio::test]
async fn the_door_is_closed_by_default_and_says_how_to_open_it() {
    let fake = Fake::start();
    let routes = to_webhook(&fake.url("/"));
    let (code, said) = Relay::prepare(&routes).flag("--listen", "0.0.0.0:0").fails().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--ingest-auth") && said.contains("--admin-token"), "{said}");

    let mut relay = Relay::prepare(&routes)
        .flag("--ingest-auth", "header:X-API-KEY:old-key")
        .flag("--ingest-auth", "header:X-API-KEY:new-key")
        .flag("--ingest-auth", "basic:tamr:pa:ss")
        .flag("--admin-token", "let-me-in");
    relay.run().await;
    let body = || update("job-1", "Customers", "").to_string().into_bytes();
    let json = "application/cloudevents+json";
    for (headers, expected) in [
        (vec![("x-api-key", "old-key")], 200),
        (vec![("x-api-key", "new-key")], 200),
        // tamr:pa:ss
        (vec![("authorization", "Basic dGFtcjpwYTpzcw==")], 200),
        (vec![("x-api-key", "wrong")], 401),
        (vec![("authorization", "Bearer let-me-in")], 401),
        (vec![], 401),
    ] {
        assert_eq!(relay.post_raw(json, &headers, body()).await.0, expected, "{headers:?}");
    }
    assert!(relay.log_text().contains("X-API-KEY"), "the refusal says what was expected");
    assert!(!relay.log_text().contains("new-key"), "and keeps the secret");

    let api = |token: Option<&str>| {
        let mut request = relay.http.get(relay.url("/api/v1/events"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!((api(None).await, api(Some("new-key")).await, api(Some("let-me-in")).await), (401, 401, 200));
}

#[tokio::test]
async fn without_credentials_only_local_programs_are_answered() {
    let fake = Fake::start();
    let relay = Relay::start(&to_webhook(&fake.url("/"))).await;
    let body = || update("job-1", "Customers", "").to_string().into_bytes();
    for (header, value) in [("host", "evil.example"), ("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1")] {
        let (status, problem) = relay.post_raw("application/json", &[(header, value)], body()).await;
        assert_eq!(status, 403, "{header}: {problem}");
    }
    assert_eq!(relay.post_raw("application/json", &[], body()).await.0, 200);
}
